//! `check`: what `ci` runs once all is ready.

use std::time::Duration;

use kdl::KdlNode;
use miette::SourceSpan;

use super::{Document, command};
use crate::context::Context;
use crate::line::{Block, Line, MANY, Shape};
use crate::model::{Check, CheckTest};
use crate::value;
use crate::verify;
use crate::words::Place;

const CHECK: Shape = Shape {
    words: (1, 1),
    properties: &[],
    block: Block::Always,
    example: "check NAME { http \"/\" }",
};
const HTTP: Shape = Shape {
    words: (1, 1),
    properties: &["timeout"],
    block: Block::Never,
    example: "http \"/api/health/\"",
};
const EXEC: Shape = Shape {
    words: (2, MANY),
    properties: &["timeout", "junit"],
    block: Block::Never,
    example: "exec SERVICE \"command\" timeout=\"5m\" junit=\"reports/tests.xml\"",
};

/// Reads all checks.
pub(crate) fn checks(cx: &mut Context<'_>, document: &Document<'_>) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    let mut seen: Vec<(String, SourceSpan)> = Vec::new();
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
        checks.extend(check(cx, document, &line, name));
    }
    checks
}

fn check(
    cx: &mut Context<'_>,
    document: &Document<'_>,
    line: &Line<'_>,
    name: String,
) -> Option<Check> {
    let mut asked = None;
    for child in line.children() {
        cx.no_edit(child);
        let read = match child.name().value() {
            "http" => http(cx, child),
            "exec" => exec(cx, document, child),
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
    let Some((read, _)) = asked else {
        if line.children().is_empty() && line.node.children().is_some() {
            let problem = cx
                .error(
                    "stackfile::missing",
                    line.at(),
                    "asks nothing",
                    format!("check `{name}` does not say what is asked"),
                )
                .advise("http \"/path\", or exec SERVICE \"command\"");
            cx.report(problem);
        }
        return None;
    };
    let (test, timeout, junit) = read?;
    Some(Check {
        name,
        test,
        timeout,
        junit,
        at: cx.location(line.at()),
    })
}

type Asked = Option<(CheckTest, Duration, Option<String>)>;

fn timeout(cx: &mut Context<'_>, line: &Line<'_>) -> Option<Duration> {
    match line.property("timeout") {
        Some(text) => cx.parsed(text, value::some_time),
        None => Some(Duration::from_secs(60)),
    }
}

fn http(cx: &mut Context<'_>, node: &KdlNode) -> Asked {
    let line = cx.line(node, &HTTP)?;
    let text = &line.words[0];
    let timeout = timeout(cx, &line)?;
    let address = cx.string(text);
    if text.broken {
        return None;
    }
    let problem = if address.starts_with("http://") {
        None
    } else if !address.starts_with('/') {
        Some(
            cx.error("stackfile::value", text.span, "not an address", format!("\"{address}\" cannot be asked"))
                .advise("a path at the entry point, http \"/\", or all of it, http \"http://localhost:8000/\""),
        )
    } else if cx.variables.url.as_deref().unwrap_or_default().is_empty() {
        Some(
            cx.error(
                "stackfile::no-entry-point",
                text.span,
                "a path of what?",
                "a path is asked at the entry point, and no proxy publishes a port",
            )
            .advise("write the whole address: http \"http://localhost:8000/\""),
        )
    } else {
        None
    };
    match problem {
        Some(problem) => {
            cx.report(problem);
            None
        }
        None => Some((CheckTest::Http(address), timeout, None)),
    }
}

fn exec(cx: &mut Context<'_>, document: &Document<'_>, node: &KdlNode) -> Asked {
    let line = cx.line(node, &EXEC)?;
    let service = cx.string(&line.words[0]);
    if !line.words[0].broken {
        verify::known_service(cx, document, &service, line.words[0].span);
    }
    let timeout = timeout(cx, &line);
    let junit = line.property("junit").map(|text| cx.string(text));
    let command = command(cx, &line.words[1..])?;
    Some((CheckTest::Exec { service, command }, timeout?, junit))
}
