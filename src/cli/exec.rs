//! `devrun exec`: a command in the running container of a service.

use std::io::IsTerminal;

use devrun_core::effect::Exit;
use devrun_core::spec::{Container, ContainerState};

use super::Trouble;
use super::arguments::{Exec, Global};
use super::client::place;
use super::labels;
use super::status::{current, not_watching};
use crate::engine::Engine;

pub(super) async fn run(global: &Global, options: &Exec) -> Result<u8, Trouble> {
    let context = labels::context(global).await?;
    context.services(std::slice::from_ref(&options.service))?;
    let engine = Engine::connect().await?;
    if !place(&context)?.is_locked() {
        not_watching(global, &current(&context).await?);
    }
    let containers = engine.snapshot(&context.stack.name).await?;
    let service = context.one(&options.service, |name| running(&containers, name))?;
    let found = containers
        .into_iter()
        .find(|container| container.service() == service);
    let container = match found {
        Some(container) if container.state == ContainerState::Running => container,
        Some(_) => {
            return Err(
                Trouble::new(Exit::Failed, format!("{service} is not running"))
                    .hint("devrun status says why; devrun logs shows its last lines"),
            );
        }
        None => {
            return Err(
                Trouble::new(Exit::Failed, format!("{service} has no container"))
                    .hint(format!("devrun up -d {service}")),
            );
        }
    };
    let tty = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let code = engine
        .exec_tty(&container.id, &options.command, tty)
        .await?;
    Ok(u8::try_from(code).unwrap_or(1))
}

pub(super) fn running(containers: &[Container], service: &str) -> bool {
    containers.iter().any(|container| {
        container.service() == service && container.state == ContainerState::Running
    })
}
