//! Replicas that the Stackfile does not ask for any more.

use devrun_stack::Stack;

use super::Session;
use super::machine::Doing;
use super::start::GRACE;
use crate::effect::Effect;
use crate::spec::{Container, label};

/// Whether what was called so belongs to a service that is declared with another number.
pub(super) fn is_surplus(stack: &Stack, name: &str, declared_as: &str) -> bool {
    stack.service(name).is_none() && stack.members(declared_as).next().is_some()
}

/// The name in the Stackfile that a container was made for.
pub(super) fn declared_as(container: &Container) -> &str {
    match container.label(label::REPLICA_OF) {
        "" => container.service(),
        of => of,
    }
}

impl Session {
    /// They go, one operation each; what cannot be removed is left to `down`.
    pub(super) fn remove_surplus(&mut self) {
        if !self.connected || self.ending.is_some() {
            return;
        }
        let surplus: Vec<(String, String)> = self
            .machines
            .iter()
            .filter(|(_, machine)| {
                machine.surplus && machine.busy.is_none() && machine.failed.is_none()
            })
            .filter_map(|(name, machine)| Some((name.clone(), machine.container_id()?)))
            .collect();
        for (name, container) in surplus {
            let op = self.begin(&name, Doing::Stop);
            self.emit(Effect::Remove {
                op,
                container,
                grace: GRACE,
            });
        }
    }
}
