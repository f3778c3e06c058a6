//! `redirect=`: whoever asks is sent elsewhere.

use crate::context::{Context, Text};
use crate::draft::{DraftRoute, Goes};
use crate::line::Line;
use crate::value::Unfit;

/// What an answer says that is not to be remembered by browsers.
const FOUND: u16 = 302;

/// What is about a service, to which nothing goes.
const OF_SERVICES: [&str; 6] = [
    "port",
    "scheme",
    "strip-prefix",
    "timeout",
    "max-body",
    "buffering",
];

pub(super) fn read(cx: &mut Context<'_>, line: &Line<'_>, to: &Text) -> Option<Goes> {
    for name in OF_SERVICES {
        let Some(text) = line.property(name) else {
            continue;
        };
        let problem = cx
            .error(
                "stackfile::route",
                text.span,
                "of no service",
                format!("`{name}=` is about a service, and a redirect goes to none"),
            )
            .also(to.span, "goes there")
            .advise("take one of them away");
        cx.report(problem);
    }
    if let Some(first) = line.children().first() {
        let problem = cx
            .error(
                "stackfile::route",
                first.name().span(),
                "has no place there",
                "a redirect is the answer by itself",
            )
            .also(to.span, "goes there")
            .advise("what else nginx is to do stands in your nginx.conf");
        cx.report(problem);
    }
    let status = match line.property("status") {
        Some(text) => cx.parsed(text, status)?,
        None => FOUND,
    };
    let to = cx.parsed(to, target)?;
    Some(Goes::Elsewhere { to, status })
}

fn status(text: &str) -> Result<u16, Unfit> {
    match text {
        "301" => Ok(301),
        "302" => Ok(FOUND),
        "307" => Ok(307),
        "308" => Ok(308),
        _ => Err(Unfit {
            label: "not one of a redirect".into(),
            message: format!("\"{text}\" is no status of a redirect"),
            help: "302, and 307 where the method must stay as it is; 301 and 308 are the same, and browsers remember them for long".into(),
        }),
    }
}

/// A path, or a URL; what means something to nginx is not in it.
fn target(text: &str) -> Result<String, Unfit> {
    let stem = text.strip_suffix("/*").unwrap_or(text);
    let fine = |c: char| c.is_ascii_alphanumeric() || "/_-.~@:+,!&=()?#%[]".contains(c);
    let of_path = text.starts_with('/') && !text.starts_with("//");
    let of_url = ["http://", "https://"].iter().any(|scheme| {
        let rest = stem.strip_prefix(scheme);
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['))
    });
    let open = stem.len() < text.len();
    let unfit = |label: &str, help: &str| {
        Err(Unfit {
            label: label.into(),
            message: format!("\"{text}\" is no place to send somebody to"),
            help: help.into(),
        })
    };
    if !(of_path || of_url) {
        return unfit(
            "neither a path nor a URL",
            "redirect=\"/new\", or redirect=\"http://other.localhost/\"",
        );
    }
    if !stem.chars().all(fine) {
        return unfit(
            "has characters that URLs do not have",
            "`*` stands behind a `/` at the end only: route \"/old/*\" redirect=\"/new/*\"; spaces and other signs are written %20",
        );
    }
    if open && stem.contains(['?', '#']) {
        return unfit(
            "`*` behind `?` or `#`",
            "what `*` stands for is a path: leave out what is behind it",
        );
    }
    Ok(text.to_owned())
}

/// Whether the path can be sent there.
pub(super) fn fits(
    cx: &mut Context<'_>,
    line: &Line<'_>,
    text: &Text,
    route: &DraftRoute,
    to: &str,
) -> bool {
    let Some(said) = line.property("redirect") else {
        return true;
    };
    let (label, message, help) = if to.ends_with("/*") && !route.pattern.ends_with("/*") {
        (
            "stands for what?",
            format!("{} has no `/*` that {to} could repeat", route.pattern),
            "route \"/old/*\" redirect=\"/new/*\", or say the whole path on both sides",
        )
    } else if to.split(['?', '#']).next() == Some(route.pattern.as_str()) {
        (
            "leads to itself",
            format!("{to} is where {} is", route.pattern),
            "a browser would ask for it again and again: send it elsewhere",
        )
    } else {
        return true;
    };
    let problem = cx
        .error("stackfile::route", said.span, label, message)
        .also(text.span, "this one")
        .advise(help);
    cx.report(problem);
    false
}
