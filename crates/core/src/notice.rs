//! The outward stream: one line for people, one object for programs.

use serde::{Deserialize, Serialize};

/// Something that happened, with its number and what led to it. The shell adds the time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Counts up from 1 within a session.
    pub seq: u64,
    /// The `seq` of what led to it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<u64>,
    /// What.
    #[serde(flatten)]
    pub event: NoticeEvent,
    /// Of which service.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub service: Option<String>,
    /// How long it took, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub took_ms: Option<f64>,
}

/// A part of an update, or of a start, and how long it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// `waited`, `image` (looked for, and found), `pulled`, `built`, `given-up` (a build that a
    /// newer save made worthless), `drained` (requests inside), `stopped`, `created`, `started`, `restarted`, `compared`,
    /// `synced`, `ran` (a command), `post-start`, `signalled`, `routed`, `probed` (until ready).
    pub what: String,
    /// For what was waited: `quiet`, `settle`, `devrun trigger`, the name of a service, …
    #[serde(rename = "for", skip_serializing_if = "Option::is_none", default)]
    pub of: Option<String>,
    /// Milliseconds.
    pub took_ms: f64,
    /// The slowest step of a build.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub slowest: Option<Step>,
}

/// A step of a build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Milliseconds.
    pub took_ms: f64,
}

/// Something that is not done about a save, and why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuledOut {
    /// `sync`, `exec`, `signal`, `restart`, `recreate`, `rebuild`.
    pub what: String,
    /// Why, for people, with the place: `a sync rule covers it (Stackfile.kdl:31)`.
    pub because: String,
    /// The saved file that it is about, relative to the Stackfile.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
    /// The file that says so, relative to the Stackfile.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<String>,
    /// Its line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<usize>,
}

impl RuledOut {
    /// `not synced: web/setup.txt is read by web/Dockerfile:7`.
    #[must_use]
    pub fn said(&self) -> String {
        let done = match self.what.as_str() {
            "sync" => "synced",
            "exec" => "run in it",
            "signal" => "signalled",
            "restart" => "restarted",
            "recreate" => "recreated",
            "rebuild" => "rebuilt",
            other => other,
        };
        format!("not {done}: {}", self.because)
    }
}

/// Why a rule of a service does nothing any more, for people.
#[must_use]
pub fn said_of_paused(service: &str, rule: &str, path: &str) -> String {
    format!(
        "{rule} is paused: {path} is changed each time by what its own save triggers; `ignore` it, \
         or have it written elsewhere. `devrun trigger {service}`, or a save of the Stackfile, goes on"
    )
}

/// What happened; the fields of each kind are part of the contract with scripts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum NoticeEvent {
    /// A session begins.
    SessionStarted {
        /// The stack.
        stack: String,
        /// Its file.
        file: String,
        /// How many services will be started.
        services: usize,
    },
    /// A service went from one state to another.
    ServiceState {
        /// Before.
        from: String,
        /// Now.
        to: String,
        /// Why.
        reason: Option<String>,
        /// More for people: last log lines, the probe's answer.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        details: Vec<String>,
        /// Of a start: how long each part took.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        parts: Vec<Part>,
    },
    /// All that was asked for is ready, or will not become so.
    Settled {
        /// All is ready.
        ready: bool,
        /// Files that are watched.
        watching: usize,
    },
    /// The Stackfile, or a file that it names, says something else from now on.
    StackfileChanged,
    /// Files were saved.
    FilesChanged {
        /// How many.
        count: usize,
        /// The first of them, relative to the Stackfile.
        paths: Vec<String>,
    },
    /// What will be done about it.
    UpdatePlanned {
        /// `sync`, `sync+restart`, `rebuild`, …
        action: String,
        /// Why: path and rule.
        reason: String,
        /// What was not chosen, and why not.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        ruled_out: Vec<RuledOut>,
    },
    /// Files are live.
    Synced {
        /// How many were written or removed.
        files: usize,
        /// Bytes sent.
        bytes: u64,
    },
    /// What could not be brought over before is live now.
    SyncMended {
        /// How many paths.
        count: usize,
        /// The first of them, relative to the Stackfile.
        paths: Vec<String>,
    },
    /// All that is synced was compared with the host; what differed was brought over.
    Compared {
        /// Paths that take part.
        compared: usize,
        /// How many were brought over or removed.
        changed: usize,
        /// The first of those, relative to the Stackfile.
        paths: Vec<String>,
        /// How many could not be brought over.
        refused: usize,
    },
    /// `mirror` has removed what the host does not have.
    Mirrored {
        /// How many.
        count: usize,
        /// The first of them, as if they were on the host, relative to the Stackfile.
        paths: Vec<String>,
    },
    /// `back`, or `pull-files`, has brought files of the container to the host.
    BroughtBack {
        /// How many.
        count: usize,
        /// The first of them, relative to the Stackfile.
        paths: Vec<String>,
    },
    /// An update is over.
    UpdateDone {
        /// `ok`, `incomplete` (some paths could not be brought over) or `failed`.
        outcome: String,
        /// What was done: `synced, restarted`.
        action: String,
        /// The paths that led to it, shortened for people.
        paths: String,
        /// Why it failed.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        details: Vec<String>,
        /// How long each part took.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        parts: Vec<Part>,
    },
    /// An image is being built.
    BuildStarted {
        /// Why.
        reason: String,
    },
    /// A step of it.
    BuildStep {
        /// Its name.
        name: String,
        /// It was in the cache.
        cached: bool,
    },
    /// An image is there.
    BuildDone {
        /// `ok`, `unchanged` or `failed`.
        outcome: String,
        /// The image.
        image: String,
    },
    /// A probe was not answered well.
    ProbeFailed {
        /// Its answer.
        output: String,
    },
    /// The proxy works with another configuration.
    RoutesApplied {
        /// Its number.
        generation: u64,
    },
    /// A line of a service's log.
    Log {
        /// `stdout` or `stderr`.
        stream: String,
        /// The line.
        text: String,
    },
    /// Something a person should know.
    Warning {
        /// What.
        message: String,
    },
    /// A rule triggers itself, and does nothing any more.
    RulePaused {
        /// Where it stands: `Stackfile.kdl:71`.
        rule: String,
        /// The file that is changed by what its own save triggers, relative to the Stackfile.
        path: String,
    },
    /// It acts again: somebody said so, or the Stackfile was saved.
    RuleResumed {
        /// Where it stands.
        rule: String,
    },
    /// A check of `devrun ci` is over.
    CheckDone {
        /// Its name.
        check: String,
        /// `ok`, `failed`, or `skipped` where one that it depends on did not pass.
        outcome: String,
        /// How often it was tried; more than once and `ok` is flaky.
        #[serde(skip_serializing_if = "is_one", default = "one")]
        attempts: usize,
        /// Where it is declared: `Stackfile.kdl:142`.
        at: String,
        /// Why it failed.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        details: Vec<String>,
    },
    /// A run of `devrun ci` is over.
    RunEnded {
        /// `passed`, `failed`, `timed-out`, `interrupted`, `no-engine`.
        outcome: String,
        /// Its exit code.
        code: u8,
        /// Why, where it did not pass.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        reasons: Vec<String>,
    },
    /// A session ends.
    SessionEnded {
        /// With this exit code.
        code: u8,
    },
}

fn one() -> usize {
    1
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
fn is_one(count: &usize) -> bool {
    *count == 1
}
