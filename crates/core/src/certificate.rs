//! Certificates for the proxy: which hosts they are for, and how long they serve. They are made by
//! the shell, which alone has keys and a clock.

use std::collections::BTreeSet;
use std::net::IpAddr;

use devrun_stack::{Content, Stack, Tls};

/// Where it lies in the proxy's container, its key behind it.
pub const PATH: &str = "/run/devrun/tls.pem";

/// So many days one serves.
pub const DAYS: i64 = 90;

/// So many days before its end another one is made.
pub const RENEWED_BEFORE: i64 = 30;

const DAY: i64 = 24 * 60 * 60;

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Another one has another.
    pub id: String,
    /// Both, as PEM.
    pub pem: Content,
}

/// How the proxy of a stack speaks TLS, if it does.
#[must_use]
pub fn wanted(stack: &Stack) -> Option<&Tls> {
    let mut proxies = stack.services.iter().filter_map(|it| it.proxy.as_ref());
    proxies.next()?.tls.as_ref()
}

/// Hosts and addresses that the certificate of a stack is for, in order.
#[must_use]
pub fn hosts(stack: &Stack) -> Vec<String> {
    let mut hosts: BTreeSet<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    for service in &stack.services {
        hosts.extend(service.routes.iter().filter_map(|route| route.host.clone()));
        hosts.extend(service.redirects.iter().filter_map(|it| it.host.clone()));
        let Some(tls) = service.proxy.as_ref().and_then(|proxy| proxy.tls.as_ref()) else {
            continue;
        };
        hosts.extend(tls.hosts.iter().cloned());
        let published = service.ports.iter().filter(|it| it.container == tls.port);
        let addresses = published.flat_map(|port| &port.bind);
        // At an address of all, nobody knows which one is asked.
        let one = |bind: &&String| bind.parse().is_ok_and(|it: IpAddr| !it.is_unspecified());
        hosts.extend(addresses.filter(one).cloned());
    }
    hosts.into_iter().collect()
}

/// What is known of one that was made, without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// For whom, as [`hosts`] has it.
    pub hosts: Vec<String>,
    /// Seconds since 1970.
    pub until: i64,
    /// The id of the authority that signed it.
    pub by: String,
}

impl Made {
    /// One that is made now.
    #[must_use]
    pub fn now(hosts: Vec<String>, by: String, now: i64) -> Made {
        let until = now + DAYS * DAY;
        Made { hosts, until, by }
    }

    /// Whether it serves for these a while longer.
    #[must_use]
    pub fn serves(&self, hosts: &[String], by: &str, now: i64) -> bool {
        // One from the future was made by a clock that was wrong.
        let left = self.until - now;
        self.hosts == hosts && self.by == by && (RENEWED_BEFORE * DAY..=DAYS * DAY).contains(&left)
    }

    /// The lines above the PEM, which those who read that skip.
    #[must_use]
    pub fn written(&self) -> String {
        let Made { hosts, until, by } = self;
        format!("for: {}\nuntil: {until}\nby: {by}\n", hosts.join(" "))
    }

    /// From there.
    #[must_use]
    pub fn read(text: &str) -> Option<Made> {
        let mut lines = text.lines();
        let mut next = |name: &str| lines.next()?.strip_prefix(name);
        Some(Made {
            hosts: next("for: ")?.split(' ').map(str::to_owned).collect(),
            until: next("until: ")?.parse().ok()?,
            by: next("by: ")?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::stacks::stack;

    const STACKFILE: &str = r#"
stack app
service web {
    image "x:1"
    port 1
    route "/*" "/a" host="app.localhost"
    route "/*" host="*.b.localhost" redirect="/x"
    route "/*"
}
proxy entry {
    image "nginx:1"
    config "nginx.conf"
    port 80 bind="192.0.2.7"
    port 443 bind="192.0.2.8"
    tls "shop.localhost" "localhost"
}
"#;

    #[test]
    fn it_is_for_all_by_which_the_stack_is_asked() {
        let stack = stack(STACKFILE);
        assert_eq!(
            hosts(&stack),
            [
                "*.b.localhost",
                "127.0.0.1",
                "192.0.2.8",
                "::1",
                "app.localhost",
                "localhost",
                "shop.localhost",
            ]
        );
        assert!(wanted(&stack).is_some());
    }

    #[test]
    fn one_is_kept_until_its_end_is_near_or_something_else_is_wanted() {
        let hosts = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        let now = 1_700_000_000;
        let made = Made::now(hosts(&["a", "b"]), "x".to_owned(), now);
        assert!(made.serves(&hosts(&["a", "b"]), "x", now));
        assert!(made.serves(&hosts(&["a", "b"]), "x", now + 60 * DAY));
        assert!(!made.serves(&hosts(&["a", "b"]), "x", now + 60 * DAY + 1));
        assert!(!made.serves(&hosts(&["a", "b"]), "x", now - DAY));
        assert!(!made.serves(&hosts(&["a"]), "x", now));
        assert!(!made.serves(&hosts(&["a", "b"]), "y", now));
        let text = format!("{}-----BEGIN CERTIFICATE-----\n", made.written());
        assert_eq!(Made::read(&text), Some(made));
        assert_eq!(Made::read("-----BEGIN CERTIFICATE-----\n"), None);
    }
}
