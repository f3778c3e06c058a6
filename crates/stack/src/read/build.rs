//! `build`: a Dockerfile and what it reads.

mod cache;
mod contexts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kdl::KdlNode;
use miette::SourceSpan;

use self::cache::Cache;
use super::{Document, environment, files};
use crate::context::{Context, tidy};
use crate::dockerfile;
use crate::draft::{Draft, DraftBuild, DraftContext, DraftSource, Said};
use crate::line::{Block, MANY, Shape};
use crate::load::PathKind;
use crate::model::{Content, FileKind, USUAL_KEEP};
use crate::value::{self, Unfit};
use crate::words::Place;

const BUILD: Shape = Shape {
    words: (1, 1),
    properties: &["target", "dockerfile", "network", "keep", "ssh"],
    block: Block::Maybe,
    example: "build \"backend\" target=dev",
};

/// Whoever wants more wants all of them.
const MOST_KEPT: i64 = 1000;

/// What stands in the block of `build`.
#[derive(Default)]
struct Inside {
    args: BTreeMap<String, String>,
    secrets: BTreeMap<String, Content>,
    ssh: BTreeMap<String, Option<PathBuf>>,
    inline: Option<(String, SourceSpan)>,
    contexts: BTreeMap<String, (DraftContext, SourceSpan)>,
    cache: Cache,
}

pub(super) fn build(
    cx: &mut Context<'_>,
    document: &Document<'_>,
    draft: &mut Draft,
    node: &KdlNode,
    layer: usize,
) {
    let line = cx.line(node, &BUILD);
    let mut inside = inside(cx, document, node);
    let Some(line) = line else { return };
    let folder = &line.words[0];
    let written = cx.string(folder);
    let target = line.property("target").map(|text| cx.string(text));
    let dockerfile = line
        .property("dockerfile")
        .map(|text| (cx.string(text), text.span));
    let network = line
        .property("network")
        .and_then(|text| cx.parsed(text, network));
    let keep = line.property("keep").and_then(|text| cx.parsed(text, keep));
    if let Some(ssh) = line.property("ssh") {
        let problem = cx
            .error(
                "stackfile::form",
                ssh.span,
                "in the block",
                "`ssh` stands in the block of `build`",
            )
            .advise("build \"…\" { ssh default }");
        cx.report(problem);
    }
    if folder.broken {
        return;
    }
    let context = cx.path(&written);
    if let (Some((_, inline)), Some((_, named))) = (&inside.inline, &dockerfile) {
        let problem = cx
            .error(
                "stackfile::twice",
                *inline,
                "its text here",
                "there are two Dockerfiles",
            )
            .also(*named, "a file here")
            .advise("say one of the two");
        cx.report(problem);
    }
    let (dockerfile, at) = match dockerfile {
        Some((name, span)) => (tidy(&context.join(name)), span),
        None => (context.join("Dockerfile"), folder.span),
    };
    let there = cx.existing(
        &context,
        folder.span,
        Some(PathKind::Folder),
        "build context",
    );
    if there && inside.inline.is_none() {
        cx.existing(&dockerfile, at, Some(PathKind::File), "Dockerfile");
    }
    inside.cache.outside(cx, &context, &dockerfile);
    implied(
        cx,
        document,
        (&dockerfile, &mut inside),
        (&target, folder.span),
    );
    let value = DraftSource::Build(Box::new(DraftBuild {
        context,
        dockerfile,
        target,
        inline: inside.inline.map(|(text, _)| text),
        args: inside.args,
        secrets: inside.secrets,
        ssh: inside.ssh,
        contexts: inside.contexts,
        network: network.filter(|mode| mode != "default"),
        cache_from: inside.cache.from,
        cache_to: inside.cache.to,
        keep,
    }));
    cx.once(
        &mut draft.source,
        Said {
            value,
            at: line.at(),
            layer,
        },
        "build` or `image",
    );
}

/// A Dockerfile that stands on an image of this stack, by its name without a tag, means the one
/// that its service is built into.
fn implied(
    cx: &Context<'_>,
    document: &Document<'_>,
    (file, inside): (&Path, &mut Inside),
    (target, at): (&Option<String>, SourceSpan),
) {
    let text = match &inside.inline {
        Some((text, _)) => text.clone(),
        None => cx.host.read(file).unwrap_or_default(),
    };
    for image in dockerfile::bases(&text, &inside.args, target.as_deref()) {
        let name = image.strip_suffix(":latest").unwrap_or(&image);
        let service = [&cx.declared, &document.stack]
            .into_iter()
            .filter_map(|stack| name.strip_prefix(stack.as_str())?.strip_prefix('-'))
            .find(|service| document.services.iter().any(|one| one.name == *service));
        if let (Some(service), false) = (service, inside.contexts.contains_key(name)) {
            let context = DraftContext::Implied(service.to_owned());
            inside.contexts.insert(name.to_owned(), (context, at));
        }
    }
}

const SECRET: Shape = Shape {
    words: (1, MANY),
    properties: &[],
    block: Block::Never,
    example: "secret npm-token",
};
const SSH: Shape = Shape {
    words: (1, 1),
    properties: &["socket"],
    block: Block::Never,
    example: "ssh default",
};
const INLINE: Shape = Shape {
    words: (1, 1),
    properties: &[],
    block: Block::Never,
    example: "dockerfile-inline \"FROM alpine\"",
};

/// The engine's builder knows no others.
fn network(text: &str) -> Result<String, Unfit> {
    value::known(text, &["default", "host", "none"], "a network for builds")
}

fn keep(text: &str) -> Result<u32, Unfit> {
    let count = value::within(text, 1..=MOST_KEPT, "a number from 1 to 1000")?;
    Ok(u32::try_from(count).unwrap_or(USUAL_KEEP))
}

fn ssh(cx: &mut Context<'_>, agents: &mut BTreeMap<String, Option<PathBuf>>, node: &KdlNode) {
    let Some(line) = cx.line(node, &SSH) else {
        return;
    };
    let name = cx.string(&line.words[0]);
    let socket = line.property("socket").map(|text| {
        let written = cx.string(text);
        (cx.path(&written), text.span)
    });
    if let Some((path, span)) = &socket {
        cx.existing(path, *span, Some(PathKind::File), "agent's socket");
    }
    agents.insert(name, socket.map(|(path, _)| path));
}

fn inside(cx: &mut Context<'_>, document: &Document<'_>, node: &KdlNode) -> Inside {
    let mut inside = Inside::default();
    for child in node.children().map_or(&[][..], |block| block.nodes()) {
        match child.name().value() {
            "args" => inside.args.append(&mut environment::table(cx, child)),
            "secret" => {
                if let Some(line) = cx.line(child, &SECRET) {
                    for name in &line.words {
                        if let Some(file) = files::known(cx, document, name, FileKind::Secret) {
                            let content = file.content.clone().unwrap_or_default();
                            inside.secrets.insert(file.name.clone(), content);
                        }
                    }
                }
            }
            "ssh" => ssh(cx, &mut inside.ssh, child),
            "cache-from" => cache::from(cx, &mut inside.cache, child),
            "cache-to" => cache::to(cx, &mut inside.cache, child),
            "additional-context" => contexts::one(cx, &mut inside.contexts, child),
            "dockerfile-inline" => {
                if let Some(line) = cx.line(child, &INLINE) {
                    let text = cx.string(&line.words[0]);
                    if let Some((_, first)) = inside.inline {
                        cx.twice(line.at(), first, "`dockerfile-inline` is said twice".into());
                    }
                    inside.inline = Some((text, line.at()));
                }
            }
            _ => cx.unknown_word(child, Place::Build),
        }
    }
    inside
}
