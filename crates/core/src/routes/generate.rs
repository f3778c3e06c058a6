//! The generated text, not indented: settings, devrun's own locations, one location a route.

use std::fmt::Write;

use devrun_stack::{Service, Stack};

use super::of_route::Extra;
use super::states::{ALONE, STATE_DIR, STATES, WAIT_DIR};
use super::table::RouteEntry;
use super::{CLOSING_PATH, GENERATION_PATH, guard, hold, hosts, location, nginx};

/// Where requests for what is not ready end, inside nginx only.
pub(super) const WAIT_PATH: &str = "/.devrun/wait";

/// The same where nobody is there to be asked.
pub(super) const ALONE_PATH: &str = "/.devrun/alone";

/// What a location says within nginx: wait; it has no end; its body takes time. No service's own
/// answer is taken for one of these.
pub(super) const WAITS: u16 = 418;
pub(super) const OPEN: u16 = 419;
pub(super) const LARGE: u16 = 420;
pub(super) const LAST: u16 = 417;

/// Settings that a person's `server { }` block may set otherwise.
const SETTINGS: &[(&str, &str)] = &[
    ("resolver", "127.0.0.11 valid=1s ipv6=off"),
    ("client_max_body_size", "0"),
    // One that becomes a file is written and read once more than one that stays in memory.
    ("client_body_buffer_size", "64k"),
    ("proxy_http_version", "1.1"),
    ("proxy_request_buffering", "on"),
    ("proxy_intercept_errors", "off"),
    ("proxy_connect_timeout", "3s"),
    ("proxy_read_timeout", "1h"),
    ("proxy_send_timeout", "1h"),
    ("proxy_buffering", "off"),
    ("proxy_buffer_size", "32k"),
    ("proxy_buffers", "8 32k"),
    // What is logged is asked of requests, too, that never had a service.
    ("uninitialized_variable_warn", "off"),
];

/// Headers for whoever gets the request; the same. `Proxy` is what httpoxy is about; the others that
/// are taken away tell some frameworks what only a proxy may tell, and this one tells it otherwise.
pub(super) const HEADERS: &[(&str, &str)] = &[
    ("Host", "$devrun_host"),
    ("X-Real-IP", "$remote_addr"),
    ("X-Forwarded-For", "$proxy_add_x_forwarded_for"),
    ("X-Forwarded-Proto", "$scheme"),
    ("X-Forwarded-Host", "$devrun_host"),
    ("X-Forwarded-Port", "$devrun_port"),
    ("X-Forwarded-Prefix", "$devrun_prefix"),
    ("X-Request-Id", "$devrun_id"),
    ("Upgrade", "$devrun_upgrade"),
    ("Connection", "$devrun_connection"),
    ("Proxy", "\"\""),
    ("Forwarded", "\"\""),
    ("X-Forwarded-Scheme", "\"\""),
    ("X-Forwarded-Ssl", "\"\""),
];

/// What the person's block sets by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own<'t> {
    /// Names of directives, and of headers.
    pub(super) names: &'t [String],
    /// Headers, by such a name, with the directive.
    pub(super) headers: &'t [(String, String)],
    /// Hosts for which it is there.
    pub(super) hosts: &'t [String],
}

/// What stands in place of the marker.
pub(super) fn routes(
    stack: &Stack,
    proxy: &Service,
    table: &[RouteEntry],
    own: Own<'_>,
    tls: &str,
    generation: u64,
) -> String {
    let name = stack.file.file_name().unwrap_or_default();
    let name = name.to_string_lossy().replace(char::is_control, "?");
    let mut text = format!(
        "# Generated from {name}, generation {generation}. What this server block sets by itself\n\
         # is not set again here.\n\n"
    );
    text.push_str(&settings(own.names));
    text.push_str(&VARIABLES.replace("CLOSING", CLOSING_PATH));
    if !tls.is_empty() {
        text.push_str(OF_UNKNOWN_LENGTH);
    }
    text.push_str(WITHOUT_END);
    text.push_str(&guard::before(table, own.hosts));
    text.push_str(tls);
    let health = proxy
        .proxy
        .as_ref()
        .and_then(|proxy| proxy.health.as_deref());
    if let Some(health) = health {
        text.push_str(&health_location(health));
    }
    text.push_str(&generation_location(generation));
    // Who they are for is said by routes alone, and nginx knows no variable that nobody sets.
    if table.iter().any(RouteEntry::goes_on) {
        text.push_str(&shared());
    }
    text.push_str(&hosts::chosen(table, health));
    for (number, entry) in table.iter().enumerate() {
        let extra = Extra::of(number, entry, own);
        if !extra.suffix.is_empty() {
            text.push_str(&hold::locations(&extra));
        }
        text.push_str(&location::route(number, entry, &extra, own));
        if let Some(bare) = bare_path(entry, table, health) {
            text.push_str(&location::bare(entry, bare, &extra, own));
        }
    }
    text
}

/// What all routes to services have in common.
fn shared() -> String {
    let mut text = wait_location(
        WAIT_PATH,
        "What is asked of a service that is not ready, or takes no connection.",
        "",
    );
    text.push_str(&wait_location(
        ALONE_PATH,
        "The same where no session says more.",
        ALONE,
    ));
    text.push_str(&hold::locations(&Extra::default()));
    text.push_str(&hold::last());
    text.push_str(&guard::stranger_location());
    text
}

fn settings(own: &[String]) -> String {
    let mut text = String::from(
        "# Whether a service is ready is looked up in each request.\nopen_file_cache off;\n",
    );
    for (name, value) in SETTINGS {
        if !own.iter().any(|own| own == name) {
            let _ = writeln!(text, "{name} {value};");
        }
    }
    for (name, value) in HEADERS {
        if !own.contains(&nginx::header_key(name)) {
            let _ = writeln!(text, "proxy_set_header {name} {value};");
        }
    }
    text
}

/// A request for a whole URL is for the host in it, by which nginx routes it. The port that the
/// browser sees is that of `Host`: the container's own one may be another. Only WebSockets may
/// upgrade; each other request has a connection of its own. Whoever was asked is still known where a
/// request starts anew within nginx.
const VARIABLES: &str = r#"
set $devrun_host $http_host;
if ($request ~ "^[A-Z]+ [A-Za-z]+://([^/?# ]+)") { set $devrun_host $1; }
set $devrun_port 80;
if ($scheme = https) { set $devrun_port 443; }
if ($devrun_host ~ ":([0-9]+)$") { set $devrun_port $1; }
set $devrun_upgrade "";
set $devrun_connection close;
set $devrun_path "";
set $devrun_prefix "";
set $devrun_route "";
set $devrun_service $devrun_service;
set $devrun_state ready;
set $devrun_tries "";
set $devrun_way "";
if (-f CLOSING) { set $devrun_way last; }
if ($http_transfer_encoding) { set $devrun_way large; }
if ($content_length ~ "^[0-9]{6,}$") { set $devrun_way large; }
"#;

/// HTTP/2 has bodies whose length nobody says, and no header that says so.
const OF_UNKNOWN_LENGTH: &str = r#"set $devrun_body "$request_method $server_protocol $content_length";
if ($devrun_body ~ "^(POST|PUT|PATCH|DELETE) HTTP/2[.]0 $") { set $devrun_way large; }
"#;

const WITHOUT_END: &str = r#"if ($http_accept ~* "^text/event-stream") { set $devrun_way open; }
if ($http_upgrade ~* "^websocket$") {
    set $devrun_upgrade $http_upgrade;
    set $devrun_connection upgrade;
    set $devrun_way open;
}
"#;

fn health_location(path: &str) -> String {
    format!(
        "\n# Answered by nginx itself.\n\
         location = {path} {{\n\
         \x20   default_type text/plain;\n\
         \x20   return 200 \"ok\\n\";\n\
         }}\n",
        path = quoted(path)
    )
}

/// `return` comes before `deny` could be asked, therefore the `if`.
fn generation_location(generation: u64) -> String {
    format!(
        "\n# Tells devrun, and nobody outside the container, which configuration is at work.\n\
         location = {GENERATION_PATH} {{\n\
         \x20   access_log off;\n\
         \x20   default_type text/plain;\n\
         \x20   if ($remote_addr !~ \"^(127\\.0\\.0\\.1|::1)$\") {{ return 404; }}\n\
         \x20   return 200 \"{generation}\";\n\
         }}\n"
    )
}

/// One place for all services: `$devrun_service` says which. A page is a file, so that it can
/// change without a reload; the method is GET by now, as always behind `error_page`.
fn wait_location(path: &str, comment: &str, version: &str) -> String {
    let mut text = format!(
        "\n# {comment}\n\
         location = {path} {{\n\
         \x20   internal;\n\
         \x20   root {WAIT_DIR};\n\
         \x20   types {{ text/html html; application/json json; }}\n\
         \x20   default_type application/json;\n\
         \x20   charset utf-8;\n\
         \x20   etag off;\n\
         \x20   add_header X-Devrun-Service $devrun_service always;\n\
         \x20   add_header X-Devrun-State $devrun_state always;\n\
         \x20   add_header Retry-After 1 always;\n\
         \x20   add_header Cache-Control no-store always;\n\
         \x20   add_header X-Content-Type-Options nosniff always;\n\
         \x20   add_header Content-Security-Policy \"default-src 'none'; style-src 'unsafe-inline'\" always;\n\
         \x20   set $devrun_state unreachable;\n"
    );
    for state in STATES {
        let _ = writeln!(
            text,
            "    if (-f {STATE_DIR}/$devrun_service.{state}) {{ set $devrun_state {state}; }}"
        );
    }
    text.push_str(&guard::turns_away());
    let _ = write!(
        text,
        "    set $devrun_page $devrun_service{version}.json;\n\
         \x20   if ($http_accept ~* \"text/html\") {{ set $devrun_page $devrun_service{version}.html; }}\n\
         \x20   if (!-f {WAIT_DIR}/$devrun_page) {{\n\
         \x20       return 503 '{{\"error\":\"$devrun_service is not ready\",\"service\":\"$devrun_service\",\"state\":\"$devrun_state\"}}\\n';\n\
         \x20   }}\n\
         \x20   rewrite ^ /$devrun_page break;\n\
         }}\n"
    );
    text
}

/// Without this nginx answers it by itself, with a permanent redirect that loses the port that the
/// browser used.
fn bare_path<'e>(
    entry: &'e RouteEntry,
    table: &[RouteEntry],
    health: Option<&str>,
) -> Option<&'e str> {
    let bare = entry.bare().filter(|_| entry.host.is_none())?;
    let same = |other: &RouteEntry| other.host.is_none() && other.pattern == bare;
    let taken = table.iter().any(same) || health == Some(bare);
    (!taken).then_some(bare)
}

/// As nginx has to read it: in quotes where it would not be one word without.
pub(super) fn quoted(path: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "/._-~@+,:=!".contains(letter);
    if path.chars().all(plain) {
        return path.to_owned();
    }
    let escaped = path.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}
