//! `environment`, `args`, and the env files behind `env-file`, `--env-file` and `.env`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use kdl::{KdlEntry, KdlNode};
use miette::{NamedSource, SourceSpan};

use crate::context::{Context, Form};
use crate::diagnostic::{Diagnostic, Lines, SourceFile};
use crate::dotenv;
use crate::draft::{Draft, Said};
use crate::line::{Block, Shape};
use crate::model::{Filled, Origin, Speaker};
use crate::variables::{Ask, Slip, expand};

const TABLE: Shape = Shape {
    words: (0, 0),
    properties: &[],
    block: Block::Always,
    example: "environment { KEY \"value\" }",
};
const PAIR: Shape = Shape {
    words: (1, 1),
    properties: &[],
    block: Block::Never,
    example: "KEY \"value\"",
};

pub(super) fn environment(cx: &mut Context<'_>, draft: &mut Draft, node: &KdlNode, layer: usize) {
    if cx.line(node, &TABLE).is_none() {
        return;
    }
    for child in node.children().map_or(&[][..], |block| block.nodes()) {
        if is_removal(child) {
            continue;
        }
        let Some((key, value)) = pair(cx, child) else {
            continue;
        };
        let at = child.name().span();
        if let Some(before) = draft
            .environment
            .get(&key)
            .filter(|before| before.layer == layer)
        {
            let first = before.at;
            cx.twice(at, first, format!("{key} is set twice"));
        }
        draft.environment.insert(key, Said { value, at, layer });
    }
}

/// Variables that are taken away.
pub(super) fn edits(cx: &mut Context<'_>, draft: &mut Draft, node: &KdlNode) {
    let children = node.children().map_or(&[][..], |block| block.nodes());
    for child in children.iter().filter(|child| is_removal(child)) {
        let key = child.name().value();
        if draft.environment.remove(key).is_none() && !draft.alone {
            let problem = cx
                .error(
                    "stackfile::nothing-to-remove",
                    child.name().span(),
                    "removes nothing",
                    format!("{key} is not set by what lies below"),
                )
                .advise("what `defaults` and the templates in `use` say can be removed");
            cx.report(problem);
        }
    }
}

fn is_removal(node: &KdlNode) -> bool {
    node.ty().is_some_and(|edit| edit.value() == "remove")
}

/// The children of `args`.
pub(super) fn table(cx: &mut Context<'_>, node: &KdlNode) -> BTreeMap<String, String> {
    let mut table: BTreeMap<String, String> = BTreeMap::new();
    let mut seen: Vec<(String, SourceSpan)> = Vec::new();
    if cx.line(node, &TABLE).is_none() {
        return table;
    }
    for child in node.children().map_or(&[][..], |block| block.nodes()) {
        let Some((key, value)) = pair(cx, child) else {
            continue;
        };
        if let Some((_, first)) = seen.iter().find(|(known, _)| *known == key) {
            let first = *first;
            cx.twice(child.name().span(), first, format!("{key} is set twice"));
        }
        seen.push((key.clone(), child.name().span()));
        table.insert(key, value);
    }
    table
}

fn pair(cx: &mut Context<'_>, node: &KdlNode) -> Option<(String, String)> {
    let key = node.name().value().to_owned();
    let at = node.name().span();
    cx.no_edit(node);
    if let Some(bare) = key.strip_suffix(':') {
        let problem = cx
            .error(
                "stackfile::colon",
                at,
                "ends with a colon",
                format!("`{key}` would be a variable with a colon in its name"),
            )
            .advise(format!("KDL has no colons: {bare} \"value\""));
        cx.report(problem);
        return None;
    }
    if key == "-" {
        let help = match node.entries().first() {
            Some(entry) => format!("a line each, without it: {}", pair_of(entry)),
            None => "a line each: KEY \"value\"".to_owned(),
        };
        let problem = cx
            .error(
                "stackfile::value",
                at,
                "a list",
                "there are no lists with dashes",
            )
            .advise(help);
        cx.report(problem);
        return None;
    }
    if !dotenv::is_key(&key) {
        let problem = cx
            .error(
                "stackfile::value",
                at,
                "not a name",
                format!("`{key}` cannot be a variable's name"),
            )
            .advise("letters, digits and `_`, and no digit first");
        cx.report(problem);
        return None;
    }
    if node.entries().is_empty() && node.children().is_none() {
        let problem = cx
            .error(
                "stackfile::missing",
                at,
                "no value",
                format!("{key} has no value"),
            )
            .advise(format!(
                "an empty one is {key} \"\"; what the shell has is {key} \"${{{key}:-}}\""
            ));
        cx.report(problem);
        return None;
    }
    let line = cx.line(node, &PAIR)?;
    let text = &line.words[0];
    if let Form::Bool(flag) = text.form {
        let problem = cx
            .error(
                "stackfile::boolean",
                text.span,
                "a boolean",
                format!("{key} is text once it is in the environment: which one?"),
            )
            .advise(format!(
                "say {key} \"{flag}\", or \"{}\", whatever the program reads",
                u8::from(flag)
            ));
        cx.report(problem);
    }
    Some((key, text.value.clone()))
}

/// `A=b` as it is written here.
fn pair_of(entry: &KdlEntry) -> String {
    let value = |value: &kdl::KdlValue| match value.as_string() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    };
    match (entry.name(), value(entry.value()).split_once('=')) {
        (Some(key), _) => format!("{} \"{}\"", key.value(), value(entry.value())),
        (None, Some((key, value))) => format!("{key} \"{value}\""),
        (None, None) => {
            let key = value(entry.value());
            format!("{key} \"${{{key}:-}}\", for what the shell has")
        }
    }
}

/// A value from a file.
#[derive(Debug)]
pub(crate) struct Assigned {
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// The file behind `env-file`: may refer to variables of the stack, and to what stands above in
/// the same file.
pub(crate) fn service_file(
    cx: &mut Context<'_>,
    path: &Path,
    at: SourceSpan,
) -> BTreeMap<String, Assigned> {
    let shown = path
        .strip_prefix(&cx.root)
        .unwrap_or(path)
        .display()
        .to_string();
    cx.reads.push(path.to_owned());
    let text = match cx.host.read(path) {
        Ok(text) => text,
        Err(error) => {
            unreadable(cx, &shown, at, &error);
            return BTreeMap::new();
        }
    };
    values(cx, &shown, text)
}

/// `.env`, which may be absent, or the file of `--env-file`, which may not.
pub(crate) fn variable_file(
    cx: &mut Context<'_>,
    path: &Path,
    shown: &str,
    required: bool,
) -> BTreeMap<String, Assigned> {
    cx.reads.push(path.to_owned());
    match cx.host.read(path) {
        Ok(text) => values(cx, shown, text),
        Err(error) if !required && error.kind() == ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => {
            // Asked for on the command line, so there is no place in the Stackfile to show.
            let problem = cx
                .error(
                    "stackfile::env-file",
                    (0, 0).into(),
                    "needs its variables",
                    format!("--env-file {shown} cannot be read: {error}"),
                )
                .advise("check the path; it starts from the folder where devrun was called");
            cx.report(problem);
            BTreeMap::new()
        }
    }
}

fn unreadable(cx: &mut Context<'_>, shown: &str, at: SourceSpan, error: &std::io::Error) {
    let problem = if error.kind() == ErrorKind::NotFound {
        cx.error(
            "stackfile::missing-path",
            at,
            "not there",
            format!("env file {shown} does not exist"),
        )
        .advise("relative paths start from the Stackfile's folder")
    } else {
        cx.error(
            "stackfile::unreadable",
            at,
            "cannot be read",
            format!("env file {shown}: {error}"),
        )
        .advise("check its permissions, and that it is UTF-8 text")
    };
    cx.report(problem);
}

fn values(cx: &mut Context<'_>, shown: &str, text: String) -> BTreeMap<String, Assigned> {
    let (lines, odd) = dotenv::parse(&text);
    let file: SourceFile = Arc::new(NamedSource::new(shown, text));
    for odd in odd {
        cx.report(
            Diagnostic::new(
                &file,
                "env-file::line",
                odd.span.into(),
                "here",
                odd.message,
            )
            .advise(odd.help),
        );
    }
    let places = Lines::of(file.inner());
    let mut table: BTreeMap<String, Assigned> = BTreeMap::new();
    for line in lines {
        let at = places.locate(&file, line.span.start);
        let assigned = |value: String, filled: Vec<Filled>| Assigned {
            value,
            origin: Origin {
                from: Speaker::EnvFile,
                at,
                variables: filled,
            },
        };
        if !line.expands {
            table.insert(line.key, assigned(line.value, Vec::new()));
            continue;
        }
        let filled = RefCell::new(Vec::new());
        let value = expand(&line.value, &|name, ask, written| {
            // What stands above in the same file is seen there.
            if !table.contains_key(name) {
                filled.borrow_mut().push(cx.variables.filled(name));
            }
            known(cx, &table, name, ask, written)
        });
        match value {
            Ok(value) => {
                table.insert(line.key, assigned(value, filled.into_inner()));
            }
            Err(slips) => {
                for slip in slips {
                    let problem = Diagnostic::new(
                        &file,
                        slip.code,
                        line.span.clone().into(),
                        slip.label,
                        slip.message,
                    );
                    cx.report(match slip.help {
                        Some(help) => problem.advise(help),
                        None => problem,
                    });
                }
            }
        }
    }
    table
}

fn known(
    cx: &Context<'_>,
    above: &BTreeMap<String, Assigned>,
    name: &str,
    ask: Ask<'_>,
    written: &str,
) -> Result<Option<String>, Slip> {
    if let Some(assigned) = above.get(name) {
        return Ok(Some(assigned.value.clone()));
    }
    match cx.variables.resolve(name, ask, written) {
        // An env file is not the stack's contract: what the shell has need not be declared.
        Err(slip) => match cx.variables.outside(name) {
            Some((value, _)) => Ok(Some(value.to_owned())),
            None => Err(slip),
        },
        answer => answer,
    }
}
