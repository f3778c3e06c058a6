//! What the lines need to know of a stack: widths, addresses, order.

use std::collections::BTreeMap;

use devrun_stack::Stack;

/// A stack as far as printing cares.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sheet {
    pub(crate) width: usize,
    rows: BTreeMap<String, Row>,
}

#[derive(Debug, Clone, Default)]
struct Row {
    address: String,
    after: Vec<String>,
    profile: Option<String>,
}

impl Sheet {
    pub(crate) fn of(stack: &Stack) -> Sheet {
        let width = stack
            .services
            .iter()
            .map(|service| service.name.len())
            .max()
            .unwrap_or(0)
            .max(8);
        let rows = stack.services.iter().map(|service| {
            let after = service.depends_on.iter();
            let after = after.map(|other| other.service.clone()).collect();
            let address = match (&service.proxy, &stack.url, service.ports.first()) {
                (Some(_), Some(url), _) => format!("{url}/"),
                (_, _, Some(port)) => format!("localhost:{}", port.host),
                _ => String::new(),
            };
            let row = Row {
                address,
                after,
                profile: service.profiles.first().cloned(),
            };
            (service.name.clone(), row)
        });
        Sheet {
            width,
            rows: rows.collect(),
        }
    }

    /// `localhost:8000        after db, redis`.
    pub(crate) fn place(&self, service: &str) -> String {
        let Some(row) = self.rows.get(service) else {
            return String::new();
        };
        let after = match row.after.as_slice() {
            [] => String::new(),
            after => format!("after {}", after.join(", ")),
        };
        format!("{:<21} {after}", row.address).trim_end().to_owned()
    }

    /// `for db, redis`: those of whom it depends on that are not ready.
    pub(crate) fn waits_for(&self, service: &str, ready: impl Fn(&str) -> bool) -> String {
        let after = self.rows.get(service).map_or(&[][..], |row| &row.after);
        let names: Vec<&str> = after.iter().map(String::as_str).collect();
        let missing: Vec<&str> = names.into_iter().filter(|name| !ready(name)).collect();
        match missing.as_slice() {
            [] => String::new(),
            missing => format!("for {}", missing.join(", ")),
        }
    }

    /// Services of profiles, with the profile.
    pub(crate) fn profiles(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rows
            .iter()
            .filter_map(|(name, row)| Some((name.as_str(), row.profile.as_deref()?)))
    }
}
