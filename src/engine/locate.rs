//! Where the engine is, found as `docker` finds it.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::error::EngineError;
use crate::client::folder;

/// Where the engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A socket of this machine.
    Unix(PathBuf),
    /// `HOST:PORT`, unencrypted.
    Tcp(String),
    /// The same with TLS.
    Tls(Tls),
    /// The socket of a machine that is reached by ssh.
    Ssh(Ssh),
}

/// An engine that speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    /// `HOST:PORT`.
    pub(crate) address: String,
    /// Where `ca.pem`, `cert.pem` and `key.pem` lie.
    pub(crate) folder: Option<PathBuf>,
    /// Whether its certificate is looked at.
    pub(crate) verify: bool,
}

/// A machine that is reached by ssh; what is not said here, its configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ssh {
    /// As whom.
    pub(crate) user: Option<String>,
    /// Its name.
    pub(crate) host: String,
    /// Where its server listens.
    pub(crate) port: Option<u16>,
    /// The engine's socket there, where that is said.
    pub(crate) path: Option<String>,
}

impl Endpoint {
    /// `HOST:PORT`, or the path or machine.
    pub(super) fn address(&self) -> &str {
        match self {
            Self::Unix(path) => path.to_str().unwrap_or_default(),
            Self::Tcp(address) => address,
            Self::Tls(tls) => &tls.address,
            Self::Ssh(ssh) => &ssh.host,
        }
    }

    /// The same without links on the way, so that two names of one socket are equal.
    pub(crate) fn settled(&self) -> Endpoint {
        match self {
            Self::Unix(path) => Self::Unix(path.canonicalize().unwrap_or_else(|_| path.clone())),
            other => other.clone(),
        }
    }

    /// The machine that it runs on, where that is another one.
    pub(crate) fn elsewhere(&self) -> Option<&str> {
        let host = match self {
            Self::Unix(_) => return None,
            Self::Ssh(ssh) => &ssh.host,
            Self::Tcp(address) | Self::Tls(Tls { address, .. }) => address
                .rsplit_once(':')
                .map_or(address.as_str(), |(host, _)| host)
                .trim_start_matches('[')
                .trim_end_matches(']'),
        };
        let here = host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        (!here).then_some(host)
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) | Self::Tls(Tls { address, .. }) => write!(f, "tcp://{address}"),
            Self::Ssh(ssh) => {
                let user = ssh.user.iter().map(|user| format!("{user}@"));
                let port = ssh.port.iter().map(|port| format!(":{port}"));
                write!(
                    f,
                    "ssh://{}{}{}",
                    user.collect::<String>(),
                    ssh.host,
                    port.collect::<String>()
                )?;
                write!(f, "{}", ssh.path.as_deref().unwrap_or_default())
            }
        }
    }
}

/// As a person would type it after `ssh`.
impl std::fmt::Display for Ssh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(port) = self.port {
            write!(f, "-p {port} ")?;
        }
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        write!(f, "{}", self.host)
    }
}

/// An endpoint and which setting led to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) endpoint: Endpoint,
    pub(super) origin: String,
}

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "currentContext", default)]
    current_context: String,
}

#[derive(Deserialize)]
struct Context {
    #[serde(rename = "Endpoints", default)]
    endpoints: std::collections::BTreeMap<String, ContextEndpoint>,
}

#[derive(Deserialize)]
struct ContextEndpoint {
    #[serde(rename = "Host", default)]
    host: String,
    #[serde(rename = "SkipTLSVerify", default)]
    anybody: bool,
}

/// What TLS is asked for, and with which files.
#[derive(Default)]
struct Asked {
    tls: bool,
    folder: Option<PathBuf>,
    verify: bool,
}

/// Decides by the environment and the client's own files; `read` answers `None` for no such file.
pub(super) fn locate(
    variable: &dyn Fn(&str) -> Option<String>,
    read: &dyn Fn(&Path) -> Option<String>,
) -> Result<Located, EngineError> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let folder = folder(variable);
    if let Some(host) = set("DOCKER_HOST") {
        let verify = set("DOCKER_TLS_VERIFY").is_some();
        let asked = Asked {
            tls: verify || set("DOCKER_TLS").is_some(),
            folder: set("DOCKER_CERT_PATH").map(PathBuf::from).or(folder),
            verify,
        };
        return parse(&host, "DOCKER_HOST", asked);
    }
    let (context, origin) = match set("DOCKER_CONTEXT") {
        Some(name) => (name, "DOCKER_CONTEXT".to_owned()),
        None => current_context(folder.as_deref(), read)?,
    };
    if context.is_empty() || context == "default" {
        return Ok(Located {
            endpoint: Endpoint::Unix(DEFAULT_SOCKET.into()),
            origin: "the default".into(),
        });
    }
    let (host, asked) = of_context(&context, folder.as_deref(), read).map_err(|problem| {
        EngineError::BadEndpoint {
            origin: origin.clone(),
            problem,
        }
    })?;
    parse(&host, &format!("context {context} of {origin}"), asked)
}

fn current_context(
    folder: Option<&Path>,
    read: &dyn Fn(&Path) -> Option<String>,
) -> Result<(String, String), EngineError> {
    let Some(path) = folder.map(|folder| folder.join("config.json")) else {
        return Ok(Default::default());
    };
    let origin = path.display().to_string();
    match read(&path) {
        None => Ok((String::new(), origin)),
        Some(text) => serde_json::from_str::<Config>(&text)
            .map(|config| (config.current_context, origin.clone()))
            .map_err(|error| EngineError::BadEndpoint {
                origin,
                problem: format!("not valid JSON: {error}"),
            }),
    }
}

fn of_context(
    name: &str,
    folder: Option<&Path>,
    read: &dyn Fn(&Path) -> Option<String>,
) -> Result<(String, Asked), String> {
    let hash: String = Sha256::digest(name)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let contexts = folder
        .ok_or("no home folder, so no contexts")?
        .join("contexts");
    let path = contexts.join("meta").join(&hash).join("meta.json");
    let text =
        read(&path).ok_or_else(|| format!("there is no context {name} (docker context ls)"))?;
    let context: Context =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let endpoint = context
        .endpoints
        .get("docker")
        .filter(|endpoint| !endpoint.host.is_empty())
        .ok_or_else(|| format!("context {name} names no engine"))?;
    let tls = contexts.join("tls").join(&hash).join("docker");
    let has_files = ["ca.pem", "cert.pem", "key.pem"]
        .iter()
        .any(|file| read(&tls.join(file)).is_some());
    let asked = Asked {
        tls: has_files || endpoint.anybody,
        folder: Some(tls),
        verify: !endpoint.anybody,
    };
    Ok((endpoint.host.clone(), asked))
}

fn parse(host: &str, origin: &str, asked: Asked) -> Result<Located, EngineError> {
    let bad = |problem: String| EngineError::BadEndpoint {
        origin: origin.to_owned(),
        problem,
    };
    let endpoint = match host.split_once("://") {
        Some(("unix", path)) if path.starts_with('/') => Endpoint::Unix(path.into()),
        Some(("tcp" | "http", address)) if asked.tls => Endpoint::Tls(Tls {
            address: with_port(address.trim_end_matches('/'), 2376),
            folder: asked.folder,
            verify: asked.verify,
        }),
        Some(("tcp" | "http", address)) => {
            Endpoint::Tcp(with_port(address.trim_end_matches('/'), 2375))
        }
        Some(("ssh", rest)) => {
            Endpoint::Ssh(machine(rest).map_err(|problem| bad(format!("{host}: {problem}")))?)
        }
        _ => {
            return Err(bad(format!(
                "{host} is none of unix:///PATH, tcp://HOST:PORT and ssh://USER@HOST"
            )));
        }
    };
    Ok(Located {
        endpoint,
        origin: origin.to_owned(),
    })
}

/// `[USER@]HOST[:PORT][/PATH]`.
fn machine(text: &str) -> Result<Ssh, &'static str> {
    let (place, path) = match text.find('/') {
        Some(slash) => text.split_at(slash),
        None => (text, ""),
    };
    let (user, place) = match place.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, place),
    };
    if user.is_some_and(|user| user.contains(':')) {
        return Err("a password has no place in it, use a key");
    }
    let (host, port) = match place
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((v6, rest)) => (v6, rest.strip_prefix(':')),
        None => place
            .split_once(':')
            .map_or((place, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("it names no machine");
    }
    let port = match port.map(str::parse).transpose() {
        Ok(port) => port,
        Err(_) => return Err("its port is none"),
    };
    Ok(Ssh {
        user: user.filter(|user| !user.is_empty()).map(str::to_owned),
        host: host.to_owned(),
        port,
        path: Some(path.trim_end_matches('/'))
            .filter(|path| !path.is_empty())
            .map(str::to_owned),
    })
}

fn with_port(address: &str, port: u16) -> String {
    let past_v6 = address.rsplit_once(']').map_or(address, |(_, rest)| rest);
    match (address.is_empty(), past_v6.contains(':')) {
        (true, _) => format!("localhost:{port}"),
        (false, true) => address.into(),
        (false, false) => format!("{address}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The folder's name is the SHA-256 of `rootless`.
    const ROOTLESS: &str = "/home/me/.docker/contexts/meta/12b961af5feb3e9d39f93b2cefb9a1a944f18d02cca0cac2f04f5a982240605f/meta.json";

    fn found(variables: &[(&str, &str)], files: &[(&str, &str)]) -> Result<Located, EngineError> {
        let pick = |list: &[(&str, &str)], key: &str| {
            list.iter()
                .find(|(name, _)| *name == key)
                .map(|(_, value)| (*value).to_owned())
        };
        locate(&|name| pick(variables, name), &|path| {
            pick(files, &path.display().to_string())
        })
    }

    fn endpoint(variables: &[(&str, &str)], files: &[(&str, &str)]) -> String {
        found(variables, files).map_or_else(
            |error| error.to_string(),
            |located| located.endpoint.to_string(),
        )
    }

    #[test]
    fn without_settings_it_is_the_default_socket() {
        assert_eq!(
            endpoint(&[("HOME", "/home/me")], &[]),
            "unix:///var/run/docker.sock"
        );
        assert_eq!(
            endpoint(&[("DOCKER_CONTEXT", "default")], &[]),
            "unix:///var/run/docker.sock"
        );
    }

    #[test]
    fn docker_host_wins_over_contexts() {
        let variables = [
            ("DOCKER_HOST", "tcp://builder"),
            ("DOCKER_CONTEXT", "remote"),
        ];
        assert_eq!(endpoint(&variables, &[]), "tcp://builder:2375");
        assert_eq!(
            endpoint(&[("DOCKER_HOST", "unix:///tmp/e.sock")], &[]),
            "unix:///tmp/e.sock"
        );
        assert_eq!(
            endpoint(&[("DOCKER_HOST", "tcp://[::1]:1")], &[]),
            "tcp://[::1]:1"
        );
    }

    #[test]
    fn the_current_context_is_followed() {
        let files = [
            (
                "/home/me/.docker/config.json",
                r#"{"auths":{},"currentContext":"rootless"}"#,
            ),
            (
                ROOTLESS,
                r#"{"Name":"rootless","Endpoints":{"docker":{"Host":"unix:///run/user/7/docker.sock"}}}"#,
            ),
        ];
        let located = found(&[("HOME", "/home/me")], &files).unwrap();
        assert_eq!(
            located.endpoint,
            Endpoint::Unix("/run/user/7/docker.sock".into())
        );
        assert_eq!(
            located.origin,
            "context rootless of /home/me/.docker/config.json"
        );
    }

    #[test]
    fn a_machine_behind_ssh_is_taken_apart() {
        let of = |host: &str| found(&[("DOCKER_HOST", host)], &[]).unwrap().endpoint;
        assert_eq!(
            of("ssh://me@there:2222/run/engine.sock"),
            Endpoint::Ssh(Ssh {
                user: Some("me".into()),
                host: "there".into(),
                port: Some(2222),
                path: Some("/run/engine.sock".into()),
            })
        );
        for host in ["ssh://there", "ssh://me@there:2222/run/engine.sock"] {
            assert_eq!(of(host).to_string(), host);
        }
        assert_eq!(of("ssh://there").elsewhere(), Some("there"));
        assert_eq!(of("ssh://[::1]:22").elsewhere(), None);
        assert_eq!(of("tcp://[2001:db8::1]").elsewhere(), Some("2001:db8::1"));
        assert_eq!(of("tcp://127.0.0.1").elsewhere(), None);
    }

    #[test]
    fn tls_is_asked_for_by_variables_or_by_what_a_context_holds() {
        let tls = |address: &str, folder: &str, verify| {
            Endpoint::Tls(Tls {
                address: address.into(),
                folder: Some(folder.into()),
                verify,
            })
        };
        let host = ("DOCKER_HOST", "tcp://there");
        let of = |variables: &[(&str, &str)], files: &[(&str, &str)]| {
            found(variables, files).unwrap().endpoint
        };
        assert_eq!(
            of(&[host, ("DOCKER_TLS_VERIFY", "1"), ("HOME", "/h")], &[]),
            tls("there:2376", "/h/.docker", true)
        );
        assert_eq!(
            of(
                &[host, ("DOCKER_TLS", "1"), ("DOCKER_CERT_PATH", "/c")],
                &[]
            ),
            tls("there:2376", "/c", false)
        );
        let meta = r#"{"Endpoints":{"docker":{"Host":"tcp://there:1","SkipTLSVerify":false}}}"#;
        let material = ROOTLESS
            .replace("/meta/", "/tls/")
            .replace("meta.json", "docker");
        let ca = format!("{material}/ca.pem");
        let named = [("DOCKER_CONTEXT", "rootless"), ("HOME", "/home/me")];
        assert_eq!(
            of(&named, &[(ROOTLESS, meta), (&ca, "-----")]),
            tls("there:1", &material, true)
        );
        assert_eq!(
            of(&named, &[(ROOTLESS, meta)]),
            Endpoint::Tcp("there:1".into())
        );
    }

    #[test]
    fn what_cannot_be_used_is_said_with_its_origin() {
        assert_eq!(
            endpoint(&[("DOCKER_CONTEXT", "gone"), ("HOME", "/home/me")], &[]),
            "DOCKER_CONTEXT: there is no context gone (docker context ls)"
        );
        assert_eq!(
            endpoint(&[("DOCKER_HOST", "ssh://me:secret@there")], &[]),
            "DOCKER_HOST: ssh://me:secret@there: a password has no place in it, use a key"
        );
        assert!(
            endpoint(&[("DOCKER_HOST", "nonsense")], &[])
                .starts_with("DOCKER_HOST: nonsense is none of")
        );
    }
}
