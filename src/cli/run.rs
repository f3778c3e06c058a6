//! `devrun run`: a command in a fresh container of a service, which is gone afterwards.

use std::io::IsTerminal;

use devrun_core::effect::Exit;
use devrun_core::event::{Failure, Progress};
use devrun_core::make::settled;
use devrun_core::one_off::one_off;
use devrun_core::spec::{Container, ContainerState};
use devrun_stack::Service;

use super::Trouble;
use super::arguments::{Global, Run};
use super::context::Context;
use crate::engine::{Engine, EngineError};
use crate::report::paint::{DIM, stderr_line};
use crate::session::load::root_hash;
use crate::session::places::Places;
use crate::session::single::{How, brought_over, image_of, prepared, rules_of};

pub(super) async fn run(global: &Global, options: &Run) -> Result<u8, Trouble> {
    let context = Context::of(global)?;
    let name = context.one(&options.service, |_| true)?;
    let Some(service) = context.stack.service(&name) else {
        return Err(Trouble::usage(""));
    };
    let engine = Engine::connect().await?;
    warn_of_dependencies(global, &context, &engine, service).await?;
    let tty = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let container = fresh(global, &context, &engine, service, options, tty).await?;
    let ended = started(&context, &engine, service, &container, tty).await;
    // Also where it never ran, or was left in the middle.
    let removed = engine.discard(&container).await;
    let code = ended?;
    removed?;
    Ok(u8::try_from(code).unwrap_or(1))
}

/// A command that needs the database fails in a way that does not say why.
async fn warn_of_dependencies(
    global: &Global,
    context: &Context,
    engine: &Engine,
    service: &Service,
) -> Result<(), Trouble> {
    let containers = engine.snapshot(&context.stack.name).await?;
    let runs = |name: &str| {
        containers.iter().any(|container: &Container| {
            container.service() == name && container.state == ContainerState::Running
        })
    };
    let missing: Vec<&str> = service
        .depends_on
        .iter()
        .map(|dependency| dependency.service.as_str())
        .filter(|name| {
            let task = context.stack.service(name).is_some_and(|other| other.task);
            !task && !runs(name)
        })
        .collect();
    if !missing.is_empty() && !global.quiet {
        let names = missing.join(" ");
        stderr_line(
            global.color,
            &format!(
                "{DIM}{} depends on {names}, which does not run: devrun up -d {names}{DIM:#}",
                service.name
            ),
        );
    }
    Ok(())
}

/// Makes the container: image, network, volumes, a name that is free.
async fn fresh(
    global: &Global,
    context: &Context,
    engine: &Engine,
    service: &Service,
    options: &Run,
    tty: bool,
) -> Result<String, Trouble> {
    let stack = &context.stack;
    let rules = rules_of(stack);
    let tell = |progress: Progress| {
        if let Progress::Step {
            name,
            cached: false,
            took_ms: None,
        } = progress
            && !global.quiet
        {
            stderr_line(global.color, &format!("{DIM}{name}{DIM:#}"));
        }
    };
    let places = Places::new(global.parallel);
    let of = (&**stack, &rules, &places);
    let (image, _) = image_of(engine, of, service, How::default(), tell)
        .await
        .map_err(|failure| trouble(&service.name, failure))?;
    prepared(engine, stack)
        .await
        .map_err(|failure| trouble(&service.name, failure))?;
    let root = root_hash(&stack.root);
    // Whose network it has is called by its name here: for one command nothing is compared.
    let service = &settled(stack, service, |_| None);
    for number in 1.. {
        let spec = one_off(stack, service, &image, &root, number, &options.command);
        match engine.create_attached(&spec, tty).await {
            Err(EngineError::NameTaken { .. }) => {}
            created => return Ok(created?.id),
        }
    }
    Err(Trouble::new(Exit::Failed, "no name is left"))
}

async fn started(
    context: &Context,
    engine: &Engine,
    service: &Service,
    container: &str,
    tty: bool,
) -> Result<i64, Trouble> {
    let rules = rules_of(&context.stack);
    brought_over(engine, &rules, service, container)
        .await
        .map_err(|failure| trouble(&service.name, failure))?;
    Ok(engine.run_attached(container, tty).await?)
}

/// What a step of a session could not do, at the edge.
pub(super) fn trouble(service: &str, failure: Failure) -> Trouble {
    let mut message = format!("{service}: {}", failure.message);
    for line in failure.details {
        message.push_str("\n  ");
        message.push_str(&line);
    }
    let trouble = Trouble::new(Exit::Failed, message);
    match failure.hint {
        Some(hint) => trouble.hint(hint),
        None => trouble,
    }
}
