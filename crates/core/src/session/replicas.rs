//! Replicas that the Stackfile does not ask for any more.

use devrun_stack::Stack;

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
