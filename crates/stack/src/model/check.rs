//! `check`: what `ci` asks once all is ready.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{Command, Location};

/// A check of `ci`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What is asked.
    pub test: CheckTest,
    /// Variables of its command, besides those that are there anyway.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Checks that must have passed before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// How long one attempt may take; default 1 minute.
    pub timeout: Duration,
    /// How often it is tried again where it does not pass.
    pub retries: u32,
    /// A report to collect: from the container, relative to its working directory; of a command
    /// on the host relative to the Stackfile.
    pub junit: Option<String>,
    /// Where it is declared.
    pub at: Location,
}

/// What a check asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckTest {
    /// An address answers as expected.
    Http {
        /// A path at the entry point, or a whole URL.
        address: String,
        /// What it must answer.
        status: Statuses,
        /// What must stand in the answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        contains: Option<String>,
    },
    /// A command in a service's container ends with 0.
    Exec {
        /// Where it runs.
        service: String,
        /// What runs.
        command: Command,
    },
    /// A command in a container of its own on the stack's network ends with 0.
    Run {
        /// What the container is made from.
        inside: Inside,
        /// What runs.
        command: Command,
    },
    /// A command on this machine, in the Stackfile's folder, ends with 0.
    Host {
        /// What runs.
        command: Command,
    },
}

impl CheckTest {
    /// The word by which it is declared.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::Exec { .. } => "exec",
            Self::Run { .. } => "run",
            Self::Host { .. } => "host",
        }
    }
}

/// What the container of a check is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inside {
    /// As that service: its image, environment, volumes, files.
    Service(String),
    /// That image, and nothing else.
    Image(String),
}

/// Answers over HTTP that are fine, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Statuses {
    /// The lowest.
    pub from: u16,
    /// The highest.
    pub to: u16,
}

impl Statuses {
    /// All that say that it went well.
    pub const FINE: Statuses = Statuses { from: 200, to: 299 };

    /// Whether this answer is one of them.
    #[must_use]
    pub fn has(self, status: u16) -> bool {
        (self.from..=self.to).contains(&status)
    }
}

impl std::fmt::Display for Statuses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Statuses { from, to } = self;
        if from == to {
            write!(f, "{from}")
        } else if from % 100 == 0 && *to == from + 99 {
            write!(f, "{}xx", from / 100)
        } else {
            write!(f, "{from}-{to}")
        }
    }
}
