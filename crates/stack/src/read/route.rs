//! `route`: paths that the proxy passes on.

use kdl::KdlNode;

use crate::context::{Context, Text};
use crate::draft::{Draft, DraftRoute, Said};
use crate::line::{Block, MANY, Shape};
use crate::value;

const ROUTE: Shape = Shape {
    words: (1, MANY),
    properties: &["port"],
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
    for text in &line.words {
        if let Some(pattern) = pattern(cx, text, Kind::Route) {
            let what = format!("the route {pattern}");
            let said = Said {
                value: DraftRoute { pattern, port },
                at: text.span,
                layer,
            };
            cx.keyed(
                &mut draft.routes,
                said,
                |a, b| a.pattern == b.pattern,
                &what,
            );
        }
    }
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
    let stem = if kind == Kind::Route {
        pattern.strip_suffix('*').unwrap_or(&pattern)
    } else {
        &pattern
    };
    // What is left has no meaning of its own in an nginx configuration.
    let fine = |c: char| c.is_alphanumeric() || "/_-.~@:+,%!&=()".contains(c);
    let (label, help) = if !pattern.starts_with('/') {
        (
            "does not begin with `/`",
            "a path begins with `/`; hosts and schemes are not routed by",
        )
    } else if stem.contains('*') {
        (
            "`*` in the middle",
            "a route ends in `*`, or is exact: \"/api/*\", \"/ws\"",
        )
    } else if !stem.chars().all(fine) {
        (
            "has characters that paths do not have",
            "spaces and other signs are written %20 in a URL",
        )
    } else {
        return Some(pattern);
    };
    let what = if kind == Kind::Route { "route" } else { "path" };
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
