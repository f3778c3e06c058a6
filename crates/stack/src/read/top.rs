//! The nodes at the top of a Stackfile: who is there, before anybody is read.

use kdl::{KdlDocument, KdlNode};
use miette::SourceSpan;

use super::files::{self, FileNode};
use super::networks;
use crate::context::Context;
use crate::draft::Said;
use crate::line::{Block, Shape};
use crate::model::{FileKind, Network, Volume};
use crate::value;
use crate::words::Place;

/// What the file declares, by name.
pub(crate) struct Document<'a> {
    pub(crate) stack: String,
    pub(crate) volumes: Vec<Said<Volume>>,
    pub(crate) networks: Vec<Said<Network>>,
    pub(crate) files: Vec<FileNode<'a>>,
    pub(crate) defaults: Option<&'a KdlNode>,
    pub(crate) templates: Vec<Template<'a>>,
    pub(crate) services: Vec<ServiceNode<'a>>,
    pub(crate) checks: Vec<&'a KdlNode>,
}

impl Document<'_> {
    /// The engine's name of a network.
    pub(crate) fn network(&self, name: &str) -> String {
        match self.networks.iter().find(|one| one.value.name == name) {
            Some(network) => network.value.engine_name.clone(),
            None => networks::engine_name(&self.stack, name),
        }
    }
}

/// A template, not read yet.
pub(crate) struct Template<'a> {
    pub(crate) name: String,
    pub(crate) at: SourceSpan,
    node: &'a KdlNode,
}

impl Template<'_> {
    pub(crate) fn children(&self) -> &[KdlNode] {
        self.node.children().map_or(&[], |block| block.nodes())
    }
}

/// A service, not read yet.
pub(crate) struct ServiceNode<'a> {
    pub(crate) name: String,
    pub(crate) at: SourceSpan,
    pub(crate) kind: Kind,
    pub(crate) container_name: String,
    node: &'a KdlNode,
}

impl ServiceNode<'_> {
    pub(crate) fn has_block(&self) -> bool {
        self.node.children().is_some()
    }

    pub(crate) fn span(&self) -> SourceSpan {
        self.node.span()
    }

    pub(crate) fn children(&self) -> &[KdlNode] {
        self.node.children().map_or(&[], |block| block.nodes())
    }
}

/// The three kinds of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Service,
    Proxy,
    Task,
}

impl Kind {
    pub(crate) fn place(self) -> Place {
        if self == Self::Proxy {
            Place::Proxy
        } else {
            Place::Service
        }
    }
}

const STACK: Shape = Shape {
    words: (1, 1),
    properties: &[],
    block: Block::Never,
    example: "stack app",
};
const VOLUME: Shape = Shape {
    words: (1, 1),
    properties: &["name", "external", "shared", "doc"],
    block: Block::Never,
    example: "volume postgres-data doc=\"what it holds\"",
};
const DEFAULTS: Shape = Shape {
    words: (0, 0),
    properties: &[],
    block: Block::Always,
    example: "defaults { … }",
};
const TEMPLATE: Shape = Shape {
    words: (1, 1),
    properties: &[],
    block: Block::Always,
    example: "template NAME { … }",
};
const fn service_shape(example: &'static str) -> Shape {
    Shape {
        words: (1, 1),
        properties: &["name"],
        block: Block::Always,
        example,
    }
}
const SERVICE: Shape = service_shape("service NAME { … }");
const PROXY: Shape = service_shape("proxy NAME { … }");
const TASK: Shape = service_shape("task NAME { … }");

/// The name in effect.
pub(crate) fn stack_name(
    cx: &mut Context<'_>,
    kdl: &KdlDocument,
    project: Option<&str>,
) -> Option<String> {
    let mut nodes = kdl
        .nodes()
        .iter()
        .filter(|node| node.name().value() == "stack");
    let Some(node) = nodes.next() else {
        let problem = cx
            .error(
                "stackfile::missing",
                (0, 0).into(),
                "here",
                "the stack has no name",
            )
            .advise(
                "begin with `stack NAME`: containers, volumes and the network are called after it",
            );
        cx.report(problem);
        return None;
    };
    for again in nodes {
        cx.twice(
            again.name().span(),
            node.name().span(),
            "`stack` is said twice".into(),
        );
    }
    let line = cx.line(node, &STACK)?;
    let declared = cx.parsed(line.words.first()?, value::name)?;
    cx.declared.clone_from(&declared);
    let Some(project) = project else {
        return Some(declared);
    };
    match value::name(project) {
        Ok(name) => Some(name),
        Err(unfit) => {
            let problem = cx
                .error(
                    "stackfile::project-name",
                    line.at(),
                    "replaced by -p",
                    format!("-p: {}", unfit.message),
                )
                .advise(unfit.help);
            cx.report(problem);
            None
        }
    }
}

/// Sorts the nodes; `stack` and `var` were read before.
pub(crate) fn document<'a>(
    cx: &mut Context<'_>,
    kdl: &'a KdlDocument,
    stack: &str,
) -> Document<'a> {
    let mut document = Document {
        stack: stack.to_owned(),
        volumes: Vec::new(),
        networks: Vec::new(),
        files: Vec::new(),
        defaults: None,
        templates: Vec::new(),
        services: Vec::new(),
        checks: Vec::new(),
    };
    for node in kdl.nodes() {
        cx.no_edit(node);
        match node.name().value() {
            "stack" | "var" => {}
            "volume" => volume(cx, &mut document, node),
            "secret" => files::declared(cx, &mut document, node, FileKind::Secret),
            "config-file" => files::declared(cx, &mut document, node, FileKind::ConfigFile),
            "network" => networks::declared(cx, &mut document, node),
            "defaults" => {
                cx.line(node, &DEFAULTS);
                if let Some(first) = document.defaults {
                    cx.twice(
                        node.name().span(),
                        first.name().span(),
                        "`defaults` is said twice".into(),
                    );
                }
                document.defaults = Some(node);
            }
            "template" => template(cx, &mut document, node),
            "service" => service(cx, &mut document, node, Kind::Service),
            "proxy" => service(cx, &mut document, node, Kind::Proxy),
            "task" => service(cx, &mut document, node, Kind::Task),
            "check" => document.checks.push(node),
            _ => cx.unknown_word(node, Place::Top),
        }
    }
    document
}

fn volume(cx: &mut Context<'_>, document: &mut Document<'_>, node: &KdlNode) {
    let Some(line) = cx.line(node, &VOLUME) else {
        return;
    };
    let Some(name) = cx.parsed(&line.words[0], value::name) else {
        return;
    };
    let mut flag = |name: &str| {
        let text = line.property(name);
        text.and_then(|text| cx.flag(text)).unwrap_or(false)
    };
    let (external, shared) = (flag("external"), flag("shared"));
    let engine_name = match line.property("name") {
        Some(text) => cx.parsed(text, value::engine_name).unwrap_or_default(),
        // What somebody else made does not carry our stack's name.
        None if external => name.clone(),
        None => format!("{}-{name}", document.stack),
    };
    let doc = line.property("doc").map(|text| cx.string(text));
    let volume = Volume {
        name,
        engine_name,
        external,
        shared,
        doc,
        at: cx.location(line.at()),
    };
    let at = line.words[0].span;
    if let Some(first) = document
        .volumes
        .iter()
        .find(|first| first.value.name == volume.name)
    {
        return cx.twice(
            at,
            first.at,
            format!("volume `{}` is declared twice", volume.name),
        );
    }
    document.volumes.push(Said {
        value: volume,
        at,
        layer: 0,
    });
}

fn template<'a>(cx: &mut Context<'_>, document: &mut Document<'a>, node: &'a KdlNode) {
    let Some(line) = cx.line(node, &TEMPLATE) else {
        return;
    };
    let Some(name) = cx.parsed(&line.words[0], value::name) else {
        return;
    };
    let at = line.words[0].span;
    if let Some(first) = document.templates.iter().find(|first| first.name == name) {
        return cx.twice(at, first.at, format!("template `{name}` is declared twice"));
    }
    document.templates.push(Template { name, at, node });
}

fn service<'a>(cx: &mut Context<'_>, document: &mut Document<'a>, node: &'a KdlNode, kind: Kind) {
    let shape = match kind {
        Kind::Service => &SERVICE,
        Kind::Proxy => &PROXY,
        Kind::Task => &TASK,
    };
    let Some(line) = cx.line(node, shape) else {
        return;
    };
    let Some(name) = cx.parsed(&line.words[0], value::name) else {
        return;
    };
    let at = line.words[0].span;
    if let Some(first) = document.services.iter().find(|first| first.name == name) {
        return cx.twice(at, first.at, format!("service `{name}` is declared twice"));
    }
    let container_name = line
        .property("name")
        .and_then(|text| cx.parsed(text, value::engine_name))
        .unwrap_or_else(|| format!("{}-{name}", document.stack));
    document.services.push(ServiceNode {
        name,
        at,
        kind,
        container_name,
        node,
    });
}
