//! A service and its image to what the engine is told, with the hash of each part.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use devrun_stack::{
    Attachment, Command, FileInside, Healthcheck, Probe, Service, Settings, Source, Stack,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::effect::PutFile;
use crate::spec::{ContainerSpec, HealthSpec, Image, PortSpec, label};

mod difference;

pub use difference::{reason, source};

use difference::VARIABLE;

/// Where the agent lies in every container.
pub const AGENT: &str = "/.devrun/agent";

/// What the engine changes in a container that is there is none of the parts; see
/// [`crate::live::Live`]. Earlier versions had them among these.
const LIVE: [&str; 4] = ["restart", "limits", "reservations", "pids-limit"];

/// What the container of a service is made of.
#[must_use]
pub fn container(
    stack: &Stack,
    service: &Service,
    image: &Image,
    root: &str,
    run: Option<&str>,
) -> ContainerSpec {
    let mut spec = ContainerSpec {
        name: service.container_name.clone(),
        service: service.name.clone(),
        image: image.name.clone(),
        image_id: image.id.clone(),
        command: service.command.as_ref().map(Command::argv),
        environment: service.environment.clone(),
        labels: BTreeMap::new(),
        networks: networks(stack, service),
        ports: ports(service),
        mounts: service.mounts.clone(),
        healthcheck: health(service),
        init: service.init,
        restart: service.restart,
        logging: service.logging.clone(),
        limits: service.limits,
        reservations: service.reservations,
        folders: folders(service),
        settings: settings(service),
    };
    let parts = parts(&spec, service);
    let waits_for: Vec<&str> = service
        .depends_on
        .iter()
        .map(|dependency| dependency.service.as_str())
        .collect();
    let labels = [
        (label::STACK, stack.name.clone()),
        (label::SERVICE, service.name.clone()),
        (label::SPEC, short_hash(&parts)),
        (label::PARTS, format!("{parts}{}", variables(&spec))),
        (label::ROOT, root.to_owned()),
        (label::ROOT_PATH, stack.root.display().to_string()),
        (label::DEPENDS_ON, waits_for.join(",")),
    ];
    spec.labels
        .extend(labels.map(|(name, value)| (name.to_owned(), value)));
    if let Some(grace) = service.settings.stop_grace_period {
        let millis = grace.as_millis().to_string();
        spec.labels.insert(label::GRACE.to_owned(), millis);
    }
    if !service.pre_stop.is_empty() {
        // Plain data of ours: its JSON cannot fail.
        let commands: Vec<_> = service.pre_stop.iter().map(Command::argv).collect();
        let json = serde_json::to_string(&commands).unwrap_or_default();
        spec.labels.insert(label::PRE_STOP.to_owned(), json);
    }
    if let Some(replica) = &service.replica {
        let of = replica.of.clone();
        spec.labels.insert(label::REPLICA_OF.to_owned(), of);
    }
    spec.labels.extend(service.settings.labels.clone());
    if let Some(run) = run {
        spec.labels.insert(label::RUN.to_owned(), run.to_owned());
    }
    spec
}

/// The service as the engine is told of it: where it has the network of another one, that is a
/// container's, by its id, so that it is made anew when the other one was.
#[must_use]
pub fn settled<'a>(
    stack: &Stack,
    service: &'a Service,
    container_of: impl Fn(&str) -> Option<String>,
) -> Cow<'a, Service> {
    let Some(other) = service.settings.network_of() else {
        return Cow::Borrowed(service);
    };
    let named = || {
        stack
            .service(other)
            .map(|other| other.container_name.clone())
    };
    let container = container_of(other).or_else(named).unwrap_or_default();
    let mut service = service.clone();
    service.settings.network_mode = Some(format!("container:{container}"));
    Cow::Owned(service)
}

/// Name on the engine of the image that a service is built into, without the tag. Services that
/// are built from the same inputs share the first one's.
#[must_use]
pub fn image_name(stack: &Stack, service: &Service) -> String {
    let first = stack
        .services
        .iter()
        .find(|other| match (&other.source, &service.source) {
            (Source::Build(theirs), Source::Build(ours)) => {
                theirs.context == ours.context
                    && theirs.dockerfile == ours.dockerfile
                    && theirs.target == ours.target
                    && theirs.inline == ours.inline
                    && theirs.args == ours.args
                    && theirs.secrets == ours.secrets
                    && theirs.contexts == ours.contexts
                    && theirs.network == ours.network
            }
            _ => false,
        });
    format!("{}-{}", stack.name, first.unwrap_or(service).declared_as())
}

fn networks(stack: &Stack, service: &Service) -> Vec<Attachment> {
    let private = |network: &str| Attachment {
        network: network.to_owned(),
        aliases: Vec::new(),
    };
    let mut networks = service.networks.clone();
    if networks.is_empty() {
        networks.extend(service.networks(stack).into_iter().map(private));
    }
    for one in &mut networks {
        one.aliases.insert(0, service.name.clone());
        let shared = service.replica.as_ref().map(|replica| replica.of.clone());
        one.aliases.extend(shared);
    }
    networks
}

/// The secrets and configuration of a service, as they are put into its container.
#[must_use]
pub fn files(service: &Service) -> Vec<PutFile> {
    let put = |file: &FileInside| PutFile {
        path: file.target.clone(),
        content: file.content.clone(),
        mode: file.mode,
        for_user: false,
        below: folder(service, &file.target).unwrap_or_else(|| "/".to_owned()),
    };
    service.files.iter().map(put).collect()
}

/// The folder that a file is unpacked in where the root cannot be written: the volume that it
/// lies in, else its own folder, which becomes a volume.
fn folder(service: &Service, target: &str) -> Option<String> {
    if !service.settings.read_only {
        return None;
    }
    let around = service
        .mounts
        .iter()
        .map(|mount| mount.target.as_str())
        .find(|mount| Path::new(target).starts_with(mount));
    let own = target.rsplit_once('/').map_or("/", |(folder, _)| folder);
    Some(around.unwrap_or(own).to_owned())
}

/// Folders that are made volumes without a name, because files are put there.
fn folders(service: &Service) -> Vec<String> {
    let mounted = |folder: &String| service.mounts.iter().any(|mount| mount.target == *folder);
    let folders = service
        .files
        .iter()
        .filter_map(|file| folder(service, &file.target));
    let mut folders: Vec<String> = folders.filter(|folder| !mounted(folder)).collect();
    folders.sort();
    folders.dedup();
    folders
}

fn ports(service: &Service) -> Vec<PortSpec> {
    // Without a network of its own there is nothing to publish from.
    if service.settings.network_mode.is_some() {
        return Vec::new();
    }
    service
        .ports
        .iter()
        .flat_map(|port| {
            port.bind.iter().map(|bind| PortSpec {
                bind: bind.clone(),
                host: port.host,
                container: port.container,
                protocol: port.protocol.clone(),
            })
        })
        .collect()
}

/// A proxy has a connection to a service for each request, and each that has ended keeps its port
/// for a minute: after some 14,000 in that time the kernel looks for a free one longer than the
/// request takes. With this it takes one again that has been closed for a second.
const PORTS_AGAIN: (&str, &str) = ("net.ipv4.tcp_tw_reuse", "1");

fn settings(service: &Service) -> Settings {
    let mut settings = service.settings.clone();
    if service.proxy.is_some() && settings.network_mode.is_none() {
        let (name, value) = PORTS_AGAIN;
        let said = settings.sysctls.entry(name.to_owned());
        said.or_insert_with(|| value.to_owned());
    }
    settings
}

fn health(service: &Service) -> Option<HealthSpec> {
    if service.healthcheck_off || service.healthcheck.as_ref().is_some_and(is_log) {
        return Some(HealthSpec {
            test: vec!["NONE".to_owned()],
            interval: Duration::ZERO,
            timeout: Duration::ZERO,
            retries: 0,
            start_period: Duration::ZERO,
        });
    }
    let check = service.healthcheck.as_ref()?;
    let millis = check.timeout.as_millis().to_string();
    let agent = |kind: &str, what: String| {
        vec![
            "CMD".to_owned(),
            AGENT.to_owned(),
            "probe".to_owned(),
            kind.to_owned(),
            what,
            millis.clone(),
        ]
    };
    let test = match &check.test {
        Probe::Command(Command::Shell(line)) => vec!["CMD-SHELL".to_owned(), line.clone()],
        Probe::Command(Command::Argv(words)) => {
            let mut test = vec!["CMD".to_owned()];
            test.extend(words.iter().cloned());
            test
        }
        Probe::Http(url) => agent("http", url.clone()),
        Probe::Tcp(port) => agent("tcp", port.to_string()),
        // From inside a container its log cannot be read.
        Probe::Log(_) => return None,
    };
    Some(HealthSpec {
        test,
        interval: check.interval,
        timeout: check.timeout,
        retries: check.retries,
        start_period: check.start_period,
    })
}

fn is_log(check: &Healthcheck) -> bool {
    matches!(check.test, Probe::Log(_))
}

fn parts(spec: &ContainerSpec, service: &Service) -> String {
    let parts = [
        ("image", short_hash(&spec.image_id)),
        ("command", short_hash(&spec.command)),
        ("environment", short_hash(&spec.environment)),
        ("network", short_hash(&spec.networks)),
        ("ports", short_hash(&spec.ports)),
        ("mounts", short_hash(&spec.mounts)),
        ("healthcheck", short_hash(&spec.healthcheck)),
        ("init", short_hash(&spec.init)),
        ("logging", short_hash(&spec.logging)),
        ("name", short_hash(&spec.name)),
    ];
    let mut parts: Vec<String> = parts
        .iter()
        .map(|(name, hash)| format!("{name}={hash}"))
        .collect();
    if !service.files.is_empty() {
        let files: Vec<_> = service
            .files
            .iter()
            .map(|file| (&file.target, file.mode, &file.content.0))
            .collect();
        parts.push(format!("files={}", short_hash(&files)));
    }
    if !service.pre_stop.is_empty() {
        parts.push(format!("pre-stop={}", short_hash(&service.pre_stop)));
    }
    // Each setting that is said is a part under its own word; a new word of the language then
    // recreates nothing that does not use it.
    let settings = serde_json::to_value(&spec.settings);
    if let Ok(serde_json::Value::Object(settings)) = settings {
        for (word, value) in settings {
            if LIVE.contains(&word.as_str()) {
                continue;
            }
            parts.push(format!("{word}={}", short_hash(&value)));
        }
    }
    parts.join(" ")
}

/// Of each variable, so that it can be said which of them differ; what is in a container, and what
/// [`label::SPEC`] is the hash of, is its environment as a whole.
fn variables(spec: &ContainerSpec) -> String {
    let all = spec.environment.iter();
    let all = all.filter(|(name, _)| !name.contains([' ', '=']));
    let one = |(name, value)| format!(" {VARIABLE}{name}={}", short_hash(value));
    all.map(one).collect()
}

/// The first 12 digits of the SHA-256 of a value's JSON.
fn short_hash(value: &impl Serialize) -> String {
    // Plain data of ours: its JSON cannot fail, and an empty text would only mean "made anew".
    let json = serde_json::to_vec(value).unwrap_or_default();
    let digest = Sha256::digest(&json);
    let first = digest.iter().take(6);
    let number = first.fold(0, |number, byte| (number << 8) | u64::from(*byte));
    format!("{number:012x}")
}

#[cfg(test)]
mod tests;
