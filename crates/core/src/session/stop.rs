//! Down again, in reverse order.

use std::time::Duration;

use super::Session;
use super::doubled::{beside, is_beside};
use super::machine::{Doing, ImageState, Machine, Wanted};
use super::start::GRACE;
use crate::effect::{Effect, Exit};
use crate::event::Failure;

/// What could not be removed is tried again so much later.
const TRIED_AGAIN: Duration = Duration::from_secs(1);

impl Machine {
    /// It runs, or may do so in a moment.
    fn is_about(&self) -> bool {
        let begins = self.doing().is_some_and(Doing::replaces_process);
        self.running() || self.engine_restarts || begins
    }
}

impl Session {
    /// The next step of a service that is not to run.
    pub(super) fn step_down(&mut self, name: &str) {
        let Some(machine) = self.machines.get(name) else {
            return;
        };
        match machine.doing() {
            Some(doing) if doing.replaces_process() => return,
            Some(_) => self.drop_busy(name),
            None => {}
        }
        if self.ending.is_none() && self.never_ours(name) {
            return;
        }
        let Some(machine) = self.machines.get(name) else {
            return;
        };
        if !(machine.running() || machine.engine_restarts) || self.dependents_up(name) {
            return;
        }
        let Some(container) = machine.container_id() else {
            return;
        };
        let op = self.begin(name, Doing::Stop);
        if let Some(machine) = self.machines.get_mut(name) {
            // From now on nobody may count on it, although its process may take its time.
            machine.ready = false;
        }
        self.emit(Effect::Stop {
            op,
            container,
            grace: GRACE,
        });
    }

    /// It could not be stopped, or removed.
    pub(super) fn on_not_stopped(&mut self, name: &str, failure: Failure) {
        let (now, ending) = (self.now, self.ending.is_some());
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        if machine.surplus && (failure.away || is_beside(name)) {
            machine.suspect = Some((now + TRIED_AGAIN, failure));
            return;
        }
        let left = match machine.surplus {
            true => "; `devrun down` removes it",
            false => "",
        };
        let message = format!("{}{left}", failure.message);
        if machine.surplus {
            machine.failed = Some(failure);
        } else if ending {
            // It must not keep the program from ending.
            machine.loses_container();
        } else {
            machine.wanted = Wanted::Run;
            machine.failed = Some(failure);
        }
        self.warn(Some(name), message);
    }

    /// It was not asked for in this session: what somebody else started goes on.
    fn never_ours(&self, name: &str) -> bool {
        self.machines
            .get(name)
            .is_some_and(|machine| machine.wanted == Wanted::Off)
    }

    /// Somebody who depends on it still runs, or is about to.
    fn dependents_up(&self, name: &str) -> bool {
        let Some(stack) = &self.stack else {
            return false;
        };
        stack.services.iter().any(|service| {
            service
                .depends_on
                .iter()
                .any(|dependency| dependency.service == name)
                && self.machines.get(&service.name).is_some_and(|machine| {
                    // What was never ours goes on, and nobody waits for its end.
                    let leaving = self.ending == Some(true) || machine.wanted == Wanted::Stopped;
                    let other = self.machines.get(&beside(&service.name));
                    leaving && (machine.is_about() || other.is_some_and(Machine::is_about))
                })
        })
    }

    pub(super) fn on_stopped(&mut self, name: &str, deaf: bool) {
        if deaf {
            self.warn_once(name, DEAF.to_owned());
        }
        if let Some(machine) = self.machines.get_mut(name) {
            if let Some(seen) = &mut machine.container {
                seen.running = false;
            }
            machine.engine_restarts = false;
            machine.ended_by_us = true;
            machine.forget_process();
        }
    }

    /// Builds are given up when the session ends.
    pub(super) fn cancel_builds(&mut self) {
        let mut ops = Vec::new();
        for machine in self.machines.values_mut() {
            if let ImageState::Busy(op) = machine.image.clone() {
                machine.image = ImageState::Failed;
                ops.push(op);
            }
        }
        for op in ops {
            self.emit(Effect::Cancel { op });
        }
    }

    /// Once nothing runs any more, or nothing is to be stopped, the session is over.
    pub(super) fn end_if_down(&mut self) {
        let Some(stop) = self.ending else {
            return;
        };
        let down = self
            .order
            .iter()
            .filter_map(|name| self.machines.get(name))
            .all(|machine| {
                !machine.running() && !machine.engine_restarts && machine.busy.is_none()
            });
        let down = down && !self.machines.values().any(Machine::is_leaving);
        if !stop || !self.connected || down {
            let exit = if self.ready_once {
                Exit::Done
            } else {
                Exit::Interrupted
            };
            self.exit(exit);
        }
    }
}

/// What is said of a first process that had to be killed at once.
pub const DEAF: &str = "its first process cannot receive the signal to end, so it was killed at \
                        once; `init #true` in the Stackfile mends that";
