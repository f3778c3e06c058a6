//! The deciding machine of one stack: what is wanted is compared with what the engine says, and
//! the difference becomes effects; their ends come back as events, until nothing is left to do.

mod again;
mod again_soon;
mod blame;
mod circle;
mod done;
mod doubled;
mod engine;
mod follow;
mod foresee;
mod freshness;
mod hold;
mod large;
mod leaving;
mod limits;
mod looking;
mod machine;
mod notices;
mod paused;
mod proxy;
mod replicas;
mod roll;
mod routing;
mod seen;
mod settling;
mod shown;
mod spec;
mod spent;
mod stackfile;
mod start;
mod state;
mod stop;
mod task;
#[cfg(test)]
pub(crate) mod tests;
mod undone;
mod unsynced;
mod update;
mod wanted;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use devrun_stack::{Service, Stack};

use crate::certificate::Certificate;
use crate::effect::{Effect, Exit, RouteState};
use crate::event::{Event, Op, Polled, WatchEvent};
use crate::live::Capacity;
use crate::plan::Rules;
pub(crate) use engine::STARTS_AGAIN;
pub use foresee::{Foreseen, Foresight, STALE};
pub use hold::Held;
use machine::{Busy, Doing, Machine};
pub use shown::{ServiceView, View};
pub use state::State;
pub use stop::DEAF;
pub use wanted::wanted;

/// What a session is started with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Services named on the command line; empty means all.
    pub services: Vec<String>,
    /// Profiles chosen.
    pub profiles: Vec<String>,
    /// Build images even if equal ones are there.
    pub build: bool,
    /// Make containers anew even if they are equal.
    pub recreate: bool,
    /// Watch and update.
    pub watch: bool,
    /// Hash of the checkout's path.
    pub root: String,
    /// The run of `ci` that all belongs to.
    pub run: Option<String>,
    /// The first number of a proxy configuration; must be larger than those of sessions before.
    pub first_generation: u64,
}

/// Whether network and volumes are there.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Prepared {
    No,
    Busy(Op),
    /// The engine was about to end, it seems: not before that moment.
    Later(Duration),
    Yes,
    Failed(String),
}

/// The state of one stack.
#[derive(Debug, Clone)]
pub struct Session {
    options: Options,
    stack: Option<Arc<Stack>>,
    rules: Option<Arc<Rules>>,
    proxy_configs: BTreeMap<String, String>,
    certificate: Option<Result<Certificate, String>>,
    machines: BTreeMap<String, Machine>,
    /// Names in order of declaration.
    order: Vec<String>,
    prepared: Prepared,
    /// Until when the engine may be about to end, since it did not answer.
    ends_until: Option<Duration>,
    connected: bool,
    /// Since when it is not, until the engine has told anew.
    away_since: Option<Duration>,
    /// What the engine's machine has.
    capacity: Capacity,
    /// Something of another checkout stands in the way.
    refused: bool,
    /// Set once the session is to end; whether the services are stopped first.
    ending: Option<bool>,
    signals: u32,
    armed: bool,
    watching: usize,
    polled: Vec<Polled>,
    settled: bool,
    ready_once: bool,
    generation: u64,
    told_proxy: Option<(String, Vec<RouteState>)>,
    next_op: u64,
    next_seq: u64,
    now: Duration,
    out: Vec<Effect>,
    exited: bool,
    /// What is wrong with the Stackfile as it was saved last, if something is.
    wrong: Option<String>,
    /// Something that others may wait for came about while they were looked at.
    look_again: bool,
}

impl Session {
    /// A session that knows nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Session {
        let generation = options.first_generation;
        Session {
            options,
            stack: None,
            rules: None,
            proxy_configs: BTreeMap::new(),
            certificate: None,
            machines: BTreeMap::new(),
            order: Vec::new(),
            prepared: Prepared::No,
            ends_until: None,
            connected: false,
            away_since: None,
            capacity: Capacity::default(),
            refused: false,
            ending: None,
            signals: 0,
            armed: false,
            watching: 0,
            polled: Vec::new(),
            settled: false,
            ready_once: false,
            generation,
            told_proxy: None,
            next_op: 0,
            next_seq: 0,
            now: Duration::ZERO,
            out: Vec::new(),
            exited: false,
            wrong: None,
            look_again: false,
        }
    }

    /// Takes in what happened, `now` after the session began, and answers with what to do.
    /// Total: there is no event that it cannot handle.
    pub fn handle(&mut self, event: Event, now: Duration) -> Vec<Effect> {
        self.now = now;
        if self.exited {
            return Vec::new();
        }
        match event {
            Event::Stackfile(stackfile) => self.on_stackfile(stackfile),
            Event::Watch(event) => self.on_watch(event),
            Event::Engine(observed) => self.on_engine(observed),
            Event::AgentGone { container } => self.on_agent_gone(&container),
            Event::BroughtBack {
                service,
                files,
                problems,
            } => self.on_brought_back(&service, &files, problems),
            Event::BaseChanged { base, services } => self.on_base_changed(&base, &services),
            Event::Done { op, outcome } => self.on_done(&op, outcome),
            Event::Progress { op, progress } => self.on_progress(&op, progress),
            Event::Request(request) => self.on_request(request),
            Event::Signal => self.on_signal(),
            Event::Deadline => {}
        }
        self.advance();
        std::mem::take(&mut self.out)
    }

    /// It is on its way out: what is asked for now would come to nothing.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.is_some() || self.exited
    }

    /// When [`Event::Deadline`] is wanted, counted from the session's beginning.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        // What cannot be begun now is looked at again when that changes, whatever the time is.
        if !self.connected || self.ending.is_some() {
            return None;
        }
        match self.prepared {
            Prepared::Yes => {}
            Prepared::Later(at) => return Some(at),
            _ => return None,
        }
        self.machines
            .values()
            .filter(|machine| machine.wanted == machine::Wanted::Run)
            .filter_map(|machine| match &machine.suspect {
                // One that has failed meanwhile is not looked at before there is a reason to try.
                Some(_) if machine.failed.is_some() => None,
                Some((until, _)) if machine.busy.is_none() => Some(*until),
                _ if self.follow_waits(machine).is_some() => None,
                _ if machine.task && task::due(machine).is_some_and(|due| due > self.now) => {
                    task::due(machine)
                }
                _ if machine.can_follow() => follow::due(machine).or(unsynced::due(machine)),
                _ => None,
            })
            .chain(self.machines.values().filter_map(again_soon::due))
            .chain(
                self.machines
                    .values()
                    .filter_map(|machine| machine.routing.due(self.now)),
            )
            .chain(
                self.machines
                    .values()
                    .filter_map(machine::Machine::removal_due),
            )
            .min()
    }

    /// What is missing becomes effects.
    fn advance(&mut self) {
        if self.exited {
            return;
        }
        if !self.refused {
            self.prepare();
            self.step_all();
            while std::mem::take(&mut self.look_again) {
                self.step_all();
            }
            self.remove_surplus();
        }
        self.rest_triggered();
        self.show_all();
        self.tell_proxy();
        self.settle();
        self.end_if_down();
    }

    fn step_all(&mut self) {
        for name in self.order.clone() {
            self.step(&name);
            self.step_owed(&name);
        }
        self.step_all_beside();
    }

    fn step(&mut self, name: &str) {
        if !self.connected {
            return;
        }
        self.cancel_large(name);
        let Some(machine) = self.machines.get(name) else {
            return;
        };
        if self.ending == Some(true) || machine.wanted != machine::Wanted::Run {
            self.step_down(name);
        } else if self.ending.is_none() && self.prepared == Prepared::Yes {
            self.step_up(name);
            self.step_large(name);
        }
    }

    fn on_watch(&mut self, event: WatchEvent) {
        match event {
            WatchEvent::Ready { files } => {
                self.armed = true;
                self.watching = files;
            }
            WatchEvent::Changed { paths, same, age } => self.on_changed(paths, &same, age),
            WatchEvent::Passed { paths } => self.on_passed(paths),
            WatchEvent::Overflow { changed } => self.on_overflow(changed),
            WatchEvent::Lost { root, message } => {
                let place = root.display().to_string();
                let place = if place.is_empty() {
                    "watching".to_owned()
                } else {
                    place
                };
                self.warn(None, format!("{place}: {message}"));
            }
            WatchEvent::Polled { polled } => self.polled = polled,
        }
    }

    fn service(&self, name: &str) -> Option<&Service> {
        let name = doubled::service_of(name);
        self.stack.as_ref().and_then(|stack| stack.service(name))
    }

    /// A new operation on a service.
    fn op(&mut self, service: &str) -> Op {
        self.next_op += 1;
        Op {
            service: doubled::service_of(service).to_owned(),
            number: self.next_op,
        }
    }

    /// Notes that the container of `name` is being worked on.
    fn begin(&mut self, name: &str, doing: Doing) -> Op {
        let (op, now) = (self.op(name), self.now);
        if let Some(machine) = self.machines.get_mut(name) {
            machine.account(now, machine.quiet_before(Some(doing)));
            machine.busy = Some(Busy {
                op: op.clone(),
                doing,
                since: now,
            });
            machine.owes |= matches!(doing, Doing::Sync | Doing::Attach | Doing::Push);
        }
        op
    }

    fn emit(&mut self, effect: Effect) {
        self.out.push(effect);
    }

    fn exit(&mut self, exit: Exit) {
        if !self.exited {
            self.exited = true;
            self.notice_ended(exit);
            self.emit(Effect::Exit(exit));
        }
    }
}
