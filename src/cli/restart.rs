//! `devrun restart`: services one after the other, in order of their dependencies.

use std::time::Duration;

use devrun_core::effect::Exit;
use devrun_core::spec::{Container, ContainerState, Health};
use devrun_wire::session::Ask;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::arguments::{Global, Names};
use super::client::{Client, place};
use super::context::Context;
use super::status::{current, not_watching};
use super::up::{Printer, follow};
use super::{Trouble, down, ending};
use crate::engine::Engine;
use crate::report::paint::stderr_line;
use crate::report::{Clock, Reader};
use crate::session::{GRACE, restart};

pub(super) async fn run(global: &Global, options: &Names, clock: Clock) -> Result<u8, Trouble> {
    let context = Context::of(global)?;
    let options = &Names {
        services: context.services(&options.services)?,
    };
    let ask = Ask::Restart {
        services: options.services.clone(),
    };
    if let Some(client) = Client::ask(&place(&context)?, &ask).await? {
        let printer = Printer::new(global, &context, clock, Reader::Caller);
        return follow(client, printer, true).await;
    }
    not_watching(global, &current(&context).await?);
    let engine = Engine::connect().await?;
    let containers = asked(&engine, &context, &options.services).await?;
    let mut waves = Vec::new();
    let mut left = containers;
    while !left.is_empty() {
        let (now, later) = ending::split(left);
        waves.push(now);
        left = later;
    }
    for wave in waves.iter().rev() {
        let restarted = join_all(
            wave.iter()
                .map(|container| again(&engine, &context, container)),
        );
        for (container, done) in wave.iter().zip(restarted.await) {
            done?;
            if !global.quiet {
                stderr_line(global.color, &format!("  {} restarted", container.name));
            }
        }
    }
    Ok(Exit::Done.code())
}

/// The containers to restart: of the services named, else all that run.
async fn asked(
    engine: &Engine,
    context: &Context,
    names: &[String],
) -> Result<Vec<Container>, Trouble> {
    let mut containers = down::ours(engine.snapshot(&context.stack.name).await?, context)?;
    let missing = names
        .iter()
        .find(|name| !containers.iter().any(|one| one.service() == name.as_str()));
    if let Some(name) = missing {
        return Err(
            Trouble::new(Exit::Failed, format!("{name} has no container"))
                .hint(format!("devrun up -d {name}")),
        );
    }
    containers.retain(|container| match names.is_empty() {
        true => {
            !container.service().is_empty()
                && matches!(
                    container.state,
                    ContainerState::Running | ContainerState::Restarting
                )
        }
        false => names.iter().any(|name| name == container.service()),
    });
    match containers.is_empty() {
        true => Err(Trouble::new(Exit::Failed, "nothing runs").hint("devrun up -d")),
        false => Ok(containers),
    }
}

/// Restarts one, and waits until its dependents may be restarted.
async fn again(engine: &Engine, context: &Context, container: &Container) -> Result<(), Trouble> {
    restart(engine, None, &container.id, GRACE).await?;
    let service = context.stack.service(container.service());
    let patience = service.map_or(Duration::from_secs(60), |service| service.ready_timeout);
    let end = Instant::now() + patience;
    let mut pause = tokio::time::interval(Duration::from_millis(100));
    loop {
        pause.tick().await;
        let found = engine.inspect(&container.id).await?;
        let task = service.is_some_and(|service| service.task);
        match found
            .as_ref()
            .map(|found| (found.state, found.health, found.exit_code))
        {
            Some((ContainerState::Running, None | Some(Health::Healthy), _)) => return Ok(()),
            Some((ContainerState::Exited, _, Some(0))) if task => return Ok(()),
            Some((ContainerState::Exited | ContainerState::Dead, _, code)) => {
                let code = code.unwrap_or(-1);
                let told = format!("{} ended with {code} again", container.name);
                return Err(Trouble::new(Exit::Failed, told)
                    .hint(format!("devrun logs {}", container.service())));
            }
            None => {
                let told = format!("{} was removed meanwhile", container.name);
                return Err(Trouble::new(Exit::Failed, told));
            }
            Some(_) if Instant::now() > end => {
                let told = format!("{} is not healthy after its restart", container.name);
                return Err(Trouble::new(Exit::Failed, told)
                    .hint(format!("devrun logs {}", container.service())));
            }
            Some(_) => {}
        }
    }
}
