//! `sync`, and `on` in it and beside it.

use kdl::KdlNode;

use super::command;
use crate::context::{Context, Text};
use crate::draft::{Draft, DraftSync, Once, Said};
use crate::line::{Block, Line, MANY, Shape};
use crate::load::PathKind;
use crate::model::{Action, On};
use crate::value;
use crate::words::Place;

const SYNC: Shape = Shape {
    words: (0, 1),
    properties: &["to", "mirror", "initial", "owner", "mode", "settle"],
    block: Block::Maybe,
    example: "sync to=\"/app\" { ignore \"dist/\" }",
};
const IGNORE: Shape = Shape {
    words: (1, MANY),
    properties: &[],
    block: Block::Never,
    example: "ignore \"dist/\" \"*.log\"",
};
const INCLUDE: Shape = Shape {
    example: "include \"*.py\" \"templates/\"",
    ..IGNORE
};
const BACK: Shape = Shape {
    example: "back \"**/migrations/*.py\"",
    ..IGNORE
};
const ON: Shape = Shape {
    words: (1, MANY),
    properties: &["settle"],
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
const RUN: Shape = Shape {
    words: (1, 1),
    properties: &[],
    block: Block::Never,
    example: "run migrate",
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
    let from = line.words.first().and_then(|text| source(cx, text, layer));
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
            to,
            ..DraftSync::default()
        },
    };
    if let Some((path, is_file)) = from {
        sync.file = is_file;
        sync.from = Some(path);
    }
    if sync.file && to_text(&line).ends_with('/') {
        let problem = cx
            .error(
                "stackfile::value",
                to_at(&line),
                "names a folder",
                "a single file needs the name that it has inside",
            )
            .advise("write it out: to=\"/etc/nginx/conf.d/default.conf\"");
        cx.report(problem);
    }
    properties(cx, &mut sync, &line, layer);
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

fn to_text<'a>(line: &'a Line<'_>) -> &'a str {
    line.property("to").map_or("", |text| &text.value)
}

fn to_at(line: &Line<'_>) -> miette::SourceSpan {
    line.property("to").map_or(line.at(), |text| text.span)
}

/// What is said of the tree as a whole; each replaces what an earlier layer said.
fn properties(cx: &mut Context<'_>, sync: &mut DraftSync, line: &Line<'_>, layer: usize) {
    fn say<T>(place: &mut Once<T>, text: &Text, layer: usize, value: Option<T>) {
        if let Some(value) = value {
            *place = Some(Said {
                value,
                at: text.span,
                layer,
            });
        }
    }
    for (key, text) in &line.properties {
        match key.as_str() {
            "mirror" => say(&mut sync.mirror, text, layer, cx.flag(text)),
            "initial" => say(&mut sync.initial, text, layer, cx.flag(text)),
            "owner" => say(&mut sync.owner, text, layer, cx.parsed(text, value::owner)),
            "mode" => say(
                &mut sync.mode,
                text,
                layer,
                cx.parsed(text, value::permissions),
            ),
            "settle" => say(
                &mut sync.settle,
                text,
                layer,
                cx.parsed(text, value::settle),
            ),
            _ => {}
        }
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
            (word @ ("include" | "ignore" | "back"), Some("remove")) => {
                let gone = removed(cx, child);
                list(sync, word).retain(|pattern| !gone.contains(&pattern.value));
            }
            ("on", Some("remove")) => {
                let gone = removed(cx, child);
                sync.on.retain(|known| known.value.patterns != gone);
            }
            (word @ ("include" | "ignore" | "back"), Some("replace")) => list(sync, word).clear(),
            ("on", Some("replace")) => sync.on.clear(),
            _ => {}
        }
    }
}

/// The patterns that this word adds to.
fn list<'a>(sync: &'a mut DraftSync, word: &str) -> &'a mut Vec<Said<String>> {
    match word {
        "include" => &mut sync.include,
        "back" => &mut sync.back,
        _ => &mut sync.ignore,
    }
}

fn removed(cx: &mut Context<'_>, node: &KdlNode) -> Vec<String> {
    let said = patterns(cx, node, cx.layer);
    said.into_iter().map(|said| said.value).collect()
}

/// Patterns and `on` add to what lies below.
fn rule(cx: &mut Context<'_>, sync: &mut DraftSync, node: &KdlNode, layer: usize) {
    match (
        node.name().value(),
        node.ty().map(kdl::KdlIdentifier::value),
    ) {
        ("include" | "ignore" | "back" | "on", Some("remove")) => {}
        ("include" | "ignore" | "back" | "on", Some(other)) if other != "replace" => {
            cx.unknown_edit(node, other);
        }
        (word @ ("include" | "ignore" | "back"), _) => {
            let said = patterns(cx, node, layer);
            list(sync, word).extend(said);
        }
        ("on", _) => sync.on.extend(on(cx, node, layer, SYNCED)),
        _ => cx.unknown_word(node, Place::Sync),
    }
}

pub(super) fn service_on(cx: &mut Context<'_>, draft: &mut Draft, node: &KdlNode, layer: usize) {
    draft.on.extend(on(cx, node, layer, ROOT));
}

/// The source, and whether it is a file. It may come later, with a branch or from a generator.
fn source(
    cx: &mut Context<'_>,
    text: &Text,
    layer: usize,
) -> Option<(Said<std::path::PathBuf>, bool)> {
    let written = cx.string(text);
    if text.broken {
        return None;
    }
    let path = cx.path(&written);
    let kind = cx.host.kind(&path);
    if kind.is_none() {
        cx.reads.push(path.clone());
        let warning = cx
            .error(
                "stackfile::missing-path",
                text.span,
                "not there",
                format!("the source {written} does not exist: nothing is synced until it does"),
            )
            .advise("relative paths start from the Stackfile's folder");
        cx.warn(warning);
    }
    let said = Said {
        value: path,
        at: text.span,
        layer,
    };
    Some((said, kind == Some(PathKind::File)))
}

fn patterns(cx: &mut Context<'_>, node: &KdlNode, layer: usize) -> Vec<Said<String>> {
    let shape = match node.name().value() {
        "include" => &INCLUDE,
        "back" => &BACK,
        _ => &IGNORE,
    };
    let Some(line) = cx.line(node, shape) else {
        return Vec::new();
    };
    for text in line.words.iter().filter(|text| text.value.starts_with('!')) {
        // In `ignore` it takes back in.
        if node.name().value() != "ignore" {
            let name = node.name().value();
            let problem = cx
                .error(
                    "stackfile::value",
                    text.span,
                    "takes nothing away",
                    format!("`{name}` only adds"),
                )
                .advise(format!(
                    "what is not meant stands in `ignore`: ignore \"{}\"",
                    &text.value[1..]
                ));
            cx.report(problem);
        }
    }
    let said = |text: &Text| Said {
        value: pattern(cx, text, SYNCED),
        at: text.span,
        layer,
    };
    line.words.iter().map(said).collect()
}

/// From where patterns start.
const SYNCED: &str = "the folder that is synced";
const ROOT: &str = "the Stackfile's folder";

fn pattern(cx: &mut Context<'_>, text: &Text, base: &str) -> String {
    let pattern = cx.string(text);
    if !text.broken && (pattern.is_empty() || pattern.split('/').any(|part| part == "..")) {
        let problem = cx
            .error(
                "stackfile::value",
                text.span,
                "matches nothing",
                format!("\"{pattern}\" matches nothing"),
            )
            .advise(format!(
                "patterns are relative to {base}, and do not leave it: \"**/*.py\""
            ));
        cx.report(problem);
    }
    pattern
}

/// A pattern of an `on`, in which brackets mean something.
fn glob(cx: &mut Context<'_>, text: &Text, base: &str) -> String {
    let pattern = pattern(cx, text, base);
    if let Some(wrong) = unclosed(&pattern).filter(|_| !text.broken) {
        let problem = cx
            .error("stackfile::value", text.span, "not a pattern", format!("\"{pattern}\" {wrong}"))
            .advise("`*` stays within a folder, `**` does not; `{a,b}` and `[abc]` are choices, and a backslash takes the meaning away");
        cx.report(problem);
    }
    pattern
}

/// What is wrong with the brackets of a pattern.
fn unclosed(pattern: &str) -> Option<&'static str> {
    let mut letters = pattern.chars().peekable();
    let mut choices = 0_usize;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.next().is_none() => return Some("ends in a backslash"),
            '{' => choices += 1,
            '}' if choices == 0 => return Some("has a `}` too much"),
            '}' => choices -= 1,
            '[' => {
                letters.next_if(|letter| matches!(letter, '!' | '^'));
                letters.next_if_eq(&']');
                if !letters.any(|letter| letter == ']') {
                    return Some("has a `[` that is not closed");
                }
            }
            _ => {}
        }
    }
    (choices > 0).then_some("has a `{` that is not closed")
}

fn on(cx: &mut Context<'_>, node: &KdlNode, layer: usize, base: &str) -> Option<Said<On>> {
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
            .advise("restart, exec \"command\", signal \"HUP\", recreate, rebuild or run TASK");
        cx.report(problem);
    }
    let patterns = line.words.iter().map(|text| glob(cx, text, base));
    let patterns = patterns.collect();
    let settle = line.property("settle");
    let settle = settle.and_then(|text| cx.parsed(text, value::settle));
    let value = On {
        patterns,
        actions,
        settle: settle.unwrap_or_default(),
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
        "run" => {
            let line = cx.line(node, &RUN)?;
            let task = &line.words[0];
            let name = cx.string(task);
            (!task.broken).then_some(Action::Run(name))
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
