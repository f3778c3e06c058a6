//! Limits and restart policies that are declared otherwise: the engine changes them in the
//! container that is there. What it cannot change so makes a new one.

use devrun_stack::Service;

use super::Session;
use super::machine::{Doing, Machine, Update};
use crate::effect::Effect;
use crate::event::Failure;
use crate::live::Live;
use crate::notice::{NoticeEvent, RuledOut};

impl Session {
    /// What is to hold for a service's container on the engine's machine.
    pub(super) fn wanted_limits(&self, service: &Service) -> Live {
        Live::of_service(service).within(self.capacity)
    }

    /// Brings its container's limits to what is declared: begins with that, or leaves it to a new
    /// container where there is no other way. True if it has begun.
    pub(super) fn step_limits(&mut self, name: &str, service: &Service) -> bool {
        let wanted = self.wanted_limits(service);
        let Some(machine) = self.machines.get_mut(name) else {
            return false;
        };
        let Some(seen) = machine.container.clone() else {
            return false;
        };
        let in_vain = machine.unlimited.as_ref().map(|(live, _)| live) == Some(&wanted);
        // Of a task that is done nothing is left to limit before it runs again.
        let over = service.task && !seen.running && seen.exit_code == Some(0);
        if seen.live == wanted || in_vain || over || machine.is_attended() {
            return false;
        }
        let differs = format!("changed: {}", seen.live.difference(&wanted));
        if let Some(word) = seen.live.lifts(&wanted) {
            machine.recreate_for_limits = Some(format!(
                "{differs} (the engine cannot lift {word} of one that is there)"
            ));
            return false;
        }
        machine.limiting = Some(wanted);
        self.plan_for_stackfile(name, "update", differs, Vec::new());
        let op = self.begin(name, Doing::Update);
        self.emit(Effect::Update {
            op,
            container: seen.id,
            live: wanted,
            memory_swap: service.settings.memory_swap,
        });
        true
    }

    /// A new container that waits for its turn is not needed any more once its limits are declared
    /// as they were.
    pub(super) fn forget_limits(&mut self, name: &str) {
        let Some(wanted) = self.service(name).map(|one| self.wanted_limits(one)) else {
            return;
        };
        if let Some(machine) = self.machines.get_mut(name)
            && machine
                .container
                .as_ref()
                .is_some_and(|seen| seen.live == wanted)
        {
            machine.recreate_for_limits = None;
        }
    }

    /// What is declared asks for that, whatever was saved.
    pub(super) fn plan_for_stackfile(
        &mut self,
        name: &str,
        action: &str,
        reason: String,
        ruled_out: Vec<RuledOut>,
    ) {
        let now = self.now;
        let file = self.stack.as_ref().and_then(|stack| stack.file.file_name());
        let paths = file.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let planned = NoticeEvent::UpdatePlanned {
            action: action.to_owned(),
            reason,
            ruled_out,
        };
        let cause = self.notice(Some(name), self.cause_of(name), planned);
        if let Some(machine) = self.machines.get_mut(name) {
            machine.update.get_or_insert_with(|| Update {
                cause: Some(cause),
                began: now,
                paths,
                ..Update::default()
            });
        }
    }

    pub(super) fn on_limited(&mut self, name: &str) {
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        if let (Some(seen), Some(live)) = (&mut machine.container, machine.limiting.take()) {
            seen.live = live;
        }
        self.acted(name, "updated in place");
        self.update_over(name, None);
    }

    /// The engine does not change them, as a kernel does not where a process has more memory than
    /// it is to have: a new container can have them, unless nobody can.
    pub(super) fn on_limits_refused(&mut self, name: &str, failure: Failure) {
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let (Some(seen), Some(wanted)) = (&machine.container, machine.limiting.take()) else {
            return;
        };
        let differs = seen.live.difference(&wanted);
        if !failure.impossible {
            machine.recreate_for_limits = Some(format!(
                "changed: {differs} (the engine does not change it in place, {})",
                failure.message.replace('\n', " ")
            ));
            return;
        }
        machine.unlimited = Some((wanted, failure.message.clone()));
        self.update_over(name, Some(vec![failure.message]));
    }
}

impl Machine {
    /// Its container is another one than that which was to go.
    pub(super) fn is_made_anew(&mut self) {
        self.compared = false;
        self.recreate = None;
        self.recreate_for_limits = None;
    }

    /// Why it is made anew although it is equal, if it is.
    pub(super) fn made_anew(&self) -> Option<&String> {
        self.recreate.as_ref().or(self.recreate_for_limits.as_ref())
    }

    /// Why a service that serves has other limits than are declared, if it has.
    pub(super) fn why_unlimited(&self) -> Option<String> {
        let (_, why) = self.unlimited.as_ref()?;
        Some(format!("its limits are those of before: {why}"))
    }
}
