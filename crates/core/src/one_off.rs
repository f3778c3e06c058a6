//! The container of `devrun run`: as the service's own, for one command.

use devrun_stack::{Restart, Service, Stack};

use crate::make;
use crate::spec::{ContainerSpec, Image, label};

/// What the container of one command is made of: nobody finds it by the service's name, it takes
/// no port away from the service, nobody asks after its health, and nothing starts it again.
#[must_use]
pub fn one_off(
    stack: &Stack,
    service: &Service,
    image: &Image,
    root: &str,
    number: usize,
    command: &[String],
) -> ContainerSpec {
    let mut spec = make::container(stack, service, image, root, None);
    spec.name = format!("{}-{}-run-{number}", stack.name, service.name);
    if !command.is_empty() {
        spec.command = Some(command.to_vec());
    }
    for network in &mut spec.networks {
        network.aliases = Vec::new();
    }
    spec.ports = Vec::new();
    spec.healthcheck = None;
    spec.restart = Restart::No;
    // Whatever runs as the first process, it can be interrupted.
    spec.init = true;
    for made_for_the_service in [label::SERVICE, label::SPEC, label::PARTS] {
        spec.labels.remove(made_for_the_service);
    }
    spec.labels
        .insert(label::ONE_OFF.to_owned(), service.name.clone());
    spec
}
