//! Services of which there are two containers for a while: which machine is whose, and what they are
//! called.

use std::collections::{BTreeMap, BTreeSet};

use devrun_stack::Service;

use super::Session;
use super::machine::{Doing, Machine};
use super::seen::{Name, Seen};
use crate::effect::Effect;
use crate::event::Op;
use crate::spec::{Container, ContainerSpec, beside_name};

/// No service can be called so.
const BESIDE: &str = " (new)";

/// The machine of the container that stands beside that service's.
pub(super) fn beside(name: &str) -> String {
    format!("{name}{BESIDE}")
}

/// The service that a machine is of.
pub(super) fn service_of(name: &str) -> &str {
    name.strip_suffix(BESIDE).unwrap_or(name)
}

pub(super) fn is_beside(name: &str) -> bool {
    name.ends_with(BESIDE)
}

/// What a second container of it is called, as long as there are two.
pub(super) fn next_name(service: &Service) -> String {
    beside_name(&service.container_name)
}

impl Session {
    /// The machine that an operation is of.
    pub(super) fn machine_of(&self, op: &Op) -> String {
        let key = beside(&op.service);
        let own = self.machines.get(&key).is_some_and(|machine| {
            let busy = machine.busy.as_ref().map(|busy| &busy.op);
            busy == Some(op) || machine.large.is_of(op)
        });
        if own { key } else { op.service.clone() }
    }

    /// The machine that has that container, or is about to have it.
    pub(super) fn machine_with(&self, container: &str, service: &str) -> String {
        let has = |name: &str| {
            let machine = self.machines.get(name)?;
            Some(machine.container_id()? == container)
        };
        let key = beside(service);
        if has(service) == Some(true) {
            return service.to_owned();
        }
        let begins = |machine: &Machine| machine.doing() == Some(Doing::Create);
        let its = has(&key) == Some(true) || self.machines.get(&key).is_some_and(begins);
        if its { key } else { service.to_owned() }
    }

    /// There are two containers of it, or are about to be.
    pub(super) fn is_doubled(&self, name: &str) -> bool {
        self.machines.contains_key(&beside(name))
    }

    /// One is on its way to take the place.
    pub(super) fn successor(&self, name: &str) -> Option<&Machine> {
        let machine = self.machines.get(&beside(name))?;
        (!machine.surplus).then_some(machine)
    }

    /// Gives the one that is left the name of the one that is gone. True if it has begun.
    pub(super) fn step_name(&mut self, name: &str) -> bool {
        if self.is_doubled(name) {
            return false;
        }
        let machine = self.machines.get(name);
        let due = machine.and_then(|machine| machine.container.as_ref());
        let Some(due) = due.filter(|seen| seen.name == Name::Due) else {
            return false;
        };
        let Some(service) = self.service(name) else {
            return false;
        };
        let (container, own) = (due.id.clone(), service.container_name.clone());
        let op = self.begin(name, Doing::Rename);
        self.emit(Effect::Rename {
            op,
            container,
            name: own,
        });
        true
    }

    pub(super) fn on_renamed(&mut self, name: &str, done: bool) {
        let seen = self.machines.get_mut(name);
        if let Some(seen) = seen.and_then(|machine| machine.container.as_mut()) {
            seen.name = if done { Name::Own } else { Name::Next };
        }
    }

    /// Which container is which machine's: what is known of them, else their names, tell the one
    /// that stays from the one beside it, which is of no use to anybody any more.
    pub(super) fn places<'a>(&self, all: &'a [Container]) -> BTreeMap<String, &'a Container> {
        let mut places = BTreeMap::new();
        for (name, machine) in self.machines.iter().filter(|(name, _)| !is_beside(name)) {
            let known = machine.container_id();
            let called = self.service(name).map(|service| &service.container_name);
            let of: Vec<&Container> = all.iter().filter(|it| it.service() == name).collect();
            let first = of
                .iter()
                .find(|it| Some(&it.id) == known.as_ref())
                .or_else(|| of.iter().find(|it| Some(&it.name) == called))
                .or(of.first());
            let Some(first) = first else { continue };
            let other = of.iter().find(|it| it.id != first.id);
            places.insert(name.clone(), *first);
            places.extend(other.map(|other| (beside(name), *other)));
        }
        places
    }

    /// Whatever was on its way when the connection broke is begun anew.
    pub(super) fn note_doubled(&mut self, places: &BTreeMap<String, &Container>) {
        let keys = places.keys().chain(self.machines.keys());
        let keys: BTreeSet<String> = keys.filter(|key| is_beside(key)).cloned().collect();
        for key in keys {
            let name = service_of(&key).to_owned();
            let machine = self.machines.entry(key.clone());
            let machine = machine.or_insert_with(|| Machine::new(&name));
            machine.container = places.get(&key).map(|container| Seen::of(container));
            self.give_back(&name);
        }
        for (name, container) in places {
            let next = self.service(name).map(next_name);
            let seen = self.machines.get_mut(name);
            if let Some(seen) = seen.and_then(|machine| machine.container.as_mut())
                && next.as_ref() == Some(&container.name)
            {
                seen.name = Name::Due;
            }
        }
    }

    /// What a service that serves is waiting for with its next container, or its last one.
    pub(super) fn why_doubled(&self, service: &Service) -> Option<String> {
        let other = self.machines.get(&beside(&service.name))?;
        if other.surplus {
            return Some(match &other.suspect {
                Some((_, failure)) => format!(
                    "the container before it is still there ({}); its removal is tried again",
                    failure.message
                ),
                None => "the container before it answers its last requests".to_owned(),
            });
        }
        let reason = match other.failure() {
            Some(failure) => Some(failure.message.clone()),
            None => self.facts_of_starting(service, other).reason,
        };
        let reason = reason.unwrap_or_default();
        Some(format!("its new version starts beside it: {reason}"))
    }

    /// The name of a container that is made now: beside another one it is not its own yet.
    pub(super) fn name_made(&self, name: &str, spec: &mut ContainerSpec) {
        let Some((service, old)) = self.pair(service_of(name)) else {
            return;
        };
        let own = old.container.as_ref().map(|seen| seen.name);
        if is_beside(name) && own.is_none_or(|own| own == Name::Own) {
            spec.name = next_name(&service);
        }
    }
}
