//! What is passed on to the engine as it stands.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::Command;

/// Settings of a service's container that mean nothing to devrun itself.
///
/// Each that was said is a part of its own in what a container is made of, under the word by
/// which it is said; so what was not said is not serialised.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    /// Replaces the image's entrypoint, and with it the image's command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Command>,
    /// Whom the process runs as, `1000:1000`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Groups besides the user's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group_add: Vec<String>,
    /// Where the process begins, absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// What the container calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The domain of that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domainname: Option<String>,
    /// Instead of networks: `host`, `none`, `container:NAME`, or `service:NAME`, which stands for
    /// the container of that service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_mode: Option<String>,
    /// `host`: sees the processes of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<String>,
    /// `host`, `private`, `shareable` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipc: Option<String>,
    /// `host`: has the machine's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uts: Option<String>,
    /// `host`: its users are those of the machine, where the engine maps them otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userns_mode: Option<String>,
    /// The control group that its own lies in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup_parent: Option<String>,
    /// The program by which the engine runs it, `runsc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The processors that it may use, `0-3,7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset: Option<String>,
    /// Memory and swap together, bytes; −1 is without limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swap: Option<i64>,
    /// So many processes at most; −1 is without limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids_limit: Option<i64>,
    /// How soon it is ended when the machine's memory runs out, −1000 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i64>,
    /// Names that the container knows besides those of the network, each with its address.
    #[serde(rename = "extra-host", skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_hosts: BTreeMap<String, String>,
    /// Name servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    /// Domains in which short names are looked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_search: Vec<String>,
    /// Settings of the resolver, `ndots:1`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_opt: Vec<String>,
    /// Ports that are told to the engine and not published, `9000/tcp`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expose: Vec<String>,
    /// File systems in memory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tmpfs: Vec<Tmpfs>,
    /// The root file system cannot be written.
    #[serde(skip_serializing_if = "is_no")]
    pub read_only: bool,
    /// Standard input stays open.
    #[serde(skip_serializing_if = "is_no")]
    pub stdin_open: bool,
    /// The process has a terminal.
    #[serde(skip_serializing_if = "is_no")]
    pub tty: bool,
    /// By which it is told to end, `QUIT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// How long it may take to end before it is killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_grace_period: Option<Duration>,
    /// May do almost all that root of the machine may.
    #[serde(skip_serializing_if = "is_no")]
    pub privileged: bool,
    /// Capabilities besides the usual ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_add: Vec<String>,
    /// Usual capabilities that it does without.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_drop: Vec<String>,
    /// `no-new-privileges:true`, `seccomp=…`, as the engine takes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_opt: Vec<String>,
    /// Limits of the process, by name.
    #[serde(rename = "ulimit", skip_serializing_if = "BTreeMap::is_empty")]
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Kernel settings of the container.
    #[serde(rename = "sysctl", skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    /// Size of `/dev/shm` in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<u64>,
    /// Devices of the machine.
    #[serde(rename = "device", skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// Graphics processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<Gpus>,
    /// A person's own labels.
    #[serde(rename = "label", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Which of an image's variants, `linux/arm64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
}

impl Settings {
    /// The service whose network it has instead of one of its own.
    #[must_use]
    pub fn network_of(&self) -> Option<&str> {
        self.network_mode.as_deref()?.strip_prefix("service:")
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_no(flag: &bool) -> bool {
    !flag
}

/// A file system in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tmpfs {
    /// Where, absolute, inside.
    pub target: String,
    /// At most so many bytes.
    pub size: Option<u64>,
    /// Permission bits of its root.
    pub mode: Option<u32>,
}

/// A limit of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ulimit {
    /// What holds; −1 is none.
    pub soft: i64,
    /// Up to where the process itself may raise it; −1 is none.
    pub hard: i64,
}

/// A device of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Its path on the machine.
    pub host: String,
    /// Its path inside.
    pub container: String,
    /// Of `rwm`: read, write, make.
    pub permissions: String,
}

/// Graphics processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gpus {
    /// All that there are.
    All,
    /// So many.
    Count(u32),
}

/// When saves are brought over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// At once.
    #[default]
    Auto,
    /// When somebody says so.
    Manual,
}

/// When an image is asked for at its registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pull {
    /// Where the engine does not have it.
    #[default]
    Missing,
    /// At each start of a session.
    Always,
    /// Not at all.
    Never,
}
