//! Where the engine is, found as `docker` finds it.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::error::EngineError;

/// Where the engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A socket of this machine.
    Unix(PathBuf),
    /// `HOST:PORT`, unencrypted.
    Tcp(String),
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
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
}

/// Decides by the environment and the client's own files; `read` answers `None` for no such file.
pub(super) fn locate(
    variable: &dyn Fn(&str) -> Option<String>,
    read: &dyn Fn(&Path) -> Option<String>,
) -> Result<Located, EngineError> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(host) = set("DOCKER_HOST") {
        return parse(&host, "DOCKER_HOST", set("DOCKER_TLS_VERIFY").is_some());
    }
    let folder = config_folder(variable);
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
    let host = context_host(&context, folder.as_deref(), read).map_err(|problem| {
        EngineError::BadEndpoint {
            origin: origin.clone(),
            problem,
        }
    })?;
    parse(&host, &format!("context {context} of {origin}"), false)
}

/// Where the client of Docker keeps its files.
pub(super) fn config_folder(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("DOCKER_CONFIG").or_else(|| Some(set("HOME")?.join(".docker")))
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

fn context_host(
    name: &str,
    folder: Option<&Path>,
    read: &dyn Fn(&Path) -> Option<String>,
) -> Result<String, String> {
    let hash: String = Sha256::digest(name)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let path = folder
        .ok_or("no home folder, so no contexts")?
        .join("contexts/meta")
        .join(hash)
        .join("meta.json");
    let text =
        read(&path).ok_or_else(|| format!("there is no context {name} (docker context ls)"))?;
    let context: Context =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let endpoint = context
        .endpoints
        .get("docker")
        .filter(|endpoint| !endpoint.host.is_empty());
    endpoint
        .map(|endpoint| endpoint.host.clone())
        .ok_or_else(|| format!("context {name} names no engine"))
}

fn parse(host: &str, origin: &str, tls: bool) -> Result<Located, EngineError> {
    let bad = |problem: String| EngineError::BadEndpoint {
        origin: origin.to_owned(),
        problem,
    };
    let endpoint = match host.split_once("://") {
        Some(("unix", path)) if path.starts_with('/') => Endpoint::Unix(path.into()),
        Some(("tcp" | "http", _)) if tls => {
            return Err(bad(
                "TLS to the engine is not supported yet; tunnel its socket with ssh -L".into(),
            ));
        }
        Some(("tcp" | "http", address)) => Endpoint::Tcp(with_port(address.trim_end_matches('/'))),
        Some(("ssh", _)) => {
            return Err(bad(format!(
                "{host}: ssh is not supported yet; tunnel its socket with ssh -L"
            )));
        }
        _ => {
            return Err(bad(format!(
                "{host} is neither unix:///PATH nor tcp://HOST:PORT"
            )));
        }
    };
    Ok(Located {
        endpoint,
        origin: origin.to_owned(),
    })
}

fn with_port(address: &str) -> String {
    let past_v6 = address.rsplit_once(']').map_or(address, |(_, rest)| rest);
    match (address.is_empty(), past_v6.contains(':')) {
        (true, _) => "localhost:2375".into(),
        (false, true) => address.into(),
        (false, false) => format!("{address}:2375"),
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
    fn what_cannot_be_used_is_said_with_its_origin() {
        assert_eq!(
            endpoint(&[("DOCKER_CONTEXT", "gone"), ("HOME", "/home/me")], &[]),
            "DOCKER_CONTEXT: there is no context gone (docker context ls)"
        );
        assert!(endpoint(&[("DOCKER_HOST", "ssh://me@there")], &[]).contains("ssh -L"));
        assert!(
            endpoint(&[("DOCKER_HOST", "nonsense")], &[])
                .starts_with("DOCKER_HOST: nonsense is neither")
        );
    }
}
