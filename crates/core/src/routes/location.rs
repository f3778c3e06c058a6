//! What nginx does with the requests of a route: one location.

use std::fmt::Write;

use devrun_stack::Passing;

use super::generate::{LARGE, LAST, OPEN, Own, WAITS, quoted};
use super::hosts;
use super::of_route::Extra;
use super::states::READY_DIR;
use super::table::{Goes, RouteEntry};
use super::written::in_url;

/// The location of the route of this number in the table.
pub(super) fn route(number: usize, entry: &RouteEntry, extra: &Extra, own: Own<'_>) -> String {
    let path = quoted(entry.path());
    let name = match (&entry.host, entry.is_prefix()) {
        (Some(_), _) => format!("= {}", hosts::path(number)),
        (None, true) => path,
        (None, false) => format!("= {path}"),
    };
    let whose = entry
        .host
        .as_ref()
        .map_or_else(String::new, |_| format!("{} ", entry.name()));
    let comment = match &entry.goes {
        Goes::On { .. } => format!("{whose}to {}", entry.service),
        Goes::Elsewhere { .. } => format!("{whose}elsewhere"),
    };
    location(entry, &name, &comment, extra, own)
}

/// `/api/*` takes `/api` as well.
pub(super) fn bare(entry: &RouteEntry, bare: &str, extra: &Extra, own: Own<'_>) -> String {
    let name = format!("= {}", quoted(bare));
    location(entry, &name, "the same without the slash", extra, own)
}

fn location(entry: &RouteEntry, name: &str, comment: &str, extra: &Extra, own: Own<'_>) -> String {
    let place = entry.at.to_string().replace(char::is_control, "?");
    let mut text = format!("\n# {comment} ({place})\nlocation {name} {{\n");
    if entry.host.is_some() {
        text.push_str("    internal;\n");
    }
    text.push_str(&match &entry.goes {
        Goes::On { port, passing } => on(entry, *port, passing, extra, own),
        Goes::Elsewhere { to, status } => elsewhere(entry, to, *status),
    });
    text.push_str("}\n");
    text
}

/// A variable in `proxy_pass` makes nginx look the name up while it runs, and passes the path
/// on unchanged, unless it was rewritten: then it is said.
fn on(entry: &RouteEntry, port: u16, passing: &Passing, extra: &Extra, own: Own<'_>) -> String {
    let service = &entry.service;
    let suffix = &extra.suffix;
    let keeps_bodies = !passing.streams
        && own
            .names
            .iter()
            .all(|name| name != "proxy_request_buffering");
    // A body that nginx does not keep cannot be sent a second time.
    let failed = match keeps_bodies {
        true => format!("error_page {WAITS} 502 504 = @devrun-hold{suffix};"),
        false => format!(
            "error_page {WAITS} = @devrun-hold{suffix};\n    error_page 502 504 = @devrun-spent;"
        ),
    };
    let (streamed, large) = match passing.streams {
        true => (
            "    proxy_request_buffering off;\n".to_owned(),
            String::new(),
        ),
        false => (
            String::new(),
            format!(
                "    if ($devrun_way = large) {{ return {LARGE}; }}\n    \
                 if ($devrun_way = last) {{ return {LAST}; }}\n    \
                 error_page {LAST} = @devrun-last{suffix};\n"
            ),
        ),
    };
    let numbered = match suffix.strip_prefix('-') {
        Some(number) => format!("    set $devrun_route {number};\n"),
        None => String::new(),
    };
    let lines = extra.passed_on(1);
    let scheme = scheme(passing.secure);
    let (found, path) = match (&passing.strip_prefix, &entry.host) {
        (Some(prefix), _) => (stripped(prefix), "$devrun_path"),
        (None, Some(_)) => (
            "    set $devrun_path $request_uri;\n".to_owned(),
            "$devrun_path",
        ),
        (None, None) => (String::new(), ""),
    };
    format!(
        "{found}\
         \x20   set $devrun_service {service};\n\
         \x20   set $devrun_inside {port};\n\
         \x20   set $devrun_upstream {scheme}://{service}:{port}{path};\n\
         {numbered}\
         \x20   proxy_pass $devrun_upstream;\n\
         \x20   if (!-f {READY_DIR}/{service}) {{ return {WAITS}; }}\n\
         \x20   if ($devrun_way = open) {{ return {OPEN}; }}\n\
         {large}\
         \x20   recursive_error_pages on;\n\
         \x20   {failed}\n\
         \x20   error_page {OPEN} = @devrun-open{suffix};\n\
         \x20   error_page {LARGE} = @devrun-admit{suffix};\n\
         {streamed}\
         {lines}"
    )
}

/// By which a service is asked.
pub(super) fn scheme(secure: bool) -> &'static str {
    if secure { "https" } else { "http" }
}

/// A segment of a path as written that is `.` or `..`.
const DOTS: &str = r"(?:/|%2[fF])(?:\.|%2[eE]){1,2}(?:/|%2[fF]|\?|$)";

/// The path as it was written, without what the service is not to see of it. One with dots could
/// come to mean another one without its beginning: browsers send none, and none is passed on.
fn stripped(prefix: &str) -> String {
    let written = in_url(prefix);
    format!(
        "    if ($request_uri ~ \"^(?![^?]*{DOTS}){written}(?:/|(?=\\?)|$)(?<devrun_rest>.*)$\") {{ set $devrun_path /$devrun_rest; }}\n\
         \x20   if ($devrun_path = \"\") {{ return 400; }}\n\
         \x20   set $devrun_prefix {};\n",
        quoted(prefix)
    )
}

/// A port in the answer would be the one inside: the browser knows the one outside.
fn elsewhere(entry: &RouteEntry, to: &str, status: u16) -> String {
    let mut text = String::from("    absolute_redirect off;\n");
    let Some(stem) = to.strip_suffix('*') else {
        let asked = match to.contains(['?', '#']) {
            true => "",
            false => "$is_args$args",
        };
        let _ = writeln!(text, "    return {status} \"{to}{asked}\";");
        return text;
    };
    // `//other` and `/\other` would be another host.
    let written = in_url(entry.path().trim_end_matches('/'));
    let _ = write!(
        text,
        "    if ($request_uri ~ \"^{written}(?:/+|(?=\\?)|$)(?<devrun_rest>(?![/\\\\\\\\]).*)$\") {{ return {status} \"{stem}$devrun_rest\"; }}\n\
         \x20   return 400;\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use devrun_stack::Redirect;

    use super::super::{find, render, samples};

    const CONFIG: &str = "http { server { include devrun-routes; } }";

    fn location(config: &str, name: &str) -> String {
        let lines = config.lines().map(str::trim);
        let of_it = lines
            .skip_while(|line| *line != format!("location {name} {{"))
            .take_while(|line| !line.is_empty() && !line.starts_with("# devrun-routes"));
        of_it.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_the_service_is_not_to_see_is_taken_away_as_it_was_written() {
        let mut api = samples::service("api", 5000, 9, &["/api/*"]);
        api.routes[0].passing.strip_prefix = Some("/api".into());
        let stack = samples::stack(vec![api, samples::proxy(None)]);
        let config = render(&stack, &samples::proxy(None), CONFIG, 1, None).unwrap();
        let said = location(&config, "/api/");
        let said: Vec<&str> = said.lines().take(8).collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        location /api/ {
        if ($request_uri ~ "^(?![^?]*(?:/|%2[fF])(?:\.|%2[eE]){1,2}(?:/|%2[fF]|\?|$))/api(?:/|(?=\?)|$)(?<devrun_rest>.*)$") { set $devrun_path /$devrun_rest; }
        if ($devrun_path = "") { return 400; }
        set $devrun_prefix /api;
        set $devrun_service api;
        set $devrun_inside 5000;
        set $devrun_upstream http://api:5000$devrun_path;
        proxy_pass $devrun_upstream;
        "#);
        assert!(location(&config, "= /api").contains("$devrun_path"));
        for (path, seen) in [("/api", "/"), ("/api/", "/"), ("/api/x/y", "/x/y")] {
            let entry = find(&stack, "localhost", path).unwrap();
            assert_eq!(entry.becomes(path), seen);
        }
    }

    #[test]
    fn whoever_asks_at_a_redirect_is_sent_elsewhere() {
        let redirect = |pattern: &str, to: &str, status| Redirect {
            host: None,
            pattern: pattern.into(),
            to: to.into(),
            status,
            at: samples::at(10),
        };
        let mut web = samples::service("web", 3000, 9, &[]);
        web.redirects = vec![
            redirect("/old/*", "/new/*", 302),
            redirect("/x", "http://other.test/y", 308),
            redirect("/z", "/y?a=1", 301),
        ];
        let stack = samples::stack(vec![web, samples::proxy(None)]);
        let config = render(&stack, &samples::proxy(None), CONFIG, 1, None).unwrap();
        // nginx refuses a variable that nobody sets.
        assert!(config.contains("set $devrun_service "));
        let said = ["/old/", "= /old", "= /x", "= /z"].map(|name| location(&config, name));
        insta::assert_snapshot!(said.join("\n"), @r#"
        location /old/ {
        absolute_redirect off;
        if ($request_uri ~ "^/old(?:/+|(?=\?)|$)(?<devrun_rest>(?![/\\\\]).*)$") { return 302 "/new/$devrun_rest"; }
        return 400;
        }
        location = /old {
        absolute_redirect off;
        if ($request_uri ~ "^/old(?:/+|(?=\?)|$)(?<devrun_rest>(?![/\\\\]).*)$") { return 302 "/new/$devrun_rest"; }
        return 400;
        }
        location = /x {
        absolute_redirect off;
        return 308 "http://other.test/y$is_args$args";
        }
        location = /z {
        absolute_redirect off;
        return 301 "/y?a=1";
        }
        "#);
        for (path, to) in [
            ("/old/a", "/new/a"),
            ("/old", "/new/"),
            ("/x", "http://other.test/y"),
        ] {
            let entry = find(&stack, "localhost", path).unwrap();
            assert_eq!(entry.becomes(path), to);
        }
    }
}
