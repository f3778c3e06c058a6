//! `route`: paths that the proxy passes on, or sends elsewhere.

mod lines;
mod path;
mod redirect;

use kdl::KdlNode;

use crate::context::{Context, Text};
use crate::draft::{Draft, DraftRoute, Goes, Said};
use crate::line::{Block, Line, MANY, Shape};
use crate::model::Passing;
use crate::value;

pub(super) use path::{Kind, pattern};

const ROUTE: Shape = Shape {
    words: (1, MANY),
    properties: &[
        "host",
        "port",
        "scheme",
        "strip-prefix",
        "timeout",
        "max-body",
        "buffering",
        "redirect",
        "status",
    ],
    block: Block::Maybe,
    example: "route \"/api/*\" \"/admin/*\"",
};

pub(super) fn route(cx: &mut Context<'_>, draft: &mut Draft, node: &KdlNode, layer: usize) {
    let Some(line) = cx.line(node, &ROUTE) else {
        return;
    };
    // Where one of these is wrong all else would be about other requests.
    let (Some(host), Some(goes)) = (host(cx, &line), goes(cx, &line)) else {
        return;
    };
    for text in &line.words {
        let Some(pattern) = pattern(cx, text, Kind::Route) else {
            continue;
        };
        let value = DraftRoute {
            host: host.clone(),
            pattern,
            goes: goes.clone(),
        };
        if !fits(cx, &line, text, &value) {
            continue;
        }
        let at = text.span;
        let what = format!("the route {}", value.name());
        let said = Said { value, at, layer };
        cx.keyed(&mut draft.routes, said, DraftRoute::same, &what);
    }
}

fn host(cx: &mut Context<'_>, line: &Line<'_>) -> Option<Option<String>> {
    let Some(text) = line.property("host") else {
        return Some(None);
    };
    cx.parsed(text, value::host).map(Some)
}

/// What becomes of a request; `None` where that cannot be said.
fn goes(cx: &mut Context<'_>, line: &Line<'_>) -> Option<Goes> {
    if let Some(to) = line.property("redirect") {
        return redirect::read(cx, line, to);
    }
    if let Some(text) = line.property("status") {
        let problem = cx
            .error(
                "stackfile::route",
                text.span,
                "of which answer?",
                "a route that goes to its service has no status of its own",
            )
            .advise("status= stands beside redirect=");
        cx.report(problem);
    }
    let port = line
        .property("port")
        .and_then(|text| cx.parsed(text, value::port));
    let strip_prefix = match line.property("strip-prefix") {
        Some(text) => Some(prefix(cx, text)?),
        None => None,
    };
    let timeout = line.property("timeout");
    let max_body = line.property("max-body");
    let buffering = line.property("buffering");
    let passing = Passing {
        strip_prefix,
        secure: line.property("scheme").and_then(|text| secure(cx, text)) == Some(true),
        timeout: timeout.and_then(|text| cx.parsed(text, value::some_time)),
        max_body: max_body.and_then(|text| cx.parsed(text, value::size)),
        streams: buffering.and_then(|text| cx.flag(text)) == Some(false),
        nginx: lines::read(cx, line),
    };
    Some(Goes::On { port, passing })
}

/// Whether it is asked by TLS.
fn secure(cx: &mut Context<'_>, text: &Text) -> Option<bool> {
    let scheme = |text: &str| value::known(text, &["http", "https"], "a way to ask a service");
    cx.parsed(text, scheme).map(|scheme| scheme == "https")
}

/// Without the slash at its end.
fn prefix(cx: &mut Context<'_>, text: &Text) -> Option<String> {
    let prefix = pattern(cx, text, Kind::Exact)?;
    let stem = prefix.trim_end_matches('/');
    if stem.is_empty() {
        let problem = cx
            .error(
                "stackfile::route",
                text.span,
                "takes nothing away",
                "each path begins with \"/\"",
            )
            .advise("name what the service is not to see: strip-prefix=\"/api\"");
        cx.report(problem);
        return None;
    }
    Some(stem.to_owned())
}

/// Whether the path is one for which the rest of the line has a meaning.
fn fits(cx: &mut Context<'_>, line: &Line<'_>, text: &Text, route: &DraftRoute) -> bool {
    let passing = match &route.goes {
        Goes::Elsewhere { to, .. } => return redirect::fits(cx, line, text, route, to),
        Goes::On { passing, .. } => passing,
    };
    let (Some(prefix), Some(said)) = (&passing.strip_prefix, line.property("strip-prefix")) else {
        return true;
    };
    let rest = route.pattern.strip_prefix(prefix);
    if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return true;
    }
    let problem = cx
        .error(
            "stackfile::route",
            said.span,
            "is not there to be taken away",
            format!("the paths of {} do not begin with {prefix}/", route.pattern),
        )
        .also(text.span, "this one")
        .advise(format!(
            "route \"{prefix}/*\" strip-prefix=\"{prefix}\": the service is asked for /x where {prefix}/x was asked for"
        ));
    cx.report(problem);
    false
}
