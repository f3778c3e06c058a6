//! The loop of the watching thread: what is seen goes into the batch, the batch to the receiver
//! as soon as that has room.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use devrun_core::event::WatchEvent;
use devrun_core::plan::Rules;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::backend::{Backend, Raw, WatchError, What};
use super::batch::Batch;
use super::locks::Locks;
use super::mounts::Mounts;
use super::pace::Pace;
use super::places::Places;
use super::tree::{Choice, Tree};

/// As many events are taken in before the receiver gets its turn.
const AT_ONCE: usize = 10_000;

/// What the loop is told from outside.
#[derive(Debug)]
pub(super) enum Command {
    /// Watch by these rules.
    Replace {
        rules: Arc<Rules>,
        files: Vec<PathBuf>,
    },
    /// Act as if the kernel had dropped events.
    #[cfg(test)]
    Overflow,
}

/// The state of the loop.
#[derive(Debug)]
pub(super) struct Run {
    tree: Tree,
    locks: Locks,
    batch: Batch,
    /// Told before the batch.
    first: VecDeque<WatchEvent>,
    raws: mpsc::UnboundedReceiver<(u64, Raw)>,
    /// For the instance that follows after an overflow.
    raws_in: mpsc::UnboundedSender<(u64, Raw)>,
    /// Which instance of the kernel's queue is listened to.
    epoch: u64,
    /// When the first of what is in the batch was noticed.
    since: Option<Instant>,
    pace: Pace,
}

impl Run {
    /// Arms all watches.
    pub(super) fn new(rules: Arc<Rules>, files: Vec<PathBuf>, choice: Choice) -> Self {
        let (raws_in, raws) = mpsc::unbounded_channel();
        let mut first = VecDeque::new();
        let backend = open(&raws_in, 0, choice, &mut first);
        let mut run = Self {
            tree: Tree::new(Places::new(rules, files), choice, backend),
            locks: Locks::default(),
            batch: Batch::default(),
            first,
            raws,
            raws_in,
            epoch: 0,
            since: None,
            pace: Pace::default(),
        };
        run.tree.arm_all();
        run.find_locks();
        run.ready();
        run
    }

    /// Runs until the other end of `commands`, or of `events`, is dropped.
    pub(super) async fn until_dropped(
        mut self,
        mut commands: mpsc::UnboundedReceiver<Command>,
        events: mpsc::Sender<WatchEvent>,
    ) {
        let mut mounts = Mounts::open();
        loop {
            let now = Instant::now();
            self.poll(now);
            if self.pace.due().is_some_and(|due| due <= now) {
                self.take_in_what_waits();
            }
            self.batch.settle(now);
            if self.batch.is_too_large() {
                self.batch.forget_all();
                self.tell_overflow();
            }
            let has_batch = !(self.batch.is_empty() || self.locks.are_held(now));
            let pause = self.pace.due().filter(|due| has_batch && *due > now);
            let has_something = !self.first.is_empty() || (has_batch && pause.is_none());
            let wake = self
                .batch
                .next_due()
                .into_iter()
                .chain(self.locks.next_due(now))
                .chain(self.tree.poll_due())
                .chain(pause)
                .min();
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return,
                },
                permit = events.reserve(), if has_something => match permit {
                    Ok(permit) => permit.send(match self.first.pop_front() {
                        Some(event) => event,
                        None => self.changed(),
                    }),
                    Err(_) => return,
                },
                // In a pause nobody is woken for each event.
                Some((epoch, raw)) = self.raws.recv(), if pause.is_none() => {
                    self.take_in(epoch, raw);
                }
                changed = mounts.changed() => self.remounted(&changed),
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
            }
        }
    }

    fn changed(&mut self) -> WatchEvent {
        let paths = self.batch.take();
        self.pace.told(Instant::now());
        let age = self.since.take().map(|since| since.elapsed());
        let age = age.unwrap_or_default();
        let us = age.as_micros();
        tracing::debug!(count = paths.len(), bytes = 0, us, "save.seen");
        let same = Vec::new();
        WatchEvent::Changed { paths, same, age }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Replace { rules, files } => {
                self.tree.replace(Places::new(rules, files));
                self.find_locks();
                self.ready();
            }
            #[cfg(test)]
            Command::Overflow => self.start_over(),
        }
    }

    fn take_in_what_waits(&mut self) {
        if let Ok((epoch, raw)) = self.raws.try_recv() {
            self.take_in(epoch, raw);
        }
    }

    fn take_in(&mut self, epoch: u64, raw: Raw) {
        let mut next = Some((epoch, raw));
        let mut left = AT_ONCE;
        while let Some((epoch, raw)) = next {
            if epoch == self.epoch {
                self.note(raw);
            }
            left -= 1;
            next = if left > 0 {
                self.raws.try_recv().ok()
            } else {
                None
            };
        }
        self.complete();
    }

    /// What was missing may be there by now.
    fn complete(&mut self) {
        self.locks
            .folders()
            .for_each(|folder| self.tree.guard(folder));
        self.tree.restore(&mut self.batch);
        self.first.extend(self.tree.take_lost());
        // Before what came in its place: who decides about that need not think of this.
        let paths = self.batch.take_passed();
        if !paths.is_empty() {
            self.first.push_back(WatchEvent::Passed { paths });
        }
    }

    /// A piece of what is polled.
    fn poll(&mut self, now: Instant) {
        if self.tree.poll_due().is_none_or(|due| due > now) {
            return;
        }
        let (something, is_over) = self.tree.poll(now, &mut self.batch);
        if is_over && self.tree.wants_backend() {
            // Still refused is nothing new.
            if let Ok(backend) = Backend::open(self.raws_in.clone(), self.epoch) {
                self.tree.adopt(backend, now, &mut self.batch);
            }
        }
        if something || is_over {
            self.complete();
        }
    }

    fn remounted(&mut self, changed: &[PathBuf]) {
        let now = Instant::now();
        for at in changed {
            self.tree.remounted(at, now, &mut self.batch);
        }
        self.complete();
    }

    fn note(&mut self, raw: Raw) {
        match raw {
            Raw::Overflow => self.start_over(),
            Raw::Seen { path, what } => {
                let now = Instant::now();
                self.since.get_or_insert(now);
                self.locks.stir(now);
                if self.locks.owns(&path) {
                    if self.locks.note(&path, what == What::Gone, now) {
                        self.batch.settle_all();
                    }
                    return;
                }
                self.tree.see(&path, what, now, &mut self.batch);
            }
        }
    }

    /// Events were lost: nothing that is believed of the trees can be trusted any more.
    fn start_over(&mut self) {
        self.epoch += 1;
        let choice = self.tree.choice();
        let backend = open(&self.raws_in, self.epoch, choice, &mut self.first);
        self.tree = Tree::new(self.tree.places().again(), choice, backend);
        self.tree.arm_all();
        self.find_locks();
        self.first.extend(self.tree.take_lost());
        self.batch.forget_ready();
        self.tell_overflow();
    }

    fn tell_overflow(&mut self) {
        let overflow = WatchEvent::Overflow {
            changed: Vec::new(),
        };
        if !self.first.contains(&overflow) {
            self.first.push_back(overflow);
        }
    }

    fn find_locks(&mut self) {
        let places = self.tree.places().all().iter();
        let places = places.map(|place| place.real.as_path());
        self.locks = Locks::find(places.chain(self.tree.checkouts()));
        for folder in self.locks.folders() {
            self.tree.guard(folder);
        }
        self.locks.look(Instant::now());
    }

    fn ready(&mut self) {
        self.first.extend(self.tree.take_lost());
        self.first.push_back(WatchEvent::Ready {
            files: self.tree.count(),
        });
    }
}

fn open(
    raws: &mpsc::UnboundedSender<(u64, Raw)>,
    epoch: u64,
    choice: Choice,
    first: &mut VecDeque<WatchEvent>,
) -> Option<Backend> {
    if choice == Choice::Poll {
        return None;
    }
    match Backend::open(raws.clone(), epoch) {
        Ok(backend) => Some(backend),
        Err(WatchError::Missing) => None,
        Err(WatchError::Limit(message) | WatchError::Other(message)) => {
            first.push_back(WatchEvent::Lost {
                root: PathBuf::new(),
                message,
            });
            None
        }
    }
}
