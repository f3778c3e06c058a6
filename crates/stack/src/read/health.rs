//! `healthcheck`: the question whose answer is healthy or not.

use std::time::Duration;

use kdl::KdlNode;

use super::command;
use crate::context::{Context, Form};
use crate::draft::{Draft, DraftHealth, DraftProbe, Said};
use crate::line::{Block, Line, MANY, Shape};
use crate::value;

const HEALTHCHECK: Shape = Shape {
    words: (0, MANY),
    properties: &[
        "http",
        "tcp",
        "log",
        "interval",
        "timeout",
        "retries",
        "start-period",
    ],
    block: Block::Never,
    example: "healthcheck \"pg_isready -h 127.0.0.1\" interval=\"10s\"",
};

pub(super) fn healthcheck(cx: &mut Context<'_>, draft: &mut Draft, node: &KdlNode, layer: usize) {
    let Some(line) = cx.line(node, &HEALTHCHECK) else {
        return;
    };
    let value = if is_none(&line) {
        for (key, text) in &line.properties {
            let problem = cx
                .error(
                    "stackfile::surplus",
                    text.span,
                    "of no use",
                    format!("`healthcheck none` takes no {key}="),
                )
                .advise("`none` switches the check off");
            cx.report(problem);
        }
        None
    } else {
        let Some(health) = asked(cx, &line) else {
            return;
        };
        Some(health)
    };
    cx.once(
        &mut draft.healthcheck,
        Said {
            value,
            at: line.at(),
            layer,
        },
        "healthcheck",
    );
}

fn is_none(line: &Line<'_>) -> bool {
    matches!(&line.words[..], [only] if only.value == "none" && only.form == Form::Bare)
}

fn asked(cx: &mut Context<'_>, line: &Line<'_>) -> Option<DraftHealth> {
    let time = |cx: &mut Context<'_>, name: &str, seconds: u64| match line.property(name) {
        Some(text) => cx.parsed(text, value::some_time),
        None => Some(Duration::from_secs(seconds)),
    };
    let interval = time(cx, "interval", 10);
    let timeout = time(cx, "timeout", 5);
    let start_period = match line.property("start-period") {
        Some(text) => cx.parsed(text, value::duration),
        None => Some(Duration::ZERO),
    };
    let retries = match line.property("retries") {
        Some(text) => cx.parsed(text, value::count),
        None => Some(3),
    };
    let test = probe(cx, line);
    Some(DraftHealth {
        test: test?,
        interval: interval?,
        timeout: timeout?,
        retries: retries?,
        start_period: start_period?,
    })
}

fn probe(cx: &mut Context<'_>, line: &Line<'_>) -> Option<DraftProbe> {
    if line.node.children().is_some() {
        return None;
    }
    let (http, tcp) = (line.property("http"), line.property("tcp"));
    let log = line.property("log");
    if usize::from(http.is_some())
        + usize::from(tcp.is_some())
        + usize::from(log.is_some())
        + usize::from(!line.words.is_empty())
        != 1
    {
        let (label, message) =
            if line.words.is_empty() && http.is_none() && tcp.is_none() && log.is_none() {
                ("asks nothing", "`healthcheck` does not say what is asked")
            } else {
                ("asks more than one thing", "`healthcheck` asks one thing")
            };
        let problem = cx
            .error("stackfile::missing", line.at(), label, message)
            .advise("a command, http=\"/path\", tcp=5432, log=\"text\", or none");
        cx.report(problem);
        return None;
    }
    if let Some(text) = tcp {
        return cx.parsed(text, value::port).map(DraftProbe::Tcp);
    }
    if let Some(text) = log {
        return cx.parsed(text, log_text).map(DraftProbe::Log);
    }
    let Some(text) = http else {
        return probe_command(cx, line);
    };
    if text.broken {
        return None;
    }
    if text.value.starts_with('/') {
        return Some(DraftProbe::Path(text.value.clone()));
    }
    // Nobody is named to a probe: `@` means something else to whoever asks.
    let names_nobody = |rest: &str| !rest.split('/').next().unwrap_or_default().contains('@');
    let rest = text.value.strip_prefix("http://");
    if rest.is_some_and(|rest| !rest.is_empty() && names_nobody(rest)) {
        return Some(DraftProbe::Url(text.value.clone()));
    }
    let problem = cx
        .error("stackfile::value", text.span, "not an address", format!("\"{}\" cannot be asked", text.value))
        .advise("a path at the service's own port, http=\"/health\", or all of it, http=\"http://localhost:8000/health\"; https is not supported");
    cx.report(problem);
    None
}

fn log_text(text: &str) -> Result<String, value::Unfit> {
    if text.trim_matches(['*', ' ']).is_empty() || text.contains('\n') {
        return Err(value::Unfit {
            label: "would be any line".into(),
            message: format!("\"{text}\" is not a part of one line"),
            help: "a part of the line that says that it serves: log=\"listening on *:8000\"".into(),
        });
    }
    Ok(text.to_owned())
}

/// `CMD` and `CMD-SHELL` are Compose's way to say what the number of strings says here.
fn probe_command(cx: &mut Context<'_>, line: &Line<'_>) -> Option<DraftProbe> {
    if let Some(first) = line
        .words
        .first()
        .filter(|first| matches!(first.value.as_str(), "CMD" | "CMD-SHELL" | "NONE"))
    {
        let help = match first.value.as_str() {
            "NONE" => "healthcheck none",
            _ => {
                "leave it out: one string is a line for the shell, several are a program and its arguments"
            }
        };
        let problem = cx
            .error(
                "stackfile::value",
                first.span,
                "not here",
                format!("`{}` is Compose's word", first.value),
            )
            .advise(help);
        cx.report(problem);
        return None;
    }
    command(cx, &line.words).map(DraftProbe::Command)
}
