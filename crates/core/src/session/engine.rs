//! What the engine tells: the containers that there are, and what happens to them.

use std::time::Duration;

use devrun_stack::Restart;

use super::machine::{Doing, EXITS_TO_FAIL, ImageState, Machine, Wanted};
use super::replicas::{declared_as, is_surplus};
use super::seen::Seen;
use super::{Prepared, Session};
use crate::effect::{Effect, Exit};
use crate::event::Failure;
use crate::observed::{Happened, Observed};
use crate::plan::Follow;
use crate::spec::{Container, ContainerState, Health, label};

/// Of a process that ended: it is not over yet.
pub(crate) const STARTS_AGAIN: &str = "the engine starts it again";
/// The engine tells what happens with a delay of this at most.
const SAME_MOMENT: Duration = Duration::from_millis(50);
/// What fails so shortly before a container ends failed because it was about to end; the engine
/// tells of an end once it has cleaned up.
pub(super) const TOGETHER: Duration = Duration::from_secs(1);
/// So long an engine takes at most from the end of its containers to its own.
pub(super) const ENGINE_ENDS: Duration = Duration::from_secs(20);

/// How a reason begins that says so.
pub(super) const LOOPS: &str = "crash-looping";

impl Session {
    pub(super) fn on_engine(&mut self, observed: Observed) {
        match observed {
            Observed::Connected {
                containers,
                capacity,
            } => {
                self.capacity = capacity;
                self.on_connected(&containers);
            }
            Observed::Disconnected { message } => {
                if self.connected {
                    self.warn(
                        None,
                        format!("the engine does not answer ({message}); waiting for it"),
                    );
                }
                self.connected = false;
                self.away_since.get_or_insert(self.now);
                self.cancel_all();
            }
            Observed::Container {
                id,
                service,
                what,
                time_ns,
            } => self.on_container(&id, &service, what, time_ns),
        }
    }

    /// An engine that ends stops its containers first, and tells of it as if somebody had stopped
    /// each of them: what was to run is to run again once it is back. Where a process has outlived
    /// it, only the connection was away.
    fn nobody_stopped_them(&mut self, containers: &[Container]) {
        let Some(since) = self.away_since.take() else {
            return;
        };
        let outlived = |machine: &Machine| {
            let seen = machine.container.as_ref();
            seen.is_some_and(|seen| containers.iter().any(|now| seen.goes_on_as(now)))
        };
        if self.machines.values().any(outlived) {
            return;
        }
        let mut revived = Vec::new();
        for (name, machine) in &mut self.machines {
            let at = machine.stopped_outside;
            if at.is_some_and(|at| since.saturating_sub(at) < ENGINE_ENDS)
                && machine.wanted == Wanted::Stopped
            {
                machine.wanted = Wanted::Run;
                machine.stopped_outside = None;
                revived.push(name.clone());
            }
        }
        for name in revived {
            self.look_for_image_again(&name);
        }
    }

    /// A full picture replaces whatever was believed before.
    fn on_connected(&mut self, containers: &[Container]) {
        self.cancel_all();
        self.connected = true;
        if let Some(stranger) = containers.iter().find(|container| {
            !self.options.root.is_empty()
                && container.label(label::ROOT) != self.options.root
                && container.label(label::RUN).is_empty()
        }) {
            let place = stranger.label(label::ROOT_PATH).to_owned();
            self.warn(
                None,
                format!(
                    "{} belongs to the same stack in another folder, {place}: stop it there \
                     (`devrun down`), or start this one beside it with `-p OTHER-NAME`",
                    stranger.name
                ),
            );
            self.refused = true;
            self.exit(Exit::Failed);
            return;
        }
        self.nobody_stopped_them(containers);
        let mut started_outside = Vec::new();
        let moment = self.now;
        let places = self.places(containers);
        for (name, machine) in &mut self.machines {
            let now = places.get(name).copied();
            let before = machine.container_id();
            machine.container = now.map(Seen::of);
            // One that was being made while the one before was gone already is another one too.
            let was_made = machine.making.is_some() && machine.container.is_some();
            if (before.is_some() || was_made) && machine.container_id() != before {
                machine.is_made_anew();
            }
            machine.restarts = now.map_or(0, |container| container.restarts);
            machine.engine_starts = machine.restarts;
            machine.compared = false;
            machine.forget_process();
            if machine.stopped_outside.is_some()
                && machine.wanted == Wanted::Stopped
                && machine.running()
            {
                // Whoever stopped it has started it again.
                machine.wanted = Wanted::Run;
                started_outside.push(name.clone());
            }
            machine.engine_restarts =
                now.is_some_and(|container| container.state == ContainerState::Restarting);
            // Of an end that the picture shows already, what the engine says last may still come.
            machine.ended_by_us = !machine.running();
            machine.exited = None;
            machine.routing.is_unknown();
            if machine.running() {
                machine.starts_after_all();
            }
            // Saves that its container was to have may have come to nothing.
            machine.looked_at = false;
            machine.try_again();
            machine.take_up_undone(moment);
        }
        for name in started_outside {
            self.look_for_image_again(&name);
        }
        self.note_doubled(&places);
        self.note_undeclared(containers);
    }

    fn note_undeclared(&mut self, containers: &[Container]) {
        let stack = self.stack.clone();
        let mut left = Vec::new();
        for container in containers {
            let name = container.service();
            if !container.label(label::ONE_OFF).is_empty() || self.order.iter().any(|it| it == name)
            {
                continue;
            }
            let machine = self.machines.entry(name.to_owned());
            let machine = machine.or_insert_with(|| Machine::new(name));
            machine.container = Some(Seen::of(container));
            let declared = declared_as(container);
            machine.surplus |= stack
                .as_ref()
                .is_some_and(|stack| is_surplus(stack, name, declared));
            if !machine.surplus {
                left.push(container.name.clone());
            }
        }
        if !self.order.is_empty() {
            self.warn_about_undeclared(&left);
        }
    }

    pub(super) fn warn_about_undeclared(&mut self, names: &[String]) {
        if names.is_empty() {
            return;
        }
        let names = names.join(", ");
        self.warn(
            None,
            format!("no longer in the Stackfile, left alone: {names}; `devrun down` removes them"),
        );
    }

    /// Gives up everything that is under way on the engine.
    pub(super) fn cancel_all(&mut self) {
        let mut ops = Vec::new();
        match std::mem::replace(&mut self.prepared, Prepared::No) {
            Prepared::Busy(op) => ops.push(op),
            Prepared::Later(_) | Prepared::No => {}
            done => self.prepared = done,
        }
        let now = self.now;
        for machine in self.machines.values_mut() {
            if matches!(machine.doing(), Some(Doing::Create | Doing::Restart)) {
                // The engine may be at it all the same.
                machine.note_end(now);
            }
            ops.extend(machine.take_back());
            if let ImageState::Busy(op) = machine.image.clone() {
                machine.image = ImageState::Unknown {
                    reason: "the engine was away".to_owned(),
                    whole: false,
                };
                ops.push(op);
            }
        }
        for op in ops {
            self.emit(Effect::Cancel { op });
        }
    }

    fn on_container(&mut self, id: &str, service: &str, what: Happened, time_ns: i128) {
        let service = &self.machine_with(id, service);
        let Some(machine) = self.machines.get_mut(service) else {
            return;
        };
        if let Happened::Exited { code } = what {
            machine.exited = Some((time_ns, code));
        }
        let Some(seen) = machine.container.as_mut().filter(|seen| seen.id == id) else {
            return;
        };
        let replaced_by_us = machine
            .busy
            .as_ref()
            .is_some_and(|busy| busy.doing.replaces_process());
        let refused_until = machine.restart_refused;
        let came_no_further = refused_until.is_some_and(|until| self.now < until);
        if let Happened::Exited { code } = what {
            if came_no_further && seen.running && time_ns > seen.started_ns {
                seen.running = false;
                seen.exit_code = Some(code);
            }
            machine.ended_by_us = replaced_by_us || !seen.running;
        }
        match what {
            Happened::Removed => {
                machine.loses_container();
                machine.forget_process();
                if !replaced_by_us {
                    // The end of its process was part of that, and no failure.
                    machine.try_again();
                    machine.completed = false;
                    self.drop_busy(service);
                }
            }
            // What is told of a process that we know runs is an echo of our own start, and so is the
            // end of one that we know has ended.
            Happened::Started if !replaced_by_us && !seen.running => {
                seen.running = true;
                seen.started_ns = time_ns;
                machine.engine_starts = match machine.engine_restarts {
                    true => machine.engine_starts + 1,
                    false => 0,
                };
                machine.engine_restarts = false;
                machine.forget_process();
                machine.begins_after_all();
                machine.process_begins();
                machine.process_is_new(self.now);
                machine.restarts += 1;
                machine.failed = None;
                machine.start_began.get_or_insert(self.now);
                let was_stopped = machine.wanted == Wanted::Stopped;
                if was_stopped {
                    machine.wanted = Wanted::Run;
                }
                let just_written = machine
                    .written
                    .is_some_and(|at| self.now.saturating_sub(at) < SAME_MOMENT);
                if just_written || matches!(machine.doing(), Some(Doing::Push | Doing::Sync)) {
                    // Whether the process began before or after its files changed is not known.
                    machine.add_follow(vec![Follow::Restart]);
                }
                // The last words of the one before are worth their time: of one that dies quickly
                // they would never be known.
                if machine.doing() != Some(Doing::Explain) {
                    self.drop_busy(service);
                }
                if was_stopped {
                    self.look_for_image_again(service);
                }
            }
            Happened::Exited { code }
                if !replaced_by_us && seen.running && time_ns > seen.started_ns =>
            {
                self.on_process_ended(service, code);
            }
            // It gave up starting it again for a restart of ours, and then refused that.
            Happened::StoppedByHand if came_no_further => {}
            Happened::StoppedByHand if !replaced_by_us && !machine.ended_by_us => {
                machine.engine_restarts = false;
                if machine.wanted == Wanted::Run && !machine.running() {
                    machine.wanted = Wanted::Stopped;
                    machine.stopped_outside = Some(self.now);
                    machine.failed = None;
                    machine.crashed = None;
                    self.drop_busy(service);
                }
            }
            Happened::Health(health) if !replaced_by_us && time_ns > seen.started_ns => {
                self.on_health(service, health);
            }
            Happened::OutOfMemory => self.warn(
                Some(service),
                "the kernel ended a process of it: its memory limit was reached".to_owned(),
            ),
            _ => {}
        }
    }

    fn on_health(&mut self, name: &str, health: Health) {
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        if health == Health::Starting {
            return;
        }
        machine.health = Some(health);
        let late = health == Health::Healthy
            && !machine.ready
            && machine.failure().is_some()
            && machine.running();
        if late {
            self.is_well(name);
        }
    }

    /// Its process ended, and not because we asked for it.
    pub(super) fn on_process_ended(&mut self, name: &str, code: i64) {
        self.drop_busy(name);
        let service = self.service(name).cloned();
        self.note_death(name);
        let up = service.as_ref();
        let up = up.is_some_and(|service| self.dependencies_up(service));
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        if let Some(seen) = &mut machine.container {
            seen.running = false;
            seen.exit_code = Some(code);
        }
        let Some(service) = service else {
            // The engine keeps to what it was told, whatever is declared now.
            let seen = machine.container.as_ref();
            machine.engine_restarts =
                seen.is_some_and(|seen| starts_again(seen.live.restart, code, 0));
            return;
        };
        let attached = machine.attached.is_some();
        machine.fell = machine.ready;
        machine.forget_process();
        // Whatever it failed of, this is why.
        machine.failed = None;
        // A command failed because the container was about to end.
        machine.undone_within(TOGETHER, now);
        if service.task && (code == 0 || machine.run_due) {
            self.complete(name);
            return;
        }
        machine.exits += 1;
        let policy = machine.container.as_ref().map(|seen| seen.live.restart);
        let policy = policy.unwrap_or(service.restart);
        let again = starts_again(policy, code, machine.engine_starts) && !service.task;
        machine.engine_restarts = again;
        let exits = machine.exits;
        let after = machine.after_what();
        let word = if service.task { "task ended" } else { "exited" };
        let message = match exits {
            _ if !again => format!("{word} with {code}{after}"),
            0..EXITS_TO_FAIL => format!("{word} with {code}{after}, {STARTS_AGAIN}"),
            _ => format!("{LOOPS}{after}, {exits} exits, the last with {code}"),
        };
        if again && machine.mending && machine.wanted == Wanted::Run && up {
            // The engine's pause may be long by now.
            return self.restart(name);
        }
        if !attached && !machine.pushed && !service.task && self.push_all(name) {
            // It may run code that is older than the host's: that is not a failure yet.
        } else if !again {
            self.explain(name, failure(message));
        } else if let Some(crashed) = machine_crash(&mut self.machines, name) {
            // Its last words of before, until those of now are known.
            let details = crashed.take().map(|before| before.details);
            let details = details.unwrap_or_default();
            let told_before = !details.is_empty() && exits != EXITS_TO_FAIL;
            *crashed = Some(Failure {
                message,
                details,
                ..Failure::default()
            });
            if !told_before {
                self.fetch_log(name);
            }
        }
    }

    /// It ends before an agent can be started in it: perhaps it runs code that is older than the
    /// host's. All that is synced goes over by the archive call, once.
    fn push_all(&mut self, name: &str) -> bool {
        let service = super::doubled::service_of(name);
        let synced = self
            .rules
            .as_ref()
            .is_some_and(|rules| !rules.sync_rules(service).is_empty());
        let Some(machine) = self.machines.get_mut(name) else {
            return false;
        };
        machine.pushed = true;
        let Some(container) = machine.container_id().filter(|_| synced) else {
            return false;
        };
        let op = self.begin(name, Doing::Push);
        self.emit(Effect::Push { op, container });
        true
    }

    /// What is under way on a container has become pointless.
    pub(super) fn drop_busy(&mut self, name: &str) {
        let op = self.machines.get_mut(name).and_then(Machine::take_back);
        if let Some(op) = op {
            self.emit(Effect::Cancel { op });
        }
    }

    /// The connection to an agent ended: if the container still runs, it is started again.
    pub(super) fn on_agent_gone(&mut self, container: &str) {
        for machine in self.machines.values_mut() {
            let same = machine
                .container
                .as_ref()
                .is_some_and(|seen| seen.id == container);
            if same && machine.doing() != Some(Doing::Attach) {
                machine.attached = None;
                machine.answered = false;
                machine.large.give_up();
            }
        }
    }
}

/// Whether the engine starts one again that ended with this code, and that it has started so often.
fn starts_again(policy: Restart, code: i64, before: u32) -> bool {
    match policy {
        Restart::No => false,
        Restart::Always | Restart::UnlessStopped => true,
        Restart::OnFailure(None) => code != 0,
        Restart::OnFailure(Some(times)) => code != 0 && before < times,
    }
}

fn machine_crash<'a>(
    machines: &'a mut std::collections::BTreeMap<String, Machine>,
    name: &str,
) -> Option<&'a mut Option<Failure>> {
    machines.get_mut(name).map(|machine| &mut machine.crashed)
}

fn failure(message: String) -> Failure {
    Failure {
        message,
        ..Failure::default()
    }
}
