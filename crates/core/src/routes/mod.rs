//! Routes of a stack to nginx text: the person's whole `nginx.conf`, with the routes put in where
//! `include devrun-routes;` stands. All of it is legal inside `server { }` of nginx 1.22 and later.
//!
//! Which service is ready is not part of the text: nginx looks for the file
//! `/run/devrun/ready/SERVICE` at each request, so that a switch needs no reload. Names are
//! looked up anew each second, so that a recreated container is followed without a reload too.

mod explain;
mod generate;
mod guard;
mod hold;
mod hosts;
mod location;
mod log;
mod lookup;
mod nginx;
mod of_route;
mod states;
mod table;
mod tidy;
mod tls;
mod wait;
mod written;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use devrun_stack::{Location, Port, Service, Stack};

pub use explain::explain;
pub use lookup::looked_up_once;
pub use states::{Change, state_changes, state_files};
pub use table::{Goes, RouteEntry, find, route_table};
pub use tidy::compared;
pub use wait::{wait_json, wait_page};

/// Where nginx looks for its configuration.
pub const CONFIG_PATH: &str = "/etc/nginx/nginx.conf";

/// The path at which the running configuration tells its number, to the container itself only.
const GENERATION_PATH: &str = "/.devrun/generation";

/// While a file is here, connections end with the answer that is under way: nginx is about to reload.
pub const CLOSING_PATH: &str = "/run/devrun/closing";

/// Where the agent in the proxy's container is asked what becomes of a request.
pub const HOLD_SOCKET: &str = "/run/devrun/hold.sock";

/// Paths below this one are devrun's own.
const RESERVED: &str = "/.devrun";

/// Why there is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The marker is missing.
    #[error(
        "{file} does not say where the routes go: write `include devrun-routes;` into its `server {{ }}` block"
    )]
    MarkerMissing {
        /// The person's configuration.
        file: String,
    },
    /// The marker stands twice.
    #[error(
        "{file}:{second}: `include devrun-routes;` stands twice, first in line {first}; the routes go into one `server {{ }}` block"
    )]
    MarkerTwice {
        /// The person's configuration.
        file: String,
        /// Line of the first.
        first: usize,
        /// Line of the second.
        second: usize,
    },
    /// The marker stands where no route can.
    #[error(
        "{file}:{line}: `include devrun-routes;` has to stand directly inside a `server {{ }}` block"
    )]
    MarkerMisplaced {
        /// The person's configuration.
        file: String,
        /// Its line.
        line: usize,
    },
    /// A route that nginx would never match, or not as it is meant.
    #[error("{at}: route {pattern:?} {why}")]
    Pattern {
        /// The route, or the health path.
        pattern: String,
        /// Where it is declared.
        at: Location,
        /// What is wrong and how to write it.
        why: &'static str,
    },
    /// Two services want the same path.
    #[error("{at}: route {pattern:?} is declared already, at {first}; keep one of the two")]
    Taken {
        /// The route, or the health path.
        pattern: String,
        /// Where it is declared.
        at: Location,
        /// Where it was declared first.
        first: Location,
    },
    /// A name that cannot stand in a configuration.
    #[error("{at}: the service name {name:?} may hold a-z, 0-9, `-` and `_` only")]
    Name {
        /// The name.
        name: String,
        /// Where it is declared.
        at: Location,
    },
}

/// The whole configuration for nginx: the person's text with the routes of the stack put in.
///
/// What the person's `server { }` block sets by itself (a time-out, a header) is not set again, and
/// an access log of theirs is the only one.
/// `version` is that of nginx, where it is known.
///
/// # Errors
/// Where the marker is missing, stands twice or at the wrong place, or a route cannot be written.
pub fn render(
    stack: &Stack,
    proxy: &Service,
    config_text: &str,
    generation: u64,
    version: Option<&str>,
) -> Result<String, RouteError> {
    let file = config_name(stack, proxy);
    let directives = nginx::directives(config_text);
    let marker = marker(&directives, config_text, &file)?;
    let table = table::checked(stack, proxy)?;
    let own = nginx::siblings(&directives, marker);
    let headers = nginx::headers(&directives, marker);
    let declared = proxy.proxy.as_ref().and_then(|it| it.tls.as_ref());
    let mut hosts = nginx::server_names(&directives, marker);
    hosts.extend(declared.iter().flat_map(|tls| tls.hosts.clone()));
    let own = generate::Own {
        names: &own,
        headers: &headers,
        hosts: &hosts,
    };
    let tls = declared.map_or_else(String::new, |tls| {
        let around = tls::Around::of(&directives, marker);
        tls::server(proxy, tls, &around, version)
    });
    let mut generated = generate::routes(stack, proxy, &table, own, &tls, generation);
    if !log::is_own(&directives, marker) {
        generated.push_str(log::WRITTEN);
    }
    let config = put_in(config_text, marker, &generated, &file);
    Ok(log::declared(config, &directives, marker, generation))
}

/// The port at which nginx is asked inside its container, without TLS: that of its first published
/// TCP port.
#[must_use]
pub fn proxy_port(proxy: &Service) -> u16 {
    let tls = proxy.proxy.as_ref().and_then(|proxy| proxy.tls.as_ref());
    let plain =
        |port: &&Port| port.protocol == "tcp" && tls.is_none_or(|tls| tls.port != port.container);
    let first = proxy.ports.iter().find(plain);
    first.map_or(80, |port| port.container)
}

/// Where nginx is asked for its number, inside its container: in `HOST@ADDRESS` stands which of its
/// hosts is asked for, where the block of the routes in `config_text` is not there for all.
#[must_use]
pub fn number_url(proxy: &Service, config_text: &str) -> String {
    let directives = nginx::directives(config_text);
    let marker = directives.iter().find(|it| it.is_marker());
    let hosts = marker.map(|marker| nginx::server_names(&directives, marker));
    let host = hosts.into_iter().flatten().find(|host| host != "_");
    let host = host.map(|host| {
        let one = host.trim_start_matches('.').replacen('*', "devrun", 1);
        format!("{one}@")
    });
    let (host, port) = (host.unwrap_or_default(), proxy_port(proxy));
    format!("http://{host}127.0.0.1:{port}{GENERATION_PATH}")
}

/// The person's configuration as a person would name it, relative to the Stackfile.
fn config_name(stack: &Stack, proxy: &Service) -> String {
    let Some(declared) = &proxy.proxy else {
        return "nginx.conf".to_owned();
    };
    let path = declared
        .config
        .strip_prefix(&stack.root)
        .unwrap_or(&declared.config);
    path.to_string_lossy().replace(char::is_control, "?")
}

/// The one directive that is replaced.
fn marker<'d, 't>(
    directives: &'d [nginx::Directive<'t>],
    text: &str,
    file: &str,
) -> Result<&'d nginx::Directive<'t>, RouteError> {
    let file = || file.to_owned();
    let mut found = directives.iter().filter(|directive| directive.is_marker());
    let Some(marker) = found.next() else {
        return Err(RouteError::MarkerMissing { file: file() });
    };
    let line = nginx::line_of(text, marker.start);
    if let Some(second) = found.next() {
        return Err(RouteError::MarkerTwice {
            file: file(),
            first: line,
            second: nginx::line_of(text, second.start),
        });
    }
    let parent = marker.parent.and_then(|index| directives.get(index));
    if parent.is_none_or(|parent| parent.name() != "server") {
        return Err(RouteError::MarkerMisplaced { file: file(), line });
    }
    Ok(marker)
}

/// Replaces the marker, with its indentation. The last line says where the person's text goes on,
/// for people and for [`explain()`].
fn put_in(text: &str, marker: &nginx::Directive<'_>, generated: &str, file: &str) -> String {
    let (before, after) = (
        text.get(..marker.start).unwrap_or_default(),
        text.get(marker.end..).unwrap_or_default(),
    );
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let on_the_line = before.get(line_start..).unwrap_or_default();
    let indent: String = on_the_line
        .chars()
        .take_while(|letter| letter.is_whitespace())
        .collect();
    let rest_of_line = after.split('\n').next().unwrap_or_default();
    let rest_is_blank = rest_of_line.trim().is_empty();
    let marker_line = nginx::line_of(text, marker.start);
    let last_line = nginx::line_of(text, marker.end);
    let goes_on = if rest_is_blank {
        last_line + 1
    } else {
        last_line
    };

    let mut whole = String::with_capacity(text.len() + generated.len() * 2);
    whole.push_str(before);
    if indent.len() < on_the_line.len() {
        whole.push('\n');
        whole.push_str(&indent);
    }
    whole.push_str(&format!(
        "{} in line {marker_line} of {file}",
        explain::BEGIN
    ));
    for line in generated.lines() {
        whole.push('\n');
        if !line.is_empty() {
            whole.push_str(&indent);
            whole.push_str(line);
        }
    }
    whole.push_str(&format!(
        "\n{indent}{} {file} goes on at line {goes_on}",
        explain::END
    ));
    if !rest_is_blank {
        whole.push('\n');
        whole.push_str(&indent);
    }
    whole.push_str(after);
    whole
}
