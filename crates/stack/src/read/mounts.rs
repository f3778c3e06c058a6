//! `volume` and `bind` in a service.

use kdl::KdlNode;

use super::Document;
use crate::context::Context;
use crate::draft::{Draft, Said};
use crate::line::{Block, Line, Shape};
use crate::model::{Mount, MountSource};
use crate::value;
use crate::words;

const VOLUME: Shape = Shape {
    words: (1, 1),
    properties: &["to", "read-only"],
    block: Block::Never,
    example: "volume postgres-data to=\"/var/lib/postgresql/data\"",
};
const BIND: Shape = Shape {
    words: (1, 1),
    properties: &["to", "read-only"],
    block: Block::Never,
    example: "bind \"./certificates\" to=\"/certificates\" read-only=#true",
};

pub(super) fn volume(
    cx: &mut Context<'_>,
    document: &Document<'_>,
    draft: &mut Draft,
    node: &KdlNode,
    layer: usize,
) {
    let Some(line) = cx.line(node, &VOLUME) else {
        return;
    };
    let name = &line.words[0];
    let known = document
        .volumes
        .iter()
        .find(|volume| volume.value.name == name.value);
    if known.is_none() && !name.broken {
        unknown(cx, document, &line);
    }
    if let (Some(volume), Some((target, read_only))) = (known, inside(cx, &line, &VOLUME)) {
        let mount = Mount {
            source: MountSource::Volume(volume.value.engine_name.clone()),
            target,
            read_only,
            at: cx.location(line.at()),
        };
        mounted(cx, draft, mount, &line, layer);
    }
}

pub(super) fn bind(cx: &mut Context<'_>, draft: &mut Draft, node: &KdlNode, layer: usize) {
    let Some(line) = cx.line(node, &BIND) else {
        return;
    };
    let written = cx.string(&line.words[0]);
    let inside = inside(cx, &line, &BIND);
    if line.words[0].broken {
        return;
    }
    let path = cx.path(&written);
    let there = cx.existing(&path, line.words[0].span, None, "the path");
    if let (true, Some((target, read_only))) = (there, inside) {
        mounted(
            cx,
            draft,
            Mount {
                source: MountSource::Bind(path),
                target,
                read_only,
                at: cx.location(line.at()),
            },
            &line,
            layer,
        );
    }
}

fn mounted(cx: &mut Context<'_>, draft: &mut Draft, mount: Mount, line: &Line<'_>, layer: usize) {
    let what = format!("the mount at {}", mount.target);
    cx.keyed(
        &mut draft.mounts,
        Said {
            value: mount,
            at: line.at(),
            layer,
        },
        |a, b| a.target == b.target,
        &what,
    );
}

fn inside(cx: &mut Context<'_>, line: &Line<'_>, shape: &Shape) -> Option<(String, bool)> {
    let read_only = line
        .property("read-only")
        .and_then(|text| cx.flag(text))
        .unwrap_or(false);
    let Some(to) = line.property("to") else {
        let problem = cx
            .error(
                "stackfile::missing",
                line.at(),
                "where to?",
                format!(
                    "`{}` does not say where it is mounted",
                    line.node.name().value()
                ),
            )
            .advise(format!("it is written {}", shape.example));
        cx.report(problem);
        return None;
    };
    Some((cx.parsed(to, value::inside)?, read_only))
}

fn unknown(cx: &mut Context<'_>, document: &Document<'_>, line: &Line<'_>) {
    let name = &line.words[0];
    let names = document
        .volumes
        .iter()
        .map(|volume| volume.value.name.as_str());
    let help = if name.value.contains(':') {
        let (source, target) = name.value.split_once(':').unwrap_or_default();
        let word = if source.contains(['/', '.', '~']) {
            format!("bind \"{source}\"")
        } else {
            format!("volume {source}")
        };
        format!("{word} to=\"{}\"", target.trim_end_matches(":ro"))
    } else if name.value.contains('/') || name.value.starts_with('.') {
        format!(
            "a folder of the host is a bind: bind \"{}\" to=\"…\"",
            name.value
        )
    } else if let Some(near) = words::nearest(&name.value, names) {
        format!("did you mean `{near}`?")
    } else {
        format!(
            "what holds data is declared at the top: volume {}",
            name.value
        )
    };
    let problem = cx
        .error(
            "stackfile::unknown-volume",
            name.span,
            "not declared",
            format!("there is no volume `{}`", name.value),
        )
        .advise(help);
    cx.report(problem);
}
