//! Where a URL leads.

use devrun_core::effect::Exit;
use devrun_core::routes::{self, Goes};
use devrun_stack::{Service, Stack};
use devrun_wire::session::Status;
use serde_json::json;

use super::super::Trouble;
use super::Answer;
use crate::report::paint::{self, DIM, NAME};

/// What a browser asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// `None` where only a path was given.
    port: Option<u16>,
    host: String,
    path: String,
}

/// Whose entry point it is where nothing else was said.
const HERE: &str = "localhost";

impl Address {
    /// A URL, or what a person types instead: `localhost:8000/x`.
    pub(super) fn of(text: &str) -> Option<Address> {
        let (default, rest) = match text.split_once("://") {
            Some(("https" | "wss", rest)) => (443, rest),
            Some((_, rest)) => (80, rest),
            None if is_of_this_machine(text) => (80, text),
            None => return None,
        };
        let (host, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let with_port = host.rsplit_once(':');
        let (host, port) = with_port
            .and_then(|(host, port)| Some((host, port.parse().ok()?)))
            .unwrap_or((host, default));
        Some(Address {
            port: Some(port),
            host: host.to_ascii_lowercase(),
            path: as_compared(path),
        })
    }

    /// A path at the entry point.
    pub(super) fn path(path: &str) -> Address {
        Address {
            port: None,
            host: HERE.to_owned(),
            path: as_compared(path),
        }
    }
}

/// `localhost:8000/x`, `api.localhost`, `127.0.0.1/`.
fn is_of_this_machine(text: &str) -> bool {
    let host = text.split(['/', ':']).next().unwrap_or_default();
    host == HERE || host.ends_with(".localhost") || host == "127.0.0.1"
}

/// Without what routes do not look at. What nginx refuses stays as it is.
fn as_compared(path: &str) -> String {
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let path = &path[..end];
    routes::compared(path).unwrap_or_else(|| path.to_owned())
}

/// What becomes of it.
enum Leads<'a> {
    To(Way<'a>),
    Elsewhere(Sent),
}

/// Which service gets it, and how.
struct Way<'a> {
    to: &'a Service,
    port: u16,
    /// The path that it sees.
    path: String,
    by: String,
}

/// Where somebody is sent by a redirect.
struct Sent {
    to: String,
    status: u16,
    by: String,
}

pub(super) fn answer(
    stack: &Stack,
    address: &Address,
    status: Option<&Status>,
) -> Result<Answer, Trouble> {
    let way = match way(stack, address)? {
        Leads::To(way) => way,
        Leads::Elsewhere(sent) => return Ok(redirected(address, &sent)),
    };
    let (service, path) = (&way.to.name, &address.path);
    let found = status.and_then(|status| {
        let services = &status.services;
        services.iter().find(|other| other.name == *service)
    });
    let seen = match way.path == *path {
        true => String::new(),
        false => format!(", as {}", way.path),
    };
    let mut lines = vec![format!(
        "{path} → {NAME}{service}{NAME:#}, port {} inside{seen}  {DIM}{}{DIM:#}",
        way.port, way.by
    )];
    if let Some(found) = found {
        let style = paint::of_state(&found.state);
        let reason = found
            .reason
            .as_deref()
            .map_or_else(String::new, |reason| format!(": {reason}"));
        lines.push(format!(
            "  {service} is {style}{}{style:#}{reason}",
            found.state
        ));
    }
    Ok(Answer {
        lines,
        json: json!({
            "host": address.host, "path": path, "service": service, "port": way.port,
            "as": way.path, "by": way.by,
            "state": found.map(|found| &found.state),
            "reason": found.and_then(|found| found.reason.as_ref()),
        }),
    })
}

fn redirected(address: &Address, sent: &Sent) -> Answer {
    let (host, path) = (&address.host, &address.path);
    let Sent { to, status, by } = sent;
    Answer {
        lines: vec![format!("{path} → {status} {to}  {DIM}{by}{DIM:#}")],
        json: json!({
            "host": host, "path": path, "redirect": to, "status": status, "by": by,
        }),
    }
}

fn way<'a>(stack: &'a Stack, address: &Address) -> Result<Leads<'a>, Trouble> {
    let past = |to: &'a Service, port: u16, by: String| {
        let path = address.path.clone();
        Ok(Leads::To(Way { to, port, path, by }))
    };
    let proxy = stack
        .services
        .iter()
        .find(|service| service.proxy.is_some());
    let entered = match address.port {
        None => proxy.map(|proxy| (proxy, routes::proxy_port(proxy))),
        Some(host) => stack.services.iter().find_map(|service| {
            let port = service.ports.iter().find(|port| port.host == host)?;
            Some((service, port.container))
        }),
    };
    let Some((entered, inside)) = entered else {
        let message = match address.port {
            None => format!("{} has no proxy, so no entry point", stack.name),
            Some(port) => format!("no service of {} publishes port {port}", stack.name),
        };
        return Err(Trouble::new(Exit::Failed, message).hint("devrun status lists the ports"));
    };
    let Some(proxy) = entered.proxy.as_ref() else {
        return past(entered, inside, "its own port, past the proxy".to_owned());
    };
    if proxy.health.as_ref() == Some(&address.path) {
        let by = format!("health of {}, answered by nginx itself", entered.name);
        return past(entered, inside, by);
    }
    if routes::compared(&address.path).is_none() {
        let by = "answered 400: `..` in a path is for no route".to_owned();
        return past(entered, inside, by);
    }
    if let Some(sent) = to_tls(entered, inside, address) {
        return Ok(Leads::Elsewhere(sent));
    }
    let nobody = "no route covers it: what nginx.conf itself says";
    let Some(route) = routes::find(stack, &address.host, &address.path) else {
        return past(entered, inside, nobody.to_owned());
    };
    let by = format!("route {:?}, {}", route.name(), route.at);
    let path = route.becomes(&address.path);
    match (&route.goes, stack.members(&route.service).next()) {
        (Goes::Elsewhere { status, .. }, _) => Ok(Leads::Elsewhere(Sent {
            to: path,
            status: *status,
            by,
        })),
        (Goes::On { port, .. }, Some(to)) => Ok(Leads::To(Way {
            to,
            port: *port,
            path,
            by,
        })),
        (Goes::On { .. }, None) => past(entered, inside, nobody.to_owned()),
    }
}

/// Who asks without TLS is sent to it, whatever the path.
fn to_tls(proxy: &Service, inside: u16, address: &Address) -> Option<Sent> {
    let declared = proxy.proxy.as_ref().and_then(|proxy| proxy.tls.as_ref());
    let tls = declared.filter(|tls| tls.redirect && tls.port != inside)?;
    address.port?;
    let port = proxy.ports.iter().find(|port| port.container == tls.port)?;
    let port = match port.host {
        443 => String::new(),
        other => format!(":{other}"),
    };
    Some(Sent {
        to: format!("https://{}{port}{}", address.host, address.path),
        status: 307,
        by: format!("tls, {}", tls.at),
    })
}

#[cfg(test)]
mod tests;
