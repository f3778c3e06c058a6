//! Everything that can happen to a session. Closed: a new kind of input is a new variant.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use devrun_stack::Stack;

use crate::certificate::Certificate;
use crate::observed::Observed;
use crate::plan::Rules;
use crate::spec::Image;

/// One operation on one service; an answer whose number is not the current one is dropped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Op {
    /// The service it works on.
    pub service: String,
    /// Which of its operations.
    pub number: u64,
}

/// What can happen.
#[derive(Debug, Clone)]
pub enum Event {
    /// The Stackfile was read, at the start or because it, or a file that it names, changed.
    Stackfile(Stackfile),
    /// From the watched trees.
    Watch(WatchEvent),
    /// From the engine.
    Engine(Observed),
    /// The connection to a container's agent ended.
    AgentGone {
        /// The container that it worked in.
        container: String,
    },
    /// Files that the container made are on the host now.
    BroughtBack {
        /// Of which service.
        service: String,
        /// Absolute, on the host.
        files: Vec<PathBuf>,
        /// What could not be brought.
        problems: Vec<Problem>,
    },
    /// The name of an image, with which images of the stack begin, means another one than before.
    BaseChanged {
        /// The name.
        base: String,
        /// The services whose images begin with it.
        services: Vec<String>,
    },
    /// An effect came to its one end.
    Done {
        /// Which.
        op: Op,
        /// How.
        outcome: Outcome,
    },
    /// Something on the way of an effect, for people.
    Progress {
        /// Which effect.
        op: Op,
        /// What.
        progress: Progress,
    },
    /// From the command line or the socket.
    Request(Request),
    /// Ctrl-C or a termination signal; the second one ends at once.
    Signal,
    /// The time that [`crate::session::Session::next_deadline`] asked for has come.
    Deadline,
}

/// A Stackfile, or why there is none.
#[derive(Debug, Clone)]
pub enum Stackfile {
    /// It is valid.
    Loaded {
        /// What it says.
        stack: Arc<Stack>,
        /// Its rules for files, compiled.
        rules: Arc<Rules>,
        /// The text of each proxy's own configuration, by service.
        proxy_configs: Vec<(String, String)>,
        /// The certificate of a proxy that speaks TLS, or why there is none; nothing where nobody
        /// has made one, because nothing is done.
        certificate: Option<Result<Certificate, String>>,
        /// Things worth saying, once.
        warnings: Vec<String>,
    },
    /// It is not; what runs goes on as it is.
    Rejected {
        /// The diagnostics as printed.
        message: String,
    },
}

/// From the watched trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    /// All watches are armed.
    Ready {
        /// Files below them.
        files: usize,
    },
    /// These paths (absolute) were made, changed or removed: look at them.
    Changed {
        /// Each once.
        paths: Vec<PathBuf>,
        /// Those of them that only `on` rules outside of sync may care about, and whose content is
        /// the one that was told of before. Others may have it too.
        same: Vec<PathBuf>,
        /// How long ago the first of it was noticed.
        age: Duration,
    },
    /// These paths (absolute) were made and are gone again, and nobody was told in between: what an
    /// editor writes before it gives it the name of the file that is saved. Whoever read files in
    /// that moment may have met them.
    Passed {
        /// In the order of their ends.
        paths: Vec<PathBuf>,
    },
    /// Events were lost: everything has to be compared again.
    Overflow {
        /// What was found to differ of that which no comparison with a container or an image is
        /// about: files of `on` rules outside of sync.
        changed: Vec<PathBuf>,
    },
    /// A tree can no longer be watched.
    Lost {
        /// Which.
        root: PathBuf,
        /// Why, and what to do.
        message: String,
    },
    /// What is looked at again and again, because the kernel does not tell all of it; replaces
    /// what was told before.
    Polled {
        /// By reason.
        polled: Vec<Polled>,
    },
}

/// Folders that are polled for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Polled {
    /// Nearly all lie in this one.
    pub folder: PathBuf,
    /// How many.
    pub folders: usize,
    /// Why.
    pub why: String,
}

/// How an effect ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Network, volumes and the agent's volume are there.
    Prepared {
        /// Volumes that were there before and have now been taken into use.
        existing: Vec<String>,
    },
    /// The image is there.
    Image {
        /// Which.
        image: Image,
        /// False where an equal one was there already.
        made: bool,
    },
    /// Saves were looked at.
    Looked {
        /// They certainly left all that the image was made of as it was.
        same: bool,
    },
    /// The container runs.
    Started {
        /// Its id.
        container: String,
        /// When its process started, by the engine's clock, nanoseconds since 1970.
        started_ns: i128,
        /// Things that the engine was told otherwise than declared (a limit above the machine's).
        warnings: Vec<String>,
        /// Paths (absolute, on the host) that had to be brought over before its process started.
        brought: Vec<PathBuf>,
    },
    /// Limits and restart policy are as asked for.
    Updated,
    /// The agent answers (or cannot run here) and the trees are in step.
    Attached {
        /// How changes travel.
        transport: Transport,
        /// Paths that were compared; `None` where nothing could be.
        compared: Option<usize>,
        /// Paths (absolute, on the host) that had to be brought over.
        changed: Vec<PathBuf>,
        /// Paths that were brought over before, and not known to have been followed by what they
        /// ask for.
        owed: Vec<PathBuf>,
        /// What `mirror` has removed, because the host does not have it.
        mirrored: Vec<PathBuf>,
        /// What could not be brought over.
        problems: Vec<Problem>,
        /// Commands of the last start that devrun made of it are not known to have ended well.
        owes_hooks: bool,
    },
    /// The trees are in step with these saves.
    Synced(Synced),
    /// A command of an `on` rule ended with 0.
    Executed,
    /// It was delivered.
    Signalled,
    /// The probe was answered well.
    Ready,
    /// A one-shot service ended.
    Completed {
        /// Its exit code.
        code: i64,
    },
    /// It is not ready and its time is over.
    NotReady {
        /// The last answer of the probe.
        output: String,
    },
    /// The proxy works with this configuration.
    ProxyApplied {
        /// Its number, read back from nginx.
        generation: u64,
    },
    /// The proxy's process has begun with another configuration than was put into its container.
    ProxyOther {
        /// What it said when it was asked for its number.
        answer: String,
    },
    /// The last lines of its log.
    Explained {
        /// Oldest first.
        lines: Vec<String>,
    },
    /// It does not run any more.
    Stopped {
        /// Its first process could not receive the signal to end, and was killed at once.
        deaf: bool,
    },
    /// It is not there any more.
    Removed,
    /// It is called otherwise.
    Renamed,
    /// It did not work.
    Failed(Failure),
}

impl Outcome {
    /// The same, where it is a start, with more that a person should know.
    #[must_use]
    pub fn warned(mut self, more: impl IntoIterator<Item = String>) -> Self {
        if let Outcome::Started { warnings, .. } = &mut self {
            warnings.extend(more);
        }
        self
    }
}

/// Why an effect did not work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failure {
    /// What happened, one line.
    pub message: String,
    /// More lines: output of the program, the Dockerfile's line.
    pub details: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// The container that it was about is not there any more.
    pub container_gone: bool,
    /// The container that was made all the same, and does not run.
    pub created: Option<String>,
    /// A port of the host that somebody else has.
    pub port: Option<u16>,
    /// The engine did not do what it does as a rule, and whatever it was asked to do is not to
    /// blame.
    pub refused: bool,
    /// The engine does not answer, or is about to end.
    pub away: bool,
    /// Nobody can have what was asked for: neither a new container nor asking once more would help.
    pub impossible: bool,
}

/// What a sync did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Synced {
    /// Paths written or removed.
    pub files: usize,
    /// Bytes sent.
    pub bytes: u64,
    /// Paths that were equal already.
    pub unchanged: usize,
    /// Of the paths asked for, those that really differed (absolute, on the host).
    pub changed: Vec<PathBuf>,
    /// What `mirror` has removed, because the host does not have it.
    pub mirrored: Vec<PathBuf>,
    /// What was refused.
    pub problems: Vec<Problem>,
    /// Large files that were not sent, so that nothing waits for them.
    pub large: Vec<PathBuf>,
}

/// A path that could not be brought over; the others were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which, on the host.
    pub path: PathBuf,
    /// Why.
    pub message: String,
}

/// How changes travel into a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Through the agent.
    Agent,
    /// Through the engine's archive and exec calls.
    Archive,
}

/// Of what ends a process, and of a container that takes the place of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MakingPart {
    /// Requests that were with it have ended, or had their time.
    Drained,
    /// The one before has ended.
    Stopped,
    /// The new one is there; it does not run yet.
    Created,
}

impl MakingPart {
    /// `drained`, `stopped`, `created`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            MakingPart::Drained => "drained",
            MakingPart::Stopped => "stopped",
            MakingPart::Created => "created",
        }
    }
}

/// On the way of an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// There is no such image yet: it is being built or pulled.
    Making,
    /// A part of the making of a container is over.
    Part(MakingPart),
    /// Its build cannot go on yet.
    Waits {
        /// Why.
        reason: String,
    },
    /// A step of a build.
    Step {
        /// `[dev 3/7] RUN pip install …`.
        name: String,
        /// It was in the cache.
        cached: bool,
        /// Milliseconds, once it is over.
        took_ms: Option<u64>,
    },
    /// A pull.
    Pull {
        /// What the engine says.
        status: String,
    },
    /// A probe that was not answered well.
    ProbeFailed {
        /// Its answer.
        output: String,
    },
}

/// From the command line or the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Start these, with what they depend on; empty means all that are not off.
    Up {
        /// Their names.
        services: Vec<String>,
        /// Profiles chosen.
        profiles: Vec<String>,
        /// Build images even if equal ones are there.
        build: bool,
        /// Make containers anew even if they are equal.
        recreate: bool,
    },
    /// Stop these, in reverse order, and keep them stopped; empty means all.
    Stop {
        /// Their names.
        services: Vec<String>,
    },
    /// Restart these, each once whom it depends on is up again; empty means all that are to run.
    Restart {
        /// Their names; one that does not run is started, with what it depends on.
        services: Vec<String>,
    },
    /// A terminal is on the process of this service: its saves wait.
    Attach {
        /// Its name.
        service: String,
    },
    /// That terminal is gone: what has waited is brought over.
    Detach {
        /// Its name.
        service: String,
    },
    /// Bring over what has waited for this, of services whose saves wait for somebody to say so.
    Trigger {
        /// Their names; empty means all.
        services: Vec<String>,
    },
    /// Compare the files of these with the host, and bring over what differs.
    Sync {
        /// Their names.
        services: Vec<String>,
    },
    /// End the session.
    End {
        /// Whether the services are stopped first.
        stop: bool,
    },
}
