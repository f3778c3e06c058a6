//! What a Stackfile means, once it is valid: plain data, every value filled in.

mod check;
mod files;
mod origin;
mod places;
mod route;
mod settings;
mod sync;
mod tls;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

pub use check::{Check, CheckTest, Inside, Statuses};
pub use files::{Content, File, FileInside, FileKind, FileSource};
pub use origin::{Filled, Origin, Origins, Speaker};
pub use places::Placed;
pub(crate) use route::name as route_name;
pub use route::{NginxLines, Passing, Redirect, Route, Update};
pub use settings::{Device, Gpus, Pull, Settings, Tmpfs, Trigger, Ulimit};
pub use sync::{Owner, Sync};
pub use tls::Tls;

/// Where in which file something was declared; both numbers count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Location {
    /// The file as it was named on the command line or found, for people to read.
    pub file: String,
    /// The line of the node.
    pub line: usize,
    /// The column of the node.
    pub column: usize,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A whole, valid stack.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Stack {
    /// The name in effect: `-p` if given, else the one that the file declares.
    pub name: String,
    /// The Stackfile, absolute.
    pub file: PathBuf,
    /// The folder of the Stackfile: what relative paths start from.
    pub root: PathBuf,
    /// The private network on the engine, `STACK-network`.
    pub network: String,
    /// All networks that services are on, that one included if any service is on it.
    pub networks: Vec<Network>,
    /// The entry point as a browser says it (`http://localhost`), if a proxy publishes a port.
    pub url: Option<String>,
    /// Declared variables with the value in effect, in order of declaration.
    pub variables: Vec<Variable>,
    /// Declared volumes, in order of declaration.
    pub volumes: Vec<Volume>,
    /// Declared secrets and configuration files, in order of declaration.
    pub files: Vec<File>,
    /// Services and proxies, in order of declaration.
    pub services: Vec<Service>,
    /// What `ci` runs once everything is ready.
    pub checks: Vec<Check>,
    /// Files that were read to get here (Stackfile, env files, `.env`), absolute; those that
    /// were looked for and are absent stand here too, so that their appearance is noticed.
    pub reads: Vec<PathBuf>,
    /// Where the values come from.
    pub origins: Origins,
    /// Values never to be printed.
    pub secrets: Vec<String>,
}

impl Stack {
    /// The service of that name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }

    /// The services that a name stands for: that service, or all replicas of it. Empty if nothing
    /// is called so.
    pub fn members<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s Service> {
        self.services
            .iter()
            .filter(move |service| service.is_called(name))
    }
}

/// A declared variable and the value in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// The value in effect.
    pub value: String,
    /// Where that value comes from: `shell`, `--env-file FILE`, `.env`, `Stackfile.kdl:9`.
    pub origin: String,
    /// Never printed.
    pub secret: bool,
}

/// A named volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// Name in the Stackfile.
    pub name: String,
    /// Name on the engine: `STACK-NAME` unless told otherwise.
    pub engine_name: String,
    /// Made by somebody else; must exist, is never removed.
    pub external: bool,
    /// Several containers may write to it at a time.
    pub shared: bool,
    /// What it holds, for people.
    pub doc: Option<String>,
    /// Where it is declared.
    pub at: Location,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Network {
    /// Name in the Stackfile; `default` is the one that every stack has.
    pub name: String,
    /// Name on the engine: `STACK-NAME` unless told otherwise.
    pub engine_name: String,
    /// Leads nowhere outside.
    pub internal: bool,
    /// Made by somebody else; must exist, is never removed.
    pub external: bool,
    /// The engine's driver; `bridge` unless told.
    pub driver: Option<String>,
    /// What it is for, for people.
    pub doc: Option<String>,
    /// Where it is declared.
    pub at: Location,
}

/// A network that a service is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// Its name on the engine.
    pub network: String,
    /// Names on it besides the service's own.
    pub aliases: Vec<String>,
}

/// A service, or a proxy, which is a service that also serves the routes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Service {
    /// Name in the Stackfile and on the private network.
    pub name: String,
    /// Name of its container on the engine, `STACK-NAME` unless told otherwise.
    pub container_name: String,
    /// Where the image comes from.
    pub source: Source,
    /// Set on the one that serves routes.
    pub proxy: Option<Proxy>,
    /// Replaces the image's command.
    pub command: Option<Command>,
    /// Env files merged with `environment`, values filled in.
    pub environment: BTreeMap<String, String>,
    /// Networks that it is on; none means the stack's private one, unless it has a network mode.
    pub networks: Vec<Attachment>,
    /// Published ports.
    pub ports: Vec<Port>,
    /// Volumes and host directories, in order of declaration.
    pub mounts: Vec<Mount>,
    /// Whom it waits for.
    pub depends_on: Vec<DependsOn>,
    /// How it is told that it is healthy.
    pub healthcheck: Option<Healthcheck>,
    /// The image's own health check is switched off.
    pub healthcheck_off: bool,
    /// Upper bounds.
    pub limits: Resources,
    /// What it is promised.
    pub reservations: Resources,
    /// What the engine does when it ends.
    pub restart: Restart,
    /// Where its output goes.
    pub logging: Option<Logging>,
    /// Started only if one of these is chosen; empty means always.
    pub profiles: Vec<String>,
    /// Whether an init runs as PID 1; resolved: on for built images, off for others, unless told.
    pub init: bool,
    /// One-shot: must end with 0.
    pub task: bool,
    /// Paths that the proxy passes to it.
    pub routes: Vec<Route>,
    /// Paths at which the proxy sends elsewhere whoever asks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redirects: Vec<Redirect>,
    /// What becomes of requests while it is replaced.
    pub update: Update,
    /// Trees that are kept in step with the host.
    pub sync: Vec<Sync>,
    /// Triggers relative to the Stackfile's folder.
    pub on: Vec<On>,
    /// How long until it must be ready after its start; default 5 minutes.
    pub ready_timeout: Duration,
    /// Secrets and configuration, put into the container before it starts.
    pub files: Vec<FileInside>,
    /// Commands inside, as soon as its process runs.
    pub post_start: Vec<Command>,
    /// Commands inside, before its process is told to end.
    pub pre_stop: Vec<Command>,
    /// When its image is asked for at its registry.
    pub pull: Pull,
    /// When saves are brought over.
    pub trigger: Trigger,
    /// Which of several equal ones it is, where the Stackfile asks for several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<Replica>,
    /// What is passed on to the engine as it stands.
    pub settings: Settings,
    /// Where it is declared.
    pub at: Location,
}

impl Default for Service {
    /// A service without a name, of an image without one, as it is unless the Stackfile says more.
    fn default() -> Self {
        Self {
            name: String::new(),
            container_name: String::new(),
            source: Source::Image(String::new()),
            proxy: None,
            command: None,
            environment: BTreeMap::new(),
            networks: Vec::new(),
            ports: Vec::new(),
            mounts: Vec::new(),
            depends_on: Vec::new(),
            healthcheck: None,
            healthcheck_off: false,
            limits: Resources::default(),
            reservations: Resources::default(),
            restart: Restart::No,
            logging: None,
            profiles: Vec::new(),
            init: false,
            task: false,
            routes: Vec::new(),
            redirects: Vec::new(),
            update: Update::default(),
            sync: Vec::new(),
            on: Vec::new(),
            ready_timeout: READY_TIMEOUT,
            files: Vec::new(),
            post_start: Vec::new(),
            pre_stop: Vec::new(),
            pull: Pull::default(),
            trigger: Trigger::default(),
            replica: None,
            settings: Settings::default(),
            at: Location::default(),
        }
    }
}

/// One of several equal services that are declared as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replica {
    /// The name that is declared.
    pub of: String,
    /// Which one, counted from 1.
    pub number: u32,
    /// How many there are.
    pub count: u32,
}

/// How long until a service must be ready after its start, unless told.
const READY_TIMEOUT: Duration = Duration::from_secs(300);

impl Service {
    /// The name in the Stackfile, which replicas share.
    #[must_use]
    pub fn declared_as(&self) -> &str {
        let replica = self.replica.as_ref();
        replica.map_or(self.name.as_str(), |replica| &replica.of)
    }

    /// Whether a person who says this name means it, alone or among its replicas.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.declared_as() == name
    }

    /// It stands for all that are declared as it is: there is no other, or it is the first.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.replica.as_ref().is_none_or(|it| it.number == 1)
    }

    /// The engine's names of the networks that it is on.
    pub fn networks<'a>(&'a self, stack: &'a Stack) -> Vec<&'a str> {
        if self.settings.network_mode.is_some() {
            Vec::new()
        } else if self.networks.is_empty() {
            vec![&stack.network]
        } else {
            self.networks
                .iter()
                .map(|one| one.network.as_str())
                .collect()
        }
    }
}

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A reference, `postgres:17`.
    Image(String),
    /// A Dockerfile and its context.
    Build(Box<Build>),
}

/// How an image is built.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Build {
    /// The context, absolute.
    pub context: PathBuf,
    /// The Dockerfile, absolute; `CONTEXT/Dockerfile` unless told.
    pub dockerfile: PathBuf,
    /// The stage to stop at.
    pub target: Option<String>,
    /// Which system and processor it is for, unless the engine's own.
    pub platform: Option<String>,
    /// The Dockerfile's text, where it stands in the Stackfile.
    pub inline: Option<String>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// What `RUN --mount=type=secret,id=NAME` may read.
    pub secrets: BTreeMap<String, Content>,
    /// Agents for `RUN --mount=type=ssh,id=NAME`: each with its socket, unless it is the one that
    /// `SSH_AUTH_SOCK` names.
    pub ssh: BTreeMap<String, Option<PathBuf>>,
    /// What `FROM NAME` and `COPY --from=NAME` mean besides the Dockerfile's own stages.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub contexts: BTreeMap<String, BuildContext>,
    /// Which network `RUN` has, unless the engine's own: `host` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Where layers may be taken from instead of building them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cache_from: Vec<CacheFrom>,
    /// The folder in which a run of `devrun ci` leaves the image for other machines, absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_to: Option<PathBuf>,
    /// How many of its images stay, the newest, besides those in use.
    #[serde(skip_serializing_if = "is_usual_keep")]
    pub keep: u32,
    /// Where it is declared.
    pub at: Location,
}

/// How many images of a build stay, unless told.
pub const USUAL_KEEP: u32 = 3;

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_usual_keep(keep: &u32) -> bool {
    *keep == USUAL_KEEP
}

/// Where layers may be taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum CacheFrom {
    /// An image by its reference, here or in a registry.
    Image(String),
    /// A folder in which images were left, absolute.
    Folder(PathBuf),
}

/// What a Dockerfile may begin with, or copy from, under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuildContext {
    /// A folder, absolute.
    Folder(PathBuf),
    /// An image by its reference.
    Image(String),
    /// What a service is built into.
    Service {
        /// The service as it is declared.
        name: String,
        /// How it is built.
        build: Box<Build>,
    },
}

/// What only a proxy has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proxy {
    /// The person's nginx configuration with the marker `include devrun-routes;`, absolute.
    pub config: PathBuf,
    /// A path that nginx answers by itself.
    pub health: Option<String>,
    /// Whether it speaks TLS, and how.
    pub tls: Option<Tls>,
}

/// One string is a shell line, several are an argv.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Run by `sh -c`.
    Shell(String),
    /// Run as it stands.
    Argv(Vec<String>),
}

impl Command {
    /// The argument vector that runs it.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        match self {
            Command::Shell(line) => vec!["sh".into(), "-c".into(), line.clone()],
            Command::Argv(words) => words.clone(),
        }
    }
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Port {
    /// Addresses on the host; `127.0.0.1` and `::1` unless told otherwise.
    pub bind: Vec<String>,
    /// Port on the host.
    pub host: u16,
    /// Port in the container.
    pub container: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Where it is declared.
    pub at: Location,
}

/// Something mounted into the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// What is mounted.
    pub source: MountSource,
    /// Where, absolute, inside.
    pub target: String,
    /// Cannot be written.
    pub read_only: bool,
    /// Where it is declared; what a container is made of does not depend on it.
    #[serde(skip)]
    pub at: Location,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountSource {
    /// A volume, by its name on the engine.
    Volume(String),
    /// A file or folder of the host, absolute.
    Bind(PathBuf),
}

/// A dependency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DependsOn {
    /// The service waited for.
    pub service: String,
    /// Until when.
    pub condition: Condition,
    /// Restart me when it was replaced or restarted.
    pub follow: bool,
    /// Without it there is no start; if not, one that is off or has failed is not waited for.
    pub required: bool,
}

/// Until when a dependent waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Its process runs.
    Started,
    /// It is ready.
    Healthy,
    /// It ended with 0.
    Completed,
}

/// How health is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Healthcheck {
    /// What is asked.
    pub test: Probe,
    /// Pause between probes.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// Failures in a row that make it unhealthy.
    pub retries: u32,
    /// Failures within this time after the start do not count.
    pub start_period: Duration,
}

/// A question whose answer is ready or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// Ends with 0.
    Command(Command),
    /// `http://HOST:PORT/PATH`, asked from inside, answers 2xx or 3xx.
    Http(String),
    /// Takes a connection on that port, from inside.
    Tcp(u16),
    /// A line of its log has this text in it; `*` stands for any.
    Log(String),
}

/// Amounts; `None` is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Resources {
    /// CPUs, fractions allowed.
    pub cpus: Option<f64>,
    /// Bytes.
    pub memory: Option<u64>,
}

/// What the engine does when a container ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Nothing.
    #[default]
    No,
    /// Starts it again, always.
    Always,
    /// Starts it again after a failure, this many times at most.
    OnFailure(Option<u32>),
    /// Starts it again unless somebody stopped it.
    UnlessStopped,
}

/// Where output goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Logging {
    /// The engine's driver.
    pub driver: String,
    /// Its options, under the engine's names.
    pub options: BTreeMap<String, String>,
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct On {
    /// Globs (`*` does not cross `/`, `**` does).
    pub patterns: Vec<String>,
    /// What happens, in order of declaration.
    pub actions: Vec<Action>,
    /// How long nothing of it must have changed before anything happens.
    pub settle: Duration,
    /// Where it is declared.
    pub at: Location,
}

/// What a trigger does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A command in the running container.
    Exec(Command),
    /// A signal to the process, `HUP`.
    Signal(String),
    /// Restart of the same container.
    Restart,
    /// A new container from the same image.
    Recreate,
    /// A new image and a new container.
    Rebuild,
    /// A task, by its name.
    Run(String),
}
