//! The session in a world where everything takes its time and much goes wrong. Each run is one
//! seed; `DEVRUN_SEED=7` or `=1-1000` runs those alone, and a failed run shows its last events.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use devrun_stack::Trigger;

use super::bench::ROOT;
use super::brief::brief;
use super::edited::{MOST, ROUTES, WITHOUT_MISTAKE, base, declared, limit};
use super::world::{FILES, TASKS, Todo, World, changed, host_path};
use crate::effect::{Effect, Exit};
use crate::event::{Event, Op, Request, Stackfile, WatchEvent};
use crate::invariants::Invariants;
use crate::session::{Options, Session};
use crate::spec::Health;

const RUNS: u64 = 40;
/// So many events are shown of a run that failed.
const TRACE: usize = 400;
/// So long the world is bad.
const TROUBLE: Duration = Duration::from_secs(20);
/// So long, once the world is good again, all may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) struct Simulation {
    seed: u64,
    pub(super) world: World,
    pub(super) session: Session,
    invariants: Invariants,
    trace: VecDeque<(Duration, Event, Vec<String>)>,
    exit: Option<Exit>,
    /// How often the Stackfile was edited.
    edition: u64,
    /// Which limits and restart policies are declared.
    limits: u64,
    /// How many of the services that come and go are declared.
    more: usize,
    /// Which of [`ROUTES`] are declared.
    routes: usize,
    trouble_until: Duration,
    /// The builds that were begun and not given up, and when.
    builds: Vec<(Op, Duration)>,
}

impl Simulation {
    fn new(seed: u64) -> Simulation {
        let Event::Stackfile(Stackfile::Loaded { stack, rules, .. }) = base(MOST, 0) else {
            panic!("a Stackfile that was read is something else");
        };
        let options = Options {
            root: ROOT.into(),
            watch: true,
            ..Options::default()
        };
        Simulation {
            seed,
            world: World::new(seed, stack.clone(), rules.clone()),
            session: Session::new(options),
            invariants: Invariants::default(),
            trace: VecDeque::new(),
            exit: None,
            edition: 0,
            limits: 0,
            more: MOST,
            routes: 0,
            trouble_until: TROUBLE,
            builds: Vec::new(),
        }
    }

    fn feed(&mut self, event: Event) {
        let now = self.world.now;
        let effects = self.session.handle(event.clone(), now);
        let lines: Vec<String> = effects.iter().filter_map(brief).collect();
        self.trace.push_back((now, event.clone(), lines));
        if self.trace.len() > TRACE {
            self.trace.pop_front();
        }
        let checked = self.invariants.check(&event, &effects, &self.session, now);
        if let Err(broken) = checked {
            self.fail(&broken);
        }
        for effect in effects {
            match &effect {
                Effect::Build { op, .. } => self.builds.push((op.clone(), now)),
                Effect::Cancel { op } => self.builds.retain(|(build, _)| build != op),
                _ => {}
            }
            match effect {
                Effect::Exit(exit) => self.exit = Some(exit),
                effect => self.world.perform(effect),
            }
        }
        if let Some(collision) = self.world.collision.take() {
            self.fail(&collision);
        }
        self.check_routes();
    }

    pub(super) fn fail(&self, why: &str) -> ! {
        let trace = self.trace.iter().map(|(at, event, lines)| {
            let shown = match event {
                Event::Stackfile(Stackfile::Loaded { stack, .. }) => declared(stack),
                Event::Engine(crate::observed::Observed::Connected { containers, .. }) => {
                    let shown = containers.iter();
                    let shown = shown.map(|one| format!(" {}={:?}", one.id, one.state));
                    format!("Connected{}", shown.collect::<String>())
                }
                other => format!("{other:?}"),
            };
            format!("{at:?} {shown}\n        → {lines:?}")
        });
        let trace: Vec<String> = trace.collect();
        panic!(
            "{}\n{why}\nDEVRUN_SEED={} runs this again",
            trace.join("\n"),
            self.seed
        )
    }

    /// The next thing happens; false once nothing is left to happen.
    fn step(&mut self) -> bool {
        let deadline = self.session.next_deadline();
        let next = self.world.next_time();
        match (deadline, next) {
            (None, None) => return false,
            (Some(deadline), next) if next.is_none_or(|next| deadline <= next) => {
                self.world.now = self.world.now.max(deadline);
                self.feed(Event::Deadline);
            }
            _ => match self.world.next() {
                Some(Todo::Fault) => self.fault(),
                Some(todo) => {
                    if let Some(event) = self.world.act(todo) {
                        self.feed(event);
                    }
                }
                None => return false,
            },
        }
        true
    }

    /// Until nothing is left to happen.
    fn settle_down(&mut self, what: &str) {
        let end = self.world.now + PATIENCE;
        while self.exit.is_none() && self.step() {
            if self.world.now > end {
                self.fail(&format!("{what}: no rest within {PATIENCE:?}"));
            }
        }
    }

    /// Whatever happens up to that moment, happens.
    fn pass(&mut self, moment: Duration) {
        let next = |it: &Simulation| {
            let times = [it.session.next_deadline(), it.world.next_time()];
            times.into_iter().flatten().min()
        };
        while next(self).is_some_and(|next| next <= moment) && self.step() {}
        self.world.now = self.world.now.max(moment);
    }

    fn begin(&mut self) {
        self.load();
        self.feed(Event::Watch(WatchEvent::Ready { files: FILES.len() }));
        self.world.listen();
        self.world.at(Duration::from_millis(1), Todo::Fault);
    }

    /// The Stackfile as it is now is read.
    fn load(&mut self) {
        let mut event = base(self.more, self.routes).clone();
        if let Event::Stackfile(Stackfile::Loaded { stack, .. }) = &mut event {
            let edition = self.edition.to_string();
            let manual = self.seed.is_multiple_of(4);
            for service in &mut Arc::make_mut(stack).services {
                if service.name == "backend" {
                    let edition = edition.clone();
                    service.environment.insert("EDITION".into(), edition);
                } else if service.name == "frontend" && manual {
                    service.trigger = Trigger::Manual;
                }
                if service.name != "entry" {
                    service.update.roll = !service.task && self.seed % 3 == 1;
                }
                if !service.task {
                    limit(service, self.limits);
                }
            }
            self.world.stack = stack.clone();
        }
        self.feed(event);
    }

    fn save(&mut self, path: &str, version: u64) {
        let path = host_path(path);
        self.world.host.insert(path.clone(), version);
        self.world.tell(changed(path));
    }

    fn save_next(&mut self, path: &str, broken: bool) {
        let version = self.world.host[&host_path(path)];
        let next = version + 2 - version % 2;
        self.save(path, next + u64::from(broken));
    }

    /// Something goes wrong, or somebody does something.
    fn fault(&mut self) {
        if self.world.now < self.trouble_until {
            let delay = self.world.random.millis(1, 900);
            self.world.at(delay, Todo::Fault);
        } else {
            return;
        }
        let file = *self.world.random.pick(FILES).unwrap();
        let number = self.world.random.between(0, 100);
        match number {
            0..30 => self.save_next(file, false),
            32..35 => self.edit_routes(),
            30..32 => self.save(file, self.world.host[&host_path(file)]),
            35..50 if self.world.lasting => self.lasting_fault(file),
            50..54 if number < 52 => self.world.engine_ends(),
            50..54 if self.world.connection.is_some() => {
                let event = self.world.disconnect();
                self.feed(event);
            }
            54..58 => self.overflow(),
            58..61 => {
                self.edition += 1;
                self.load();
            }
            61..64 => {
                self.limits = self.world.random.between(0, 6);
                self.load();
            }
            64..66 => {
                let message = "not a Stackfile".to_owned();
                self.feed(Event::Stackfile(Stackfile::Rejected { message }));
            }
            66..68 => self.up(number < 67),
            68 => self.trigger(),
            70 => {
                self.more = usize::try_from(self.world.random.between(0, 3)).unwrap();
                self.load();
            }
            69 => self.terminal(),
            _ => self.on_a_container(number),
        }
    }

    /// What nginx refuses is mended by nobody but a person.
    fn edit_routes(&mut self) {
        let most = match self.world.lasting {
            true => ROUTES.len(),
            false => WITHOUT_MISTAKE,
        };
        let which = self.world.random.between(0, u64::try_from(most).unwrap());
        self.routes = usize::try_from(which).unwrap();
        if self.world.random.percent(20) {
            self.edition += 1;
        }
        self.load();
    }

    fn up(&mut self, recreate: bool) {
        self.feed(Event::Request(Request::Up {
            services: vec![],
            profiles: vec![],
            build: false,
            recreate,
        }));
    }

    /// Somebody asks for what waits for that.
    fn trigger(&mut self) {
        self.feed(Event::Request(Request::Trigger { services: vec![] }));
    }

    fn bring_over_what_waited(&mut self) {
        // The second time for who follows another one, and does so when somebody says so.
        for _ in 0..2 {
            self.trigger();
            self.settle_down("bringing over what waited");
        }
    }

    /// Somebody looks at a process for a while, and leaves.
    fn terminal(&mut self) {
        let services = ["db", "backend", "frontend", "entry", "worker"];
        let service = (*self.world.random.pick(&services).unwrap()).to_owned();
        self.feed(Event::Request(Request::Attach {
            service: service.clone(),
        }));
        let leaves = Event::Request(Request::Detach { service });
        let delay = self.world.random.millis(1, 3000);
        self.world.at(delay, Todo::Tell(leaves, None));
    }

    fn overflow(&mut self) {
        for path in FILES {
            if self.world.random.percent(30) {
                *self.world.host.get_mut(&host_path(path)).unwrap() += 2;
            }
        }
        let changed = Vec::new();
        self.world
            .tell(Event::Watch(WatchEvent::Overflow { changed }));
    }

    fn on_a_container(&mut self, number: u64) {
        let running = self.world.containers.iter();
        let running: Vec<_> = running
            .filter(|one| one.running && !TASKS.contains(&one.spec.service.as_str()))
            .map(|one| (one.id.clone(), one.start))
            .collect();
        let Some((id, start)) = self.world.random.pick(&running).cloned() else {
            return;
        };
        match number {
            71..78 => self.world.end(&id, 137, false),
            78..84 => self.world.remove(&id),
            84..90 => {
                self.world.end(&id, 143, true);
                self.world.begin(&id);
            }
            90..94 => self.world.tell(Event::AgentGone { container: id }),
            _ => {
                for (delay, health) in [(5, Health::Unhealthy), (900, Health::Healthy)] {
                    let id = id.clone();
                    let todo = Todo::Health { id, start, health };
                    self.world.at(Duration::from_millis(delay), todo);
                }
            }
        }
    }

    /// What only a person heals.
    fn lasting_fault(&mut self, file: &str) {
        let services = ["db", "backend", "frontend", "entry", "worker"];
        let service = (*self.world.random.pick(&services).unwrap()).to_owned();
        match self.world.random.between(0, 4) {
            0 => self.save_next(file, true),
            1 => self.feed(Event::Request(Request::Stop {
                services: vec![service],
            })),
            2 => {
                self.more = usize::try_from(self.world.random.between(0, 3)).unwrap();
                self.load();
            }
            _ => {
                let id = self.world.of_service(&service).map(|one| one.id.clone());
                if let Some(id) = id {
                    self.world.end(&id, 143, true);
                }
            }
        }
    }
}

fn seeds() -> Vec<u64> {
    match std::env::var("DEVRUN_SEED") {
        Ok(seeds) => match seeds.split_once('-') {
            Some((first, last)) => (first.parse().unwrap()..=last.parse().unwrap()).collect(),
            None => vec![seeds.parse().unwrap()],
        },
        Err(_) => (1..=RUNS).collect(),
    }
}

#[test]
fn what_heals_by_itself_heals_without_anybody() {
    for seed in seeds() {
        let mut simulation = Simulation::new(seed);
        simulation.world.faults = 6;
        simulation.begin();
        while simulation.world.now < TROUBLE && simulation.step() {}
        simulation.world.faults = 0;
        simulation.settle_down("healing");
        simulation.bring_over_what_waited();
        simulation.check_live();
        simulation.feed(Event::Signal);
        simulation.settle_down("going down");
        assert_eq!(simulation.exit, Some(Exit::Done), "seed {seed}");
        simulation.check_down(&BTreeSet::new());
    }
}

#[test]
fn after_any_trouble_saving_and_asking_again_brings_all_up() {
    for seed in seeds() {
        let mut simulation = Simulation::new(seed);
        simulation.world.faults = 6;
        simulation.world.lasting = true;
        simulation.begin();
        while simulation.world.now < TROUBLE && simulation.step() {}
        simulation.world.faults = 0;
        let moment = simulation.world.now + Duration::from_secs(5);
        while simulation.world.now < moment && simulation.step() {}
        simulation.more = MOST;
        if simulation.routes >= WITHOUT_MISTAKE {
            simulation.routes = 0;
        }
        simulation.load();
        for file in FILES {
            simulation.save_next(file, false);
        }
        simulation.settle_down("saving again");
        simulation.up(false);
        simulation.settle_down("asking again");
        simulation.bring_over_what_waited();
        simulation.check_live();
        simulation.feed(Event::Signal);
        simulation.settle_down("going down");
        simulation.check_down(&BTreeSet::new());
    }
}

#[test]
fn a_signal_at_any_moment_ends_in_reverse_order() {
    for seed in seeds() {
        let mut simulation = Simulation::new(seed);
        simulation.world.faults = 6;
        simulation.world.lasting = seed % 2 == 0;
        let moment = simulation.world.random.millis(0, 20_000);
        simulation.trouble_until = moment;
        simulation.begin();
        while simulation.world.now < moment && simulation.step() {}
        simulation.world.faults = 0;
        let answers = simulation.invariants.connected && !simulation.world.ending;
        let unheard = simulation.world.unheard();
        simulation.feed(Event::Signal);
        simulation.settle_down("going down");
        if simulation.exit.is_none() {
            simulation.fail("it never ends");
        }
        if answers {
            simulation.check_down(&unheard);
        }
    }
}

#[test]
fn what_is_written_by_what_it_triggers_comes_to_rest_with_all_else_live() {
    // Each run is long. By seven, so that all that a seed decides comes up.
    for seed in seeds().into_iter().step_by(7) {
        let mut simulation = Simulation::new(seed);
        let which = simulation.world.random.between(0, 3);
        let writer = match which {
            0 => ("backend", "backend/api.py"),
            1 => ("frontend", "frontend/Dockerfile"),
            _ => ("index", "models/a.json"),
        };
        simulation.world.faults = 2;
        simulation.begin();
        simulation.world.writer = Some(writer);
        while simulation.world.now < TROUBLE && simulation.step() {}
        simulation.world.faults = 0;
        simulation.settle_down("the loop");
        simulation.world.writer = None;
        simulation.bring_over_what_waited();
        simulation.check_live();
    }
}

#[test]
fn a_hundred_saves_a_second_end_in_the_last_with_one_build_after_it() {
    // Each run is long.
    let few = seeds().into_iter().step_by(40);
    for seed in few {
        let mut simulation = Simulation::new(seed);
        simulation.trouble_until = Duration::ZERO;
        simulation.begin();
        simulation.settle_down("starting");
        for _ in 0..1000 {
            let moment = simulation.world.now + Duration::from_millis(10);
            simulation.pass(moment);
            for file in [
                "backend/requirements.txt",
                "backend/app.py",
                "frontend/Dockerfile",
            ] {
                simulation.save_next(file, false);
            }
        }
        let last = simulation.world.now;
        simulation.settle_down("after the last save");
        simulation.bring_over_what_waited();
        simulation.check_live();
        for service in ["backend", "frontend"] {
            let after = simulation.builds.iter();
            let after = after.filter(|(op, began)| op.service == service && *began >= last);
            assert!(after.count() <= 1, "{service}, seed {seed}");
        }
    }
}
