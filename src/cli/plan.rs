//! `devrun up --dry-run`: what would be done, and why; nothing is.

use std::collections::BTreeSet;

use devrun_core::effect::Exit;
use devrun_core::spec::{Container, label};
use devrun_wire::session::{Ask, PlannedStep, Tell};
use serde::Serialize;

use super::arguments::{Format, Global, Up};
use super::client::{Client, place};
use super::context::Context;
use super::output::line;
use super::{Trouble, up};
use crate::engine::Engine;
use crate::report::paint::{BAD, BUSY, DIM, GOOD, NAME, stderr_line};
use crate::report::table::{self, Cell};
use crate::session::foresee_alone;
use crate::session::load::root_hash;

/// What would be done about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Step {
    /// `service`, `container`, `network`, `volume`.
    kind: &'static str,
    name: String,
    /// `make`, `pull`, `build`, `create`, `update` (in place), `recreate`, `restart`, `start`, `reload`, `compare`, `keep`,
    /// `off`, `leave`, `remove`, …
    action: String,
    reason: String,
}

pub(super) async fn run(global: &Global, options: &Up) -> Result<u8, Trouble> {
    let context = Context::of(global)?;
    context.services(&options.services)?;
    let engine = Engine::connect().await?;
    let mut steps = foundations(&engine, &context).await?;
    let containers = engine.snapshot(&context.stack.name).await?;
    let foreseen = foreseen(global, options, &context, &engine, containers.clone()).await?;
    let Tell::Foreseen {
        steps: foreseen,
        warnings,
        fails,
    } = foreseen
    else {
        return Err(Trouble::new(Exit::Failed, "the session ended"));
    };
    if fails {
        let message = warnings.last().cloned().unwrap_or_default();
        return Err(Trouble::new(Exit::Failed, message));
    }
    steps.extend(of_services(&context, &foreseen));
    steps.extend(undeclared(&context, &containers, &foreseen, options));
    if global.format == Format::Json {
        let object = serde_json::json!({
            "stack": context.stack.name, "dry_run": true, "steps": steps, "warnings": warnings,
        });
        line(global.color, &object.to_string())?;
    } else {
        for warning in &warnings {
            stderr_line(global.color, &format!("{BUSY}warning{BUSY:#}  {warning}"));
        }
        print(global, &context, &steps)?;
    }
    Ok(Exit::Done.code())
}

/// What the session of this stack would do, or, where there is none, one that is begun now.
async fn foreseen(
    global: &Global,
    options: &Up,
    context: &Context,
    engine: &Engine,
    containers: Vec<Container>,
) -> Result<Tell, Trouble> {
    let place = place(context)?;
    up::same_engine(&place, engine).await?;
    let ask = Ask::Foresee {
        services: options.services.clone(),
        profiles: global.profile.clone(),
        variables: up::variables(context),
        build: options.build,
        recreate: options.recreate,
        file: context.options.file.display().to_string(),
    };
    if let Some(mut client) = Client::ask(&place, &ask).await?
        && let Some(told) = client.next().await?
    {
        return Ok(told);
    }
    let root = root_hash(&context.stack.root);
    let begun = up::session_options(global, options, root);
    let capacity = engine.version().await?.capacity();
    Ok(foresee_alone(engine, &context.options, begun, containers, capacity).await)
}

/// One step a service, in order of declaration; then those that are declared no more.
fn of_services(context: &Context, foreseen: &[PlannedStep]) -> Vec<Step> {
    let declared = context.stack.services.iter().map(|service| &service.name);
    let removed = foreseen.iter().filter(|step| step.action == "remove");
    let removed = removed.map(|step| &step.service);
    let removed = removed.filter(|name| context.stack.service(name).is_none());
    let names: Vec<&String> = declared.chain(removed).collect();
    let own = |name: &String| {
        let own: Vec<&PlannedStep> = foreseen.iter().filter(|it| it.service == *name).collect();
        together(name, &own)
    };
    names.into_iter().filter_map(own).collect()
}

/// The steps of one service as one: the first, and what comes of it.
fn together(name: &str, steps: &[&PlannedStep]) -> Option<Step> {
    let first = steps
        .iter()
        .find(|step| step.action != "keep")
        .or(steps.first())?;
    let makes = matches!(first.action.as_str(), "build" | "pull");
    let rest = steps.iter().filter(|step| step.action != "keep").skip(1);
    let mut reason = first.reason.clone();
    for step in rest {
        if step.action == first.action {
            continue;
        }
        let then = match step.action.as_str() {
            "create" => "its container is made".to_owned(),
            "recreate" if makes && step.reason == "changed: image" => {
                "its container is made anew if the image differs".to_owned()
            }
            "recreate" => format!("its container is made anew ({})", step.reason),
            "roll" if makes && step.reason == "changed: image" => {
                "a new container takes its place once it is ready, if the image differs".to_owned()
            }
            "roll" => format!(
                "a new container takes its place once it is ready ({})",
                step.reason
            ),
            "restart" => match step.reason.as_str() {
                "" => "restarted".to_owned(),
                reason => format!("restarted ({reason})"),
            },
            "compare" => "its files are compared".to_owned(),
            other => other.to_owned(),
        };
        reason = match reason.as_str() {
            "" => format!("then {then}"),
            _ => format!("{reason}; then {then}"),
        };
    }
    Some(Step {
        kind: "service",
        name: name.to_owned(),
        action: first.action.clone(),
        reason,
    })
}

/// Containers whose service is no longer declared and that nobody takes away.
fn undeclared(
    context: &Context,
    containers: &[Container],
    foreseen: &[PlannedStep],
    options: &Up,
) -> Vec<Step> {
    let removed = |container: &&Container| {
        let name = container.service();
        foreseen
            .iter()
            .any(|step| step.service == name && step.action == "remove")
    };
    let left = orphans(context, containers).filter(|container| !removed(container));
    let step = |container: &Container| {
        let (action, reason) = match options.remove_orphans {
            true => ("remove", "no longer in the Stackfile"),
            false => (
                "leave",
                "no longer in the Stackfile, and not since a session runs; --remove-orphans removes it",
            ),
        };
        Step {
            kind: "container",
            name: container.name.clone(),
            action: action.to_owned(),
            reason: reason.to_owned(),
        }
    };
    left.map(step).collect()
}

/// Containers of this stack and checkout whose service is no longer declared.
pub(super) fn orphans<'a>(
    context: &Context,
    containers: &'a [Container],
) -> impl Iterator<Item = &'a Container> + use<'a> {
    let root = root_hash(&context.stack.root);
    let declared: BTreeSet<String> = context
        .stack
        .services
        .iter()
        .map(|service| service.name.clone())
        .collect();
    containers.iter().filter(move |container| {
        container.label(label::ROOT) == root
            && container.label(label::RUN).is_empty()
            && container.label(label::ONE_OFF).is_empty()
            && !declared.contains(container.service())
    })
}

/// The network and the volumes that are missing.
async fn foundations(engine: &Engine, context: &Context) -> Result<Vec<Step>, Trouble> {
    let stack = &context.stack;
    let made = |kind, name: &str| Step {
        kind,
        name: name.to_owned(),
        action: "make".to_owned(),
        reason: String::new(),
    };
    let mut steps = Vec::new();
    let ours = format!("{}={}", label::STACK, stack.name);
    if !engine
        .networks_labelled(&ours)
        .await?
        .contains_key(&stack.network)
    {
        steps.push(made("network", &stack.network));
    }
    for volume in &stack.volumes {
        if engine.volume(&volume.engine_name).await?.is_some() {
            continue;
        }
        let mut step = made("volume", &volume.engine_name);
        if volume.external {
            step.action = "missing".to_owned();
            step.reason = format!("external, {}: nobody but you makes it", volume.at);
        }
        steps.push(step);
    }
    Ok(steps)
}

fn print(global: &Global, context: &Context, steps: &[Step]) -> Result<(), Trouble> {
    let color = global.color;
    line(
        color,
        &format!(
            "{NAME}{}{NAME:#} · nothing is done, this is the plan",
            context.stack.name
        ),
    )?;
    let rows = steps.iter().map(|step| {
        let style = match step.action.as_str() {
            "keep" => GOOD,
            "off" | "leave" => DIM,
            "missing" => BAD,
            _ => BUSY,
        };
        let kind = if step.kind == "service" {
            ""
        } else {
            step.kind
        };
        vec![
            Cell::styled(NAME, &format!("  {}", step.name)),
            Cell::styled(
                style,
                match step.action.as_str() {
                    "update" => "update in place",
                    action => action,
                },
            ),
            Cell::plain(format!("{kind} {}", step.reason).trim()),
        ]
    });
    for text in table::lines(&[], rows.collect()).iter().skip(1) {
        line(color, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(action: &str, reason: &str) -> PlannedStep {
        PlannedStep {
            service: "web".to_owned(),
            action: action.to_owned(),
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn the_steps_of_a_service_are_one_line() {
        let said = |steps: &[PlannedStep]| {
            let steps: Vec<&PlannedStep> = steps.iter().collect();
            let step = together("web", &steps).unwrap();
            format!("{}: {}", step.action, step.reason)
        };
        let build = || step("build", "no image of its present files");
        assert_eq!(
            said(&[build(), step("create", "it has no container")]),
            "build: no image of its present files; then its container is made"
        );
        assert_eq!(
            said(&[build(), step("recreate", "changed: image")]),
            "build: no image of its present files; then its container is made anew if the image differs"
        );
        assert_eq!(
            said(&[build(), step("recreate", "changed: image, ports")]),
            "build: no image of its present files; then its container is made anew (changed: image, ports)"
        );
        assert_eq!(
            said(&[
                step("compare", "what it syncs is declared otherwise"),
                step("restart", "db was replaced")
            ]),
            "compare: what it syncs is declared otherwise; then restarted (db was replaced)"
        );
        assert_eq!(
            said(&[step("keep", "its task is done")]),
            "keep: its task is done"
        );
    }
}
