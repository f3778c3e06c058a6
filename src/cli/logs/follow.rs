//! Logs as they come, across restarts and replacements of their containers.
//!
//! Each container has a task that reads its log to the end, and again when it was started again:
//! from the last line on, so that there is neither gap nor doubling. What is read waits in bounds
//! for whoever prints, so that nobody waits for a service that floods.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Instant;

use devrun_core::observed::{Happened, Observed};
use devrun_core::spec::{Container, ContainerState};
use futures_util::stream::SelectAll;
use futures_util::{FutureExt, Stream, StreamExt};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::waiting::Waiting;
use crate::engine::{Engine, LogLine, LogOptions};

/// So many lines of one container may be on their way from its log.
const ON_THE_WAY: usize = 256;
/// So many lines are taken in at once, before anything else is looked at.
const AT_ONCE: usize = 512;
/// So many lines are handed over to be printed together.
const HANDFUL: usize = 32;

/// What is to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// A line of a service.
    Line(LogLine),
    /// Here the log of another start, or of another container, begins.
    Again(&'static str, OffsetDateTime),
    /// So many lines up to then are not told, as there was no end of them.
    Dropped(u64, OffsetDateTime),
}

impl Told {
    pub(super) fn time(&self) -> OffsetDateTime {
        match self {
            Told::Line(line) => line.time,
            Told::Again(_, time) | Told::Dropped(_, time) => *time,
        }
    }

    /// The bytes of its text.
    pub(super) fn size(&self) -> usize {
        match self {
            Told::Line(line) => line.text.len(),
            Told::Again(..) | Told::Dropped(..) => 0,
        }
    }
}

/// Some of what is to be printed, each with its service.
pub(super) type Handful = Vec<(String, Told)>;

type Stream1 = Pin<Box<dyn Stream<Item = (String, Told)> + Send>>;

/// Up to when the lines of each service were told already.
#[derive(Debug)]
pub(super) struct From {
    pub(super) services: BTreeMap<String, OffsetDateTime>,
    /// Of all others.
    pub(super) others: OffsetDateTime,
}

/// The logs of a stack's services from some moment on.
pub(super) struct Follower {
    engine: Engine,
    /// Only these; all if empty.
    services: Vec<String>,
    /// Lines up to then were told already; of what was there at the beginning.
    from: From,
    /// The container of each service that is read, and the way to tell it of another start.
    reading: BTreeMap<String, Reading>,
    lines: SelectAll<Stream1>,
    waiting: Waiting,
    /// Only lines with this text.
    grep: Option<String>,
    events: mpsc::Receiver<Observed>,
}

struct Reading {
    container: String,
    starts: mpsc::UnboundedSender<i128>,
}

impl Follower {
    /// Begins with what comes after `from`.
    pub(super) fn new(engine: &Engine, stack: &str, services: Vec<String>, from: From) -> Follower {
        Follower {
            engine: engine.clone(),
            services,
            from,
            reading: BTreeMap::new(),
            lines: SelectAll::new(),
            waiting: Waiting::default(),
            grep: None,
            events: engine.events(stack),
        }
    }

    /// Only lines that hold this text.
    pub(super) fn only(self, grep: Option<String>) -> Follower {
        Follower { grep, ..self }
    }

    /// Hands over what is to be printed, until nothing can come any more or nobody prints.
    pub(super) async fn run(mut self, printing: mpsc::Sender<Handful>) {
        loop {
            let due = self.waiting.due();
            tokio::select! {
                observed = self.events.recv() => match observed {
                    Some(observed) => self.observe(observed),
                    None => return,
                },
                Some(told) = self.lines.next() => self.gather(told),
                permit = handed_over(&printing, due) => match permit {
                    Some(permit) => permit.send(self.handful()),
                    None => return,
                },
                () = printing.closed() => return,
            }
        }
    }

    fn gather(&mut self, first: (String, Told)) {
        let now = Instant::now();
        let (service, told) = first;
        self.waiting.add(service, told, now);
        for _ in 1..AT_ONCE {
            let Some(Some((service, told))) = self.lines.next().now_or_never() else {
                return;
            };
            self.waiting.add(service, told, now);
        }
    }

    fn handful(&mut self) -> Handful {
        let now = Instant::now();
        std::iter::from_fn(|| self.waiting.next(now))
            .take(HANDFUL)
            .collect()
    }

    fn observe(&mut self, observed: Observed) {
        match observed {
            Observed::Connected { containers, .. } => {
                for container in containers.iter().filter(|one| !one.is_aside()) {
                    self.found(container);
                }
            }
            Observed::Container {
                id,
                service,
                what: Happened::Started,
                time_ns,
            } => self.started(&id, &service, time_ns),
            Observed::Container { .. } | Observed::Disconnected { .. } => {}
        }
    }

    fn is_asked_for(&self, service: &str) -> bool {
        // Without a service it is the container of one command, which prints for itself.
        !service.is_empty()
            && (self.services.is_empty() || self.services.iter().any(|name| name == service))
    }

    /// There is this container: at the beginning, or after the engine was away.
    fn found(&mut self, container: &Container) {
        let service = container.service();
        if !self.is_asked_for(service) {
            return;
        }
        let start = container.started_ns;
        match self.reading.get(service) {
            Some(reading) if reading.container == container.id => {
                if container.state == ContainerState::Running {
                    let _ = reading.starts.send(start);
                }
            }
            Some(_) => self.read(service, &container.id, start, Some("replaced")),
            None => {
                let told = self.from.services.get(service).copied();
                let told = told.unwrap_or(self.from.others);
                self.read_from(told, service, &container.id, start, None);
            }
        }
    }

    fn started(&mut self, id: &str, service: &str, time_ns: i128) {
        if !self.is_asked_for(service) {
            return;
        }
        match self.reading.get(service) {
            Some(reading) if reading.container == id => {
                let _ = reading.starts.send(time_ns);
            }
            // The end of the old one's log is still read; then its task ends, as nobody can tell
            // it of another start.
            Some(_) => self.read(service, id, time_ns, Some("replaced")),
            None => self.read(service, id, time_ns, None),
        }
    }

    /// Reads a container that was not there at the beginning: all of its log.
    fn read(&mut self, service: &str, id: &str, start: i128, how: Option<&'static str>) {
        self.read_from(OffsetDateTime::UNIX_EPOCH, service, id, start, how);
    }

    fn read_from(
        &mut self,
        told: OffsetDateTime,
        service: &str,
        container: &str,
        start: i128,
        how: Option<&'static str>,
    ) {
        let (sender, lines) = mpsc::channel(ON_THE_WAY);
        let (starts, other_starts) = mpsc::unbounded_channel();
        let task = Reader {
            engine: self.engine.clone(),
            container: container.to_owned(),
            told,
            start,
            starts: other_starts,
            lines: sender,
            grep: self.grep.clone(),
        };
        tokio::spawn(task.run(how));
        let name = service.to_owned();
        let lines = ReceiverStream::new(lines).map(move |told| (name.clone(), told));
        self.lines.push(Box::pin(lines));
        self.reading.insert(
            service.to_owned(),
            Reading {
                container: container.to_owned(),
                starts,
            },
        );
    }
}

/// Reads the log of one container.
struct Reader {
    engine: Engine,
    container: String,
    /// The time of the last line that was told.
    told: OffsetDateTime,
    /// When the process began whose lines are read.
    start: i128,
    starts: mpsc::UnboundedReceiver<i128>,
    lines: mpsc::Sender<Told>,
    grep: Option<String>,
}

impl Reader {
    /// `how` it began, where that is worth a line.
    async fn run(mut self, how: Option<&'static str>) {
        if let Some(how) = how {
            let marker = Told::Again(how, at_time(self.start));
            if self.lines.send(marker).await.is_err() {
                return;
            }
        }
        loop {
            if self.read_on().await.is_err() {
                return;
            }
            let Some(start) = self.starts.recv().await else {
                return;
            };
            // The picture of the engine and its events may tell the same start twice.
            if start > self.start {
                self.start = start;
                let marker = Told::Again("restarted", at_time(start));
                if self.lines.send(marker).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Until the process ends; an error where nobody listens any more.
    async fn read_on(&mut self) -> Result<(), ()> {
        let options = LogOptions {
            follow: true,
            tail: None,
            since: Some(self.told),
        };
        let mut log = self.engine.logs(&self.container, options);
        while let Some(Ok(line)) = log.next().await {
            if line.time > self.told {
                self.told = line.time;
                if self
                    .grep
                    .as_ref()
                    .is_some_and(|text| !line.text.contains(text))
                {
                    continue;
                }
                self.lines.send(Told::Line(line)).await.map_err(|_| ())?;
            }
        }
        Ok(())
    }
}

/// Room to print, once something is due; `None` where nobody prints any more.
async fn handed_over(
    printing: &mpsc::Sender<Handful>,
    due: Option<Instant>,
) -> Option<mpsc::Permit<'_, Handful>> {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
    printing.reserve().await.ok()
}

fn at_time(nanoseconds: i128) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
