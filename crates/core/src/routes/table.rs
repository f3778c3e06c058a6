//! Which path goes to which service, and which paths can be written for nginx.

use devrun_stack::{Location, Service, Stack};

use super::{RESERVED, RouteError};

/// One route of the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteEntry {
    /// As declared: ends in `*` for a prefix, else exact.
    pub pattern: String,
    /// Who gets it.
    pub service: String,
    /// At which port inside.
    pub port: u16,
    /// Where it is declared.
    pub at: Location,
}

impl RouteEntry {
    /// The path without the star.
    pub(super) fn path(&self) -> &str {
        self.pattern.strip_suffix('*').unwrap_or(&self.pattern)
    }

    /// Everything below the path.
    pub(super) fn is_prefix(&self) -> bool {
        self.pattern.ends_with('*')
    }
}

/// All routes of the stack, in the order in which they are tried: exact ones, then the longest.
#[must_use]
pub fn route_table(stack: &Stack) -> Vec<RouteEntry> {
    let mut table: Vec<RouteEntry> = stack
        .services
        .iter()
        // All replicas have one route: the network's name server takes turns, and nginx asks the
        // next one where a connection is refused.
        .filter(|service| service.leads())
        .flat_map(|service| {
            service.routes.iter().map(|route| RouteEntry {
                pattern: route.pattern.clone(),
                service: service.declared_as().to_owned(),
                port: route.port,
                at: route.at.clone(),
            })
        })
        .collect();
    table.sort_by(|a, b| order(a).cmp(&order(b)));
    table
}

/// Who gets a path (without `?` and what follows); `None` if no route covers it.
#[must_use]
pub fn find(stack: &Stack, path: &str) -> Option<RouteEntry> {
    let table = route_table(stack);
    let exact = table
        .iter()
        .find(|entry| !entry.is_prefix() && entry.pattern == path);
    // `/api` goes where `/api/*` goes, whatever covers it otherwise.
    let bare = || {
        let with_slash = format!("{path}/*");
        table.iter().find(|entry| entry.pattern == with_slash)
    };
    let longest = || {
        table
            .iter()
            .find(|entry| entry.is_prefix() && path.starts_with(entry.path()))
    };
    exact.or_else(bare).or_else(longest).cloned()
}

fn order(entry: &RouteEntry) -> (bool, std::cmp::Reverse<usize>, &str) {
    let length = std::cmp::Reverse(entry.path().len());
    (entry.is_prefix(), length, entry.path())
}

/// The routes, once each of them can be written and no two are the same.
pub(super) fn checked(stack: &Stack, proxy: &Service) -> Result<Vec<RouteEntry>, RouteError> {
    let table = route_table(stack);
    let mut taken: Vec<(&str, &Location)> = Vec::new();
    let health = proxy.proxy.as_ref().and_then(|proxy| proxy.health.as_ref());
    if let Some(health) = health {
        check_path(health, health, &proxy.at)?;
        taken.push((health, &proxy.at));
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
        let same = taken.iter().find(|(pattern, _)| *pattern == entry.pattern);
        if let Some((_, first)) = same {
            return Err(RouteError::Taken {
                pattern: entry.pattern.clone(),
                at: entry.at.clone(),
                first: (*first).clone(),
            });
        }
        taken.push((&entry.pattern, &entry.at));
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
