//! `build`: a Dockerfile and what it reads.

use std::collections::BTreeMap;

use kdl::KdlNode;

use super::environment;
use crate::context::{Context, tidy};
use crate::draft::{Draft, DraftSource, Said};
use crate::line::{Block, Shape};
use crate::load::PathKind;
use crate::words::Place;

const BUILD: Shape = Shape {
    words: (1, 1),
    properties: &["target", "dockerfile"],
    block: Block::Maybe,
    example: "build \"backend\" target=dev",
};

pub(super) fn build(cx: &mut Context<'_>, draft: &mut Draft, node: &KdlNode, layer: usize) {
    let line = cx.line(node, &BUILD);
    let args = args(cx, node);
    let Some(line) = line else { return };
    let folder = &line.words[0];
    let written = cx.string(folder);
    let target = line.property("target").map(|text| cx.string(text));
    let dockerfile = line
        .property("dockerfile")
        .map(|text| (cx.string(text), text.span));
    if folder.broken {
        return;
    }
    let context = cx.path(&written);
    let (dockerfile, at) = match dockerfile {
        Some((name, span)) => (tidy(&context.join(name)), span),
        None => (context.join("Dockerfile"), folder.span),
    };
    if cx.existing(
        &context,
        folder.span,
        Some(PathKind::Folder),
        "build context",
    ) {
        cx.existing(&dockerfile, at, Some(PathKind::File), "Dockerfile");
    }
    let value = DraftSource::Build {
        context,
        dockerfile,
        target,
        args,
    };
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

fn args(cx: &mut Context<'_>, node: &KdlNode) -> BTreeMap<String, String> {
    let mut args = BTreeMap::new();
    for child in node.children().map_or(&[][..], |block| block.nodes()) {
        if child.name().value() == "args" {
            args.append(&mut environment::table(cx, child));
        } else {
            cx.unknown_word(child, Place::Build);
        }
    }
    args
}
