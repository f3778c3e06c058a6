//! Which path goes to which service, and which paths can be written for nginx.

use std::cmp::Reverse;

use devrun_stack::{Location, Passing, Service, Stack};

use super::{RESERVED, RouteError};

/// One route of the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteEntry {
    /// Of which host, `*.` standing for all names below; without one of all.
    pub host: Option<String>,
    /// As declared: ends in `*` for a prefix, else exact.
    pub pattern: String,
    /// The service that declares it.
    pub service: String,
    /// What becomes of a request.
    pub goes: Goes,
    /// Where it is declared.
    pub at: Location,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goes {
    /// The service gets it.
    On {
        /// At which port inside.
        port: u16,
        /// How.
        passing: Passing,
    },
    /// Its sender is told to ask elsewhere.
    Elsewhere {
        /// A path or a URL, `/*` at its end standing for the rest of the path.
        to: String,
        /// Of the answer.
        status: u16,
    },
}

impl RouteEntry {
    /// As people call it: the path, behind its host where it has one.
    #[must_use]
    pub fn name(&self) -> String {
        format!(
            "{}{}",
            self.host.as_deref().unwrap_or_default(),
            self.pattern
        )
    }

    /// Whether a service gets it.
    pub(super) fn goes_on(&self) -> bool {
        matches!(self.goes, Goes::On { .. })
    }

    /// What the service sees of a path, or where its sender is sent.
    #[must_use]
    pub fn becomes(&self, path: &str) -> String {
        let rest = |prefix: &str| {
            let rest = path.strip_prefix(prefix).unwrap_or_default();
            rest.trim_start_matches('/').to_owned()
        };
        match &self.goes {
            Goes::On { passing, .. } => match &passing.strip_prefix {
                Some(prefix) => format!("/{}", rest(prefix)),
                None => path.to_owned(),
            },
            Goes::Elsewhere { to, .. } => match to.strip_suffix('*') {
                Some(stem) => format!("{stem}{}", rest(self.path().trim_end_matches('/'))),
                None => to.clone(),
            },
        }
    }

    /// `/api/*` takes `/api` as well.
    pub(super) fn bare(&self) -> Option<&str> {
        let bare = self.pattern.strip_suffix("/*");
        bare.filter(|bare| !bare.is_empty())
    }

    /// Whether it is about this host (in small letters, without its port) and this path.
    fn takes(&self, host: &str, path: &str) -> bool {
        let host_fits = match self.host.as_deref() {
            None => true,
            Some(own) => match own.strip_prefix('*') {
                Some(below) => host.len() > below.len() && host.ends_with(below),
                None => host == own,
            },
        };
        let path_fits = match self.is_prefix() {
            true => path.starts_with(self.path()) || self.bare() == Some(path),
            false => path == self.pattern,
        };
        host_fits && path_fits
    }

    /// The path without the star.
    pub(super) fn path(&self) -> &str {
        self.pattern.strip_suffix('*').unwrap_or(&self.pattern)
    }

    /// Everything below the path.
    pub(super) fn is_prefix(&self) -> bool {
        self.pattern.ends_with('*')
    }
}

/// All routes of the stack, in the order in which they are tried: those of a host before those of
/// all names below one (the longest first) before those of any, among them the exact ones, then the
/// longest.
#[must_use]
pub fn route_table(stack: &Stack) -> Vec<RouteEntry> {
    let mut table: Vec<RouteEntry> = stack
        .services
        .iter()
        // All replicas have one route: the network's name server takes turns, and nginx asks the
        // next one where a connection is refused.
        .filter(|service| service.leads())
        .flat_map(|service| {
            let on = service.routes.iter().map(|route| RouteEntry {
                host: route.host.clone(),
                pattern: route.pattern.clone(),
                service: service.declared_as().to_owned(),
                goes: Goes::On {
                    port: route.port,
                    passing: route.passing.clone(),
                },
                at: route.at.clone(),
            });
            let elsewhere = service.redirects.iter().map(|redirect| RouteEntry {
                host: redirect.host.clone(),
                pattern: redirect.pattern.clone(),
                service: service.declared_as().to_owned(),
                goes: Goes::Elsewhere {
                    to: redirect.to.clone(),
                    status: redirect.status,
                },
                at: redirect.at.clone(),
            });
            on.chain(elsewhere)
        })
        .collect();
    table.sort_by(|a, b| order(a).cmp(&order(b)));
    table
}

/// Who gets a path (without `?` and what follows) of a host (without its port); `None` if no route
/// covers it.
#[must_use]
pub fn find(stack: &Stack, host: &str, path: &str) -> Option<RouteEntry> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let mut table = route_table(stack).into_iter();
    table.find(|entry| entry.takes(&host, path))
}

type Order<'e> = ((u8, Reverse<usize>, &'e str), bool, Reverse<usize>, &'e str);

fn order(entry: &RouteEntry) -> Order<'_> {
    let host = entry.host.as_deref().unwrap_or_default();
    let kind = match host {
        "" => 2,
        host if host.starts_with('*') => 1,
        _ => 0,
    };
    let length = Reverse(entry.path().len());
    let host = (kind, Reverse(host.len()), host);
    (host, entry.is_prefix(), length, entry.path())
}

/// The routes, once each of them can be written and no two are the same.
pub(super) fn checked(stack: &Stack, proxy: &Service) -> Result<Vec<RouteEntry>, RouteError> {
    let table = route_table(stack);
    let mut taken: Vec<(Option<&str>, &str, &Location)> = Vec::new();
    let health = proxy.proxy.as_ref().and_then(|proxy| proxy.health.as_ref());
    if let Some(health) = health {
        check_path(health, health, &proxy.at)?;
        taken.push((None, health, &proxy.at));
    }
    for service in stack.services.iter().filter(|it| !it.routes.is_empty()) {
        let allowed = |letter: char| {
            letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter)
        };
        if service.name.is_empty() || !service.name.chars().all(allowed) {
            return Err(RouteError::Name {
                name: service.declared_as().to_owned(),
                at: service.at.clone(),
            });
        }
    }
    for entry in &table {
        check_path(&entry.pattern, entry.path(), &entry.at)?;
        let host = entry.host.as_deref();
        let pattern = entry.pattern.as_str();
        // The path of `health` is that of all hosts.
        let same = taken.iter().find(|(other, known, _)| {
            *known == pattern && (*other == host || health.is_some_and(|health| health == pattern))
        });
        if let Some((_, _, first)) = same {
            return Err(RouteError::Taken {
                pattern: entry.name(),
                at: entry.at.clone(),
                first: (*first).clone(),
            });
        }
        taken.push((host, pattern, &entry.at));
    }
    Ok(table)
}

/// nginx compares with the path after decoding and tidying it: what is not tidy never matches.
fn check_path(pattern: &str, path: &str, at: &Location) -> Result<(), RouteError> {
    let segment = |name: &str| path.split('/').any(|segment| segment == name);
    let why = if !path.starts_with('/') {
        "has to start with `/`"
    } else if path.contains('*') {
        "may have a `*` at its end only"
    } else if path
        .chars()
        .any(|letter| letter.is_control() || letter.is_whitespace())
    {
        "may not hold blanks or control characters"
    } else if path.contains(['?', '#']) {
        "is compared with the path only: leave out `?` and `#` and what follows"
    } else if path.contains('%') {
        "is compared with the decoded path: write the character itself instead of `%…`"
    } else if path.contains("//") || segment(".") || segment("..") {
        "is compared with the tidied path: leave out `//`, `/./` and `/../`"
    } else if path == RESERVED
        || path
            .strip_prefix(RESERVED)
            .is_some_and(|rest| rest.starts_with('/'))
    {
        "is devrun's own: choose a path outside `/.devrun`"
    } else {
        return Ok(());
    };
    Err(RouteError::Pattern {
        pattern: pattern.to_owned(),
        at: at.clone(),
        why,
    })
}
