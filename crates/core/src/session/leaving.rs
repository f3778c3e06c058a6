//! What a save took out of the Stackfile goes: dependents first, the container with it; volumes
//! stay. What nobody had declared since the session began is left alone.

use std::time::Duration;

use devrun_stack::{Service, Stack};

use super::Session;
use super::machine::{Doing, Machine, Update, Wanted};
use super::start::GRACE;
use crate::effect::Effect;
use crate::notice::NoticeEvent;

/// A service that was declared, and whose container is to go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Leaving {
    /// As it was declared last.
    service: Service,
    /// Who depended on it then.
    needed_by: Vec<String>,
}

impl Leaving {
    pub(super) fn new(before: &Stack, service: &Service) -> Leaving {
        let needs = |other: &&Service| {
            let mut needs = other.depends_on.iter();
            needs.any(|dependency| dependency.service == service.name)
        };
        let needed_by = before.services.iter().filter(needs);
        Leaving {
            service: service.clone(),
            needed_by: needed_by.map(|other| other.name.clone()).collect(),
        }
    }

    /// It has what the engine gives to one container only.
    fn stands_in_the_way_of(&self, other: &Service) -> bool {
        let published = |port: &devrun_stack::Port| {
            let mut theirs = other.ports.iter();
            theirs.any(|one| one.host == port.host && one.protocol == port.protocol)
        };
        self.service.container_name == other.container_name
            || self.service.ports.iter().any(published)
    }
}

impl Machine {
    /// It is not declared any more, and its container has still to go.
    pub(super) fn is_leaving(&self) -> bool {
        let there = self.container.is_some() || self.busy.is_some();
        self.surplus && self.failed.is_none() && there
    }

    /// It could not be removed because the engine was away; then it is tried again.
    pub(super) fn removal_due(&self) -> Option<Duration> {
        let (at, _) = self.suspect.as_ref()?;
        (self.is_leaving() && self.busy.is_none()).then_some(*at)
    }
}

impl Session {
    /// Each goes once nobody works with it any more; what cannot be removed is left to `down`.
    pub(super) fn remove_surplus(&mut self) {
        if !self.connected || self.ending == Some(false) {
            return;
        }
        let surplus = self.machines.iter();
        let surplus = surplus.filter(|(_, machine)| {
            let later = machine.removal_due().is_some_and(|due| due > self.now);
            machine.is_leaving() && machine.busy.is_none() && !later
        });
        let surplus: Vec<(String, String)> = surplus
            .filter(|(_, machine)| !self.is_still_needed(machine))
            .filter_map(|(name, machine)| Some((name.clone(), machine.container_id()?)))
            .collect();
        for (name, container) in surplus {
            self.tell_removal(&name);
            if let Some(machine) = self.machines.get_mut(&name) {
                machine.suspect = None;
            }
            let op = self.begin(&name, Doing::Stop);
            self.emit(Effect::Remove {
                op,
                container,
                grace: GRACE,
            });
        }
    }

    fn is_still_needed(&self, machine: &Machine) -> bool {
        let leaving = machine.leaving.as_ref();
        let mut needed_by = leaving.iter().flat_map(|leaving| &leaving.needed_by);
        needed_by.any(|name| {
            let Some(other) = self.machines.get(name) else {
                return false;
            };
            if other.surplus {
                return other.is_leaving();
            }
            // The container of now was declared to need it; what is about to take its place is not.
            let changes = match self.ending {
                Some(_) => true,
                None => other.wanted == Wanted::Run && other.failed.is_none() && !other.at_rest(),
            };
            other.running() && changes
        })
    }

    fn tell_removal(&mut self, name: &str) {
        let now = self.now;
        let file = self.stack.as_ref().and_then(|stack| stack.file.file_name());
        let paths = file.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let planned = NoticeEvent::UpdatePlanned {
            action: "remove".to_owned(),
            reason: "no longer in the Stackfile".to_owned(),
            ruled_out: Vec::new(),
        };
        let cause = self.notice(Some(name), None, planned);
        if let Some(machine) = self.machines.get_mut(name) {
            machine.update = Some(Update {
                cause: Some(cause),
                began: now,
                paths,
                ..Update::default()
            });
        }
    }

    pub(super) fn on_removed(&mut self, name: &str) {
        if let Some(machine) = self.machines.get_mut(name) {
            machine.loses_container();
        }
        self.acted(name, "removed");
        self.end_update(name, None);
    }

    /// The one that has to go before that service can have a container.
    pub(super) fn in_its_place(&self, service: &Service) -> Option<&Machine> {
        self.machines.values().find(|machine| {
            let leaving = machine.leaving.as_ref();
            machine.is_leaving() && leaving.is_some_and(|it| it.stands_in_the_way_of(service))
        })
    }
}
