//! `route`: paths that the proxy passes on.

use kdl::KdlNode;

use crate::context::{Context, Text};
use crate::draft::{Draft, DraftRoute, Said};
use crate::line::{Block, Line, MANY, Shape};
use crate::value;

const ROUTE: Shape = Shape {
    words: (1, MANY),
    properties: &["host", "port"],
    block: Block::Never,
    example: "route \"/api/*\" \"/admin/*\"",
};

pub(super) fn route(cx: &mut Context<'_>, draft: &mut Draft, node: &KdlNode, layer: usize) {
    let Some(line) = cx.line(node, &ROUTE) else {
        return;
    };
    let port = line
        .property("port")
        .and_then(|text| cx.parsed(text, value::port));
    let Some(host) = host(cx, &line) else {
        return;
    };
    for text in &line.words {
        let Some(pattern) = pattern(cx, text, Kind::Route) else {
            continue;
        };
        let host = host.clone();
        let said = Said {
            value: DraftRoute {
                host,
                pattern,
                port,
            },
            at: text.span,
            layer,
        };
        let what = format!("the route {}", said.value.name());
        cx.keyed(&mut draft.routes, said, DraftRoute::same, &what);
    }
}

/// `None` where the line says one that is none: all else would be about other requests.
fn host(cx: &mut Context<'_>, line: &Line<'_>) -> Option<Option<String>> {
    let Some(text) = line.property("host") else {
        return Some(None);
    };
    cx.parsed(text, value::host).map(Some)
}

/// What kind of path is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// May end in `*`.
    Route,
    /// One path alone.
    Exact,
}

/// A path of the proxy.
pub(super) fn pattern(cx: &mut Context<'_>, text: &Text, kind: Kind) -> Option<String> {
    let pattern = cx.string(text);
    if text.broken {
        return None;
    }
    let (what, path) = match kind {
        Kind::Route => ("route", pattern.strip_suffix('*').unwrap_or(&pattern)),
        Kind::Exact => ("path", pattern.as_str()),
    };
    let Some((label, help)) = unfit(path) else {
        return Some(pattern);
    };
    let problem = cx
        .error(
            "stackfile::route",
            text.span,
            label,
            format!("\"{pattern}\" is not a {what}"),
        )
        .advise(help);
    cx.report(problem);
    None
}

/// Why nginx would never match this path, or not as it is meant: it compares with what is asked
/// once that is decoded and tidied.
fn unfit(path: &str) -> Option<(&'static str, &'static str)> {
    // What is left has no meaning of its own in an nginx configuration.
    let fine = |c: char| c.is_alphanumeric() || "/_-.~@:+,!&=()".contains(c);
    let segment = |name: &str| path.split('/').any(|segment| segment == name);
    let below = |folder: &str| {
        let rest = path.strip_prefix(folder);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let why = if !path.starts_with('/') {
        (
            "does not begin with `/`",
            "a path begins with `/`; a host stands beside it: route \"/*\" host=\"api.localhost\"",
        )
    } else if path.contains('*') {
        (
            "`*` in the middle",
            "a route ends in `*`, or is exact: \"/api/*\", \"/ws\"",
        )
    } else if path.contains('%') {
        (
            "is encoded",
            "paths are compared once they are decoded: write the letter itself instead of %…",
        )
    } else if !path.chars().all(fine) {
        (
            "has characters that paths do not have",
            "letters, digits and any of / _ - . ~ @ : + , ! & = ( ) are compared with the decoded path",
        )
    } else if path.contains("//") || segment(".") || segment("..") {
        (
            "is not tidy",
            "paths are compared once they are tidied: leave out `//`, `/./` and `/../`",
        )
    } else if below("/.devrun") {
        (
            "devrun's own",
            "choose a path outside of /.devrun, by which devrun talks to nginx",
        )
    } else {
        return None;
    };
    Some(why)
}
