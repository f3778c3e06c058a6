//! What a container is made of, and the hash by which a difference is noticed.

use std::collections::BTreeMap;
use std::time::Duration;

use devrun_stack::{Attachment, Logging, Resources, Restart, Settings};
use serde::Serialize;

use crate::live::Live;

/// Names of the labels that devrun puts on what it makes.
pub mod label {
    /// The stack that it belongs to.
    pub const STACK: &str = "devrun.stack";
    /// The service, on containers.
    pub const SERVICE: &str = "devrun.service";
    /// Hash of what cannot be changed without recreating.
    pub const SPEC: &str = "devrun.spec";
    /// Hash of each part of the former, `image=… environment=…`, so that a reason can be printed.
    pub const PARTS: &str = "devrun.parts";
    /// Hash of the checkout's path.
    pub const ROOT: &str = "devrun.root";
    /// The checkout's path, for people.
    pub const ROOT_PATH: &str = "devrun.root-path";
    /// What it depends on, separated by commas, so that it can be stopped without a Stackfile.
    pub const DEPENDS_ON: &str = "devrun.depends-on";
    /// Milliseconds that it may take to end, where it is told; so that `down` knows it too.
    pub const GRACE: &str = "devrun.grace";
    /// Commands that run inside before it is told to end, argument vectors as JSON.
    pub const PRE_STOP: &str = "devrun.pre-stop";
    /// What is declared as several: the name in the Stackfile, which the replicas share.
    pub const REPLICA_OF: &str = "devrun.replica-of";
    /// The run of `devrun ci` that it belongs to.
    pub const RUN: &str = "devrun.run";
    /// The service whose `devrun run` it serves, on containers that end with one command. They have
    /// no [`SERVICE`]: nobody is to take them for the service itself.
    pub const ONE_OFF: &str = "devrun.one-off";
    /// `1` where PID 1 is not waited for (it catches no signal); see `stop`.
    pub const AGENT: &str = "devrun.agent";
}

/// Everything that the engine is told when a container is made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContainerSpec {
    /// Its name on the engine, `app-db`.
    pub name: String,
    /// The service it is of.
    pub service: String,
    /// What it is made from: a tag for people.
    pub image: String,
    /// The image's id: what it is really made from.
    pub image_id: String,
    /// Replaces the image's command.
    pub command: Option<Vec<String>>,
    /// All variables of the service.
    pub environment: BTreeMap<String, String>,
    /// All labels, those of [`label`] included.
    #[serde(skip)]
    pub labels: BTreeMap<String, String>,
    /// Networks by their names on the engine, each with the names on it; none where the settings
    /// have a network mode.
    pub networks: Vec<Attachment>,
    /// Published ports.
    pub ports: Vec<PortSpec>,
    /// What is mounted, the agent's volume not included.
    pub mounts: Vec<devrun_stack::Mount>,
    /// The engine's own health check.
    pub healthcheck: Option<HealthSpec>,
    /// An init as PID 1.
    pub init: bool,
    /// What the engine does when it ends.
    pub restart: Restart,
    /// Where its output goes.
    pub logging: Option<Logging>,
    /// Upper bounds.
    pub limits: Resources,
    /// What it is promised; for CPUs a share, as the engine has no reservation of CPUs.
    pub reservations: Resources,
    /// Folders that are volumes without a name, because files are put there and the root cannot
    /// be written.
    pub folders: Vec<String>,
    /// What is passed on as it stands.
    pub settings: Settings,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PortSpec {
    /// Address on the host.
    pub bind: String,
    /// Port on the host.
    pub host: u16,
    /// Port in the container.
    pub container: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// The engine's health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthSpec {
    /// In the engine's form: `["CMD", …]` or `["CMD-SHELL", …]`.
    pub test: Vec<String>,
    /// Pause between probes.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// Failures in a row that make it unhealthy.
    pub retries: u32,
    /// Failures within this time after the start do not count.
    pub start_period: Duration,
}

/// A container as the engine describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The engine's id.
    pub id: String,
    /// Its name, without the slash.
    pub name: String,
    /// All its labels.
    pub labels: BTreeMap<String, String>,
    /// What it is doing.
    pub state: ContainerState,
    /// What the engine's health check says; `None` without one.
    pub health: Option<Health>,
    /// How it ended last; `None` while it runs.
    pub exit_code: Option<i64>,
    /// When it started last, RFC 3339 as the engine says it.
    pub started_at: String,
    /// The same in nanoseconds since 1970; 0 for never.
    pub started_ns: i128,
    /// When it ended last, RFC 3339 as the engine says it.
    pub finished_at: String,
    /// Times that the engine started it again by itself.
    pub restarts: u32,
    /// The image's id.
    pub image_id: String,
    /// The image's name, for people.
    pub image: String,
    /// Published ports.
    pub ports: Vec<PortSpec>,
    /// Limits and restart policy.
    pub live: Live,
}

/// In the names of containers that are not, or no more, the one of their service.
const ASIDE: [&str; 2] = [".devrun-next-", ".devrun-old-"];

/// What a container is called until the one in whose place it comes is gone; nobody else makes
/// one of the same name under that `mark`.
#[must_use]
pub fn next_name(name: &str, mark: &str) -> String {
    format!("{name}{}{mark}", ASIDE[0])
}

/// What a container is called once another one has its place.
#[must_use]
pub fn old_name(name: &str, mark: &str) -> String {
    format!("{name}{}{mark}", ASIDE[1])
}

/// What a container is called that serves beside another one, or is about to, where they roll. No
/// container of another service is called so.
const BESIDE: &str = ".devrun-beside";

/// Whether a container of that name has left its place to another one: it is being removed.
#[must_use]
pub fn has_left(name: &str) -> bool {
    name.contains(ASIDE[1])
}

/// What one is called that stands beside the container of that name.
#[must_use]
pub fn beside_name(name: &str) -> String {
    format!("{name}{BESIDE}")
}

/// The name that a container has in its place.
#[must_use]
pub fn own_name(name: &str) -> &str {
    let marks = ASIDE.iter().chain([&BESIDE]);
    let ends = marks.filter_map(|mark| name.find(mark));
    ends.min().map_or(name, |end| &name[..end])
}

impl Container {
    /// It is about to take the place of another one, or has left it: nobody needs it but who makes
    /// it just now.
    #[must_use]
    pub fn is_aside(&self) -> bool {
        ASIDE.iter().any(|mark| self.name.contains(mark))
    }

    /// The service it is of; empty if the label is missing.
    #[must_use]
    pub fn service(&self) -> &str {
        self.label(label::SERVICE)
    }

    /// The value of a label; empty if it is missing.
    #[must_use]
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Its process runs.
    Running,
    /// It ended and the engine is about to start it again.
    Restarting,
    /// Frozen.
    Paused,
    /// Its process ended.
    Exited,
    /// Half removed.
    Dead,
}

/// What the engine's health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Not known yet.
    Starting,
    /// Fine.
    Healthy,
    /// Not fine.
    Unhealthy,
}

/// What is known of an image on the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Image {
    /// Its id.
    pub id: String,
    /// A name for people, `app-backend:1f3c…`.
    pub name: String,
    /// When it was made or got its name, RFC 3339; empty where that is not known.
    pub created: String,
    /// `WORKDIR`.
    pub working_dir: String,
    /// `EXPOSE`d TCP ports.
    pub exposed: Vec<u16>,
    /// The image's own health check, if it has one.
    pub has_healthcheck: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The version of nginx, where it says one.
    pub nginx: Option<String>,
}
