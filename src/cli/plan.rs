//! `devrun up --dry-run`: what would be done, and why; nothing is.

use std::collections::BTreeSet;

use devrun_core::effect::Exit;
use devrun_core::live::Live;
use devrun_core::make;
use devrun_core::session::wanted;
use devrun_core::spec::{Container, ContainerState, Image, label};
use devrun_stack::{Service, Source};
use serde::Serialize;

use super::Trouble;
use super::arguments::{Format, Global, Up};
use super::context::Context;
use super::output::line;
use super::run::trouble;
use crate::engine::Engine;
use crate::report::paint::{BAD, BUSY, DIM, GOOD, NAME};
use crate::report::table::{self, Cell};
use crate::session::load::root_hash;
use crate::session::single::{image_at_hand, rules_of};

/// What would be done about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Step {
    /// `service`, `container`, `network`, `volume`.
    kind: &'static str,
    name: String,
    /// `make`, `pull`, `build`, `create`, `recreate`, `update` (in place), `start`, `keep`, `off`,
    /// `leave`, `remove`.
    pub(super) action: &'static str,
    pub(super) reason: String,
}

pub(super) async fn run(global: &Global, options: &Up) -> Result<u8, Trouble> {
    let context = Context::of(global)?;
    context.services(&options.services)?;
    let engine = Engine::connect().await?;
    let mut steps = foundations(&engine, &context).await?;
    let containers = engine.snapshot(&context.stack.name).await?;
    let chosen = wanted(&context.stack, &options.services, &global.profile);
    for service in &context.stack.services {
        if chosen.contains(&service.name) {
            steps.push(of_service(&engine, &context, &containers, service, options).await?);
        } else {
            steps.push(off(service));
        }
    }
    with_the_network_of(&context, &mut steps);
    steps.extend(orphans(&context, &containers).map(|container| undeclared(container, options)));
    if global.format == Format::Json {
        let object = serde_json::json!({
            "stack": context.stack.name, "dry_run": true, "steps": steps,
        });
        line(global.color, &object.to_string())?;
    } else {
        print(global, &context, &steps)?;
    }
    Ok(Exit::Done.code())
}

/// Whoever has the network of a service is made anew together with it.
fn with_the_network_of(context: &Context, steps: &mut [Step]) {
    for service in &context.stack.services {
        let Some(other) = service.settings.network_of() else {
            continue;
        };
        let anew = |step: &&Step| {
            step.kind == "service"
                && step.name == other
                && matches!(step.action, "recreate" | "create")
        };
        if steps.iter().find(anew).is_none() {
            continue;
        }
        let own = |step: &&mut Step| step.kind == "service" && step.name == service.name;
        if let Some(step) = steps.iter_mut().find(own)
            && matches!(step.action, "keep" | "start")
        {
            step.action = "recreate";
            step.reason = format!("{other}, whose network it has, is made anew");
        }
    }
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

/// What would be done for one service.
pub(super) async fn of_service(
    engine: &Engine,
    context: &Context,
    containers: &[Container],
    service: &Service,
    options: &Up,
) -> Result<Step, Trouble> {
    let stack = &context.stack;
    let image = image_at_hand(engine, stack, &rules_of(stack), service)
        .await
        .map_err(|failure| trouble(&service.name, failure))?;
    let root = root_hash(&stack.root);
    let parts = image.map(|image| {
        let container_of = |name: &str| {
            let mut found = containers.iter();
            let other = found.find(|container| container.service() == name)?;
            Some(other.id.clone())
        };
        let settled = make::settled(stack, service, container_of);
        let spec = make::container(stack, &settled, &image, &root, None);
        let of = |name: &str| spec.labels.get(name).cloned().unwrap_or_default();
        (image, of(label::SPEC), of(label::PARTS))
    });
    let seen = containers
        .iter()
        .find(|container| container.service() == service.name);
    let machine = engine.version().await?.capacity();
    let live = Live::of_service(service).within(machine);
    let named =
        options.services.is_empty() || options.services.iter().any(|name| service.is_called(name));
    let (action, reason) = decide(
        service,
        (parts, live),
        seen,
        (options.build && named, options.recreate && named),
    );
    Ok(Step {
        kind: "service",
        name: service.name.clone(),
        action,
        reason,
    })
}

/// The same comparison as that of a session, on what is there at this moment.
fn decide(
    service: &Service,
    (wanted, live): (Option<(Image, String, String)>, Live),
    seen: Option<&Container>,
    (build, recreate): (bool, bool),
) -> (&'static str, String) {
    let (word, then) = match &service.source {
        Source::Build(_) => ("build", "no image of its present files"),
        Source::Image(_) => ("pull", "its image is not on this machine"),
    };
    let after = match seen {
        Some(_) => "then its container is made anew",
        None => "then its container is made",
    };
    if build && word == "build" {
        return (word, format!("asked for; {after} if the image differs"));
    }
    let Some((_, spec, parts)) = wanted else {
        return (word, format!("{then}; {after}"));
    };
    match seen {
        None => ("create", "it has no container".to_owned()),
        Some(_) if recreate => ("recreate", "asked for".to_owned()),
        Some(seen) if seen.label(label::SPEC) != spec => (
            "recreate",
            make::reason(service, seen.label(label::PARTS), &parts),
        ),
        Some(seen) if seen.live != live && !is_done(service, seen) => limits(seen.live, live),
        Some(seen) => match seen.state {
            ContainerState::Running => ("keep", String::new()),
            ContainerState::Restarting => ("keep", "the engine starts it again".to_owned()),
            ContainerState::Exited if is_done(service, seen) => {
                ("keep", "its task is done".to_owned())
            }
            ContainerState::Exited => {
                let code = seen.exit_code.unwrap_or_default();
                ("start", format!("exited with {code}"))
            }
            _ => ("start", "it does not run".to_owned()),
        },
    }
}

fn is_done(service: &Service, seen: &Container) -> bool {
    service.task && seen.state == ContainerState::Exited && seen.exit_code == Some(0)
}

/// Limits and restart policy are declared otherwise.
fn limits(seen: Live, wanted: Live) -> (&'static str, String) {
    let differs = format!("changed: {}", seen.difference(&wanted));
    match seen.lifts(&wanted) {
        Some(word) => (
            "recreate",
            format!("{differs} (the engine cannot lift {word} of one that is there)"),
        ),
        None => ("update", differs),
    }
}

fn off(service: &Service) -> Step {
    let reason = service
        .profiles
        .first()
        .map_or("not asked for".to_owned(), |name| {
            format!("--profile {name}")
        });
    Step {
        kind: "service",
        name: service.name.clone(),
        action: "off",
        reason,
    }
}

fn undeclared(container: &Container, options: &Up) -> Step {
    let (action, reason) = match options.remove_orphans {
        true => ("remove", "no longer in the Stackfile"),
        false => (
            "leave",
            "no longer in the Stackfile; --remove-orphans removes it",
        ),
    };
    Step {
        kind: "container",
        name: container.name.clone(),
        action,
        reason: reason.to_owned(),
    }
}

/// The network and the volumes that are missing.
async fn foundations(engine: &Engine, context: &Context) -> Result<Vec<Step>, Trouble> {
    let stack = &context.stack;
    let made = |kind, name: &str| Step {
        kind,
        name: name.to_owned(),
        action: "make",
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
            step.action = "missing";
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
        let style = match step.action {
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
                match step.action {
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
    use crate::cli::sample;

    fn service(task: bool) -> Service {
        Service {
            name: "web".to_owned(),
            task,
            source: Source::Image("web:1".to_owned()),
            ..Service::default()
        }
    }

    fn container(state: ContainerState, spec: &str, code: Option<i64>) -> Container {
        let labels = [(label::SPEC, spec), (label::PARTS, "image=1 ports=1")];
        Container {
            state,
            exit_code: code,
            ..sample::container("app-web", labels)
        }
    }

    #[test]
    fn what_is_there_is_compared_with_what_is_declared() {
        let there = || {
            Some((
                Image::default(),
                "s1".to_owned(),
                "image=1 ports=2".to_owned(),
            ))
        };
        let running = container(ContainerState::Running, "s1", None);
        let other = container(ContainerState::Running, "s0", None);
        let ended = container(ContainerState::Exited, "s1", Some(0));
        let with = |image| (image, Live::default());
        let asked = |seen, flags| decide(&service(false), with(there()), seen, flags);
        let none = (false, false);
        assert_eq!(asked(None, none).0, "create");
        assert_eq!(asked(Some(&running), none).0, "keep");
        assert_eq!(asked(Some(&running), (false, true)).0, "recreate");
        assert_eq!(
            asked(Some(&other), none),
            ("recreate", "changed: ports".to_owned())
        );
        assert_eq!(asked(Some(&ended), none).0, "start");
        let bound = |memory| Live {
            memory,
            ..Live::default()
        };
        let bounded = |seen: &Container, memory| {
            decide(&service(false), (there(), bound(memory)), Some(seen), none)
        };
        assert_eq!(
            bounded(&running, 1),
            ("update", "changed: limits memory".to_owned())
        );
        assert_eq!(bounded(&other, 1).0, "recreate");
        let limited = Container {
            live: bound(1),
            ..running.clone()
        };
        assert_eq!(bounded(&limited, 1).0, "keep");
        assert_eq!(bounded(&limited, 0).0, "recreate");
        let done = decide(&service(true), with(there()), Some(&ended), none);
        assert_eq!(done, ("keep", "its task is done".to_owned()));
        assert_eq!(decide(&service(false), with(None), None, none).0, "pull");
    }
}
