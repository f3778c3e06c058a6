//! What must stay true of the deciding machine, whatever happens. Looked at from outside: a ledger
//! of events and effects that remembers on its own what the machine has to know.

mod routes;
mod switch;
mod targets;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use devrun_stack::{Action, Condition, Service, Stack};

use crate::effect::{Effect, Old, RouteState};
use crate::event::{Event, Failure, Op, Outcome, Request, Stackfile, WatchEvent};
use crate::live::{Capacity, Live};
use crate::observed::{Happened, Observed};
use crate::session::{Held, Session, State, View};
use crate::spec::{Container, ContainerSpec, ContainerState, Health, label};

pub(crate) use routes::heeded;
use targets::container_of;
pub(crate) use targets::target;

/// The ledger.
#[derive(Debug, Default)]
pub(crate) struct Invariants {
    stack: Option<Arc<Stack>>,
    pub(crate) connected: bool,
    capacity: Capacity,
    /// The services were told to go down, all of them.
    ending: bool,
    exited: bool,
    /// Whether the watches that were asked for are armed.
    armed: Option<bool>,
    /// Somebody asked for new containers in the place of equal ones.
    pub(crate) recreate: bool,
    containers: BTreeMap<String, Known>,
    /// When and with what code those ended whose start was not told yet.
    early: BTreeMap<String, (i128, i64)>,
    /// Begun, and neither ended nor given up.
    open: BTreeMap<Op, Effect>,
    last_op: u64,
    last_seq: u64,
    last_generation: u64,
    /// Which container of the proxy was told what, last.
    told: Option<(String, Vec<RouteState>)>,
    /// Of the proxy.
    configs: routes::Configs,
}

/// A container as the session was told of it.
#[derive(Debug, Default)]
struct Known {
    service: String,
    spec: String,
    live: Live,
    running: bool,
    exit_code: Option<i64>,
    started_ns: i128,
    /// Since its last start, the trees were compared.
    attached: bool,
    /// Somebody is in it who can be told.
    hears: bool,
    /// Since its last start, it said that it is well.
    well: bool,
    /// The engine refused something of it.
    refused: bool,
    /// Somebody wants it stopped.
    by_hand: bool,
    /// It was to be removed once: nothing is begun with it any more but that.
    leaves: bool,
}

impl Known {
    fn of(container: &Container) -> Known {
        Known {
            service: container.service().to_owned(),
            spec: container.label(label::SPEC).to_owned(),
            live: container.live,
            running: container.state == ContainerState::Running,
            exit_code: container.exit_code,
            started_ns: container.started_ns,
            ..Known::default()
        }
    }

    fn starts(&mut self, started_ns: i128) {
        *self = Known {
            service: std::mem::take(&mut self.service),
            spec: std::mem::take(&mut self.spec),
            live: self.live,
            running: true,
            started_ns,
            ..Known::default()
        };
    }

    fn ends(&mut self, code: Option<i64>) {
        self.running = false;
        self.attached = false;
        self.hears = false;
        self.well = false;
        self.exit_code = code;
    }
}

impl Invariants {
    /// Takes in what happened and what the session made of it; says what is broken, if anything.
    pub(crate) fn check(
        &mut self,
        event: &Event,
        effects: &[Effect],
        session: &Session,
        now: Duration,
    ) -> Result<(), String> {
        let was_over = self.exited;
        self.note_event(event);
        let view = session.view();
        if was_over && !effects.is_empty() {
            return Err(format!("after its end the session asks for {effects:?}"));
        }
        for effect in effects {
            self.check_effect(effect)
                .map_err(|broken| format!("{broken}\n  by {effect:?}\n  after {event:?}"))?;
        }
        self.check_rest(&view, session.next_deadline(), now)
            .map_err(|broken| {
                let open: Vec<&Op> = self.open.keys().collect();
                let mut told = format!("{broken}\n  after {event:?}\n  under way: {open:?}");
                for service in &view.services {
                    told.push_str(&format!("\n  {service:?}"));
                }
                told
            })
    }

    fn note_event(&mut self, event: &Event) {
        match event {
            Event::Stackfile(Stackfile::Loaded { stack, .. }) => self.stack = Some(stack.clone()),
            Event::Engine(observed) => self.note_engine(observed),
            Event::Done { op, outcome } => {
                if let Some(effect) = self.open.remove(op) {
                    self.note_end(&effect, outcome);
                    self.note_failed(&effect, outcome);
                    self.note_config(&effect, outcome);
                }
            }
            Event::Watch(WatchEvent::Ready { .. }) => self.armed = Some(true),
            Event::AgentGone { container } => {
                if let Some(known) = self.containers.get_mut(container) {
                    known.hears = false;
                }
            }
            Event::Signal | Event::Request(Request::End { stop: true }) => self.ending = true,
            Event::Request(Request::Up { recreate, .. }) => self.recreate |= recreate,
            _ => {}
        }
    }

    fn note_engine(&mut self, observed: &Observed) {
        match observed {
            Observed::Connected {
                containers,
                capacity,
            } => {
                self.connected = true;
                self.capacity = *capacity;
                let known = containers
                    .iter()
                    .map(|one| (one.id.clone(), Known::of(one)));
                self.containers = known.collect();
            }
            Observed::Disconnected { .. } => self.connected = false,
            Observed::Container {
                id, what, time_ns, ..
            } => {
                let Some(known) = self.containers.get_mut(id) else {
                    if let Happened::Exited { code } = what {
                        self.early.insert(id.clone(), (*time_ns, *code));
                    }
                    return;
                };
                let late = *time_ns <= known.started_ns;
                match what {
                    Happened::Started if !late && !known.running => known.starts(*time_ns),
                    Happened::Exited { code } if !late => known.ends(Some(*code)),
                    Happened::Health(Health::Healthy) if known.running => known.well = true,
                    Happened::StoppedByHand if !late => known.by_hand = true,
                    Happened::Removed => drop(self.containers.remove(id)),
                    _ => {}
                }
            }
        }
    }

    fn note_end(&mut self, effect: &Effect, outcome: &Outcome) {
        match outcome {
            Outcome::Started {
                container,
                started_ns,
                ..
            } => {
                let known = self.containers.entry(container.clone()).or_default();
                if let Effect::Create {
                    op, spec, replaces, ..
                } = effect
                {
                    known.service.clone_from(&op.service);
                    known.spec = spec.labels.get(label::SPEC).cloned().unwrap_or_default();
                    known.live = Live::of_spec(spec).within(self.capacity);
                    known.starts(*started_ns);
                    if let Some(old) = replaces {
                        self.containers.remove(&old.container);
                    }
                } else if *started_ns > known.started_ns {
                    known.starts(*started_ns);
                }
                if let Some((ended, code)) = self.early.remove(container)
                    && ended > *started_ns
                    && let Some(known) = self.containers.get_mut(container)
                {
                    known.ends(Some(code));
                }
            }
            Outcome::Failed(Failure {
                created: Some(id), ..
            }) => {
                if let Effect::Create {
                    op, spec, replaces, ..
                } = effect
                {
                    let known = self.containers.entry(id.clone()).or_default();
                    known.service.clone_from(&op.service);
                    known.spec = spec.labels.get(label::SPEC).cloned().unwrap_or_default();
                    known.live = Live::of_spec(spec).within(self.capacity);
                    if let Some(old) = replaces {
                        self.containers.remove(&old.container);
                    }
                }
            }
            // Whatever cannot be stopped must not keep the others from it.
            Outcome::Failed(failure)
                if failure.container_gone
                    || (self.ending && matches!(effect, Effect::Stop { .. })) =>
            {
                if let Some(id) = container_of(effect) {
                    self.containers.remove(id);
                }
            }
            Outcome::Failed(failure) if failure.refused => {
                let known = container_of(effect).and_then(|id| self.containers.get_mut(id));
                if let Some(known) = known {
                    known.refused = true;
                }
            }
            _ => {
                let known = container_of(effect).and_then(|id| self.containers.get_mut(id));
                let Some(known) = known else { return };
                match outcome {
                    Outcome::Attached { .. } => {
                        known.attached = known.running;
                        known.hears = known.running;
                    }
                    Outcome::Ready => known.well = known.running,
                    Outcome::Stopped { .. } => known.ends(known.exit_code),
                    Outcome::Updated => {
                        if let Effect::Update { live, .. } = effect {
                            known.live = *live;
                        }
                    }
                    Outcome::Removed => {
                        if let Some(id) = container_of(effect) {
                            self.containers.remove(id);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn check_effect(&mut self, effect: &Effect) -> Result<(), String> {
        if self.exited {
            return Err("the session had ended before".to_owned());
        }
        if let Some(container) = container_of(effect)
            && !self.containers.contains_key(container)
        {
            return Err(format!("nobody told of a container {container}"));
        }
        match effect {
            Effect::Notice(notice) => return rises(&mut self.last_seq, notice.seq),
            Effect::Exit(_) => self.exited = true,
            Effect::Watch { .. } => drop(self.armed.get_or_insert(false)),
            Effect::Cancel { op } => {
                let open = self.open.remove(op).map(drop);
                return open.ok_or_else(|| format!("{op:?} was not under way"));
            }
            Effect::Create {
                op,
                spec,
                replaces,
                files,
            } => {
                self.check_files(files)?;
                self.check_needs(&op.service)?;
                self.check_reason(spec, replaces.as_ref())?;
            }
            Effect::Start { op, files, .. } => {
                self.check_files(files)?;
                self.check_needs(&op.service)?;
            }
            Effect::Stop { op, .. } => self.check_needed(&op.service)?,
            Effect::Remove { op, container, .. } => {
                self.check_removal(&op.service, container)?;
                if let Some(known) = self.containers.get_mut(container) {
                    known.leaves = true;
                }
            }
            Effect::Update {
                container, live, ..
            } if self.containers[container].live == *live => {
                return Err(format!("{container} has these limits already"));
            }
            Effect::ProxyApply { generation, .. } => {
                rises(&mut self.last_generation, *generation)?;
            }
            Effect::ProxyStates { container, states } => {
                self.check_states(states)?;
                self.told = Some((container.clone(), states.clone()));
            }
            _ => {}
        }
        let Some((op, target)) = target(effect) else {
            return Ok(());
        };
        rises(&mut self.last_op, op.number)?;
        let other = self
            .open
            .values()
            .filter(|open| !matches!(open, Effect::Look { .. }))
            .find(|open| self::target(open).is_some_and(|(_, other)| other == target));
        if let Some(other) = other {
            return Err(format!("{other:?} is still under way"));
        }
        if !self.connected {
            return Err("there is no engine to do it".to_owned());
        }
        self.open.insert(op.clone(), effect.clone());
        Ok(())
    }

    /// A service begins only when all that it depends on is there as it was declared.
    fn check_needs(&self, name: &str) -> Result<(), String> {
        let Some(stack) = &self.stack else {
            return Err("there is no Stackfile yet".to_owned());
        };
        let service = stack.service(name).ok_or("it is not declared")?;
        for needed in &service.depends_on {
            let Some(other) = stack.service(&needed.service) else {
                continue;
            };
            let there = match needed.condition {
                Condition::Started => self.runs(&other.name) || self.did_well(other),
                Condition::Healthy => self.is_well(other) || self.did_well(other),
                Condition::Completed => self.did_well(other),
            };
            if !there && needed.required {
                return Err(format!("{name} begins before {} is there", other.name));
            }
        }
        Ok(())
    }

    /// What goes down goes after all that depend on it.
    fn check_needed(&self, name: &str) -> Result<(), String> {
        let services = self.stack.iter().flat_map(|stack| &stack.services);
        let dependent = services
            .filter(|service| service.depends_on.iter().any(|it| it.service == name))
            .find(|service| self.ending && self.runs(&service.name));
        dependent.map_or(Ok(()), |other| {
            Err(format!("{name} stops before {}", other.name))
        })
    }

    /// What goes is not declared, or was doubled. What serves never goes for what does not.
    fn check_removal(&self, name: &str, container: &str) -> Result<(), String> {
        let Some(service) = self.stack.as_ref().and_then(|stack| stack.service(name)) else {
            return Ok(());
        };
        if self.containers.get(container).is_some_and(|it| it.leaves) {
            return Ok(());
        }
        let is_made =
            |open: &Effect| matches!(open, Effect::Create { op, .. } if op.service == name);
        if service.update.roll && self.open.values().any(is_made) {
            return Ok(());
        }
        let mut others = self
            .containers
            .iter()
            .filter(|(id, known)| known.service == name && id.as_str() != container);
        let (Some((_, other)), true) = (others.next(), service.update.roll) else {
            return Err(format!("{name} is declared, and is removed"));
        };
        let asked = service.healthcheck.is_some() || !service.routes.is_empty();
        let answers = |known: &Known| if asked { known.well } else { known.attached };
        let well = |known: &Known| known.running && answers(known);
        match self.containers.get(container) {
            Some(known) if well(known) && !well(other) && !other.by_hand && !self.ending => Err(
                format!("{container} serves, and makes room for one that does not"),
            ),
            _ => Ok(()),
        }
    }

    fn check_reason(&self, spec: &ContainerSpec, old: Option<&Old>) -> Result<(), String> {
        let mut same_service = self
            .containers
            .iter()
            .filter(|(_, known)| known.service == spec.service);
        let Some(old) = old else {
            let stack = self.stack.as_ref();
            let service = stack.and_then(|stack| stack.service(&spec.service));
            // One that rolls may have two.
            let most = usize::from(service.is_some_and(|service| service.update.roll));
            return same_service.nth(most).map_or(Ok(()), |(id, _)| {
                Err(format!("{id} stands where another one is to be made"))
            });
        };
        let wanted = spec.labels.get(label::SPEC).map_or("", String::as_str);
        let live = Live::of_spec(spec).within(self.capacity);
        let equal = self.containers.get(&old.container).is_some_and(|known| {
            let same = known.spec == wanted && known.live == live;
            known.running && same && !known.refused
        });
        let told_to = self.recreate || self.recreates(&spec.service);
        if equal && !told_to {
            return Err(format!("{} is equal, and runs", old.container));
        }
        Ok(())
    }

    fn recreates(&self, name: &str) -> bool {
        let service = self.stack.as_ref().and_then(|stack| stack.service(name));
        let rules = service.into_iter().flat_map(|service| {
            let synced = service.sync.iter().flat_map(|sync| &sync.on);
            service.on.iter().chain(synced)
        });
        rules
            .into_iter()
            .any(|on| on.actions.contains(&Action::Recreate))
    }

    /// The proxy is never told that somebody serves who does not.
    fn check_states(&self, states: &[RouteState]) -> Result<(), String> {
        for state in states.iter().filter(|state| state.ready) {
            let service = self
                .stack
                .as_ref()
                .and_then(|stack| stack.service(&state.service));
            if !service.is_some_and(|service| self.is_well(service)) {
                return Err(format!("{} does not serve", state.service));
            }
        }
        Ok(())
    }

    /// What has to hold between two events.
    fn check_rest(
        &self,
        view: &View,
        deadline: Option<Duration>,
        now: Duration,
    ) -> Result<(), String> {
        if let Some(past) = deadline.filter(|deadline| *deadline <= now && !self.exited) {
            return Err(format!(
                "wants to be woken at {past:?}, and it is {now:?}: the loop would spin"
            ));
        }
        for service in &view.services {
            let unsaid = matches!(
                service.state,
                State::Waiting | State::Starting | State::Updating | State::Failed
            );
            if unsaid && service.reason.is_none() {
                return Err(format!("{} does not say what it waits for", service.name));
            }
            if matches!(service.state, State::Ready | State::Unhealthy) && !self.runs(&service.name)
            {
                return Err(format!(
                    "{} is {:?} and does not run",
                    service.name, service.state
                ));
            }
        }
        self.check_switch(view)?;
        let armed = self.armed.unwrap_or(true);
        let idle = armed && self.connected && self.open.is_empty() && deadline.is_none();
        let engine_works = view.services.iter().any(|service| {
            let reason = service.reason.as_deref().unwrap_or_default();
            reason.contains("the engine starts it again")
        });
        let services = self.stack.iter().flat_map(|stack| &stack.services);
        let task_works = services
            .filter(|service| service.task)
            .any(|service| self.runs(&service.name));
        let over = self.exited || self.ending;
        let person_works = view
            .services
            .iter()
            .any(|service| service.held == Some(Held::Terminal));
        let waits = engine_works || task_works || person_works;
        if idle && !over && self.stack.is_some() && !view.settled && !waits {
            return Err("nothing is under way, and it is not settled: stuck".to_owned());
        }
        if view.settled && !over {
            return self.check_settled(view);
        }
        Ok(())
    }

    fn check_settled(&self, view: &View) -> Result<(), String> {
        let calm = |state| matches!(state, State::Ready | State::Unhealthy | State::Done);
        for service in view.services.iter().filter(|service| calm(service.state)) {
            // What could not be brought over is tried again without anybody waiting for it.
            let again = |op: &Op| {
                !service.unsynced.is_empty() && matches!(self.open[op], Effect::Sync { .. })
            };
            // Nobody waits for what it finds.
            let looks = |op: &Op| matches!(self.open[op], Effect::Look { .. });
            let mut own = self.open.keys().filter(|op| op.service == service.name);
            let working = own.find(|op| !again(op) && !looks(op));
            if let Some(op) = working {
                return Err(format!("settled, and {:?} is under way", self.open[op]));
            }
        }
        Ok(())
    }

    fn known(&self, name: &str) -> impl Iterator<Item = &Known> {
        self.containers
            .values()
            .filter(move |known| known.service == name)
    }

    fn runs(&self, name: &str) -> bool {
        self.known(name).any(|known| known.running)
    }

    fn is_well(&self, service: &Service) -> bool {
        let asked = service.healthcheck.is_some() || !service.routes.is_empty();
        self.known(&service.name)
            .any(|known| known.running && if asked { known.well } else { known.attached })
    }

    fn did_well(&self, service: &Service) -> bool {
        service.task
            && self
                .known(&service.name)
                .any(|known| known.exit_code == Some(0))
    }
}

fn rises(last: &mut u64, now: u64) -> Result<(), String> {
    if now <= *last {
        return Err(format!("{now} comes after {last}"));
    }
    *last = now;
    Ok(())
}
