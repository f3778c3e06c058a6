//! What the shell is asked to do: plain data, so that tests compare lists.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use devrun_stack::{Build, Command, Content, Network, Probe, Pull, Volume};

use crate::event::Op;
use crate::live::Live;
use crate::notice::Notice;
use crate::plan::Rules;
use crate::spec::ContainerSpec;

/// What is to be done. Each effect with an [`Op`] ends in exactly one `Done` for it.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Make networks and volumes where they are missing.
    Prepare {
        /// Which; its service is empty.
        op: Op,
        /// The networks.
        networks: Vec<Network>,
        /// The volumes.
        volumes: Vec<Volume>,
    },
    /// Have this image, by pulling if it is missing.
    Pull {
        /// Which.
        op: Op,
        /// The reference.
        image: String,
        /// Whether its registry is asked.
        policy: Pull,
        /// Which of its variants, unless the engine's own.
        platform: Option<String>,
    },
    /// Have an image of these inputs, by building if none is there.
    Build {
        /// Which.
        op: Op,
        /// What it is built from.
        build: Box<Build>,
        /// Name on the engine, without the tag: `app-backend`.
        name: String,
        /// All that the build reads counts, also what is synced.
        whole: bool,
    },
    /// See whether these saves changed anything of what that image was made of; nothing waits for
    /// the answer.
    Look {
        /// Which.
        op: Op,
        /// The image in use.
        image: String,
        /// Absolute paths on the host.
        paths: Vec<PathBuf>,
    },
    /// Make a container and start it.
    Create {
        /// Which.
        op: Op,
        /// What it is made of.
        spec: Box<ContainerSpec>,
        /// Stopped and removed first.
        replaces: Option<Old>,
        /// Written into the container before it starts.
        files: Vec<PutFile>,
    },
    /// Start a container that exists. What is synced is brought over first.
    Start {
        /// Which.
        op: Op,
        /// Its id.
        container: String,
        /// Written into the container before it starts.
        files: Vec<PutFile>,
    },
    /// Change limits and restart policy of a container that is there; its process does not notice.
    Update {
        /// Which.
        op: Op,
        /// Its id.
        container: String,
        /// What is to hold.
        live: Live,
        /// Memory and swap together, bytes, where that is declared.
        memory_swap: Option<i64>,
    },
    /// Restart the same container.
    Restart {
        /// Which.
        op: Op,
        /// Its id.
        container: String,
        /// How long it may take to end; one that cannot receive the signal is killed at once.
        grace: Duration,
    },
    /// Start the agent in it and bring over what differs.
    Attach {
        /// Which.
        op: Op,
        /// Its id.
        container: String,
    },
    /// Ask until it is ready.
    Probe {
        /// Which.
        op: Op,
        /// Its id.
        container: String,
        /// What is asked.
        probe: Probe,
        /// How long one answer may take.
        timeout: Duration,
        /// When to give up, counted from now.
        give_up: Duration,
    },
    /// Bring these saves over.
    Sync {
        /// Which.
        op: Op,
        /// Its id.
        container: String,
        /// It runs; if not, the engine's archive call is the only way.
        running: bool,
        /// Absolute paths on the host, all covered by the service's rules.
        paths: Vec<PathBuf>,
    },
    /// Bring these large files over, beside whatever else is under way; ends with `Synced`.
    SyncLarge {
        /// Which.
        op: Op,
        /// Its id.
        container: String,
        /// Absolute paths on the host, as a sync left them.
        paths: Vec<PathBuf>,
    },
    /// Bring over all that is synced, by the engine's archive call; ends with `Synced`.
    Push {
        /// Which.
        op: Op,
        /// Its id.
        container: String,
    },
    /// Run a command of an `on` rule in it.
    Exec {
        /// Which.
        op: Op,
        /// Its id.
        container: String,
        /// What runs.
        command: Command,
    },
    /// Send a signal to its process.
    Signal {
        /// Which.
        op: Op,
        /// Its id.
        container: String,
        /// `HUP`.
        signal: String,
    },
    /// Give the running proxy another configuration: tested, applied, read back.
    ProxyApply {
        /// Which.
        op: Op,
        /// Its id.
        container: String,
        /// The whole `nginx.conf`.
        config: String,
        /// What it names besides.
        certificate: Option<PutFile>,
        /// The number that it answers with.
        generation: u64,
        /// Where it is asked, inside; see [`crate::routes::number_url`].
        url: String,
    },
    /// Ask a proxy whose process has just begun which configuration it works with.
    ProxyRead {
        /// Which.
        op: Op,
        /// Its id.
        container: String,
        /// The number that it is to answer with.
        generation: u64,
        /// Where it is asked, inside; see [`crate::routes::number_url`].
        url: String,
    },
    /// The commands of this start have ended well. Has no `Done`.
    HooksOver {
        /// The container.
        container: String,
    },
    /// What was brought into it has been followed by all that it asks for. Has no `Done`.
    FollowsOver {
        /// The container.
        container: String,
    },
    /// Remove the images of these names that need not stay, see [`crate::keep`]. Has no `Done`.
    TidyImages {
        /// How many stay of each name, which has no tag.
        kept: BTreeMap<String, u32>,
    },
    /// Tell the running proxy which services are ready, and why others are not. Has no `Done`.
    ProxyStates {
        /// The proxy's container.
        container: String,
        /// Of all services with routes.
        states: Vec<RouteState>,
    },
    /// Fetch the last lines of its log, to explain why it failed.
    Explain {
        /// Which.
        op: Op,
        /// Its id.
        container: String,
    },
    /// Stop it; it is kept.
    Stop {
        /// Which.
        op: Op,
        /// Its id.
        container: String,
        /// How long it may take to end; one that cannot receive the signal is killed at once.
        grace: Duration,
    },
    /// Stop it and remove it; its volumes stay.
    Remove {
        /// Which.
        op: Op,
        /// Its id.
        container: String,
        /// How long it may take to end; one that cannot receive the signal is killed at once.
        grace: Duration,
    },
    /// Call it otherwise.
    Rename {
        /// Which.
        op: Op,
        /// Its id.
        container: String,
        /// What it is called from now on.
        name: String,
    },
    /// Whatever still runs for that operation is to be given up; its `Done` will be dropped.
    Cancel {
        /// Which.
        op: Op,
    },
    /// Watch these trees from now on.
    Watch {
        /// The rules say what lies in them that matters.
        rules: Arc<Rules>,
    },
    /// Tell the world.
    Notice(Notice),
    /// End the program.
    Exit(Exit),
}

impl Effect {
    /// The operation that it begins, if it does.
    #[must_use]
    pub fn op(&self) -> Option<&Op> {
        match self {
            Effect::Prepare { op, .. }
            | Effect::Pull { op, .. }
            | Effect::Build { op, .. }
            | Effect::Look { op, .. }
            | Effect::Create { op, .. }
            | Effect::Start { op, .. }
            | Effect::Update { op, .. }
            | Effect::Restart { op, .. }
            | Effect::Attach { op, .. }
            | Effect::Probe { op, .. }
            | Effect::Sync { op, .. }
            | Effect::SyncLarge { op, .. }
            | Effect::Push { op, .. }
            | Effect::Exec { op, .. }
            | Effect::Signal { op, .. }
            | Effect::ProxyApply { op, .. }
            | Effect::ProxyRead { op, .. }
            | Effect::Explain { op, .. }
            | Effect::Stop { op, .. }
            | Effect::Rename { op, .. }
            | Effect::Remove { op, .. } => Some(op),
            Effect::HooksOver { .. }
            | Effect::FollowsOver { .. }
            | Effect::TidyImages { .. }
            | Effect::ProxyStates { .. }
            | Effect::Cancel { .. }
            | Effect::Watch { .. }
            | Effect::Notice(_)
            | Effect::Exit(_) => None,
        }
    }
}

/// A container that makes room for its successor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Old {
    /// Its id.
    pub container: String,
    /// How long it may take to end; one that cannot receive the signal is killed at once.
    pub grace: Duration,
}

/// A file that is put into a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutFile {
    /// Absolute, inside.
    pub path: String,
    /// Its content.
    pub content: Content,
    /// Permission bits.
    pub mode: u32,
    /// It belongs to the container's user, and not to root.
    pub for_user: bool,
    /// The folder that it is unpacked in: `/`, or the volume that it lies in where the root
    /// cannot be written.
    pub below: String,
}

impl PutFile {
    /// A file that devrun itself makes, and everybody may read.
    #[must_use]
    pub fn text(path: String, text: String) -> PutFile {
        PutFile {
            path,
            content: Content(text.into_bytes()),
            mode: 0o644,
            for_user: false,
            below: "/".to_owned(),
        }
    }
}

/// What the proxy has to know of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteState {
    /// Its name.
    pub service: String,
    /// It gets requests.
    pub ready: bool,
    /// `starting`, `building`, … as `status` says it.
    pub state: &'static str,
    /// Why it is not ready, for the page.
    pub reason: String,
    /// More lines about the reason: what it said last.
    pub lines: Vec<String>,
    /// How long a request may wait for it; zero where there is nothing to wait for.
    pub hold: Duration,
    /// Containers that take its requests.
    pub containers: Vec<String>,
    /// Its name also means a container that takes none: only addresses tell them apart.
    pub doubled: bool,
}

/// The only way to an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: a service, task or check failed.
    Failed,
    /// 2: usage, or the Stackfile is wrong.
    Usage,
    /// 3: no engine answers.
    NoEngine,
    /// 4: a wait ran out of time.
    TimedOut,
    /// 130: interrupted before it was ready.
    Interrupted,
}

impl Exit {
    /// The code that the shell sees.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NoEngine => 3,
            Exit::TimedOut => 4,
            Exit::Interrupted => 130,
        }
    }
}
