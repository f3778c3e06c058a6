//! `network`, at the top and in a service.

use kdl::KdlNode;

use super::Document;
use crate::context::{Context, Text};
use crate::draft::{Draft, Said};
use crate::line::{Block, MANY, Shape};
use crate::model::{Attachment, Location, Network};
use crate::value;
use crate::words::{self, Place};

/// The private network that every stack has, as it is called in a Stackfile.
pub(crate) const DEFAULT: &str = "default";

const DECLARED: Shape = Shape {
    words: (1, 1),
    properties: &["name", "external", "internal", "driver", "doc"],
    block: Block::Never,
    example: "network backstage internal=#true",
};
const JOINED: Shape = Shape {
    words: (1, MANY),
    properties: &[],
    block: Block::Maybe,
    example: "network backstage { alias \"database\" }",
};
const ALIAS: Shape = Shape {
    words: (1, MANY),
    properties: &[],
    block: Block::Never,
    example: "alias \"database\"",
};

pub(super) fn declared(cx: &mut Context<'_>, document: &mut Document<'_>, node: &KdlNode) {
    let Some(line) = cx.line(node, &DECLARED) else {
        return;
    };
    let Some(name) = cx.parsed(&line.words[0], value::name) else {
        return;
    };
    let flag = |cx: &mut Context<'_>, property: &str| {
        line.property(property)
            .and_then(|text| cx.flag(text))
            .unwrap_or(false)
    };
    let (external, internal) = (flag(cx, "external"), flag(cx, "internal"));
    let engine_name = match line.property("name") {
        Some(text) => cx.parsed(text, value::engine_name).unwrap_or_default(),
        None if external => name.clone(),
        None => engine_name(&document.stack, &name),
    };
    let driver = line.property("driver").map(|text| cx.string(text));
    let doc = line.property("doc").map(|text| cx.string(text));
    for property in ["internal", "driver"] {
        if let Some(text) = line.property(property).filter(|_| external) {
            let problem = cx
                .error(
                    "stackfile::unknown-property",
                    text.span,
                    "not here",
                    format!("the network `{name}` is made by somebody else, who decides this"),
                )
                .advise(format!("leave {property}= out, or external=#true"));
            cx.report(problem);
        }
    }
    let at = line.words[0].span;
    let network = Network {
        name,
        engine_name,
        internal,
        external,
        driver,
        doc,
        at: cx.location(line.at()),
    };
    let same = |first: &&Said<Network>| {
        first.value.name == network.name || first.value.engine_name == network.engine_name
    };
    if let Some(first) = document.networks.iter().find(same) {
        let message = format!("network `{}` is declared twice", network.name);
        return cx.twice(at, first.at, message);
    }
    document.networks.push(Said {
        value: network,
        at,
        layer: 0,
    });
}

pub(crate) fn engine_name(stack: &str, name: &str) -> String {
    match name {
        DEFAULT => format!("{stack}-network"),
        _ => format!("{stack}-{name}"),
    }
}

/// The default network of a stack that says nothing about it.
pub(crate) fn unsaid(stack: &str, at: Location) -> Network {
    Network {
        name: DEFAULT.to_owned(),
        engine_name: engine_name(stack, DEFAULT),
        internal: false,
        external: false,
        driver: None,
        doc: None,
        at,
    }
}

pub(super) fn joined(
    cx: &mut Context<'_>,
    document: &Document<'_>,
    draft: &mut Draft,
    node: &KdlNode,
    layer: usize,
) {
    let Some(line) = cx.line(node, &JOINED) else {
        return;
    };
    let mut aliases = Vec::new();
    for child in line.children() {
        cx.no_edit(child);
        if child.name().value() != "alias" {
            cx.unknown_word(child, Place::Network);
            continue;
        }
        if let Some(line) = cx.line(child, &ALIAS) {
            for text in &line.words {
                aliases.extend(cx.parsed(text, value::host_name));
            }
        }
    }
    for text in line.words.iter().filter(|text| !text.broken) {
        let known = document
            .networks
            .iter()
            .find(|network| network.value.name == text.value);
        let engine_name = match known {
            Some(known) => known.value.engine_name.clone(),
            None if text.value == DEFAULT => document.network(DEFAULT),
            None => {
                unknown(cx, document, text);
                continue;
            }
        };
        let value = Attachment {
            network: engine_name,
            aliases: aliases.clone(),
        };
        let said = Said {
            value,
            at: text.span,
            layer,
        };
        let what = format!("the network `{}`", text.value);
        cx.keyed(
            &mut draft.networks,
            said,
            |a, b| a.network == b.network,
            &what,
        );
    }
}

fn unknown(cx: &mut Context<'_>, document: &Document<'_>, text: &Text) {
    let names = document
        .networks
        .iter()
        .map(|network| network.value.name.as_str())
        .chain([DEFAULT]);
    let help = match words::nearest(&text.value, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None if matches!(text.value.as_str(), "host" | "none") => {
            format!("network-mode {}", text.value)
        }
        None => format!(
            "declare it at the top: network {}; the one that every stack has is called `{DEFAULT}`",
            text.value
        ),
    };
    let problem = cx
        .error(
            "stackfile::unknown-network",
            text.span,
            "not declared",
            format!("there is no network `{}`", text.value),
        )
        .advise(help);
    cx.report(problem);
}
