//! `sync`, and `on` in it and beside it.

use kdl::KdlNode;

use super::command;
use crate::context::{Context, Text};
use crate::draft::{Draft, DraftSync, Said};
use crate::line::{Block, Line, MANY, Shape};
use crate::load::PathKind;
use crate::model::{Action, On};
use crate::value;
use crate::words::Place;

const SYNC: Shape = Shape {
    words: (0, 1),
    properties: &["to"],
    block: Block::Maybe,
    example: "sync to=\"/app\" { ignore \"dist/\" }",
};
const IGNORE: Shape = Shape {
    words: (1, MANY),
    properties: &[],
    block: Block::Never,
    example: "ignore \"dist/\" \"*.log\"",
};
const ON: Shape = Shape {
    words: (1, MANY),
    properties: &[],
    block: Block::Always,
    example: "on \"requirements*.txt\" { rebuild }",
};
const EXEC: Shape = Shape {
    words: (1, MANY),
    properties: &[],
    block: Block::Never,
    example: "exec \"npm ci\"",
};
const SIGNAL: Shape = Shape {
    words: (1, 1),
    properties: &[],
    block: Block::Never,
    example: "signal \"HUP\"",
};
const PLAIN: Shape = Shape {
    words: (0, 0),
    properties: &[],
    block: Block::Never,
    example: "a word of its own: restart, recreate, rebuild",
};

pub(super) fn sync(cx: &mut Context<'_>, draft: &mut Draft, node: &KdlNode, layer: usize) {
    let Some(line) = cx.line(node, &SYNC) else {
        return;
    };
    let from = line.words.first().and_then(|text| folder(cx, text, layer));
    let mut ignore = Vec::new();
    let mut rules = Vec::new();
    for child in line.children() {
        match child.name().value() {
            "ignore" => ignore.extend(patterns(cx, child)),
            "on" => rules.extend(on(cx, child, layer)),
            _ => cx.unknown_word(child, Place::Sync),
        }
    }
    let Some(to) = line.property("to") else {
        let problem = cx
            .error(
                "stackfile::missing",
                line.at(),
                "where to?",
                "`sync` does not say where in the container",
            )
            .advise(format!("it is written {}", SYNC.example));
        return cx.report(problem);
    };
    let Some(to) = cx.parsed(to, value::inside) else {
        return;
    };
    let at = line.at();
    match draft.sync.iter_mut().find(|before| before.value.to == to) {
        Some(before) => {
            if before.layer == layer {
                let first = before.at;
                cx.twice(at, first, format!("the sync to {to} is said twice"));
            }
            before.layer = layer;
            before.at = at;
            before.value.ignore.append(&mut ignore);
            before.value.on.append(&mut rules);
            if from.is_some() {
                before.value.from = from;
            }
        }
        None => draft.sync.push(Said {
            value: DraftSync {
                from,
                to,
                ignore,
                on: rules,
            },
            at,
            layer,
        }),
    }
}

pub(super) fn service_on(cx: &mut Context<'_>, draft: &mut Draft, node: &KdlNode, layer: usize) {
    draft.on.extend(on(cx, node, layer));
}

fn folder(cx: &mut Context<'_>, text: &Text, layer: usize) -> Option<Said<std::path::PathBuf>> {
    let written = cx.string(text);
    if text.broken {
        return None;
    }
    let path = cx.path(&written);
    let there = cx.existing(&path, text.span, Some(PathKind::Folder), "the source");
    there.then_some(Said {
        value: path,
        at: text.span,
        layer,
    })
}

fn patterns(cx: &mut Context<'_>, node: &KdlNode) -> Vec<String> {
    let Some(line) = cx.line(node, &IGNORE) else {
        return Vec::new();
    };
    line.words.iter().map(|text| pattern(cx, text)).collect()
}

fn pattern(cx: &mut Context<'_>, text: &Text) -> String {
    let pattern = cx.string(text);
    if !text.broken && (pattern.is_empty() || pattern.split('/').any(|part| part == "..")) {
        let problem = cx
            .error("stackfile::value", text.span, "matches nothing", format!("\"{pattern}\" matches nothing"))
            .advise("patterns are relative to the folder that is synced, and do not leave it: \"**/*.py\"");
        cx.report(problem);
    }
    pattern
}

fn on(cx: &mut Context<'_>, node: &KdlNode, layer: usize) -> Option<Said<On>> {
    let line = cx.line(node, &ON)?;
    let mut actions = Vec::new();
    for child in line.children() {
        actions.extend(action(cx, child));
    }
    if line.children().is_empty() && node.children().is_some() {
        let problem = cx
            .error(
                "stackfile::missing",
                line.at(),
                "does nothing",
                "`on` does not say what happens",
            )
            .advise("restart, exec \"command\", signal \"HUP\", recreate or rebuild");
        cx.report(problem);
    }
    let patterns = line.words.iter().map(|text| pattern(cx, text)).collect();
    let value = On {
        patterns,
        actions,
        at: cx.location(line.at()),
    };
    Some(Said {
        value,
        at: line.at(),
        layer,
    })
}

fn action(cx: &mut Context<'_>, node: &KdlNode) -> Option<Action> {
    let plain = |cx: &mut Context<'_>, action: Action| cx.line(node, &PLAIN).map(|_| action);
    match node.name().value() {
        "restart" => plain(cx, Action::Restart),
        "recreate" => plain(cx, Action::Recreate),
        "rebuild" => plain(cx, Action::Rebuild),
        "exec" => {
            let line = cx.line(node, &EXEC)?;
            command(cx, &line.words).map(Action::Exec)
        }
        "signal" => {
            let line = cx.line(node, &SIGNAL)?;
            signal(cx, &line).map(Action::Signal)
        }
        _ => {
            cx.unknown_word(node, Place::On);
            None
        }
    }
}

const SIGNALS: &[&str] = &[
    "HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "KILL", "WINCH", "CONT", "STOP",
];

fn signal(cx: &mut Context<'_>, line: &Line<'_>) -> Option<String> {
    let text = &line.words[0];
    let written = cx.string(text);
    if text.broken {
        return None;
    }
    let name = written.to_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    if SIGNALS.contains(&name) {
        return Some(name.to_owned());
    }
    let problem = cx
        .error(
            "stackfile::value",
            text.span,
            "not a signal",
            format!("\"{written}\" is not a signal"),
        )
        .advise(format!("known are {}", SIGNALS.join(", ")));
    cx.report(problem);
    None
}
