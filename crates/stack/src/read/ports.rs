//! `port`: from outside to inside.

use std::net::IpAddr;

use kdl::KdlNode;

use crate::context::{Context, Text};
use crate::draft::{Draft, DraftPort, Said};
use crate::line::{Block, Line, Shape};
use crate::value;

const PORT: Shape = Shape {
    words: (1, 1),
    properties: &["to", "bind", "protocol"],
    block: Block::Never,
    example: "port 8000 to=80",
};

pub(super) fn port(cx: &mut Context<'_>, draft: &mut Draft, node: &KdlNode, layer: usize) {
    let Some(line) = cx.line(node, &PORT) else {
        return;
    };
    let written = &line.words[0];
    let (number, suffix) = match written.value.split_once('/') {
        Some((number, suffix)) => (
            Text {
                value: number.to_owned(),
                ..written.clone()
            },
            Some(suffix),
        ),
        None => (written.clone(), None),
    };
    let Some(protocol) = protocol(cx, &line, suffix) else {
        return;
    };
    let bind = bind(cx, &line);
    let empty = number.value.is_empty() && !number.broken;
    let outside = if empty || !well_formed(cx, &number) {
        None
    } else {
        cx.parsed(&number, value::ports)
    };
    let inside = match line.property("to") {
        Some(text) if text.value.is_empty() && !text.broken => None,
        Some(text) => cx.parsed(text, value::ports),
        None => outside.clone(),
    };
    let (Some(inside), Some(bind)) = (inside, bind) else {
        return;
    };
    if outside
        .as_ref()
        .is_some_and(|outside| outside.len() != inside.len())
    {
        let at = line.property("to").map_or(number.span, |text| text.span);
        let problem = cx
            .error(
                "stackfile::value",
                at,
                "not as many",
                "the ranges outside and inside differ in length",
            )
            .advise("port \"8000-8005\" to=\"9000-9005\"");
        return cx.report(problem);
    }
    for (index, container) in inside.into_iter().enumerate() {
        let port = DraftPort {
            bind: bind.clone(),
            host: outside.as_ref().map(|outside| outside[index]),
            container,
            protocol: protocol.clone(),
        };
        let said = Said {
            value: port,
            at: line.at(),
            layer,
        };
        let what = format!("port {container} inside");
        cx.keyed(
            &mut draft.ports,
            said,
            |a, b| a.container == b.container && a.protocol == b.protocol,
            &what,
        );
    }
}

/// The ports of `expose`, each as the engine writes it.
pub(super) fn exposed(cx: &mut Context<'_>, text: &Text) -> Vec<String> {
    let parse = |text: &str| {
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = value::known(protocol, &["tcp", "udp"], "a protocol of ports")?;
        let ports = value::ports(number)?;
        Ok(ports
            .into_iter()
            .map(|port| format!("{port}/{protocol}"))
            .collect())
    };
    cx.parsed(text, parse).unwrap_or_default()
}

/// Compose's forms in one string are told how they are said here.
fn well_formed(cx: &mut Context<'_>, number: &Text) -> bool {
    let parts: Vec<&str> = number.value.rsplitn(3, ':').collect();
    let help = match parts[..] {
        [inside, outside] => format!("port {outside} to={inside}"),
        [inside, outside, address] => format!("port {outside} to={inside} bind=\"{address}\""),
        _ => return true,
    };
    let problem = cx
        .error(
            "stackfile::value",
            number.span,
            "not a port",
            format!("\"{}\" is not a port", number.value),
        )
        .advise(help);
    cx.report(problem);
    false
}

fn protocol(cx: &mut Context<'_>, line: &Line<'_>, suffix: Option<&str>) -> Option<String> {
    let property = line.property("protocol");
    if property.is_some_and(|text| text.broken) {
        return None;
    }
    let (name, span) = match (property, suffix) {
        (Some(text), Some(suffix)) if text.value != suffix => {
            let problem = cx
                .error(
                    "stackfile::value",
                    text.span,
                    "says otherwise",
                    format!("the port is {suffix} and {} at once", text.value),
                )
                .advise("say the protocol once, as protocol=udp");
            cx.report(problem);
            return None;
        }
        (Some(text), _) => (text.value.as_str(), text.span),
        (None, Some(suffix)) => (suffix, line.words[0].span),
        (None, None) => return Some("tcp".to_owned()),
    };
    if matches!(name, "tcp" | "udp") {
        return Some(name.to_owned());
    }
    let problem = cx
        .error(
            "stackfile::value",
            span,
            "not known",
            format!("`{name}` is not a protocol of ports"),
        )
        .advise("tcp, which needs not be said, or udp");
    cx.report(problem);
    None
}

fn bind(cx: &mut Context<'_>, line: &Line<'_>) -> Option<Vec<String>> {
    let Some(text) = line.property("bind") else {
        return Some(vec!["127.0.0.1".to_owned(), "::1".to_owned()]);
    };
    if text.broken {
        return None;
    }
    if text.value.parse::<IpAddr>().is_ok() {
        return Some(vec![text.value.clone()]);
    }
    let problem = cx
        .error("stackfile::value", text.span, "not an address", format!("\"{}\" is not an address of this machine", text.value))
        .advise("an IP address: bind=\"0.0.0.0\" for all networks; without it this machine alone can connect");
    cx.report(problem);
    None
}
