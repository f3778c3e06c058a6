//! What only shows when all services are side by side.

mod advice;
mod files;
mod ignored;
mod networks;
mod ons;
mod roll;
mod runs;
mod sync;
mod tls;

use miette::SourceSpan;

use crate::context::Context;
use crate::draft::{DraftPort, DraftRoute, DraftSource, Said};
use crate::merge::Laid;
use crate::model::{Action, Command, Condition, MountSource, Restart};
use crate::read::{Document, Kind};
use crate::words;

/// Reports every contradiction between what was read.
pub(crate) fn stack(cx: &mut Context<'_>, document: &Document<'_>, laid: &[Laid<'_>]) {
    for service in laid {
        complete(cx, service);
        shell_entrypoint(cx, service);
        task(cx, service);
        dependencies(cx, document, laid, service);
        rebuilds(cx, service);
        runs::service(cx, document, laid, service);
        ons::service(cx, service);
        roll::service(cx, document, service);
        sync::service(cx, service);
    }
    built_on(cx, document, laid);
    circles(cx, laid);
    one_proxy(cx, laid);
    tls::all(cx, laid);
    host_ports(cx, laid);
    routes(cx, laid);
    container_names(cx, laid);
    networks::stack(cx, document, laid);
    files::stack(cx, document, laid);
    advice::stack(cx, laid);
    unused_volumes(cx, document, laid);
}

/// The service, or a problem.
pub(crate) fn known_service(
    cx: &mut Context<'_>,
    document: &Document<'_>,
    name: &str,
    at: SourceSpan,
) -> bool {
    if document.services.iter().any(|service| service.name == name) {
        return true;
    }
    let names = document
        .services
        .iter()
        .map(|service| service.name.as_str());
    let help = match words::nearest(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("declared are {}", names.collect::<Vec<_>>().join(", ")),
    };
    let problem = cx
        .error(
            "stackfile::unknown-service",
            at,
            "not declared",
            format!("there is no service `{name}`"),
        )
        .advise(help);
    cx.report(problem);
    false
}

fn complete(cx: &mut Context<'_>, service: &Laid<'_>) {
    let node = service.node;
    // A word that was not understood may have been the one.
    let body = node.span();
    let misread = cx
        .problems
        .iter()
        .any(|known| known.is_within("stackfile::unknown-word", &cx.file, body));
    let tried = |word: &str| {
        misread
            || !node.has_block()
            || node
                .children()
                .iter()
                .any(|child| child.name().value() == word)
    };
    if service.draft.source.is_none() && !tried("image") && !tried("build") && !tried("use") {
        let problem = cx
            .error(
                "stackfile::missing",
                node.at,
                "made from what?",
                format!("`{}` has neither `image` nor `build`", node.name),
            )
            .advise("image \"postgres:17\", or build \"folder\"");
        cx.report(problem);
    }
    if node.kind == Kind::Proxy && service.draft.config.is_none() && !tried("config") {
        let problem = cx
            .error("stackfile::missing", node.at, "no configuration", format!("proxy `{}` has no `config`", node.name))
            .advise("config \"nginx/nginx.conf\", in which `include devrun-routes;` marks where the routes go");
        cx.report(problem);
    }
}

/// A line for the shell does not pass on what the command says.
fn shell_entrypoint(cx: &mut Context<'_>, service: &Laid<'_>) {
    let entrypoint = service.draft.settings.entrypoint.as_ref();
    let line = entrypoint.filter(|said| matches!(said.value, Command::Shell(_)));
    if let (Some(entrypoint), Some(command)) = (line, &service.draft.command) {
        let warning = cx
            .error(
                "stackfile::lost-command",
                command.at,
                "gets lost",
                "an entrypoint of one string is a line for the shell, which does not pass the command on",
            )
            .also(entrypoint.at, "the line")
            .advise("say the program and its arguments as strings of their own: entrypoint \"program\" \"argument\"");
        cx.warn(warning);
    }
}

fn task(cx: &mut Context<'_>, service: &Laid<'_>) {
    if service.node.kind != Kind::Task && service.draft.task.is_none() {
        return;
    }
    let policy = service
        .draft
        .restart
        .as_ref()
        .filter(|said| said.layer != service.defaults);
    if let Some(said) =
        policy.filter(|said| matches!(said.value, Restart::Always | Restart::UnlessStopped))
    {
        let problem = cx
            .error(
                "stackfile::task-restarts",
                said.at,
                "would begin again",
                format!(
                    "task `{}` ends, and its restart policy would start it again for ever",
                    service.node.name
                ),
            )
            .advise("leave `restart` out, or say `restart on-failure retries=3`");
        cx.report(problem);
    }
}

fn dependencies(
    cx: &mut Context<'_>,
    document: &Document<'_>,
    laid: &[Laid<'_>],
    service: &Laid<'_>,
) {
    for dependency in &service.draft.depends_on {
        let name = &dependency.value.service;
        if !known_service(cx, document, name, dependency.at) {
            continue;
        }
        let ends = laid
            .iter()
            .any(|other| other.node.name == *name && other.is_task());
        if dependency.value.condition == Some(Condition::Completed) && !ends {
            let problem = cx
                .error(
                    "stackfile::never-completed",
                    dependency.at,
                    "does not end",
                    format!("`{name}` is not a task, and what goes on never completes"),
                )
                .advise(format!(
                    "declare it as task {name} {{ … }}, or wait until it is healthy"
                ));
            cx.report(problem);
        }
    }
}

/// Whose image a build begins with has to be there, and not to begin with this one.
fn built_on(cx: &mut Context<'_>, document: &Document<'_>, laid: &[Laid<'_>]) {
    let index = |name: &str| laid.iter().position(|service| service.node.name == name);
    for service in laid {
        for (name, at) in service.draft.built_on() {
            known_service(cx, document, name, at);
        }
    }
    let edges: Vec<Vec<(usize, SourceSpan)>> = laid
        .iter()
        .map(|service| {
            let known = |(name, at)| Some((index(name)?, at));
            service.draft.built_on().filter_map(known).collect()
        })
        .collect();
    let mut done = vec![false; laid.len()];
    for start in 0..laid.len() {
        let Some(circle) = walk(start, &edges, &mut done, &mut Vec::new()) else {
            continue;
        };
        let name = &laid[circle[0].0].node.name;
        let mut problem = cx
            .error(
                "stackfile::circle",
                circle[0].1,
                "needs the image",
                format!("the build of `{name}` needs its own image first"),
            )
            .advise("put what they share into an image of its own");
        for (_, span) in &circle[1..] {
            problem = problem.also(*span, "and here");
        }
        cx.report(problem);
    }
}

/// Each circle is told once, from the service on that is declared first.
fn circles(cx: &mut Context<'_>, laid: &[Laid<'_>]) {
    let index = |name: &str| laid.iter().position(|service| service.node.name == name);
    let edges: Vec<Vec<(usize, SourceSpan)>> = laid
        .iter()
        .map(|service| {
            service
                .draft
                .depends_on
                .iter()
                .filter_map(|on| Some((index(&on.value.service)?, on.at)))
                .collect()
        })
        .collect();
    let mut done = vec![false; laid.len()];
    for start in 0..laid.len() {
        let mut path = Vec::new();
        if let Some(circle) = walk(start, &edges, &mut done, &mut path) {
            let names: Vec<&str> = circle
                .iter()
                .map(|(at, _)| laid[*at].node.name.as_str())
                .collect();
            let (message, help) = match names[..] {
                [only] => (
                    format!("`{only}` waits for itself"),
                    "it could never start: take the dependency away",
                ),
                _ => (
                    format!(
                        "services wait for each other in a circle: {} → {}",
                        names.join(" → "),
                        names[0]
                    ),
                    "none of them could ever start: take one of the dependencies away",
                ),
            };
            let mut problem = cx
                .error("stackfile::circle", circle[0].1, "waits here", message)
                .advise(help);
            for (_, span) in &circle[1..] {
                problem = problem.also(*span, "and here");
            }
            cx.report(problem);
        }
    }
}

/// The first circle that is reached, as services with the place where each names the next.
fn walk(
    at: usize,
    edges: &[Vec<(usize, SourceSpan)>],
    done: &mut [bool],
    path: &mut Vec<(usize, SourceSpan)>,
) -> Option<Vec<(usize, SourceSpan)>> {
    if let Some(start) = path.iter().position(|(passed, _)| *passed == at) {
        return Some(path[start..].to_vec());
    }
    if done[at] {
        return None;
    }
    let mut found = None;
    for (next, span) in &edges[at] {
        path.push((at, *span));
        found = walk(*next, edges, done, path);
        path.pop();
        if found.is_some() {
            break;
        }
    }
    done[at] = true;
    found
}

fn rebuilds(cx: &mut Context<'_>, service: &Laid<'_>) {
    let Some(Said {
        value: DraftSource::Image(image),
        ..
    }) = &service.draft.source
    else {
        return;
    };
    let rules = service
        .draft
        .sync
        .iter()
        .flat_map(|sync| &sync.value.on)
        .chain(&service.draft.on);
    for rule in rules.filter(|rule| rule.value.actions.contains(&Action::Rebuild)) {
        let problem = cx
            .error(
                "stackfile::nothing-to-rebuild",
                rule.at,
                "rebuilds",
                format!(
                    "`{}` comes from the image {image}: there is nothing to rebuild",
                    service.node.name
                ),
            )
            .advise("recreate makes a new container from the same image");
        cx.report(problem);
    }
}

fn one_proxy(cx: &mut Context<'_>, laid: &[Laid<'_>]) {
    let mut proxies = laid
        .iter()
        .filter(|service| service.node.kind == Kind::Proxy);
    let Some(first) = proxies.next() else { return };
    for other in proxies {
        let problem = cx
            .error(
                "stackfile::two-proxies",
                other.node.at,
                "a second proxy",
                "a stack has one proxy, which serves all routes",
            )
            .also(first.node.at, "the first")
            .advise("declare one of them as a service");
        cx.report(problem);
    }
}

fn host_ports(cx: &mut Context<'_>, laid: &[Laid<'_>]) {
    let mut taken: Vec<(&Laid<'_>, &Said<DraftPort>)> = Vec::new();
    for service in laid {
        for port in service
            .draft
            .ports
            .iter()
            .filter(|port| port.value.host.is_some())
        {
            let clash = taken.iter().find(|(other, known)| {
                !apart(service, other) && clashes(&known.value, &port.value)
            });
            if let Some((other, known)) = clash {
                let number = port.value.host.unwrap_or_default();
                let problem = cx
                    .error(
                        "stackfile::port-twice",
                        port.at,
                        format!("`{}` here", service.node.name),
                        format!("port {number} of this machine is published twice"),
                    )
                    .also(known.at, format!("`{}` here", other.node.name))
                    .advise("give one of them another port");
                cx.report(problem);
            }
            taken.push((service, port));
        }
    }
}

/// Services of different profiles need not run together.
fn apart(one: &Laid<'_>, other: &Laid<'_>) -> bool {
    let (Some(one), Some(other)) = (&one.draft.profiles, &other.draft.profiles) else {
        return false;
    };
    !one.value
        .iter()
        .any(|profile| other.value.contains(profile))
}

fn clashes(one: &DraftPort, other: &DraftPort) -> bool {
    let all = |port: &DraftPort| {
        port.bind
            .iter()
            .any(|bind| bind == "0.0.0.0" || bind == "::")
    };
    let shared = one.bind.iter().any(|bind| other.bind.contains(bind));
    one.host == other.host && one.protocol == other.protocol && (shared || all(one) || all(other))
}

fn routes(cx: &mut Context<'_>, laid: &[Laid<'_>]) {
    let served = laid.iter().any(|service| service.node.kind == Kind::Proxy);
    let health = laid.iter().find_map(|it| it.draft.health.as_ref());
    let mut taken: Vec<(&DraftRoute, &str, SourceSpan)> = Vec::new();
    for service in laid {
        let name = service.node.name.as_str();
        if let Some(first) = service.draft.routes.first().filter(|_| !served) {
            let problem = cx
                .error("stackfile::no-proxy", first.at, "served by whom?", format!("`{name}` has routes, and there is no proxy"))
                .advise("declare one: proxy proxy { image \"nginx:1.26\"; config \"nginx/nginx.conf\"; port 80 }");
            cx.report(problem);
        }
        for route in &service.draft.routes {
            let twice = taken.iter().find(|(known, _, _)| known.same(&route.value));
            let health = health.filter(|health| health.value == route.value.pattern);
            let clash = match (twice, health) {
                (Some((_, other, first)), _) => Some((
                    *first,
                    format!("`{other}` here"),
                    format!("{} is routed twice", route.value.name()),
                    "the longest route wins; two that are equal cannot be told apart",
                )),
                (None, Some(health)) => Some((
                    health.at,
                    "answered by nginx itself".to_owned(),
                    format!(
                        "{} is routed, and is the proxy's health",
                        route.value.name()
                    ),
                    "choose another path for one of them: nginx answers `health` at every host",
                )),
                (None, None) => None,
            };
            if let Some((first, label, message, help)) = clash {
                let code = "stackfile::route-twice";
                let problem = cx.error(code, route.at, format!("`{name}` here"), message);
                cx.report(problem.also(first, label).advise(help));
            }
            taken.push((&route.value, name, route.at));
        }
    }
}

fn container_names(cx: &mut Context<'_>, laid: &[Laid<'_>]) {
    for (at, service) in laid.iter().enumerate() {
        let name = &service.node.container_name;
        if let Some(first) = laid[..at]
            .iter()
            .find(|other| other.node.container_name == *name)
        {
            cx.twice(
                service.node.at,
                first.node.at,
                format!("two containers would be called {name}"),
            );
        }
    }
}

fn unused_volumes(cx: &mut Context<'_>, document: &Document<'_>, laid: &[Laid<'_>]) {
    for volume in &document.volumes {
        let source = MountSource::Volume(volume.value.engine_name.clone());
        if !laid.iter().any(|service| {
            service
                .draft
                .mounts
                .iter()
                .any(|mount| mount.value.source == source)
        }) {
            let warning = cx
                .error(
                    "stackfile::unused",
                    volume.at,
                    "never mounted",
                    format!("volume `{}` is declared and not used", volume.value.name),
                )
                .advise("mount it with `volume NAME to=…`, or take the line away");
            cx.warn(warning);
        }
    }
}
