//! `tls`: the proxy speaks it, with certificates of a local authority.

use kdl::KdlNode;

use crate::context::Context;
use crate::draft::{Draft, DraftTls, Said};
use crate::line::{Block, MANY, Shape};
use crate::value;

const TLS: Shape = Shape {
    words: (0, MANY),
    properties: &["port", "redirect"],
    block: Block::Never,
    example: "tls",
};

/// Where browsers expect it.
const PORT: u16 = 443;

pub(super) fn tls(cx: &mut Context<'_>, draft: &mut Draft, node: &KdlNode, layer: usize) {
    let Some(line) = cx.line(node, &TLS) else {
        return;
    };
    let mut hosts = Vec::new();
    for text in &line.words {
        if let Some(host) = cx.parsed(text, value::host) {
            hosts.push(host);
        }
    }
    let port = line.property("port");
    let port = port.and_then(|text| cx.parsed(text, value::port));
    let redirect = line.property("redirect");
    let value = DraftTls {
        hosts,
        port: port.unwrap_or(PORT),
        redirect: redirect.and_then(|text| cx.flag(text)).unwrap_or(true),
    };
    let at = line.at();
    cx.once(&mut draft.tls, Said { value, at, layer }, "tls");
}
