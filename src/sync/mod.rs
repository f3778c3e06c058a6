//! How changes travel into containers: through the agent, or as an archive where none runs.
//!
//! One way only, host to container. [`reconcile`](reconcile::reconcile) comes first for each
//! container; it fills [`Sent`], by which [`apply`](transfer::apply) knows what is there already
//! and what is the host's to remove. A `Sent` belongs to one container and dies with it.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) mod archive;
mod clock;
pub(crate) mod connection;
pub(crate) mod deputy;
pub(crate) mod early;
pub(crate) mod fetch;
pub(crate) mod inside;
pub(crate) mod landing;
pub(crate) mod large;
pub(crate) mod memory;
pub(crate) mod mirror;
mod read;
pub(crate) mod reconcile;
pub(crate) mod scan;
mod sent;
pub(crate) mod stock;
pub(crate) mod transfer;
pub(crate) mod verify;
mod writers;

#[cfg(test)]
mod test_agent;

pub(crate) use sent::Sent;

/// How bringing changes over went. Problems leave the rest unaffected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SyncOutcome {
    /// Files and symlinks written.
    pub(crate) files: usize,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Files and symlinks removed.
    pub(crate) removed: usize,
    /// Paths that were there already.
    pub(crate) unchanged: usize,
    /// What could not be done.
    pub(crate) problems: Vec<Problem>,
    /// What was written, made or removed, relative to the source; folders that went are not named.
    pub(crate) changed: Vec<PathBuf>,
    /// Files that the agent's user cannot read, so that nobody knows whether they differ.
    pub(crate) unreadable: Vec<PathBuf>,
    /// Large files that were left for [`large::stream`].
    pub(crate) large: Vec<PathBuf>,
}

impl SyncOutcome {
    /// What is there now as it is on the host, of all that was asked for.
    pub(crate) fn live(&self, asked: Vec<PathBuf>) -> impl Iterator<Item = PathBuf> {
        let problems = self.problems.iter().map(|problem| &problem.path);
        let not: HashSet<&PathBuf> = problems.chain(&self.large).collect();
        let all = asked.into_iter().chain(self.changed.iter().cloned());
        all.filter(move |path| !not.contains(path))
    }

    /// What came of some of it at the second try.
    pub(crate) fn extend(&mut self, second: SyncOutcome) {
        self.files += second.files;
        self.bytes += second.bytes;
        self.removed += second.removed;
        self.unchanged += second.unchanged;
        self.changed.extend(second.changed);
        self.problems.extend(second.problems);
        self.large.extend(second.large);
        self.unreadable.extend(second.unreadable);
    }
}

/// One path that could not be brought over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Relative to the source; empty is the source itself.
    pub(crate) path: PathBuf,
    /// Why, for people.
    pub(crate) message: String,
    /// The agent's user may not; another user might.
    pub(crate) permission: bool,
}

impl Problem {
    fn of_host(path: &Path, error: &io::Error) -> Self {
        Problem::new(path, format!("cannot be read on the host: {error}"))
    }

    pub(crate) fn new(path: &Path, message: impl Into<String>) -> Self {
        Problem {
            path: path.to_owned(),
            message: message.into(),
            permission: false,
        }
    }
}
