//! What people are told of a service: its state, why it is in it, and whether all is settled.

use std::time::Duration;

use devrun_stack::{Service, Source};

use super::engine::LOOPS;
use super::machine::{Doing, ImageState, Machine, Wanted};
use super::state::{Shown, State};
use super::{Held, Session};
use crate::event::{Polled, Transport};
use crate::notice::NoticeEvent;
use crate::spec::Health;

/// State and reason as they are now.
pub(super) struct Facts {
    pub(super) state: State,
    pub(super) reason: Option<String>,
}

/// A session as others see it.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// All that was asked for is ready, or will not become so.
    pub settled: bool,
    /// What is wrong with the Stackfile as it was saved last: the one before is in force.
    pub wrong: Option<String>,
    /// Files that are watched.
    pub watching: usize,
    /// What of it is polled.
    pub polled: Vec<Polled>,
    /// The number of the proxy's configuration.
    pub generation: u64,
    /// The services, in order of declaration.
    pub services: Vec<ServiceView>,
}

/// A service as others see it.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceView {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// Why it is in it, where that is worth a word.
    pub reason: Option<String>,
    /// More lines about the reason.
    pub details: Vec<String>,
    /// Since when, counted from the session's beginning.
    pub since: Duration,
    /// `healthy`, `unhealthy`, `starting`, or nothing without a health check.
    pub health: Option<&'static str>,
    /// Its container.
    pub container: Option<String>,
    /// How its process ended, if it did.
    pub exit_code: Option<i64>,
    /// The image it is to run from.
    pub image: Option<String>,
    /// Times that its process was started again, by the engine or by us.
    pub restarts: u32,
    /// How changes travel.
    pub transport: Option<Transport>,
    /// Saves that are not live yet.
    pub pending: usize,
    /// What could not be brought over, relative to the Stackfile, and why.
    pub unsynced: Vec<(String, String)>,
    /// For what they wait, if it is not for us.
    pub held: Option<Held>,
    /// Rules that do not act because they trigger themselves, each with the file that they change.
    pub paused: Vec<(String, String)>,
    /// What runs is older than what was saved, because its last build, or a step after it,
    /// failed.
    pub stale: bool,
    /// How long its last start took.
    pub took: Option<Duration>,
}

impl Session {
    /// How the session looks from outside, for `status` and the waiting page.
    #[must_use]
    pub fn view(&self) -> View {
        let services = self.stack.iter().flat_map(|stack| &stack.services);
        View {
            settled: self.settled,
            wrong: self.wrong.clone(),
            watching: self.watching,
            polled: self.polled.clone(),
            generation: self.generation,
            services: services
                .filter_map(|service| {
                    let machine = self.machines.get(&service.name)?;
                    Some(self.service_view(service, machine))
                })
                .collect(),
        }
    }

    fn service_view(&self, service: &Service, machine: &Machine) -> ServiceView {
        let Facts { state, reason } = self.facts(service, machine);
        let health = service.healthcheck.as_ref().and_then(|_| match state {
            State::Unhealthy => Some("unhealthy"),
            _ if machine.ready && machine.running() => Some("healthy"),
            _ if machine.running() => Some("starting"),
            _ => None,
        });
        let image = match &machine.image {
            ImageState::Have(image) => Some(image.name.clone()),
            _ => None,
        };
        let replacement = self.replacement_waits(service, machine);
        let waiting = match machine.wanted {
            Wanted::Run => super::hold::waiting(machine, replacement),
            Wanted::Off | Wanted::Stopped => 0,
        };
        // nginx does not work with what was saved yet.
        let routes = usize::from(machine.is_up() && self.proxy_config_differs(&machine.name));
        let unsynced: Vec<(String, String)> = machine
            .unsynced
            .iter()
            .filter(|_| machine.running())
            .map(|(path, reason)| (self.shown_path(path), reason.to_owned()))
            .collect();
        ServiceView {
            name: service.name.clone(),
            state,
            reason,
            details: machine
                .failure()
                .or(machine.vain())
                .map_or_else(Vec::new, |failed| failed.details.clone()),
            since: machine.shown.since,
            health,
            container: machine.container_id(),
            exit_code: machine.container.as_ref().and_then(|seen| seen.exit_code),
            image,
            restarts: machine.restarts,
            transport: machine.attached,
            pending: machine.unfinished().max(waiting).max(routes) + unsynced.len(),
            unsynced,
            held: super::hold::held(machine),
            paused: machine.paused().collect(),
            stale: (machine.image == ImageState::Failed
                || machine.vain().is_some()
                || machine.undone.is_some()
                || machine.unlimited.is_some())
                && machine.running(),
            took: machine.start_took,
        }
    }

    /// State and reason of a service.
    pub(super) fn facts(&self, service: &Service, machine: &Machine) -> Facts {
        let Facts { state, reason } = self.facts_of_one(service, machine);
        let stands = !matches!(state, State::Off | State::Stopped);
        let doubled = stands.then(|| self.why_doubled(service)).flatten();
        let both: Vec<String> = reason.into_iter().chain(doubled).collect();
        let reason = (!both.is_empty()).then(|| both.join("; "));
        Facts { state, reason }
    }

    /// Of the container that serves, where there are two.
    fn facts_of_one(&self, service: &Service, machine: &Machine) -> Facts {
        let facts = |state, reason: Option<String>| Facts { state, reason };
        match machine.wanted {
            Wanted::Off if !machine.running() => {
                let profile = service.profiles.first();
                return facts(State::Off, profile.map(|name| format!("--profile {name}")));
            }
            Wanted::Stopped if !machine.running() => {
                return facts(State::Stopped, Some("stopped by hand".to_owned()));
            }
            _ => {}
        }
        if self.ending == Some(true) && !machine.running() {
            return facts(State::Stopped, Some("the session ends".to_owned()));
        }
        let building = matches!(machine.image, ImageState::Busy(_)) && machine.image_made;
        if machine.completed && !building {
            return facts(State::Done, machine.why_paused());
        }
        if !self.connected {
            return facts(State::Waiting, Some("for the engine".to_owned()));
        }
        if let Some(failed) = machine.failure() {
            let mut reason = failed.message.clone();
            if let Some(hint) = &failed.hint {
                reason.push_str("; ");
                reason.push_str(hint);
            }
            return facts(State::Failed, Some(reason));
        }
        if machine.ready && machine.running() {
            return self.facts_of_ready(service, machine);
        }
        self.facts_of_starting(service, machine)
    }

    fn facts_of_ready(&self, service: &Service, machine: &Machine) -> Facts {
        let (state, reason) = match machine.health {
            Some(Health::Unhealthy) => {
                let reason = match &machine.last_probe {
                    Some(output) => format!("its health check fails: {output}"),
                    None => "its health check fails".to_owned(),
                };
                (State::Unhealthy, Some(reason))
            }
            _ if machine.image == ImageState::Failed => (
                State::Ready,
                Some("its build failed; serving the version before".to_owned()),
            ),
            _ => {
                let replacement = self.replacement_waits(service, machine);
                let reason = super::hold::why_saves_wait(machine, replacement);
                let reason = reason.or_else(|| self.why_follow_waits(machine));
                let reason = reason.or_else(|| machine.why_vain());
                let reason = reason.or_else(|| machine.why_undone());
                let reason = reason.or_else(|| machine.why_unlimited());
                let reason = reason.or_else(|| machine.routing.why());
                (State::Ready, reason.or_else(|| self.why_unsynced(machine)))
            }
        };
        Facts { state, reason }
    }

    pub(super) fn facts_of_starting(&self, service: &Service, machine: &Machine) -> Facts {
        let facts = |state, reason: &str| Facts {
            state,
            reason: Some(reason.to_owned()),
        };
        if let ImageState::Busy(_) = machine.image
            && !machine.running()
        {
            return match &service.source {
                _ if let Some(reason) = &machine.image_waits => facts(State::Waiting, reason),
                _ if !machine.image_made => facts(State::Waiting, "its image is being looked for"),
                Source::Build(_) => facts(State::Building, "its image is being built"),
                Source::Image(image) => facts(State::Pulling, &format!("pulling {image}")),
            };
        }
        if machine.engine_restarts {
            return facts(State::Starting, "it ended, the engine starts it again");
        }
        let state = if machine.was_ready {
            State::Updating
        } else {
            State::Starting
        };
        if let Some((_, failure)) = &machine.suspect {
            return facts(state, &failure.message);
        }
        match machine.doing() {
            Some(Doing::Create) => facts(state, "its container is being made"),
            Some(Doing::Start) => facts(state, "its container is being started"),
            Some(Doing::Restart) => facts(state, "restarting"),
            Some(Doing::Update) => facts(state, "its limits are being changed"),
            Some(Doing::Rename) => facts(state, "its container gets its name"),
            Some(Doing::Stop) => facts(State::Updating, "being stopped"),
            Some(Doing::Attach) => facts(state, "its files are being compared"),
            Some(Doing::Sync | Doing::Push) => facts(state, "its files are being brought over"),
            Some(Doing::ProxyRead) => facts(state, "nginx is asked whether it has its routes"),
            Some(Doing::Probe) => match &machine.last_probe {
                Some(output) => facts(
                    state,
                    &format!("its health check says: {}", super::done::last_line(output)),
                ),
                None => facts(state, "its health check has not been answered yet"),
            },
            _ => match self.held_by(service) {
                Some(other) => {
                    let word = match other.surplus {
                        true => "being removed",
                        false => other.shown.state.word(),
                    };
                    facts(
                        State::Waiting,
                        &format!("for {}, which is {word}", other.name),
                    )
                }
                None => match machine.why_it_rests() {
                    Some(why) => facts(State::Waiting, &why),
                    None => facts(state, "about to start"),
                },
            },
        }
    }

    /// Tells what has changed about any service.
    pub(super) fn show_all(&mut self) {
        let Some(stack) = self.stack.clone() else {
            return;
        };
        for service in &stack.services {
            let Some(machine) = self.machines.get(&service.name) else {
                continue;
            };
            let Facts { state, reason } = self.facts(service, machine);
            let before = machine.shown.clone();
            if before.state == state && before.reason == reason {
                continue;
            }
            let explaining = machine.doing() == Some(Doing::Explain);
            if (before.state == state && !loops_now(&before, reason.as_deref())) || explaining {
                if let Some(machine) = self.machines.get_mut(&service.name)
                    && !explaining
                {
                    machine.shown.reason = reason;
                }
                continue;
            }
            self.show(&service.name, &before, state, reason);
        }
    }

    fn show(&mut self, name: &str, before: &Shown, state: State, reason: Option<String>) {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        machine.shown = Shown {
            state,
            reason: reason.clone(),
            since: now,
        };
        let (took, parts) = match state {
            State::Ready | State::Done => {
                let parts = std::mem::take(&mut machine.start_parts);
                (machine.start_took, parts)
            }
            _ => (None, Vec::new()),
        };
        let details = match (machine.failure(), state) {
            (Some(failed), State::Failed) => failed.details.clone(),
            _ => Vec::new(),
        };
        let died_of = self.machines.get(name).and_then(Machine::cause_of_death);
        let cause = self.cause_of(name).or(died_of);
        self.notice_timed(
            Some(name),
            cause,
            took,
            NoticeEvent::ServiceState {
                from: before.state.word().to_owned(),
                to: state.word().to_owned(),
                reason,
                details,
                parts,
            },
        );
    }

    /// Tells once that all that was asked for is ready, or will not become so.
    pub(super) fn settle(&mut self) {
        if self.stack.is_none() || self.ending.is_some() || self.exited {
            return;
        }
        let wanted: Vec<&Machine> = self
            .machines
            .values()
            .filter(|machine| machine.wanted == Wanted::Run)
            .collect();
        let done = |machine: &Machine| {
            let replaced = self
                .service(&machine.name)
                .is_some_and(|service| self.replacement_waits(service, machine));
            machine.is_up() && machine.at_rest() && !replaced
        };
        let ready = wanted.iter().all(|machine| done(machine));
        let stuck = self.connected
            && wanted.iter().all(|machine| {
                done(machine) || self.hopeless(machine, 0) || self.follow_waits_in_vain(machine)
            });
        let armed = self.armed || !self.options.watch;
        let leaves = self.machines.values().any(Machine::is_leaving);
        let settled = armed && self.connected && !leaves && (ready || stuck);
        if settled && !self.settled {
            self.ready_once |= ready;
            let watching = self.watching;
            self.notice(None, None, NoticeEvent::Settled { ready, watching });
        }
        self.settled = settled;
    }

    /// It failed, or waits for one that did.
    pub(super) fn hopeless(&self, machine: &Machine, depth: usize) -> bool {
        if machine.is_hopeless() {
            return true;
        }
        let making = matches!(machine.image, ImageState::Busy(_));
        let working = machine.busy.is_some() || making || machine.running();
        if working || machine.completed || depth > self.machines.len() {
            return false;
        }
        self.service(&machine.name)
            .and_then(|service| self.held_by(service))
            .is_some_and(|other| other.wanted != Wanted::Run || self.hopeless(other, depth + 1))
    }
}

/// That it dies again and again is worth a word of its own, once.
fn loops_now(before: &Shown, reason: Option<&str>) -> bool {
    let loops = |reason: Option<&str>| reason.is_some_and(|it| it.starts_with(LOOPS));
    loops(reason) && !loops(before.reason.as_deref())
}
