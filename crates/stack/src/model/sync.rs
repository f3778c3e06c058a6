//! What is kept in step with the host.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::{Location, On};

/// A tree, or a single file, kept in step with the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sync {
    /// Outside, absolute; the build context unless told.
    pub from: PathBuf,
    /// Whether [`from`](Self::from) is a file, and so `to` as well; what is not there yet counts
    /// as a folder.
    pub file: bool,
    /// Inside, absolute.
    pub to: String,
    /// Patterns (as in `.gitignore`, relative to `from`) outside of which nothing takes part; all
    /// does where there are none.
    pub include: Vec<String>,
    /// Patterns (as in `.gitignore`, relative to `from`) that are left alone.
    pub ignore: Vec<String>,
    /// Patterns (as in `.gitignore`, relative to `from`) of files which the container makes and
    /// the host is to have.
    pub back: Vec<String>,
    /// What else happens when some of it changes, relative to `from`.
    pub on: Vec<On>,
    /// Whether what the host does not have is removed inside.
    pub mirror: bool,
    /// Whether what differs is brought over when the container starts, and not only saves.
    pub initial: bool,
    /// To whom it belongs inside; unless told, to the container's user.
    pub owner: Option<Owner>,
    /// Permission bits of files; unless told, those of the host. Folders get an x beside each r.
    pub mode: Option<u32>,
    /// How long nothing must have changed before something is sent.
    pub settle: Duration,
    /// Where it is declared.
    pub at: Location,
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            from: PathBuf::new(),
            file: false,
            to: String::new(),
            include: Vec::new(),
            ignore: Vec::new(),
            back: Vec::new(),
            on: Vec::new(),
            mirror: false,
            initial: true,
            owner: None,
            mode: None,
            settle: Duration::ZERO,
            at: Location::default(),
        }
    }
}

/// A user and a group, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}
