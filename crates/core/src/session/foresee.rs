//! What a session would do, before it is done: the machine itself decides, before an engine that
//! does all that it is asked for at once, and of which nobody hears.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use devrun_stack::Pull;

use super::Session;
use super::doubled::is_beside;
use super::machine::Wanted;
use crate::effect::Effect;
use crate::event::{Event, Op, Outcome, Synced, Transport};
use crate::notice::NoticeEvent;
use crate::spec::Image;

/// What cannot end by itself would go on for ever.
const STEPS: usize = 20_000;
/// Why an image is built, where it is not known what of its files differs.
pub const STALE: &str = "no image of its present files";
/// Later than any process that runs was begun.
const LATER: i128 = i128::MAX / 2;

/// A step that would be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreseen {
    /// For which service.
    pub service: String,
    /// `pull`, `build`, `create`, `recreate`, `roll`, `update`, `start`, `restart`,
    /// `stop`, `remove`, `compare`, `sync`, `exec`, `signal`, `reload`; `keep`, `off`, `leave` where there is none.
    pub action: &'static str,
    /// Why.
    pub reason: String,
}

/// What would be done, and what would be said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foresight {
    /// In their order.
    pub steps: Vec<Foreseen>,
    /// Warnings.
    pub warnings: Vec<String>,
    /// It would end at once.
    pub fails: bool,
}

struct Seer<'a> {
    session: Session,
    /// The images that are on the engine already, by service.
    images: &'a BTreeMap<String, Image>,
    found: Foresight,
    /// Why the next thing is done, by service.
    reasons: BTreeMap<String, String>,
    /// Its container, or the process in it, is another one than now.
    anew: BTreeSet<String>,
    open: Vec<Effect>,
    count: i128,
    /// It has been going on, and knows what differs.
    goes_on: bool,
}

impl Session {
    /// What would be done if that happened now. `images` are those that would be found, by
    /// service; what is not among them would be made.
    #[must_use]
    pub fn foresee(&self, events: Vec<Event>, images: &BTreeMap<String, Image>) -> Foresight {
        let mut seer = Seer {
            session: self.clone(),
            images,
            found: Foresight::default(),
            reasons: BTreeMap::new(),
            anew: BTreeSet::new(),
            open: Vec::new(),
            count: 0,
            goes_on: self.stack.is_some(),
        };
        // How that will end is not known.
        seer.session.cancel_all();
        seer.session.out.clear();
        for event in events {
            seer.feed(event);
        }
        for _ in 0..STEPS {
            if !seer.next() {
                break;
            }
        }
        seer.rest();
        seer.found
    }
}

impl Seer<'_> {
    fn feed(&mut self, event: Event) {
        let now = self.session.now;
        for effect in self.session.handle(event, now) {
            self.meet(effect);
        }
    }

    /// The next thing ends, or its time has come; false where there is none.
    fn next(&mut self) -> bool {
        if !self.open.is_empty() {
            let effect = self.open.remove(0);
            if let Some((op, outcome)) = self.end(effect) {
                self.feed(Event::Done { op, outcome });
            }
            return true;
        }
        let Some(due) = self.session.next_deadline() else {
            return false;
        };
        self.session.now = self.session.now.max(due) + Duration::from_millis(1);
        self.feed(Event::Deadline);
        true
    }

    fn meet(&mut self, effect: Effect) {
        match effect {
            Effect::Notice(notice) => match (notice.service, notice.event) {
                (Some(service), NoticeEvent::UpdatePlanned { reason, .. }) => {
                    self.reasons.insert(service, reason);
                }
                (None, NoticeEvent::Warning { message }) => self.found.warnings.push(message),
                _ => {}
            },
            Effect::Exit(exit) => self.found.fails = exit != crate::effect::Exit::Done,
            Effect::Cancel { op } => self.open.retain(|open| open.op() != Some(&op)),
            other => {
                self.note(&other);
                self.open.push(other);
            }
        }
    }

    fn step(&mut self, op: &Op, action: &'static str, reason: String) {
        self.found.steps.push(Foreseen {
            service: op.service.clone(),
            action,
            reason,
        });
    }

    fn reason(&mut self, op: &Op) -> String {
        self.reasons.remove(&op.service).unwrap_or_default()
    }

    /// Writes down what is begun.
    fn note(&mut self, effect: &Effect) {
        match effect {
            Effect::Pull { op, policy, .. } => {
                if !self.images.contains_key(&op.service) {
                    self.step(op, "pull", "its image is not on this machine".to_owned());
                } else if *policy == Pull::Always {
                    self.step(op, "pull", "`pull always`".to_owned());
                }
            }
            Effect::Build { op, whole, .. } if !self.images.contains_key(&op.service) => {
                let reason = self.reason(op);
                let reason = match reason.as_str() {
                    _ if *whole => "no image of all that it reads".to_owned(),
                    "" => STALE.to_owned(),
                    _ => reason,
                };
                self.step(op, "build", reason);
            }
            Effect::Create { op, replaces, .. } => {
                let reason = self.reason(op);
                match replaces {
                    None if is_beside(&self.session.machine_of(op)) => {
                        self.step(op, "roll", reason);
                    }
                    Some(_) => self.step(op, "recreate", reason),
                    None => self.step(op, "create", "it has no container".to_owned()),
                }
                self.anew.insert(op.service.clone());
            }
            Effect::Start { op, .. } => {
                let reason = self.why_it_starts(op);
                self.step(op, "start", reason);
                self.anew.insert(op.service.clone());
            }
            Effect::Update { op, .. } => {
                let reason = self.reason(op);
                self.step(op, "update", reason);
            }
            Effect::Restart { op, .. } => {
                let reason = self.reason(op);
                let update = self.session.machines.get(&op.service);
                let update = update.and_then(|machine| machine.update.as_ref());
                let follows = update.map(|update| update.paths.clone());
                let reason = match reason.as_str() {
                    "" => follows.unwrap_or_default(),
                    _ => reason,
                };
                self.step(op, "restart", reason);
                self.anew.insert(op.service.clone());
            }
            Effect::Attach { op, .. } if self.goes_on && !self.anew.contains(&op.service) => {
                self.step(
                    op,
                    "compare",
                    "what it syncs is declared otherwise".to_owned(),
                );
            }
            Effect::ProxyApply { op, .. } if !self.anew.contains(&op.service) => {
                match self.goes_on {
                    true => self.step(
                        op,
                        "reload",
                        "its routes or its configuration differ".to_owned(),
                    ),
                    false => self.step(
                        op,
                        "keep",
                        "its configuration is tested and applied".to_owned(),
                    ),
                }
            }
            Effect::Sync { op, .. } | Effect::SyncLarge { op, .. } => {
                let reason = self.reason(op);
                self.step(op, "sync", reason);
            }
            Effect::Exec { op, .. } if !self.anew.contains(&op.service) => {
                self.step(op, "exec", String::new());
            }
            Effect::Signal { op, .. } => self.step(op, "signal", String::new()),
            Effect::Stop { op, .. } => self.step(op, "stop", String::new()),
            // That the one before goes is part of it.
            Effect::Remove { op, .. } if is_beside(&self.session.machine_of(op)) => {}
            Effect::Remove { op, .. } => {
                let reason = self.reason(op);
                self.step(op, "remove", reason);
            }
            _ => {}
        }
    }

    fn why_it_starts(&self, op: &Op) -> String {
        let seen = self.session.machines.get(&op.service);
        let seen = seen.and_then(|machine| machine.container.as_ref());
        match seen.and_then(|seen| seen.exit_code) {
            Some(code) => format!("exited with {code}"),
            None => "it does not run".to_owned(),
        }
    }

    /// How it ends where nothing goes wrong; `None` where it has no end.
    fn end(&mut self, effect: Effect) -> Option<(Op, Outcome)> {
        let op = effect.op()?.clone();
        match effect {
            Effect::Pull { .. } | Effect::Build { .. } => Some(self.image(op)),
            Effect::Create { .. } => {
                let container = format!("foreseen {}", op.service);
                Some(self.started(op, container))
            }
            Effect::Start { container, .. } | Effect::Restart { container, .. } => {
                Some(self.started(op, container))
            }
            effect => Some((op, plain_end(&effect)?)),
        }
    }

    fn image(&mut self, op: Op) -> (Op, Outcome) {
        let found = self.images.get(&op.service).cloned();
        let made = found.is_none();
        let image = found.unwrap_or_else(|| Image {
            id: format!("foreseen {}", op.service),
            ..Image::default()
        });
        (op, Outcome::Image { image, made })
    }

    fn started(&mut self, op: Op, container: String) -> (Op, Outcome) {
        self.count += 1;
        let outcome = Outcome::Started {
            container,
            started_ns: LATER + self.count,
            warnings: Vec::new(),
            brought: Vec::new(),
        };
        // A task is over at once.
        let machine = self.session.machines.get(&op.service);
        if machine.is_some_and(|machine| machine.task) {
            self.tasks_end(&op, &outcome);
        }
        (op, outcome)
    }

    /// What for the session is an exit that was heard of before the start is known.
    fn tasks_end(&mut self, op: &Op, outcome: &Outcome) {
        if let (Some(machine), Outcome::Started { started_ns, .. }) =
            (self.session.machines.get_mut(&op.service), outcome)
        {
            machine.exited = Some((started_ns + 1, 0));
        }
    }

    /// Those for which nothing would be done.
    fn rest(&mut self) {
        let done: BTreeSet<String> = self
            .found
            .steps
            .iter()
            .map(|step| step.service.clone())
            .collect();
        let mut rest = Vec::new();
        let machines = self.session.machines.iter();
        for (name, machine) in machines.filter(|(name, _)| !is_beside(name)) {
            let declared = self.session.order.contains(name);
            if done.contains(name) || (!declared && machine.container.is_none()) {
                continue;
            }
            let profile = || {
                let service = self.session.service(name)?;
                let profile = service.profiles.first()?;
                Some(format!("--profile {profile}"))
            };
            let (action, reason) = match machine.wanted {
                _ if !declared => ("leave", "no longer in the Stackfile".to_owned()),
                Wanted::Off => (
                    "off",
                    profile().unwrap_or_else(|| "not asked for".to_owned()),
                ),
                Wanted::Stopped => ("off", "stopped by hand".to_owned()),
                Wanted::Run if machine.completed => ("keep", "its task is done".to_owned()),
                Wanted::Run if machine.engine_restarts => {
                    ("keep", "the engine starts it again".to_owned())
                }
                Wanted::Run => ("keep", String::new()),
            };
            rest.push(Foreseen {
                service: name.clone(),
                action,
                reason,
            });
        }
        self.found.steps.extend(rest);
    }
}

/// How what makes no image and begins no process ends where nothing goes wrong, and nothing is to be
/// said of it.
pub(super) fn plain_end(effect: &Effect) -> Option<Outcome> {
    Some(match effect {
        Effect::Prepare { .. } => Outcome::Prepared {
            existing: Vec::new(),
        },
        Effect::Look { .. } => Outcome::Looked { same: false },
        Effect::Attach { .. } => attached(),
        Effect::Update { .. } => Outcome::Updated,
        Effect::Probe { .. } => Outcome::Ready,
        Effect::Sync { .. } | Effect::SyncLarge { .. } | Effect::Push { .. } => {
            Outcome::Synced(Synced::default())
        }
        Effect::Exec { .. } => Outcome::Executed,
        Effect::Signal { .. } => Outcome::Signalled,
        Effect::ProxyApply { generation, .. } | Effect::ProxyRead { generation, .. } => {
            Outcome::ProxyApplied {
                generation: *generation,
            }
        }
        Effect::Explain { .. } => Outcome::Explained { lines: Vec::new() },
        Effect::Stop { .. } => Outcome::Stopped { deaf: false },
        Effect::Remove { .. } => Outcome::Removed,
        Effect::Rename { .. } => Outcome::Renamed,
        Effect::Pull { .. }
        | Effect::Build { .. }
        | Effect::Create { .. }
        | Effect::Start { .. }
        | Effect::Restart { .. }
        | Effect::HooksOver { .. }
        | Effect::FollowsOver { .. }
        | Effect::TidyImages { .. }
        | Effect::ProxyStates { .. }
        | Effect::Cancel { .. }
        | Effect::Watch { .. }
        | Effect::Notice(_)
        | Effect::Exit(_) => return None,
    })
}

fn attached() -> Outcome {
    Outcome::Attached {
        transport: Transport::Agent,
        compared: None,
        changed: Vec::new(),
        owed: Vec::new(),
        mirrored: Vec::new(),
        problems: Vec::new(),
        owes_hooks: false,
    }
}
