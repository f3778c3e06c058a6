//! A service while its layers are laid over each other; what was said keeps its place.

mod settings;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use miette::SourceSpan;

use crate::context::Context;
use crate::model::{
    Attachment, CacheFrom, Command, Condition, Content, FileInside, Logging, Mount, On, Owner,
    Passing, Port, Resources, Restart, Update, route_name,
};

pub(crate) use settings::DraftSettings;

/// Something said, where, and in which layer.
#[derive(Debug, Clone)]
pub(crate) struct Said<T> {
    pub(crate) value: T,
    pub(crate) at: SourceSpan,
    pub(crate) layer: usize,
}

/// A word that is said once; a later layer replaces it.
pub(crate) type Once<T> = Option<Said<T>>;

/// Everything that was said about a service so far.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) source: Once<DraftSource>,
    pub(crate) command: Once<Command>,
    pub(crate) environment: BTreeMap<String, Said<String>>,
    pub(crate) env_files: Vec<Said<PathBuf>>,
    pub(crate) networks: Vec<Said<Attachment>>,
    pub(crate) ports: Vec<Said<DraftPort>>,
    pub(crate) mounts: Vec<Said<Mount>>,
    pub(crate) depends_on: Vec<Said<DraftDependency>>,
    /// `none` inside is `healthcheck none`.
    pub(crate) healthcheck: Once<Option<DraftHealth>>,
    pub(crate) limits: Once<Resources>,
    pub(crate) reservations: Once<Resources>,
    pub(crate) restart: Once<Restart>,
    pub(crate) logging: Once<Logging>,
    pub(crate) profiles: Once<Vec<String>>,
    pub(crate) init: Once<bool>,
    pub(crate) task: Once<()>,
    pub(crate) routes: Vec<Said<DraftRoute>>,
    pub(crate) update: Once<Update>,
    pub(crate) sync: Vec<Said<DraftSync>>,
    pub(crate) on: Vec<Said<On>>,
    pub(crate) ready_timeout: Once<Duration>,
    pub(crate) config: Once<PathBuf>,
    pub(crate) health: Once<String>,
    pub(crate) tls: Once<DraftTls>,
    pub(crate) files: Vec<Said<FileInside>>,
    pub(crate) post_start: Vec<Said<Command>>,
    pub(crate) pre_stop: Vec<Said<Command>>,
    pub(crate) settings: DraftSettings,
    /// A template or the defaults by themselves, read for their problems: what they edit is
    /// not there.
    pub(crate) alone: bool,
}

impl Draft {
    /// The services whose images its build begins with, or copies from.
    pub(crate) fn built_on(&self) -> impl Iterator<Item = (&str, SourceSpan)> {
        let contexts = match self.source.as_ref().map(|said| &said.value) {
            Some(DraftSource::Build(build)) => Some(&build.contexts),
            _ => None,
        };
        contexts
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter_map(|(context, at)| match context {
                DraftContext::Service(name) => Some((name.as_str(), *at)),
                _ => None,
            })
    }

    /// Whose network it has, where it has that of another service.
    pub(crate) fn network_of(&self) -> Option<(&str, SourceSpan)> {
        let mode = self.settings.network_mode.as_ref()?;
        Some((mode.value.strip_prefix("service:")?, mode.at))
    }

    /// Whoever has the network of another service depends on it: that one is there before, and
    /// takes the network along when its process ends.
    pub(crate) fn lean_on_network(&mut self) {
        let Some(mode) = self.settings.network_mode.clone() else {
            return;
        };
        let Some(name) = mode.value.strip_prefix("service:") else {
            return;
        };
        let said = |on: &&mut Said<DraftDependency>| on.value.service == name;
        if let Some(dependency) = self.depends_on.iter_mut().find(said) {
            dependency.value.follow = true;
            return;
        }
        self.depends_on.push(Said {
            value: DraftDependency {
                service: name.to_owned(),
                condition: Some(Condition::Started),
                follow: true,
                required: true,
            },
            at: mode.at,
            layer: mode.layer,
        });
    }
}

/// Where the image comes from.
#[derive(Debug, Clone)]
pub(crate) enum DraftSource {
    Image(String),
    Build(Box<DraftBuild>),
}

/// How it is built.
#[derive(Debug, Clone)]
pub(crate) struct DraftBuild {
    pub(crate) context: PathBuf,
    pub(crate) dockerfile: PathBuf,
    pub(crate) target: Option<String>,
    pub(crate) inline: Option<String>,
    pub(crate) args: BTreeMap<String, String>,
    pub(crate) secrets: BTreeMap<String, Content>,
    pub(crate) ssh: BTreeMap<String, Option<PathBuf>>,
    pub(crate) contexts: BTreeMap<String, (DraftContext, SourceSpan)>,
    pub(crate) network: Option<String>,
    pub(crate) cache_from: Vec<CacheFrom>,
    pub(crate) cache_to: Option<PathBuf>,
    pub(crate) keep: Option<u32>,
}

/// What a build knows by a name.
#[derive(Debug, Clone)]
pub(crate) enum DraftContext {
    Folder(PathBuf),
    Image(String),
    Service(String),
    /// As a service's image is called, which may be one that is not built.
    Implied(String),
}

/// A port; `host` is `None` where its variable is empty, so that it is not published.
#[derive(Debug, Clone)]
pub(crate) struct DraftPort {
    pub(crate) bind: Vec<String>,
    pub(crate) host: Option<u16>,
    pub(crate) container: u16,
    pub(crate) protocol: String,
}

impl DraftPort {
    /// The port, if it is published.
    pub(crate) fn published(&self, at: SourceSpan, cx: &Context<'_>) -> Option<Port> {
        let host = self.host?;
        Some(Port {
            bind: self.bind.clone(),
            host: cx.instead.get(&host).copied().unwrap_or(host),
            container: self.container,
            protocol: self.protocol.clone(),
            at: cx.location(at),
        })
    }
}

/// How the proxy speaks TLS.
#[derive(Debug, Clone)]
pub(crate) struct DraftTls {
    pub(crate) hosts: Vec<String>,
    pub(crate) port: u16,
    pub(crate) redirect: bool,
}

/// A dependency; the condition is worked out when the service it is on is known.
#[derive(Debug, Clone)]
pub(crate) struct DraftDependency {
    pub(crate) service: String,
    pub(crate) condition: Option<Condition>,
    pub(crate) follow: bool,
    pub(crate) required: bool,
}

/// A health check; an HTTP path gets its port when all ports are known.
#[derive(Debug, Clone)]
pub(crate) struct DraftHealth {
    pub(crate) test: DraftProbe,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) start_period: Duration,
}

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) enum DraftProbe {
    Command(Command),
    Url(String),
    Path(String),
    Tcp(u16),
    Log(String),
}

/// A route.
#[derive(Debug, Clone)]
pub(crate) struct DraftRoute {
    pub(crate) host: Option<String>,
    pub(crate) pattern: String,
    pub(crate) goes: Goes,
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(crate) enum Goes {
    /// The service gets it; without a port at its one inside port.
    On { port: Option<u16>, passing: Passing },
    /// Its sender is told to ask there.
    Elsewhere { to: String, status: u16 },
}

impl DraftRoute {
    /// As people call it: the path, behind its host where it has one.
    pub(crate) fn name(&self) -> String {
        route_name(self.host.as_deref(), &self.pattern)
    }

    /// Whether the service gets it.
    pub(crate) fn goes_on(&self) -> bool {
        matches!(self.goes, Goes::On { .. })
    }

    /// Whether it is about the same requests.
    pub(crate) fn same(&self, other: &DraftRoute) -> bool {
        (&self.host, &self.pattern) == (&other.host, &other.pattern)
    }
}

/// A tree or a file; without a source it is the build context.
#[derive(Debug, Clone, Default)]
pub(crate) struct DraftSync {
    pub(crate) from: Option<Said<PathBuf>>,
    /// Whether the source is a file.
    pub(crate) file: bool,
    pub(crate) to: String,
    pub(crate) include: Vec<Said<String>>,
    pub(crate) ignore: Vec<Said<String>>,
    pub(crate) back: Vec<Said<String>>,
    pub(crate) on: Vec<Said<On>>,
    pub(crate) mirror: Once<bool>,
    pub(crate) initial: Once<bool>,
    pub(crate) owner: Once<Owner>,
    pub(crate) mode: Once<u32>,
    pub(crate) settle: Once<Duration>,
}

impl DraftSync {
    /// The folder or file that it comes from, if that is known.
    pub(crate) fn source<'a>(&'a self, of: Option<&'a Said<DraftSource>>) -> Option<&'a PathBuf> {
        let own = self.from.as_ref().map(|from| &from.value);
        own.or_else(|| match of.map(|said| &said.value) {
            Some(DraftSource::Build(build)) => Some(&build.context),
            _ => None,
        })
    }
}

impl Draft {
    /// Forgets what was said with this word; false where nothing was.
    pub(crate) fn clear(&mut self, word: &str) -> bool {
        fn emptied<T: Default + Emptiable>(place: &mut T) -> bool {
            !std::mem::take(place).is_nothing()
        }
        match word {
            "image" | "build" => emptied(&mut self.source),
            "command" => emptied(&mut self.command),
            "environment" => emptied(&mut self.environment),
            "env-file" => emptied(&mut self.env_files),
            "network" => emptied(&mut self.networks),
            "port" => emptied(&mut self.ports),
            "volume" | "bind" => emptied(&mut self.mounts),
            "depends-on" => emptied(&mut self.depends_on),
            "healthcheck" => emptied(&mut self.healthcheck),
            "limits" => emptied(&mut self.limits),
            "reservations" => emptied(&mut self.reservations),
            "restart" => emptied(&mut self.restart),
            "logging" => emptied(&mut self.logging),
            "profile" => emptied(&mut self.profiles),
            "init" => emptied(&mut self.init),
            "task" => emptied(&mut self.task),
            "route" => emptied(&mut self.routes),
            "update" => emptied(&mut self.update),
            "sync" => emptied(&mut self.sync),
            "on" => emptied(&mut self.on),
            "ready-timeout" => emptied(&mut self.ready_timeout),
            "config" => emptied(&mut self.config),
            "health" => emptied(&mut self.health),
            "tls" => emptied(&mut self.tls),
            "secret" | "config-file" => emptied(&mut self.files),
            "post-start" => emptied(&mut self.post_start),
            "pre-stop" => emptied(&mut self.pre_stop),
            other => self.settings.clear(other),
        }
    }

    /// Names of the secrets that its build takes.
    pub(crate) fn secrets_of_build(&self) -> impl Iterator<Item = &str> {
        let secrets = match self.source.as_ref().map(|said| &said.value) {
            Some(DraftSource::Build(build)) => Some(&build.secrets),
            _ => None,
        };
        secrets
            .into_iter()
            .flat_map(BTreeMap::keys)
            .map(String::as_str)
    }

    /// Ports inside, each once; not that of TLS, which is another door to what the others lead to.
    pub(crate) fn inside_ports(&self) -> Vec<u16> {
        let tls = self.tls.as_ref().map(|tls| tls.value.port);
        let mut ports: Vec<u16> = self
            .ports
            .iter()
            .filter(|port| port.value.protocol == "tcp")
            .map(|port| port.value.container)
            .filter(|port| Some(*port) != tls)
            .collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }
}

/// Whether a place of a draft holds anything.
trait Emptiable {
    fn is_nothing(&self) -> bool;
}

impl<T> Emptiable for Option<T> {
    fn is_nothing(&self) -> bool {
        self.is_none()
    }
}

impl<T> Emptiable for Vec<T> {
    fn is_nothing(&self) -> bool {
        self.is_empty()
    }
}

impl<K, V> Emptiable for BTreeMap<K, V> {
    fn is_nothing(&self) -> bool {
        self.is_empty()
    }
}
