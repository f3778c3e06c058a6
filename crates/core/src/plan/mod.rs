//! What a changed file means for each service.

use std::path::PathBuf;

use devrun_stack::{Command, Location};

/// The rules of a stack for files, compiled.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {}

/// What has to be done for one service because of some changed paths.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decision {
    /// Paths to bring over, absolute.
    pub sync: Vec<PathBuf>,
    /// What follows, in order; the strongest has swallowed what it makes pointless.
    pub follow: Vec<Follow>,
    /// The path and rule that decided, for people: `backend/api/views.py: sync rule`.
    pub reason: String,
    /// The rule's place in the Stackfile.
    pub at: Option<Location>,
}

/// What follows a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Follow {
    /// A command in the container.
    Exec(Command),
    /// A signal to the process.
    Signal(String),
    /// A restart of the same container.
    Restart,
    /// A new container.
    Recreate,
    /// A new image and a new container.
    Rebuild,
}
