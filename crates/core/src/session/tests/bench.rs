//! A session on a bench: what it begins is kept until the test says how it ends, and the
//! invariants are looked at after each event.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::brief::{begins, brief};
use super::stacks::{APP, loaded};
use crate::effect::Effect;
use crate::event::{Event, Failure, Op, Outcome, Request, Synced, Transport, WatchEvent};
use crate::invariants::Invariants;
use crate::live::{Capacity, Live};
use crate::notice::{Notice, NoticeEvent};
use crate::observed::{Happened, Observed};
use crate::session::foresee::plain_end;
use crate::session::{Options, ServiceView, Session};
use crate::spec::{Container, ContainerState, Image};

/// The checkout that all containers of the bench belong to.
pub(crate) const ROOT: &str = "checkout";

pub(super) struct Bench {
    pub(super) session: Session,
    pub(super) now: Duration,
    /// What is under way, in the order in which it began.
    open: Vec<Effect>,
    /// All that people were told.
    pub(super) told: Vec<Notice>,
    /// The engine's containers, also those that do not run.
    pub(super) containers: Vec<Container>,
    pub(super) capacity: Capacity,
    made: BTreeMap<String, usize>,
    invariants: Invariants,
}

impl Bench {
    /// A session that has read this Stackfile and is connected to an engine with nothing on it.
    pub(super) fn new(text: &str) -> Bench {
        let mut bench = Bench::with(Options::default());
        bench.load(text);
        bench.connect();
        bench
    }

    /// A session that has read nothing yet.
    pub(super) fn with(options: Options) -> Bench {
        let options = Options {
            root: ROOT.into(),
            ..options
        };
        Bench {
            session: Session::new(options),
            now: Duration::ZERO,
            open: Vec::new(),
            told: Vec::new(),
            containers: Vec::new(),
            capacity: Capacity::default(),
            made: BTreeMap::new(),
            invariants: Invariants::default(),
        }
    }

    /// Another session, which finds what this one has left, if it were killed now.
    pub(super) fn next_session(&self) -> Bench {
        Bench {
            containers: self.containers.clone(),
            made: self.made.clone(),
            ..Bench::with(Options::default())
        }
    }

    /// All of [`APP`] is ready.
    pub(super) fn ready() -> Bench {
        let mut bench = Bench::new(APP);
        bench.finish();
        assert!(bench.session.view().settled, "{:#?}", bench.session.view());
        bench
    }

    /// Something happens; the answer is what the session does about it.
    pub(super) fn feed(&mut self, event: Event) -> Vec<String> {
        if let Event::Done { op, .. } = &event {
            self.open.retain(|open| begins(open) != Some(op));
        }
        let effects = self.session.handle(event.clone(), self.now);
        self.invariants
            .check(&event, &effects, &self.session, self.now)
            .unwrap_or_else(|broken| panic!("{broken}"));
        let mut lines = Vec::new();
        for effect in effects {
            match &effect {
                Effect::Notice(notice) => self.told.push(notice.clone()),
                Effect::Cancel { op } => {
                    lines.push(format!("cancel {}", self.cancelled(op)));
                    continue;
                }
                _ => {}
            }
            lines.extend(brief(&effect));
            if begins(&effect).is_some() {
                self.open.push(effect);
            }
        }
        lines
    }

    fn cancelled(&mut self, op: &Op) -> String {
        let place = self.open.iter().position(|open| begins(open) == Some(op));
        let place = place.unwrap_or_else(|| panic!("{op:?} is not under way"));
        brief(&self.open.remove(place)).unwrap_or_default()
    }

    pub(super) fn load(&mut self, text: &str) -> Vec<String> {
        self.feed(loaded(text))
    }

    /// What the bench before has left on the engine is there, and time goes on.
    pub(super) fn takes_over(&mut self, before: &Bench) {
        self.containers.clone_from(&before.containers);
        self.now = before.now;
    }

    /// A connection stands, and the engine tells of all containers of the bench.
    pub(super) fn connect(&mut self) -> Vec<String> {
        let containers = self.containers.clone();
        self.feed(Event::Engine(Observed::Connected {
            containers,
            capacity: self.capacity,
        }))
    }

    pub(super) fn disconnect(&mut self) -> Vec<String> {
        let message = "connection refused".to_owned();
        self.feed(Event::Engine(Observed::Disconnected { message }))
    }

    pub(super) fn save(&mut self, paths: &[&str]) -> Vec<String> {
        self.changes(paths, &[])
    }

    /// What is not brought over is known to be the same.
    pub(super) fn touch(&mut self, paths: &[&str]) -> Vec<String> {
        self.changes(paths, paths)
    }

    fn changes(&mut self, paths: &[&str], same: &[&str]) -> Vec<String> {
        self.feed(Event::Watch(WatchEvent::Changed {
            paths: on_host(paths),
            same: on_host(same),
            age: Duration::ZERO,
        }))
    }

    /// They came and went before anybody was told.
    pub(super) fn passes(&mut self, paths: &[&str]) -> Vec<String> {
        let paths = on_host(paths);
        self.feed(Event::Watch(WatchEvent::Passed { paths }))
    }

    pub(super) fn loses_events(&mut self) -> Vec<String> {
        self.loses_events_of(&[])
    }

    /// These are not brought over, and were found to differ.
    pub(super) fn loses_events_of(&mut self, paths: &[&str]) -> Vec<String> {
        let changed = on_host(paths);
        self.feed(Event::Watch(WatchEvent::Overflow { changed }))
    }

    pub(super) fn up(&mut self, services: &[&str]) -> Vec<String> {
        self.feed(Event::Request(Request::Up {
            services: owned(services),
            profiles: Vec::new(),
            build: false,
            recreate: false,
        }))
    }

    pub(super) fn build(&mut self, services: &[&str]) -> Vec<String> {
        self.feed(Event::Request(Request::Up {
            services: owned(services),
            profiles: Vec::new(),
            build: true,
            recreate: false,
        }))
    }

    /// New containers take the place of equal ones from now on.
    pub(super) fn expect_recreation(&mut self) {
        self.invariants.recreate = true;
    }

    pub(super) fn stop(&mut self, services: &[&str]) -> Vec<String> {
        let services = owned(services);
        self.feed(Event::Request(Request::Stop { services }))
    }

    /// Something happens to a container, a moment later than all before.
    pub(super) fn happens(&mut self, container: &str, what: Happened) -> Vec<String> {
        self.now += Duration::from_millis(1);
        let at = i128::from(self.engine_time());
        self.happens_at(container, what, at)
    }

    pub(super) fn happens_at(&mut self, id: &str, what: Happened, at: i128) -> Vec<String> {
        let service = id.rsplit_once('-').map_or(id, |(service, _)| service);
        if let Some(place) = self.containers.iter().position(|one| one.id == id) {
            match what {
                Happened::Removed => drop(self.containers.remove(place)),
                Happened::Started => {
                    self.containers[place].state = ContainerState::Running;
                    self.containers[place].started_ns = at;
                }
                Happened::Exited { code } => {
                    self.containers[place].state = ContainerState::Exited;
                    self.containers[place].exit_code = Some(code);
                }
                _ => {}
            }
        }
        self.feed(Event::Engine(Observed::Container {
            id: id.to_owned(),
            service: service.to_owned(),
            what,
            time_ns: at,
        }))
    }

    pub(super) fn engine_time(&self) -> i64 {
        1_000_000_000 + i64::try_from(self.now.as_nanos()).unwrap()
    }

    /// The effect under way whose line begins so comes to this end.
    pub(super) fn ends(&mut self, line: &str, outcome: Outcome) -> Vec<String> {
        let op = self.op(line);
        self.feed(Event::Done { op, outcome })
    }

    pub(super) fn fails(&mut self, line: &str, message: &str) -> Vec<String> {
        let failure = Failure {
            message: message.to_owned(),
            ..Failure::default()
        };
        self.ends(line, Outcome::Failed(failure))
    }

    /// The engine does not do it.
    pub(super) fn refused(&mut self, line: &str) -> Vec<String> {
        let failure = Failure {
            message: "no".to_owned(),
            refused: true,
            ..Failure::default()
        };
        self.ends(line, Outcome::Failed(failure))
    }

    /// It ends well.
    pub(super) fn ok(&mut self, line: &str) -> Vec<String> {
        let effect = self.under_way(line).clone();
        let outcome = self.good_end(&effect);
        self.ends(line, outcome)
    }

    /// Everything ends well until nothing is under way and nothing is waited for.
    pub(super) fn finish(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            while let Some(first) = self.open.first() {
                let line = brief(first).unwrap();
                self.now += Duration::from_millis(1);
                lines.extend(self.ok(&line));
            }
            let Some(due) = self.session.next_deadline() else {
                return lines;
            };
            self.now = self.now.max(due);
            lines.extend(self.feed(Event::Deadline));
        }
    }

    /// Everything ends well until this is under way.
    pub(super) fn finish_until(&mut self, line: &str) {
        for _ in 0..100 {
            if self.open().iter().any(|open| open.starts_with(line)) {
                return;
            }
            match self.open.first().and_then(brief) {
                Some(first) => drop(self.ok(&first)),
                None => drop(self.wake()),
            }
        }
        panic!("{line} never begins");
    }

    /// The operation under way whose line begins so.
    pub(super) fn op(&self, line: &str) -> Op {
        begins(self.under_way(line)).unwrap().clone()
    }

    /// What the session asked to be woken for has come.
    pub(super) fn wake(&mut self) -> Vec<String> {
        self.now = self.session.next_deadline().expect("nothing is waited for");
        self.feed(Event::Deadline)
    }

    pub(super) fn after(&mut self, millis: u64) -> &mut Bench {
        self.now += Duration::from_millis(millis);
        self
    }

    pub(super) fn effect(&self, line: &str) -> &Effect {
        self.under_way(line)
    }

    pub(super) fn open(&self) -> Vec<String> {
        self.open.iter().filter_map(brief).collect()
    }

    fn under_way(&self, line: &str) -> &Effect {
        self.open
            .iter()
            .find(|effect| brief(effect).is_some_and(|brief| brief.starts_with(line)))
            .unwrap_or_else(|| panic!("{line} is not under way: {:?}", self.open()))
    }

    pub(super) fn service(&self, name: &str) -> ServiceView {
        let view = self.session.view();
        let found = view.services.into_iter().find(|view| view.name == name);
        found.unwrap_or_else(|| panic!("no service {name}"))
    }

    /// `ready`, or `waiting: for db, which is failed`.
    pub(super) fn state(&self, name: &str) -> String {
        let service = self.service(name);
        match service.reason {
            Some(reason) => format!("{}: {reason}", service.state.word()),
            None => service.state.word().to_owned(),
        }
    }

    /// What people were told since the last call, as one line each.
    pub(super) fn heard(&mut self) -> Vec<String> {
        let told = std::mem::take(&mut self.told);
        told.into_iter()
            .filter_map(|notice| line(&notice))
            .collect()
    }

    fn good_end(&mut self, effect: &Effect) -> Outcome {
        match effect {
            Effect::Pull { image, .. } => image_there(image, false),
            Effect::Build { name, whole, .. } => image_there(&format!("{name}:1"), *whole),
            Effect::Create { spec, replaces, .. } => {
                if let Some(old) = replaces {
                    self.containers.retain(|one| one.id != old.container);
                }
                let made = self.made.entry(spec.service.clone()).or_default();
                *made += 1 + usize::from(*made == 0 && replaces.is_some());
                let id = format!("{}-{made}", spec.service);
                self.containers.push(Container {
                    id: id.clone(),
                    name: spec.name.clone(),
                    labels: spec.labels.clone(),
                    state: ContainerState::Running,
                    health: None,
                    exit_code: None,
                    started_at: String::new(),
                    started_ns: 0,
                    finished_at: String::new(),
                    restarts: 0,
                    image_id: spec.image_id.clone(),
                    image: spec.image.clone(),
                    ports: spec.ports.clone(),
                    live: Live::of_spec(spec).within(self.capacity),
                });
                self.started(&id)
            }
            Effect::Start { container, .. } | Effect::Restart { container, .. } => {
                self.started(container)
            }
            Effect::Attach { .. } => attached(&[]),
            Effect::Sync { paths, .. } | Effect::SyncLarge { paths, .. } => {
                Outcome::Synced(Synced {
                    files: paths.len(),
                    changed: paths.clone(),
                    ..Synced::default()
                })
            }
            Effect::Explain { .. } => Outcome::Explained {
                lines: vec!["last words".into()],
            },
            other => {
                self.takes_effect(other);
                plain_end(other).unwrap_or_else(|| panic!("{other:?} has no end"))
            }
        }
    }

    fn takes_effect(&mut self, effect: &Effect) {
        let find = |id: &String| self.containers.iter().position(|one| one.id == *id);
        match effect {
            Effect::Update {
                container, live, ..
            } => {
                if let Some(at) = find(container) {
                    self.containers[at].live = *live;
                }
            }
            Effect::Rename {
                container, name, ..
            } => {
                if let Some(at) = find(container) {
                    self.containers[at].name.clone_from(name);
                }
            }
            Effect::Stop { container, .. } => self.set(container, ContainerState::Exited),
            Effect::Remove { container, .. } => {
                self.containers.retain(|one| one.id != *container);
            }
            _ => {}
        }
    }

    fn started(&mut self, id: &str) -> Outcome {
        self.now += Duration::from_millis(1);
        self.set(id, ContainerState::Running);
        let at = i128::from(self.engine_time());
        if let Some(container) = self.containers.iter_mut().find(|one| one.id == id) {
            container.started_ns = at;
        }
        Outcome::Started {
            container: id.to_owned(),
            started_ns: self.engine_time().into(),
            warnings: vec![],
            brought: Vec::new(),
        }
    }

    fn set(&mut self, id: &str, state: ContainerState) {
        if let Some(container) = self.containers.iter_mut().find(|one| one.id == id) {
            container.state = state;
            container.exit_code = (state == ContainerState::Exited).then_some(137);
        }
    }
}

/// The trees are in step; these files had to be brought over.
pub(super) fn attached(changed: &[&str]) -> Outcome {
    let changed = changed.iter().map(|path| PathBuf::from("/p").join(path));
    Outcome::Attached {
        transport: Transport::Agent,
        compared: Some(0),
        owed: Vec::new(),
        mirrored: Vec::new(),
        changed: changed.collect(),
        problems: vec![],
        owes_hooks: false,
    }
}

/// An image of that name, whose id says what is in it.
pub(super) fn image_there(name: &str, made: bool) -> Outcome {
    let image = Image {
        id: format!("sha256:{name}"),
        name: name.to_owned(),
        ..Image::default()
    };
    Outcome::Image { image, made }
}

fn on_host(paths: &[&str]) -> Vec<PathBuf> {
    let paths = paths.iter().map(|path| PathBuf::from("/p").join(path));
    paths.collect()
}

pub(super) fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn line(notice: &Notice) -> Option<String> {
    let text = match &notice.event {
        NoticeEvent::ServiceState { to, reason, .. } => match reason {
            Some(reason) => format!("{to}: {reason}"),
            None => to.clone(),
        },
        NoticeEvent::Settled { ready, .. } => format!("settled, ready: {ready}"),
        NoticeEvent::UpdatePlanned { action, reason, .. } => format!("plan {action}: {reason}"),
        NoticeEvent::UpdateDone {
            outcome,
            action,
            paths,
            details,
            ..
        } => {
            let details: String = details.iter().map(|line| format!("; {line}")).collect();
            format!("{paths} → {action}: {outcome}{details}")
        }
        NoticeEvent::Warning { message } => format!("warning: {message}"),
        NoticeEvent::SyncMended { count, paths } => {
            let more = match count - paths.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("live now: {}{more}", paths.join(", "))
        }
        NoticeEvent::SessionEnded { code } => format!("ended {code}"),
        NoticeEvent::RoutesApplied { generation } => format!("routes {generation}"),
        NoticeEvent::BuildDone { outcome, .. } => format!("build {outcome}"),
        _ => return None,
    };
    Some(match &notice.service {
        Some(service) => format!("{service} {text}"),
        None => text,
    })
}
