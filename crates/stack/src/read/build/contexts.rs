//! `additional-context`: what a Dockerfile knows by a name besides its own stages.

use std::collections::BTreeMap;

use kdl::KdlNode;
use miette::SourceSpan;

use crate::context::Context;
use crate::draft::DraftContext;
use crate::line::{Block, Shape};
use crate::load::PathKind;
use crate::value::Unfit;

const CONTEXT: Shape = Shape {
    words: (2, 2),
    properties: &[],
    block: Block::Never,
    example: "additional-context shared \"../shared\", \"docker-image://alpine:3\" or \"service:base\"",
};

pub(super) fn one(
    cx: &mut Context<'_>,
    contexts: &mut BTreeMap<String, (DraftContext, SourceSpan)>,
    node: &KdlNode,
) {
    let Some(line) = cx.line(node, &CONTEXT) else {
        return;
    };
    let (name, what) = (&line.words[0], &line.words[1]);
    let Some(name) = cx.parsed(name, stage) else {
        return;
    };
    let written = cx.string(what);
    if what.broken {
        return;
    }
    let context = if let Some(image) = written.strip_prefix("docker-image://") {
        DraftContext::Image(image.to_owned())
    } else if let Some(service) = written.strip_prefix("service:") {
        DraftContext::Service(service.to_owned())
    } else if written.contains("://") || written.starts_with("target:") {
        let problem = cx
            .error(
                "stackfile::value",
                what.span,
                "not understood",
                format!("\"{written}\" is no context that devrun can take"),
            )
            .advise("a folder of this machine, \"docker-image://IMAGE\", or \"service:NAME\"; what lies elsewhere can be fetched in the Dockerfile: ADD");
        return cx.report(problem);
    } else {
        let path = cx.path(&written);
        cx.existing(&path, what.span, Some(PathKind::Folder), "folder");
        DraftContext::Folder(path)
    };
    if let Some((_, first)) = contexts.get(&name) {
        return cx.twice(
            line.at(),
            *first,
            format!("the context `{name}` is said twice"),
        );
    }
    contexts.insert(name, (context, what.span));
}

/// A name that a stage of a Dockerfile may have.
fn stage(text: &str) -> Result<String, Unfit> {
    let mut letters = text.chars();
    let fits = letters.next().is_some_and(|c| c.is_ascii_lowercase())
        && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c));
    if fits {
        return Ok(text.to_owned());
    }
    Err(Unfit {
        label: "not a stage's name".into(),
        message: format!("\"{text}\" cannot be the name of a context"),
        help: "as a stage of a Dockerfile it begins with a small letter and has small letters, digits, `-`, `_` and `.`: FROM NAME, COPY --from=NAME".into(),
    })
}
