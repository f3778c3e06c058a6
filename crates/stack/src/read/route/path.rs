//! A path of the proxy, and why it is none.

use crate::context::{Context, Text};

/// What kind of path is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::read) enum Kind {
    /// May end in `*`.
    Route,
    /// One path alone.
    Exact,
}

/// A path of the proxy.
pub(in crate::read) fn pattern(cx: &mut Context<'_>, text: &Text, kind: Kind) -> Option<String> {
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
