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
    // A target that cannot be read must not hide what is wrong in the block.
    let target = cx.parsed(to, value::inside);
    let to = target.clone().unwrap_or_default();
    let at = line.at();
    let before = draft.sync.iter().position(|known| known.value.to == to);
    let mut sync = match before.map(|index| draft.sync.remove(index)) {
        Some(known) => {
            if known.layer == layer {
                cx.twice(at, known.at, format!("the sync to {to} is said twice"));
            }
            known.value
        }
        None => DraftSync {
            from: None,
            to,
            ignore: Vec::new(),
            on: Vec::new(),
        },
    };
    sync.from = from.or(sync.from);
    for child in line.children() {
        rule(cx, &mut sync, child, layer);
    }
    if target.is_some() {
        let place = before.unwrap_or(draft.sync.len());
        draft.sync.insert(
            place,
            Said {
                value: sync,
                at,
                layer,
            },
        );
    }
}

/// What is taken away from the rules that lie below.
pub(super) fn edits(cx: &mut Context<'_>, draft: &mut Draft, node: &KdlNode) {
    // What is wrong with the node is told when it is read for good.
    let to = cx.quietly(|cx| {
        let line = cx.line(node, &SYNC)?;
        cx.parsed(line.property("to")?, value::inside)
    });
    let mut syncs = draft.sync.iter_mut().map(|said| &mut said.value);
    let Some(sync) = syncs.find(|sync| Some(&sync.to) == to.as_ref()) else {
        return;
    };
    for child in node.children().map_or(&[][..], |block| block.nodes()) {
        let edit = child.ty().map(kdl::KdlIdentifier::value);
        match (child.name().value(), edit) {
            ("ignore", Some("remove")) => {
                let gone = removed(cx, child);
                sync.ignore.retain(|pattern| !gone.contains(&pattern.value));
            }
            ("on", Some("remove")) => {
                let gone = removed(cx, child);
                sync.on.retain(|known| known.value.patterns != gone);
            }
            ("ignore", Some("replace")) => sync.ignore.clear(),
            ("on", Some("replace")) => sync.on.clear(),
            _ => {}
        }
    }
}

fn removed(cx: &mut Context<'_>, node: &KdlNode) -> Vec<String> {
    let said = patterns(cx, node, cx.layer);
    said.into_iter().map(|said| said.value).collect()
}

/// `ignore` and `on` add to what lies below.
fn rule(cx: &mut Context<'_>, sync: &mut DraftSync, node: &KdlNode, layer: usize) {
    match (
        node.name().value(),
        node.ty().map(kdl::KdlIdentifier::value),
    ) {
        ("ignore" | "on", Some("remove")) => {}
        ("ignore" | "on", Some(other)) if other != "replace" => cx.unknown_edit(node, other),
        ("ignore", _) => sync.ignore.extend(patterns(cx, node, layer)),
        ("on", _) => sync.on.extend(on(cx, node, layer)),
        _ => cx.unknown_word(node, Place::Sync),
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

fn patterns(cx: &mut Context<'_>, node: &KdlNode, layer: usize) -> Vec<Said<String>> {
    let Some(line) = cx.line(node, &IGNORE) else {
        return Vec::new();
    };
    let said = |text: &Text| Said {
        value: pattern(cx, text),
        at: text.span,
        layer,
    };
    line.words.iter().map(said).collect()
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
    cx.no_edit(node);
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

pub(super) fn signal(cx: &mut Context<'_>, line: &Line<'_>) -> Option<String> {
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
