//! `check`: what `ci` runs once all is ready.

use std::collections::BTreeMap;
use std::time::Duration;

use kdl::KdlNode;
use miette::SourceSpan;

use super::{Document, command, environment};
use crate::context::{Context, Text};
use crate::line::{Block, Line, MANY, Shape};
use crate::model::{Check, CheckTest, Inside, Statuses};
use crate::words::{self, Place};
use crate::{value, verify};

const CHECK: Shape = Shape {
    words: (1, 1),
    properties: &[],
    block: Block::Always,
    example: "check NAME { http \"/\" }",
};
const HTTP: Shape = Shape {
    words: (1, 1),
    properties: &["status", "contains", "timeout", "retries"],
    block: Block::Never,
    example: "http \"/api/health/\" status=200 contains=\"ok\"",
};
const EXEC: Shape = Shape {
    words: (2, MANY),
    properties: &["timeout", "retries", "junit"],
    block: Block::Never,
    example: "exec SERVICE \"command\" timeout=\"5m\" junit=\"reports/tests.xml\"",
};
const RUN: Shape = Shape {
    words: (1, MANY),
    properties: &["image", "timeout", "retries", "junit"],
    block: Block::Never,
    example: "run SERVICE \"command\", or run \"command\" image=\"IMAGE\"",
};
const HOST: Shape = Shape {
    words: (1, MANY),
    properties: &["timeout", "retries", "junit"],
    block: Block::Never,
    example: "host \"command\"",
};
const DEPENDS_ON: Shape = Shape {
    words: (1, MANY),
    properties: &[],
    block: Block::Never,
    example: "depends-on CHECK",
};

/// Reads all checks.
pub(crate) fn checks(cx: &mut Context<'_>, document: &Document<'_>) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    let mut seen: Vec<(String, SourceSpan)> = Vec::new();
    let mut waits: Vec<(String, String, SourceSpan)> = Vec::new();
    for node in &document.checks {
        let Some(line) = cx.line(node, &CHECK) else {
            continue;
        };
        let Some(name) = cx.parsed(&line.words[0], value::name) else {
            continue;
        };
        let at = line.words[0].span;
        if let Some((_, first)) = seen.iter().find(|(known, _)| *known == name) {
            let first = *first;
            cx.twice(at, first, format!("check `{name}` is declared twice"));
            continue;
        }
        seen.push((name.clone(), at));
        checks.extend(check(cx, document, &line, name, &mut waits));
    }
    dependencies(cx, &seen, &waits);
    checks
}

fn check(
    cx: &mut Context<'_>,
    document: &Document<'_>,
    line: &Line<'_>,
    name: String,
    waits: &mut Vec<(String, String, SourceSpan)>,
) -> Option<Check> {
    let mut asked = None;
    let mut variables = BTreeMap::new();
    let mut depends_on = Vec::new();
    for child in line.children() {
        cx.no_edit(child);
        let read = match child.name().value() {
            "http" => http(cx, child),
            "exec" => exec(cx, document, child),
            "run" => run(cx, document, child),
            "host" => host(cx, child),
            "environment" => {
                variables.extend(environment::table(cx, child));
                continue;
            }
            "depends-on" => {
                for other in cx
                    .line(child, &DEPENDS_ON)
                    .map_or(Vec::new(), |line| line.words)
                {
                    let said = cx.string(&other);
                    if !other.broken && !depends_on.contains(&said) {
                        waits.push((name.clone(), said.clone(), other.span));
                        depends_on.push(said);
                    }
                }
                continue;
            }
            _ => {
                cx.unknown_word(child, Place::Check);
                continue;
            }
        };
        if let Some((_, first)) = asked {
            cx.twice(
                child.name().span(),
                first,
                format!("check `{name}` asks one thing"),
            );
        }
        asked = Some((read, child.name().span()));
    }
    let Some((read, at)) = asked else {
        asks_nothing(cx, line, &name);
        return None;
    };
    let asked = read?;
    if let (CheckTest::Http { .. }, false) = (&asked.test, variables.is_empty()) {
        let problem = cx
            .error(
                "stackfile::surplus",
                at,
                "is asked without one",
                format!("check `{name}` has an environment and no command"),
            )
            .advise("exec, run and host have one");
        cx.report(problem);
    }
    Some(Check {
        name,
        test: asked.test,
        environment: variables,
        depends_on,
        timeout: asked.timeout,
        retries: asked.retries,
        junit: asked.junit,
        at: cx.location(line.at()),
    })
}

fn asks_nothing(cx: &mut Context<'_>, line: &Line<'_>, name: &str) {
    let known = ["environment", "depends-on"];
    let children = line.children();
    let all_known = children
        .iter()
        .all(|child| known.contains(&child.name().value()));
    if all_known && line.node.children().is_some() {
        let problem = cx
            .error(
                "stackfile::missing",
                line.at(),
                "asks nothing",
                format!("check `{name}` does not say what is asked"),
            )
            .advise("http \"/path\", exec SERVICE \"command\", run SERVICE \"command\", or host \"command\"");
        cx.report(problem);
    }
}

/// Each is declared, and none waits for itself, be it by way of others.
fn dependencies(
    cx: &mut Context<'_>,
    seen: &[(String, SourceSpan)],
    waits: &[(String, String, SourceSpan)],
) {
    let mut left: Vec<&(String, String, SourceSpan)> = Vec::new();
    for wait in waits {
        let (_, other, at) = wait;
        if seen.iter().any(|(name, _)| name == other) {
            left.push(wait);
            continue;
        }
        let names = seen.iter().map(|(name, _)| name.as_str());
        let help = match words::nearest(other, names.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                "a check waits for other checks; all services are ready before the first".into()
            }
        };
        let problem = cx
            .error(
                "stackfile::unknown-check",
                *at,
                "not declared",
                format!("there is no check `{other}`"),
            )
            .advise(help);
        cx.report(problem);
    }
    // Whoever waits for nobody that waits is in no circle.
    loop {
        let before = left.len();
        let waiting: Vec<String> = left.iter().map(|(name, ..)| name.clone()).collect();
        left.retain(|(_, other, _)| waiting.contains(other));
        if left.len() == before {
            break;
        }
    }
    if let Some((name, other, at)) = left.first() {
        let problem = cx
            .error(
                "stackfile::circle",
                *at,
                "waits for it",
                format!("check `{name}` would wait for itself, by way of `{other}`"),
            )
            .advise("one of them has to be the first");
        cx.report(problem);
    }
}

/// What a check asks, and how patiently.
struct Asked {
    test: CheckTest,
    timeout: Duration,
    retries: u32,
    junit: Option<String>,
}

fn asked(cx: &mut Context<'_>, line: &Line<'_>, test: Option<CheckTest>) -> Option<Asked> {
    let timeout = match line.property("timeout") {
        Some(text) => cx.parsed(text, value::some_time),
        None => Some(Duration::from_secs(60)),
    };
    let retries = match line.property("retries") {
        Some(text) => cx.parsed(text, value::times),
        None => Some(0),
    };
    let junit = line.property("junit").map(|text| cx.string(text));
    Some(Asked {
        test: test?,
        timeout: timeout?,
        retries: retries?,
        junit,
    })
}

fn http(cx: &mut Context<'_>, node: &KdlNode) -> Option<Asked> {
    let line = cx.line(node, &HTTP)?;
    let status = match line.property("status") {
        Some(text) => cx.parsed(text, value::statuses),
        None => Some(Statuses::FINE),
    };
    let contains = line.property("contains").map(|text| cx.string(text));
    let address = address(cx, &line.words[0]);
    let test = address
        .zip(status)
        .map(|(address, status)| CheckTest::Http {
            address,
            status,
            contains,
        });
    asked(cx, &line, test)
}

fn address(cx: &mut Context<'_>, text: &Text) -> Option<String> {
    let address = cx.string(text);
    if text.broken {
        return None;
    }
    let problem = if address.starts_with("http://") {
        return Some(instead(cx, &address));
    } else if !address.starts_with('/') {
        cx.error(
            "stackfile::value",
            text.span,
            "not an address",
            format!("\"{address}\" cannot be asked"),
        )
        .advise(
            "a path at the entry point, http \"/\", or all of it, http \"http://localhost:8000/\"",
        )
    } else if cx.variables.url.as_deref().unwrap_or_default().is_empty() {
        cx.error(
            "stackfile::no-entry-point",
            text.span,
            "a path of what?",
            "a path is asked at the entry point, and no proxy publishes a port",
        )
        .advise("write the whole address: http \"http://localhost:8000/\"")
    } else {
        return Some(address);
    };
    cx.report(problem);
    None
}

/// A port of this machine at which a service is published elsewhere means that service.
fn instead(cx: &Context<'_>, address: &str) -> String {
    let rest = address.trim_start_matches("http://");
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()),
        None => (authority, Some(80)),
    };
    let other = port.and_then(|port: u16| cx.instead.get(&port));
    match other {
        Some(other) if matches!(host, "localhost" | "127.0.0.1" | "[::1]") => {
            format!("http://{host}:{other}{path}")
        }
        _ => address.to_owned(),
    }
}

fn service(cx: &mut Context<'_>, document: &Document<'_>, text: &Text) -> String {
    let service = cx.string(text);
    if !text.broken {
        verify::known_service(cx, document, &service, text.span);
    }
    service
}

fn exec(cx: &mut Context<'_>, document: &Document<'_>, node: &KdlNode) -> Option<Asked> {
    let line = cx.line(node, &EXEC)?;
    let service = service(cx, document, &line.words[0]);
    let command = command(cx, &line.words[1..]);
    let test = command.map(|command| CheckTest::Exec { service, command });
    asked(cx, &line, test)
}

fn run(cx: &mut Context<'_>, document: &Document<'_>, node: &KdlNode) -> Option<Asked> {
    let line = cx.line(node, &RUN)?;
    let (inside, words) = match line.property("image") {
        Some(image) => (Inside::Image(cx.string(image)), &line.words[..]),
        None => {
            let service = service(cx, document, &line.words[0]);
            (Inside::Service(service), &line.words[1..])
        }
    };
    if words.is_empty() {
        let problem = cx
            .error(
                "stackfile::missing",
                line.at(),
                "something is missing after it",
                "`run` is not complete",
            )
            .advise(format!("it is written {}", RUN.example));
        cx.report(problem);
        return None;
    }
    let command = command(cx, words);
    let test = command.map(|command| CheckTest::Run { inside, command });
    asked(cx, &line, test)
}

fn host(cx: &mut Context<'_>, node: &KdlNode) -> Option<Asked> {
    let line = cx.line(node, &HOST)?;
    let test = command(cx, &line.words).map(|command| CheckTest::Host { command });
    asked(cx, &line, test)
}
