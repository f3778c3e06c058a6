//! From text to a stack: the order in which things become known.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::NamedSource;

use crate::context::Context;
use crate::diagnostic::{Diagnostic, Rejected};
use crate::merge::{self, Laid};
use crate::model::{FileKind, Network, Origins, Port, Service, Stack};
use crate::read::{self, Document, Kind};
use crate::variables::{Outside, PORT_OF};
use crate::{finish, syntax, verify};

/// What loading needs from outside; the crate itself touches no files.
pub trait Host {
    /// The content of a file: env files and `.env`.
    ///
    /// # Errors
    /// Whatever reading it answers; `NotFound` where it is absent.
    fn read(&self, path: &Path) -> std::io::Result<String>;

    /// The content of a file that need not be text: secrets and configuration.
    ///
    /// # Errors
    /// Whatever reading it answers; `NotFound` where it is absent.
    fn read_bytes(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        self.read(path).map(String::into_bytes)
    }

    /// What lies at a path; `None` if nothing does.
    fn kind(&self, path: &Path) -> Option<PathKind>;
}

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// A file, or anything else that is not a folder.
    File,
    /// A folder.
    Folder,
}

/// What is loaded, and with what around it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The Stackfile, absolute.
    pub file: PathBuf,
    /// Its name as it is shown to people.
    pub shown: String,
    /// Its content.
    pub text: String,
    /// `-p`: replaces the name that the file declares.
    pub project_name: Option<String>,
    /// The environment of the process.
    pub shell: BTreeMap<String, String>,
    /// `--env-file`, absolute.
    pub env_file: Option<PathBuf>,
    /// By the port of the host that the file says, the one at which it is published instead.
    pub ports: BTreeMap<u16, u16>,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The whole stack, or everything that is wrong with it.
    pub stack: Result<Stack, Rejected>,
    /// Files to watch, absolute: what was read, and what was missed. Also where the stack was
    /// rejected, so that the mended file is seen.
    pub reads: Vec<PathBuf>,
    /// What is allowed, and hardly meant.
    pub warnings: Vec<Diagnostic>,
}

/// Reads a Stackfile.
#[must_use]
pub fn load(options: &Options, host: &dyn Host) -> Loaded {
    let root = options.file.parent().unwrap_or(Path::new("/")).to_owned();
    let file = Arc::new(NamedSource::new(&options.shown, options.text.clone()));
    let mut cx = Context::new(file, root, host);
    cx.reads.push(options.file.clone());
    cx.instead.clone_from(&options.ports);
    let stack = match syntax::parse(&cx.file) {
        Ok(document) => stack(&mut cx, options, &document),
        Err(problems) => {
            cx.problems = problems;
            None
        }
    };
    cx.reads.sort();
    cx.reads.dedup();
    cx.problems
        .sort_by_key(|problem| (problem.file() != options.shown, problem.offset()));
    let stack = match stack {
        Some(mut stack) if cx.problems.is_empty() => {
            stack.reads.clone_from(&cx.reads);
            Ok(stack)
        }
        _ => Err(Rejected(cx.problems)),
    };
    Loaded {
        stack,
        reads: cx.reads,
        warnings: cx.warnings,
    }
}

fn stack(cx: &mut Context<'_>, options: &Options, kdl: &kdl::KdlDocument) -> Option<Stack> {
    let name = read::stack_name(cx, kdl, options.project_name.as_deref());
    cx.variables.stack = name.clone().unwrap_or_default();
    outside(cx, options);
    let mut secrets = read::variables(cx, kdl);
    let mut document = read::document(cx, kdl, name.as_deref().unwrap_or_default());
    cx.variables.url = url(cx, &document);
    cx.variables.ports = published(cx, &document, &options.text);
    read::contents(cx, &mut document);
    let laid = merge::services(cx, &document);
    verify::stack(cx, &document, &laid);
    let mut origins = Origins::default();
    let mut services: Vec<Service> = Vec::new();
    for one in &laid {
        let Some((service, values)) = finish::service(cx, &laid, one) else {
            continue;
        };
        origins
            .0
            .insert(format!("service {}", service.name), values);
        services.extend(finish::replicas::of(cx, one, service));
    }
    finish::replicas::names(cx, &laid, &services);
    let mut checks = read::checks(cx, &document);
    finish::replicas::resolve(&mut services, &mut checks);
    if !cx.problems.is_empty() {
        return None;
    }
    let name = name?;
    for file in document
        .files
        .iter()
        .filter(|file| file.kind == FileKind::Secret)
    {
        let bytes = file.content.as_ref().map_or(&[][..], |content| &content.0);
        if let Ok(text) = std::str::from_utf8(bytes) {
            secrets.extend(Some(text.trim().to_owned()).filter(|text| !text.is_empty()));
        }
    }
    let networks = networks(cx, &document, &services);
    for (owner, origin) in cx.declarations(kdl) {
        let values = origins.0.entry(owner).or_default();
        values.insert("declaration".into(), origin);
    }
    Some(Stack {
        network: document.network(read::DEFAULT_NETWORK),
        networks,
        name,
        file: options.file.clone(),
        root: cx.root.clone(),
        url: cx.variables.url.clone().filter(|url| !url.is_empty()),
        variables: std::mem::take(&mut cx.variables.declared),
        volumes: document
            .volumes
            .into_iter()
            .map(|said| said.value)
            .collect(),
        files: document
            .files
            .into_iter()
            .filter_map(|file| file.declared)
            .collect(),
        services,
        checks,
        origins,
        reads: Vec::new(),
        secrets,
    })
}

/// Those that are declared, and the private one where somebody is on it.
fn networks(cx: &Context<'_>, document: &Document<'_>, services: &[Service]) -> Vec<Network> {
    let mut all: Vec<Network> = document
        .networks
        .iter()
        .map(|said| said.value.clone())
        .collect();
    let private = document.network(read::DEFAULT_NETWORK);
    let used = services.iter().any(|service| {
        service.settings.network_mode.is_none()
            && (service.networks.is_empty()
                || service.networks.iter().any(|one| one.network == private))
    });
    if used
        && all
            .iter()
            .all(|network| network.name != read::DEFAULT_NETWORK)
    {
        let at = cx.location((0, 0).into());
        all.push(read::default_network(&document.stack, at));
    }
    all
}

/// Where values come from besides the Stackfile: the first that has one wins.
fn outside(cx: &mut Context<'_>, options: &Options) {
    cx.variables.outside.push(Outside {
        origin: "shell".into(),
        values: options.shell.clone(),
        lines: BTreeMap::new(),
    });
    if let Some(path) = &options.env_file {
        let shown = path
            .strip_prefix(&cx.root)
            .unwrap_or(path)
            .display()
            .to_string();
        let values = read::variable_file(cx, path, &shown, true);
        cx.variables
            .outside
            .push(of_file(format!("--env-file {shown}"), values));
    }
    let path = cx.root.join(".env");
    let values = read::variable_file(cx, &path, ".env", false);
    cx.variables.outside.push(of_file(".env".into(), values));
}

fn of_file(origin: String, values: BTreeMap<String, read::Assigned>) -> Outside {
    let lines = values
        .iter()
        .map(|(name, one)| (name.clone(), one.origin.at.line))
        .collect();
    let values = values.into_iter().map(|(name, one)| (name, one.value));
    Outside {
        origin,
        values: values.collect(),
        lines,
    }
}

/// The entry point as a browser says it: known before the services are read for good, because
/// they may refer to it. Empty where the proxy publishes nothing.
fn url(cx: &mut Context<'_>, document: &Document<'_>) -> Option<String> {
    let proxy = document
        .services
        .iter()
        .find(|service| service.kind == Kind::Proxy)?;
    cx.variables.url = Some(String::new());
    let Laid { draft, .. } = cx.quietly(|cx| merge::service(cx, document, proxy));
    let published = |port: &&crate::draft::Said<crate::draft::DraftPort>| {
        port.value.host.is_some() && port.value.protocol == "tcp"
    };
    let mut ports = draft.ports.iter().filter(published);
    let first = ports.clone().next();
    let tls = draft.tls.as_ref().map(|tls| tls.value.port);
    let (scheme, entry) = match tls {
        Some(tls) => ("https", ports.find(|port| port.value.container == tls)),
        None => {
            let plain = ports.find(|port| port.value.container == 80);
            ("http", plain.or(first))
        }
    };
    Some(
        entry
            .and_then(|port| port.value.published(port.at, cx))
            .map_or_else(String::new, |port| address(scheme, &port)),
    )
}

/// The first port of each service, as known as early as the entry point; where nobody asks, it is
/// not worked out.
fn published(cx: &mut Context<'_>, document: &Document<'_>, text: &str) -> Vec<(String, u16)> {
    let mut ports = Vec::new();
    if !text.contains(PORT_OF) {
        return ports;
    }
    for service in &document.services {
        let Laid { draft, .. } = cx.quietly(|cx| merge::service(cx, document, service));
        let said = draft
            .ports
            .iter()
            .filter(|port| port.value.protocol == "tcp");
        let mut found = said.filter_map(|port| port.value.published(port.at, cx));
        if let Some(first) = found.next() {
            ports.push((service.name.clone(), first.host));
        }
    }
    ports
}

fn address(scheme: &str, port: &Port) -> String {
    let host = match port.bind.first().map(String::as_str) {
        Some(own)
            if port.bind.len() == 1 && !matches!(own, "127.0.0.1" | "::1" | "0.0.0.0" | "::") =>
        {
            if own.contains(':') {
                format!("[{own}]")
            } else {
                own.to_owned()
            }
        }
        _ => "localhost".to_owned(),
    };
    match (scheme, port.host) {
        ("http", 80) | ("https", 443) => format!("{scheme}://{host}"),
        (_, other) => format!("{scheme}://{host}:{other}"),
    }
}
