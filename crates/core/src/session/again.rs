//! A restart that somebody asked for: in order of dependencies, each in its own container.

use super::Session;
use super::machine::Wanted;
use crate::notice::NoticeEvent;

impl Session {
    pub(super) fn on_restart(&mut self, services: Vec<String>) {
        self.settled = false;
        if !services.is_empty() {
            self.on_up(services.clone(), Vec::new(), false, false);
        }
        let mut given_up = Vec::new();
        for (name, machine) in &mut self.machines {
            let asked = match services.is_empty() {
                // A task that is done is not run again because others are restarted.
                true => {
                    machine.wanted == Wanted::Run && !machine.completed && machine.beside.is_none()
                }
                false => services.contains(name),
            };
            if !asked {
                continue;
            }
            machine.again = true;
            machine.try_again();
            // What is under way with the process that is about to end has become pointless.
            if machine
                .doing()
                .is_some_and(|doing| !doing.replaces_process())
            {
                given_up.push(name.clone());
            }
        }
        for name in given_up {
            self.drop_busy(&name);
        }
    }

    /// Restarts a service once those that it depends on are through with theirs; false if it is to
    /// go on as if nobody had asked.
    pub(super) fn step_again(&mut self, name: &str) -> bool {
        let Some(service) = self.service(name).cloned() else {
            return false;
        };
        let waits = service
            .depends_on
            .iter()
            .filter_map(|dependency| self.machines.get(&dependency.service))
            .any(|machine| machine.again);
        let held = self.held_by(&service);
        let lost = held.is_some_and(super::machine::Machine::is_hopeless);
        if (waits || held.is_some()) && !lost {
            return true;
        }
        let Some(machine) = self.machines.get_mut(name) else {
            return false;
        };
        if lost {
            // It cannot be started again before the other one is mended: what runs goes on.
            machine.again = false;
            return false;
        }
        if machine.running() || machine.completed {
            let planned = NoticeEvent::UpdatePlanned {
                action: "restart".to_owned(),
                reason: "asked for".to_owned(),
                ruled_out: Vec::new(),
            };
            self.notice(Some(name), None, planned);
            self.restart(name);
            return true;
        }
        machine.again = false;
        false
    }
}
