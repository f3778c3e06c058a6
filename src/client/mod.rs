//! What Docker's own client keeps on this machine: where, and who logged in to which registry.

mod helper;
mod logins;

use std::path::PathBuf;

pub(crate) use logins::{Login, LoginError, Logins};

/// Where its files are.
pub(crate) fn folder(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("DOCKER_CONFIG").or_else(|| Some(set("HOME")?.join(".docker")))
}
