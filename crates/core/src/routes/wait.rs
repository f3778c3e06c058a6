//! What a browser, or a program, is told of a service that is not ready.

use serde::Serialize;

use crate::effect::RouteState;

const STYLE: &str = include_str!("wait.css");

/// The state that is shown: it is only looked at when a request could not be answered.
pub(super) fn shown_state(state: &RouteState) -> &str {
    match state.state {
        "ready" => "unreachable",
        other => other,
    }
}

fn shown_reason(state: &RouteState) -> &str {
    match state.reason.trim() {
        "" if state.ready => "it takes no connection just now",
        "" => "no reason is known yet",
        reason => reason,
    }
}

/// What is said where nobody follows what becomes of it.
const ALONE: &str = "no devrun session answers, so this is what was known last";

/// The page for a browser; loads itself again each second, as a GET whatever the request was.
/// `attended`: a session says what is going on.
#[must_use]
pub fn wait_page(state: &RouteState, attended: bool) -> String {
    let service = escaped(&state.service);
    let shown = escaped(shown_state(state));
    let reason = escaped(shown_reason(state));
    let lines = match state.lines.join("\n") {
        none if none.is_empty() => none,
        lines => format!("<pre>{}</pre>\n", escaped(&lines)),
    };
    let alone = match attended {
        true => String::new(),
        false => format!("<p>But {ALONE}; <code>devrun up</code> starts one.</p>\n"),
    };
    format!(
        "<!doctype html>\n\
         <html lang=\"en\">\n\
         <head>\n\
         <meta charset=\"utf-8\">\n\
         <meta http-equiv=\"refresh\" content=\"1\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{service}: {shown}</title>\n\
         <style>\n{STYLE}</style>\n\
         </head>\n\
         <body>\n\
         <main>\n\
         <h1>{service} <span class=\"{shown}\">{shown}</span></h1>\n\
         <pre>{reason}</pre>\n\
         {lines}{alone}\
         <p>This page loads itself again each second and gives way to {service}.</p>\n\
         <p><code>devrun why {service}</code> explains, <code>devrun logs {service}</code> shows its output.</p>\n\
         </main>\n\
         </body>\n\
         </html>\n"
    )
}

#[derive(Serialize)]
struct Answer<'s> {
    error: String,
    service: &'s str,
    state: &'s str,
    reason: &'s str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    lines: &'s [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'s str>,
}

/// The same for a program, one JSON object.
#[must_use]
pub fn wait_json(state: &RouteState, attended: bool) -> String {
    let reason = shown_reason(state);
    let answer = Answer {
        error: format!("{} is not ready: {reason}", state.service),
        service: &state.service,
        state: shown_state(state),
        reason,
        lines: &state.lines,
        note: (!attended).then_some(ALONE),
    };
    // Text and nothing else always has a JSON form.
    let mut text = serde_json::to_string(&answer).unwrap_or_default();
    text.push('\n');
    text
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
