//! What there is outside of the session, in virtual time: an engine with images and containers,
//! processes that start slowly and die, agents, and files that somebody saves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use devrun_stack::{Restart, Stack};

use super::bench::ROOT;
use super::nginx::Nginx;
use super::random::Random;
use crate::effect::Effect;
use crate::event::{Event, Op, WatchEvent};
use crate::live::{Capacity, Live};
use crate::observed::{Happened, Observed};
use crate::plan::Rules;
use crate::spec::{Container, ContainerSpec, ContainerState, Health, label};

/// Versions of files by their path on the host; an even one is fine, an odd one is broken.
pub(super) type Files = BTreeMap<PathBuf, u64>;

/// The engine's machine.
pub(super) const CAPACITY: Capacity = Capacity {
    cpus: 2,
    memory: 4 << 30,
};

/// Every file that the stack knows of.
pub(super) const FILES: &[&str] = &[
    "backend/requirements.txt",
    "backend/package.json",
    "backend/app.py",
    "backend/api.py",
    "backend/page.html",
    "backend/dump.big",
    "backend/server.conf",
    "backend/deploy.ini",
    "frontend/index.py",
    "frontend/Dockerfile",
    "schema/1.sql",
    "models/a.json",
];

/// Longer than anybody waits.
const NEVER: Duration = Duration::from_secs(1_000_000);

/// What ends when it has done its work.
pub(super) const TASKS: &[&str] = &["seed", "migrate", "index"];

/// A container as it truly is.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) id: String,
    pub(super) spec: ContainerSpec,
    /// Its limits, which may have been changed since.
    pub(super) live: Live,
    pub(super) running: bool,
    /// It ended and the engine is about to start it again.
    pub(super) restarting: bool,
    pub(super) exit_code: Option<i64>,
    /// Counts its starts.
    pub(super) start: u64,
    pub(super) started_ns: i128,
    /// From when on the present process answers well.
    pub(super) well_from: Duration,
    /// What of the host's files is in it.
    pub(super) files: Files,
    /// What was brought into it and asks for something that is not known to have followed.
    pub(super) owed: BTreeSet<PathBuf>,
    /// What of them the present process has read.
    pub(super) loaded: Files,
    /// The host's files when the present process began.
    pub(super) around: Files,
    /// What that of a proxy is about.
    pub(super) nginx: Nginx,
    /// Which version of `package.json` was installed by the image, or by a command.
    pub(super) installed: u64,
}

/// Something that the world does by itself at its time.
#[derive(Debug, Clone)]
pub(super) enum Todo {
    /// The session is told; what the engine tells is lost if the connection broke meanwhile.
    Tell(Event, Option<u64>),
    /// An effect comes to its end.
    Finish(Op),
    /// That start of the process ends by itself.
    Die {
        id: String,
        start: u64,
        code: i64,
    },
    /// The engine starts it again.
    Again {
        id: String,
        start: u64,
    },
    /// The engine's health check of that start says so.
    Health {
        id: String,
        start: u64,
        health: Health,
    },
    /// The engine answers again: events are listened to first, the picture is taken afterwards.
    Listen,
    Picture,
    /// That start of the process writes a file of the host, as what is mounted lets it.
    Write {
        id: String,
        start: u64,
        path: PathBuf,
    },
    /// An engine that ends stops that start of the process.
    Stopped {
        id: String,
        start: u64,
    },
    /// It has ended.
    Gone,
    /// Some fault, or somebody does something.
    Fault,
}

pub(super) struct World {
    pub(super) random: Random,
    pub(super) now: Duration,
    queue: BTreeMap<(Duration, u64), Todo>,
    queued: u64,
    pub(super) stack: Arc<Stack>,
    pub(super) rules: Arc<Rules>,
    pub(super) host: Files,
    /// Of what `on` rules outside of sync are about, what was told last.
    told: Files,
    pub(super) containers: Vec<Body>,
    /// What each image was built from.
    pub(super) images: BTreeMap<String, Files>,
    pub(super) tasks: BTreeMap<Op, super::tasks::Task>,
    made: u64,
    /// The connection to the engine: each has a number, and there may be none.
    pub(super) connection: Option<u64>,
    connections: u64,
    /// The engine was told to end: it tells of its containers until they have, and does nothing
    /// more.
    pub(super) ending: bool,
    /// It starts these again once it is back.
    revived: Vec<String>,
    /// The engine tells in order.
    told_until: Duration,
    /// So many of a hundred things go wrong by themselves.
    pub(super) faults: u64,
    /// Something that must not happen has happened on the engine.
    pub(super) collision: Option<String>,
    /// Those of which the engine has just refused something; it does not twice in a row.
    pub(super) refused: BTreeSet<String>,
    /// Which service's process writes which file each time it starts.
    pub(super) writer: Option<(&'static str, &'static str)>,
    /// Commands and builds may fail too, which nothing but a new save heals.
    pub(super) lasting: bool,
}

impl World {
    pub(super) fn new(seed: u64, stack: Arc<Stack>, rules: Arc<Rules>) -> World {
        let files = FILES.iter().map(|path| (host_path(path), 0));
        World {
            random: Random(seed),
            now: Duration::ZERO,
            queue: BTreeMap::new(),
            queued: 0,
            stack,
            rules,
            host: files.collect(),
            told: Files::new(),
            containers: Vec::new(),
            images: BTreeMap::new(),
            tasks: BTreeMap::new(),
            made: 0,
            connection: None,
            connections: 0,
            ending: false,
            revived: Vec::new(),
            told_until: Duration::ZERO,
            faults: 0,
            collision: None,
            refused: BTreeSet::new(),
            writer: None,
            lasting: false,
        }
    }

    pub(super) fn at(&mut self, delay: Duration, todo: Todo) {
        self.queued += 1;
        self.queue.insert((self.now + delay, self.queued), todo);
    }

    /// When the next thing happens by itself.
    pub(super) fn next_time(&self) -> Option<Duration> {
        self.queue.keys().next().map(|(time, _)| *time)
    }

    pub(super) fn next(&mut self) -> Option<Todo> {
        let (key, todo) = self.queue.pop_first()?;
        self.now = self.now.max(key.0);
        Some(todo)
    }

    /// The session knows all that has happened.
    pub(super) fn is_heard(&self) -> bool {
        let told = |todo: &Todo| matches!(todo, Todo::Tell(Event::Engine(_), _) | Todo::Picture);
        self.connection.is_some() && !self.ending && !self.queue.values().any(told)
    }

    /// Of which containers the session has not heard yet that they were started.
    pub(super) fn unheard(&self) -> BTreeSet<String> {
        let told = self.queue.values().filter_map(|todo| match todo {
            Todo::Tell(Event::Engine(Observed::Container { id, what, .. }), _)
                if *what == Happened::Started =>
            {
                Some(id.clone())
            }
            _ => None,
        });
        told.collect()
    }

    pub(super) fn tell(&mut self, event: Event) {
        let delay = self.random.millis(0, 5);
        self.at(delay, Todo::Tell(event, None));
    }

    pub(super) fn nanoseconds(&self) -> i128 {
        1_000_000_000 + i128::try_from(self.now.as_nanos()).unwrap()
    }

    fn engine_tells(&mut self, id: &str, what: Happened) {
        let Some(connection) = self.connection else {
            return;
        };
        let Some(service) = self.container(id).map(|one| one.spec.service.clone()) else {
            return;
        };
        let happened = Observed::Container {
            id: id.to_owned(),
            service,
            what,
            time_ns: self.nanoseconds() + 100,
        };
        let delay = self.random.millis(0, 12);
        self.told_until = self.told_until.max(self.now + delay);
        let delay = self.told_until - self.now;
        self.at(delay, Todo::Tell(Event::Engine(happened), Some(connection)));
    }

    pub(super) fn container(&self, id: &str) -> Option<&Body> {
        self.containers.iter().find(|one| one.id == id)
    }

    pub(super) fn container_mut(&mut self, id: &str) -> Option<&mut Body> {
        self.containers.iter_mut().find(|one| one.id == id)
    }

    pub(super) fn of_service(&self, service: &str) -> Option<&Body> {
        self.containers
            .iter()
            .find(|one| one.spec.service == service)
    }

    /// Makes a container that has not been started yet.
    pub(super) fn make(&mut self, spec: &ContainerSpec) -> String {
        self.made += 1;
        let id = format!("{}-{}", spec.service, self.made);
        let files = self.images.get(&spec.image_id).cloned().unwrap_or_default();
        let installed = files.get(&host_path("backend/package.json")).copied();
        self.containers.push(Body {
            id: id.clone(),
            spec: spec.clone(),
            live: Live::of_spec(spec).within(CAPACITY),
            running: false,
            restarting: false,
            exit_code: None,
            start: 0,
            started_ns: 0,
            well_from: Duration::ZERO,
            files,
            owed: BTreeSet::new(),
            loaded: Files::new(),
            around: Files::new(),
            nginx: Nginx::default(),
            installed: installed.unwrap_or_default(),
        });
        id
    }

    /// Its process begins.
    pub(super) fn begin(&mut self, id: &str) {
        let warm_up = self.random.millis(5, 600);
        let written_over = self.random.percent(self.faults);
        let (now, nanoseconds) = (self.now, self.nanoseconds());
        let task = |stack: &Stack, name: &str| {
            let service = stack.service(name);
            service.is_some_and(|service| service.task)
        };
        let (stack, rules, host) = (self.stack.clone(), self.rules.clone(), self.host.clone());
        let Some(container) = self.container_mut(id) else {
            return;
        };
        container.running = true;
        container.restarting = false;
        container.exit_code = None;
        container.start += 1;
        container.started_ns = nanoseconds;
        container.well_from = now + warm_up;
        container.loaded = container.files.clone();
        let is_task = TASKS.contains(&container.spec.service.as_str());
        let still =
            |path: &PathBuf| is_task || rules.asks_for_command(&container.spec.service, path);
        container.owed.retain(still);
        container.around = host;
        container.nginx.begin(written_over);
        let mistaken = container.nginx.is_mistaken();
        if mistaken {
            container.well_from = now + NEVER;
        }
        let broken = container
            .loaded
            .iter()
            .any(|(path, version)| is_code(path) && version % 2 == 1);
        let service = container.spec.service.clone();
        let (start, is_task) = (container.start, task(&stack, &service));
        let healthy = container.spec.healthcheck.is_some();
        self.engine_tells(id, Happened::Started);
        let id = id.to_owned();
        if let Some((_, path)) = self.writer.filter(|(writer, _)| *writer == service) {
            let (delay, path) = (self.random.millis(50, 400), host_path(path));
            let id = id.clone();
            self.at(delay, Todo::Write { id, start, path });
        }
        if mistaken {
            let (delay, code) = (self.random.millis(1, 40), 1);
            self.at(delay, Todo::Die { id, start, code });
        } else if broken || (self.random.percent(self.faults) && (self.lasting || !is_task)) {
            let (delay, code) = (self.random.millis(1, 900), 1);
            self.at(delay, Todo::Die { id, start, code });
        } else if is_task {
            let (delay, code) = (self.random.millis(1, 300), 0);
            self.at(delay, Todo::Die { id, start, code });
        } else if healthy {
            let delay = warm_up + self.random.millis(0, 10_000);
            let health = Health::Healthy;
            self.at(delay, Todo::Health { id, start, health });
        }
    }

    /// Its process ends; the engine starts it again if that is its policy, and nobody stopped it.
    pub(super) fn end(&mut self, id: &str, code: i64, by_hand: bool) {
        let Some(container) = self.container_mut(id).filter(|one| one.running) else {
            if by_hand
                && let Some(container) = self.container_mut(id)
                && std::mem::take(&mut container.restarting)
            {
                self.engine_tells(id, Happened::StoppedByHand);
            }
            return;
        };
        container.running = false;
        container.exit_code = Some(code);
        let policy = match container.live.restart {
            Restart::No => false,
            Restart::Always | Restart::UnlessStopped => true,
            Restart::OnFailure(_) => code != 0,
        };
        container.restarting = policy && !by_hand;
        let (again, start) = (container.restarting, container.start);
        self.engine_tells(id, Happened::Exited { code });
        if by_hand {
            self.engine_tells(id, Happened::StoppedByHand);
        }
        if again {
            let delay = self.random.millis(100, 2000);
            let id = id.to_owned();
            self.at(delay, Todo::Again { id, start });
        }
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.end(id, 137, false);
        self.engine_tells(id, Happened::Removed);
        self.containers.retain(|one| one.id != id);
    }

    /// What the world does by itself; an answer is something that the session is told.
    pub(super) fn act(&mut self, todo: Todo) -> Option<Event> {
        match todo {
            Todo::Tell(event, None) => return Some(self.with_contents(event)),
            Todo::Tell(event, connection) if connection == self.connection => return Some(event),
            Todo::Finish(op) => self.finish(&op),
            Todo::Die { id, start, code } if self.runs(&id, start) => self.end(&id, code, false),
            Todo::Again { id, start } => {
                let waits = self.container(&id);
                let waits = waits.is_some_and(|one| one.restarting && one.start == start);
                if waits && !self.ending {
                    self.begin(&id);
                }
            }
            Todo::Health { id, start, health } if self.runs(&id, start) => {
                self.engine_tells(&id, Happened::Health(health));
            }
            Todo::Write { id, start, path } if self.runs(&id, start) => {
                *self.host.entry(path.clone()).or_default() += 2;
                return Some(self.with_contents(changed(path)));
            }
            Todo::Stopped { id, start } if self.runs(&id, start) => {
                let body = self.container(&id);
                let policy = body.map(|one| one.live.restart);
                if matches!(policy, Some(Restart::Always | Restart::UnlessStopped)) {
                    self.revived.push(id.clone());
                }
                self.end(&id, 143, true);
            }
            Todo::Gone => return self.engine_is_gone(),
            Todo::Listen => self.listen(),
            Todo::Picture => return Some(self.picture()),
            Todo::Fault
            | Todo::Tell(..)
            | Todo::Die { .. }
            | Todo::Write { .. }
            | Todo::Stopped { .. }
            | Todo::Health { .. } => {}
        }
        None
    }

    /// What is known of the files that no comparison is about, is told with it.
    fn with_contents(&mut self, mut event: Event) -> Event {
        let mut differs = |path: &&PathBuf| {
            let version = self.host.get(*path).copied().unwrap_or_default();
            self.told
                .insert((*path).clone(), version)
                .unwrap_or_default()
                != version
        };
        let remembered = |path: &&PathBuf| self.rules.remembers(path);
        match &mut event {
            Event::Watch(WatchEvent::Changed { paths, same, .. }) => {
                let all = paths.iter().filter(remembered);
                *same = all.filter(|path| !differs(path)).cloned().collect();
            }
            Event::Watch(WatchEvent::Overflow { changed }) => {
                let all = self.host.keys().filter(remembered);
                *changed = all.filter(|path| differs(path)).cloned().collect();
            }
            _ => {}
        }
        event
    }

    fn runs(&self, id: &str, start: u64) -> bool {
        self.container(id)
            .is_some_and(|one| one.running && one.start == start)
    }

    /// The engine is away from now on; its containers go on, unless it was restarted itself.
    pub(super) fn disconnect(&mut self) -> Event {
        self.connection = None;
        if self.random.percent(30) {
            let running = self.containers.iter().filter(|one| one.running);
            for id in running.map(|one| one.id.clone()).collect::<Vec<_>>() {
                self.end(&id, 137, false);
            }
        }
        self.away()
    }

    /// Nobody answers for a while.
    fn away(&mut self) -> Event {
        self.connection = None;
        self.queue
            .retain(|_, todo| !matches!(todo, Todo::Listen | Todo::Picture));
        let delay = self.random.millis(50, 3000);
        self.at(delay, Todo::Listen);
        let message = "connection refused".to_owned();
        Event::Engine(Observed::Disconnected { message })
    }

    /// Somebody restarts the engine.
    pub(super) fn engine_ends(&mut self) {
        if std::mem::replace(&mut self.ending, true) {
            return;
        }
        let running = self.containers.iter().filter(|one| one.running);
        let running: Vec<_> = running.map(|one| (one.id.clone(), one.start)).collect();
        let mut last = Duration::ZERO;
        for (id, start) in running {
            let delay = self.random.millis(1, 1500);
            last = last.max(delay);
            self.at(delay, Todo::Stopped { id, start });
        }
        // What it told last may be lost.
        let delay = last + self.random.millis(1, 20);
        self.at(delay, Todo::Gone);
    }

    fn engine_is_gone(&mut self) -> Option<Event> {
        self.ending = false;
        for body in &mut self.containers {
            if std::mem::take(&mut body.restarting) {
                self.revived.push(body.id.clone());
            }
        }
        let connected = self.connection.is_some();
        let gone = self.away();
        connected.then_some(gone)
    }

    pub(super) fn listen(&mut self) {
        for id in std::mem::take(&mut self.revived) {
            if self.container(&id).is_some_and(|one| !one.running) {
                self.begin(&id);
            }
        }
        self.connections += 1;
        self.connection = Some(self.connections);
        let delay = self.random.millis(1, 30);
        self.told_until = self.now + delay + Duration::from_micros(1);
        self.at(delay, Todo::Picture);
    }

    fn picture(&self) -> Event {
        let containers = self.containers.iter().map(|one| {
            let state = match one {
                Body { running: true, .. } => ContainerState::Running,
                Body {
                    restarting: true, ..
                } => ContainerState::Restarting,
                Body { start: 0, .. } => ContainerState::Created,
                _ => ContainerState::Exited,
            };
            Container {
                id: one.id.clone(),
                name: one.spec.name.clone(),
                labels: one.spec.labels.clone(),
                state,
                health: None,
                exit_code: one.exit_code,
                started_at: String::new(),
                started_ns: one.started_ns,
                finished_at: String::new(),
                restarts: 0,
                image_id: one.spec.image_id.clone(),
                image: one.spec.image.clone(),
                ports: one.spec.ports.clone(),
                live: one.live,
            }
        });
        let containers: Vec<Container> = containers.collect();
        assert!(containers.iter().all(|one| one.label(label::ROOT) == ROOT));
        Event::Engine(Observed::Connected {
            containers,
            capacity: CAPACITY,
        })
    }

    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Cancel { op } => self.give_up(&op),
            Effect::Watch { rules } => self.rules = rules,
            Effect::FollowsOver { container, .. } => {
                if let Some(container) = self.container_mut(&container) {
                    container.owed.clear();
                }
            }
            effect => self.take_on(effect),
        }
    }
}

pub(super) fn host_path(path: &str) -> PathBuf {
    PathBuf::from("/p").join(path)
}

/// The watch saw it saved.
pub(super) fn changed(path: PathBuf) -> Event {
    Event::Watch(WatchEvent::Changed {
        paths: vec![path],
        same: Vec::new(),
        age: Duration::ZERO,
    })
}

/// What a process reads when it starts.
pub(super) fn is_code(path: &std::path::Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "py" || extension == "sql")
}
