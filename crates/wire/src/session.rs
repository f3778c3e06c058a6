//! Between the command line and a running session: one JSON object a line, over a local socket.

use serde::{Deserialize, Serialize};

/// What a command asks of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// How are things? Answered by one [`Tell::Status`].
    Status {
        /// Only after every save up to now has been noticed.
        caught_up: bool,
    },
    /// All notices from now on, and before them those so far; never ends by itself.
    Follow,
    /// The notices so far.
    History,
    /// Apply this; then as [`Ask::Follow`], but only what happens from now on.
    Up {
        /// Services to start; empty means all.
        services: Vec<String>,
        /// Profiles chosen.
        profiles: Vec<String>,
        /// Variables of the caller's shell that the Stackfile may use.
        variables: Vec<(String, String)>,
        /// Build images even if equal ones are there.
        build: bool,
        /// Make containers anew even if they are equal.
        recreate: bool,
    },
    /// What would be done if this were applied. Answered by one [`Tell::Foreseen`].
    Foresee {
        /// Services to start; empty means all.
        services: Vec<String>,
        /// Profiles chosen.
        profiles: Vec<String>,
        /// Variables of the caller's shell that the Stackfile may use.
        variables: Vec<(String, String)>,
        /// Build images even if equal ones are there.
        build: bool,
        /// Make containers anew even if they are equal.
        recreate: bool,
        /// What the Stackfile is to say, absolute.
        file: String,
    },
    /// Stop these services and keep them stopped. Answered by [`Tell::Status`] once they are.
    Stop {
        /// Their names; never empty.
        services: Vec<String>,
    },
    /// Restart these services in order of their dependencies; then as [`Ask::Follow`], but only
    /// what happens from now on.
    Restart {
        /// Their names; empty means all that are to run.
        services: Vec<String>,
    },
    /// A terminal is on the process of this service: its saves wait for as long as this connection
    /// stands. Answered by one [`Tell::Status`].
    Attach {
        /// Its name.
        service: String,
    },
    /// Bring over what waits for somebody to say so; then as [`Ask::Follow`], but only what happens
    /// from now on.
    Trigger {
        /// Their names; empty means all.
        services: Vec<String>,
    },
    /// Compare the files of these services with the host and bring over what differs; then as
    /// [`Ask::Follow`], but only what happens from now on.
    Sync {
        /// Their names; never empty.
        services: Vec<String>,
    },
    /// Compare the files of these services with the host, and change nothing. Answered by one
    /// [`Tell::Verified`].
    Verify {
        /// Their names; never empty.
        services: Vec<String>,
    },
    /// Write these files of a container onto the host, where they are then known to have come from
    /// there. Answered by one [`Tell::Pulled`].
    Pull {
        /// Whose.
        service: String,
        /// Which; never empty.
        files: Vec<PullFile>,
    },
    /// End the session, after stopping the services if asked. The connection ends with it.
    End {
        /// Stop the services first.
        stop: bool,
    },
}

/// What a session answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "kebab-case")]
pub enum Tell {
    /// How things are.
    Status {
        /// In the shape of `devrun status --format json`.
        status: Status,
    },
    /// One notice, in the shape of `devrun events`.
    Notice {
        /// The object.
        notice: serde_json::Value,
    },
    /// What would be done.
    Foreseen {
        /// In their order.
        steps: Vec<PlannedStep>,
        /// What would be said.
        warnings: Vec<String>,
        /// Nothing would be done, because of the last of these.
        fails: bool,
    },
    /// What a comparison found.
    Verified {
        /// In the order in which they were asked for.
        services: Vec<Compared>,
    },
    /// What became of files that were to come onto the host.
    Pulled {
        /// In the order in which they were asked for: why it did not come, where it did not.
        reasons: Vec<Option<String>>,
    },
    /// It was not done.
    Refused {
        /// Why, for people.
        message: String,
    },
}

/// Something that would be done to a service, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its name.
    pub service: String,
    /// `create`, `recreate`, `keep`, …
    pub action: String,
    /// Why.
    pub reason: String,
}

/// A file of a container that the host is to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullFile {
    /// Where it is to lie, absolute; bytes, because names may be any.
    pub path: Vec<u8>,
    /// The target of its `sync`, as the Stackfile says it.
    pub target: String,
    /// When what lies there was changed last, nanoseconds since 1970: what changes after that
    /// stays. `None` where nothing is.
    pub modified_ns: Option<i64>,
}

/// What a comparison of host and container found, in the shape of `devrun sync --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Compared {
    /// Its name.
    pub service: String,
    /// Paths that were compared.
    pub compared: usize,
    /// How many of them were brought over, or removed in the container.
    #[serde(skip_serializing_if = "is_none", default)]
    pub brought: usize,
    /// The first of those.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub changed: Vec<String>,
    /// What differs.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub differences: Vec<Difference>,
    /// What could not be compared, or not be brought over.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub problems: Vec<NotSynced>,
    /// Why nothing was compared.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// A path that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// On the host, relative to the Stackfile's folder where it lies in that.
    pub path: String,
    /// `missing`, `differs`, `mode` or `extra`, as the container is seen from the host.
    pub kind: String,
}

/// `devrun status --format json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The stack's name.
    pub stack: String,
    /// Its Stackfile.
    pub file: String,
    /// The session that watches, if there is one.
    pub session: Option<SessionInfo>,
    /// The entry point, if there is one.
    pub proxy: Option<ProxyInfo>,
    /// All services, in order of declaration.
    pub services: Vec<ServiceStatus>,
    /// All that was asked for is ready, or will not become so. Missing without a session.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub settled: Option<bool>,
    /// What is wrong with the Stackfile as it was saved last, or with a file that it reads: the one
    /// before is in force. Missing where nothing is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wrong: Option<String>,
    /// What is watched. Missing without a session, and with one that does not watch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub watch: Option<WatchInfo>,
}

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchInfo {
    /// How many files.
    pub files: usize,
    /// What of it is looked at again and again, because the kernel does not tell all of it.
    pub polled: Vec<PolledInfo>,
}

/// Folders that are polled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolledInfo {
    /// Nearly all lie in this one.
    pub folder: String,
    /// How many.
    pub folders: usize,
    /// Why.
    pub why: String,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// Its process.
    pub pid: u32,
    /// Since when, RFC 3339.
    pub since: String,
    /// Where its engine listens, as a URL.
    #[serde(default)]
    pub engine: String,
}

/// The entry point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyInfo {
    /// As a browser says it.
    pub url: String,
    /// The number of its configuration; 0 without a session.
    pub generation: u64,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// The name in the Stackfile, where it is one of several replicas.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub service: Option<String>,
    /// `waiting`, `building`, `pulling`, `starting`, `ready`, `updating`, `unhealthy`, `failed`,
    /// `stopped`, `done`, `off`.
    pub state: String,
    /// `healthy`, `unhealthy`, `starting`; null without a health check or a process.
    pub health: Option<String>,
    /// Why it is in this state.
    pub reason: Option<String>,
    /// More about the reason: last log lines, the probe's answer.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub details: Vec<String>,
    /// Since when, RFC 3339.
    pub since: Option<String>,
    /// How its process ended.
    pub exit_code: Option<i64>,
    /// Its container.
    pub container: Option<ContainerInfo>,
    /// Its image.
    pub image: Option<String>,
    /// Published ports.
    pub ports: Vec<PortInfo>,
    /// Paths that lead to it.
    pub routes: Vec<String>,
    /// Times that its process was started again.
    pub restarts: u32,
    /// How saves reach it; null without sync rules.
    pub sync: Option<SyncInfo>,
    /// Saves that are not live yet, also where nothing is synced; without those that wait for a
    /// trigger.
    #[serde(skip_serializing_if = "is_none", default)]
    pub pending: usize,
    /// Rules that do nothing any more, because they trigger themselves.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub paused: Vec<PausedRule>,
    /// What runs is older than what was saved, because its last build failed.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub stale: bool,
    /// How long its last start took, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub start_ms: Option<u64>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_none(count: &usize) -> bool {
    *count == 0
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerInfo {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortInfo {
    /// On the host.
    pub host: u16,
    /// In the container.
    pub container: u16,
}

/// How saves reach a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncInfo {
    /// `agent` or `archive`; null before the first contact.
    pub transport: Option<String>,
    /// `live`, `pending`, `verifying`.
    pub state: String,
    /// Saves that are not live yet.
    pub pending: usize,
    /// For what these wait, if it is not for devrun: `terminal` (of `attach`), `trigger`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub held: Option<String>,
    /// Paths that could not be brought over, the first few.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub not_synced: Vec<NotSynced>,
}

/// A rule that does nothing until somebody says so, or the Stackfile is saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedRule {
    /// Where it stands: `Stackfile.kdl:71`.
    pub rule: String,
    /// The file that is changed by what its own save triggers.
    pub path: String,
}

/// A path that could not be brought over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotSynced {
    /// Which, relative to the Stackfile.
    pub path: String,
    /// Why.
    pub reason: String,
}
