//! `secret` and `config-file`, at the top and in a service.

use kdl::KdlNode;
use miette::SourceSpan;

use super::Document;
use crate::context::{Context, Text};
use crate::draft::{Draft, Said};
use crate::line::{Block, Line, Shape};
use crate::load::PathKind;
use crate::model::{Content, File, FileInside, FileKind, FileSource};
use crate::value;
use crate::words;

/// What `secret` or `config-file` declares; its content is read when all variables are known.
pub(crate) struct FileNode<'a> {
    pub(crate) name: String,
    pub(crate) at: SourceSpan,
    pub(crate) kind: FileKind,
    pub(crate) content: Option<Content>,
    /// As it is declared; `None` where that could not be read.
    pub(crate) declared: Option<File>,
    node: &'a KdlNode,
}

const fn declares(example: &'static str) -> Shape {
    Shape {
        words: (1, 1),
        properties: &["file", "env", "text", "doc"],
        block: Block::Never,
        example,
    }
}
const fn takes(example: &'static str) -> Shape {
    Shape {
        words: (1, 1),
        properties: &["to", "mode"],
        block: Block::Never,
        example,
    }
}

const SECRET: Shape = declares("secret db-password file=\"./db-password.txt\"");
const CONFIG: Shape = declares("config-file redis file=\"./redis.conf\"");
const TAKES_SECRET: Shape = takes("secret db-password");
const TAKES_CONFIG: Shape = takes("config-file redis to=\"/etc/redis.conf\"");

/// Who is there, before anything is read.
pub(super) fn declared<'a>(
    cx: &mut Context<'_>,
    document: &mut Document<'a>,
    node: &'a KdlNode,
    kind: FileKind,
) {
    let (word, shape) = (kind.word(), declaration(kind));
    // Its values are looked at later, and what is wrong with them is told then.
    let Some(line) = cx.quietly(|cx| cx.line(node, shape)) else {
        cx.line(node, shape);
        return;
    };
    let Some(name) = cx.parsed(&line.words[0], value::name) else {
        return;
    };
    let at = line.words[0].span;
    let same = |file: &&FileNode<'_>| file.name == name && file.kind == kind;
    if let Some(first) = document.files.iter().find(same) {
        return cx.twice(at, first.at, format!("{word} `{name}` is declared twice"));
    }
    document.files.push(FileNode {
        name,
        at,
        kind,
        content: None,
        declared: None,
        node,
    });
}

/// Reads what all of them hold.
pub(crate) fn contents(cx: &mut Context<'_>, document: &mut Document<'_>) {
    for file in &mut document.files {
        let shape = declaration(file.kind);
        if let Some(line) = cx.line(file.node, shape)
            && let Some((source, content)) = content(cx, &line, shape)
        {
            file.content = Some(Content(content));
            file.declared = Some(File {
                name: file.name.clone(),
                kind: file.kind,
                source,
                doc: line.property("doc").map(|text| cx.string(text)),
                at: cx.location(line.at()),
            });
        }
    }
}

fn declaration(kind: FileKind) -> &'static Shape {
    match kind {
        FileKind::Secret => &SECRET,
        FileKind::ConfigFile => &CONFIG,
    }
}

fn content(cx: &mut Context<'_>, line: &Line<'_>, shape: &Shape) -> Option<(FileSource, Vec<u8>)> {
    let said: Vec<(&str, &Text)> = ["file", "env", "text"]
        .into_iter()
        .filter_map(|property| Some((property, line.property(property)?)))
        .collect();
    let [(property, text)] = said[..] else {
        let word = line.node.name().value();
        let (label, message) = if said.is_empty() {
            (
                "from where?",
                format!("`{word}` does not say where its content comes from"),
            )
        } else {
            (
                "from one place",
                format!("`{word}` has its content from one place"),
            )
        };
        let problem = cx
            .error("stackfile::missing", line.at(), label, message)
            .advise(format!("file=, env= or text=: {}", shape.example));
        cx.report(problem);
        return None;
    };
    let value = cx.string(text);
    if text.broken {
        return None;
    }
    Some(match property {
        "file" => {
            let bytes = file(cx, text, &value)?;
            (FileSource::File(cx.path(&value)), bytes)
        }
        "env" => {
            let bytes = environment(cx, text, &value)?;
            (FileSource::Env(value), bytes)
        }
        _ => (FileSource::Text(value.clone()), value.into_bytes()),
    })
}

fn file(cx: &mut Context<'_>, text: &Text, written: &str) -> Option<Vec<u8>> {
    let path = cx.path(written);
    if !cx.existing(&path, text.span, Some(PathKind::File), "the file") {
        return None;
    }
    cx.reads.push(path.clone());
    match cx.host.read_bytes(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            let problem = cx
                .error(
                    "stackfile::unreadable",
                    text.span,
                    "cannot be read",
                    format!("{written} cannot be read: {error}"),
                )
                .advise("are its permissions as they should be?");
            cx.report(problem);
            None
        }
    }
}

fn environment(cx: &mut Context<'_>, text: &Text, name: &str) -> Option<Vec<u8>> {
    let declared = cx
        .variables
        .declared
        .iter()
        .find(|variable| variable.name == name)
        .map(|variable| variable.value.clone());
    let value = declared.or_else(|| {
        cx.variables
            .outside(name)
            .map(|(value, _)| value.to_owned())
    });
    if value.is_none() {
        let problem = cx
            .error("stackfile::required-variable", text.span, "not set", format!("{name} must be set"))
            .advise(format!("in the shell (`export {name}=…`), in `.env` beside the Stackfile, or with --env-file"));
        cx.report(problem);
    }
    value.map(String::into_bytes)
}

/// `secret NAME`, `config-file NAME` in a service.
pub(super) fn taken(
    cx: &mut Context<'_>,
    document: &Document<'_>,
    draft: &mut Draft,
    node: &KdlNode,
    layer: usize,
) {
    let (kind, shape) = if node.name().value() == FileKind::Secret.word() {
        (FileKind::Secret, &TAKES_SECRET)
    } else {
        (FileKind::ConfigFile, &TAKES_CONFIG)
    };
    let Some(line) = cx.line(node, shape) else {
        return;
    };
    let name = &line.words[0];
    let target = match line.property("to") {
        Some(to) => cx.parsed(to, value::inside),
        None if kind == FileKind::Secret => Some(format!("/run/secrets/{}", name.value)),
        None => Some(format!("/{}", name.value)),
    };
    let mode = match line.property("mode") {
        Some(text) => cx.parsed(text, value::mode),
        None => Some(0o444),
    };
    let Some(file) = known(cx, document, name, kind) else {
        return;
    };
    let (Some(target), Some(mode)) = (target, mode) else {
        return;
    };
    // Without its content there is a problem already, and the rest is looked at all the same.
    let value = FileInside {
        name: file.name.clone(),
        kind,
        target,
        mode,
        content: file.content.clone().unwrap_or_default(),
    };
    let what = format!("the file at {}", value.target);
    let said = Said {
        value,
        at: line.at(),
        layer,
    };
    cx.keyed(&mut draft.files, said, |a, b| a.target == b.target, &what);
}

/// The one that is declared so.
pub(super) fn known<'a, 'b>(
    cx: &mut Context<'_>,
    document: &'a Document<'b>,
    name: &Text,
    kind: FileKind,
) -> Option<&'a FileNode<'b>> {
    if name.broken {
        return None;
    }
    let all = || document.files.iter().filter(|file| file.kind == kind);
    if let Some(file) = all().find(|file| file.name == name.value) {
        return Some(file);
    }
    let word = kind.word();
    let help = match words::nearest(&name.value, all().map(|file| file.name.as_str())) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("declare it at the top: {word} {} file=\"…\"", name.value),
    };
    let problem = cx
        .error(
            "stackfile::unknown-file",
            name.span,
            "not declared",
            format!("there is no {word} `{}`", name.value),
        )
        .advise(help);
    cx.report(problem);
    None
}
