//! What can go wrong with the engine, said so that a person can act on it.

use std::time::Duration;

/// A call to the engine did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EngineError {
    /// Nothing answers where the engine was looked for.
    #[error("no container engine answers at {endpoint} ({origin}): {detail}")]
    Unreachable {
        /// Where it was looked for, as a URL.
        endpoint: String,
        /// Why there.
        origin: String,
        /// What the system said.
        detail: String,
    },
    /// What the environment says about the engine cannot be used.
    #[error("{origin}: {problem}")]
    BadEndpoint {
        /// Which setting.
        origin: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The connection broke in the middle of a call.
    #[error("{doing}: the connection to the engine broke: {detail}")]
    Lost {
        /// What was being done.
        doing: String,
        /// What the system said.
        detail: String,
    },
    /// No answer within the time.
    #[error("{doing}: no answer from the engine within {} s", .limit.as_secs())]
    TimedOut {
        /// What was being done.
        doing: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// Something on the host already has the port.
    #[error("port {port} of the host is taken")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The host does not give the port away.
    #[error("port {port} of the host cannot be used: {detail}")]
    PortRefused {
        /// The port.
        port: u16,
        /// What the system said.
        detail: String,
    },
    /// There is already something of that name.
    #[error("{doing}: the name {name} is taken")]
    NameTaken {
        /// What was being done.
        doing: String,
        /// The name.
        name: String,
    },
    /// The image is not on the engine.
    #[error("the image {image} is not on this machine")]
    ImageMissing {
        /// Its name or id.
        image: String,
    },
    /// No registry gave an answer about the image.
    #[error("{image} cannot be pulled, its registry does not answer: {detail}")]
    RegistryUnreachable {
        /// Its name.
        image: String,
        /// What the engine said.
        detail: String,
    },
    /// The registry has no such image, or shows it only to others.
    #[error("{image} cannot be pulled: {detail}")]
    PullRefused {
        /// Its name.
        image: String,
        /// What the registry said.
        detail: String,
    },
    /// The container is not there (any more).
    #[error("{doing}: the container is not there any more")]
    NoSuchContainer {
        /// What was being done.
        doing: String,
    },
    /// The container does not run, so nothing can be done in it.
    #[error("{doing}: the container is not running")]
    NotRunning {
        /// What was being done.
        doing: String,
    },
    /// A network is missing.
    #[error("{doing}: the network {network} is not there")]
    NetworkMissing {
        /// What was being done.
        doing: String,
        /// Its name.
        network: String,
    },
    /// A folder or file of the host that should be mounted is missing.
    #[error("{doing}: {path} does not exist on the host")]
    BindMissing {
        /// What was being done.
        doing: String,
        /// The path.
        path: String,
    },
    /// The command is not in the image.
    #[error("{doing}: the command {command} is not in the image")]
    CommandMissing {
        /// What was being done.
        doing: String,
        /// The program.
        command: String,
    },
    /// A limit that the machine cannot give.
    #[error("{doing}: {detail}")]
    OutOfRange {
        /// What was being done.
        doing: String,
        /// What the engine said.
        detail: String,
    },
    /// The container's files cannot be written from outside.
    #[error("{doing}: the container's root is read-only")]
    ReadOnlyRoot {
        /// What was being done.
        doing: String,
    },
    /// It is still in use.
    #[error("{doing}: still in use by {}", .users.join(", "))]
    InUse {
        /// What was being done.
        doing: String,
        /// By whom.
        users: Vec<String>,
    },
    /// The local terminal or pipe failed.
    #[error("{doing}: {detail}")]
    Local {
        /// What was being done.
        doing: String,
        /// What the system said.
        detail: String,
    },
    /// Anything else, in the engine's words.
    #[error("{doing}: {detail}")]
    Other {
        /// What was being done.
        doing: String,
        /// What the engine said.
        detail: String,
    },
}

impl EngineError {
    /// What to do about it, where that is known.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable { detail, .. } if detail.to_lowercase().contains("permission") => {
                "run as root, or join the group of the socket: sudo usermod -aG docker $USER, then log in again".into()
            }
            Self::Unreachable { .. } => "is Docker installed and started (sudo systemctl start docker)? \
                Another engine is named by DOCKER_HOST=unix:///PATH or `docker context use NAME`"
                .into(),
            Self::BadEndpoint { .. } => {
                "unset it, or name a unix:// or tcp:// address".into()
            }
            Self::Lost { .. } => "is the engine being restarted? Try again once it answers".into(),
            Self::TimedOut { .. } => "does `docker ps` answer? If not, restart the engine".into(),
            Self::PortTaken { port } => {
                format!("free port {port}, or publish another one in the Stackfile")
            }
            Self::PortRefused { .. } => "publish another port, or bind another address".into(),
            Self::NameTaken { name, .. } => {
                format!("remove it (docker rm {name}), or run under another name with -p")
            }
            Self::ImageMissing { image } => format!("docker pull {image}, or build it"),
            Self::RegistryUnreachable { .. } => {
                "is this machine online? An image of that name on this machine is used without asking".into()
            }
            Self::PullRefused { .. } => "is the name right? For a private image: docker login".into(),
            Self::BindMissing { path, .. } => format!("create {path}, or correct the path in the Stackfile"),
            Self::CommandMissing { .. } => "correct the command, or install it in the image".into(),
            Self::OutOfRange { .. } => "lower the limit in the Stackfile".into(),
            Self::Other { detail, .. } if detail.contains("non-overlapping IPv4 address pool") => {
                "the engine has no addresses left for networks: docker network prune".into()
            }
            Self::Other { detail, .. } if detail.contains("no space left on device") => {
                "the disk is full: docker system df shows by what".into()
            }
            _ => return None,
        };
        Some(hint)
    }

    /// True where what was meant is simply not there.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(
            self,
            Self::NoSuchContainer { .. } | Self::ImageMissing { .. } | Self::NetworkMissing { .. }
        )
    }
}

/// Turns the client's error into ours.
pub(super) fn classify(doing: &str, error: bollard::errors::Error) -> EngineError {
    use bollard::errors::Error;
    let doing = doing.to_owned();
    match error {
        Error::DockerResponseServerError {
            status_code,
            message,
        } => from_answer(doing, status_code, &message),
        Error::DockerStreamError { error } => from_answer(doing, 500, &error),
        Error::IOError { err } => EngineError::Lost {
            doing,
            detail: chain(&err),
        },
        Error::HyperResponseError { err } => EngineError::Lost {
            doing,
            detail: chain(&err),
        },
        Error::HyperLegacyError { err } => EngineError::Lost {
            doing,
            detail: chain(&err),
        },
        other => EngineError::Other {
            doing,
            detail: other.to_string(),
        },
    }
}

/// An error with its causes: the client's own text alone says "client error (Connect)".
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// Recognises the engine's answers; only their text tells most of them apart.
pub(super) fn from_answer(doing: String, status: u16, message: &str) -> EngineError {
    let message = message.trim();
    if let Some(port) = taken_port(message) {
        return EngineError::PortTaken { port };
    }
    if let Some(error) = refused_port(message) {
        return error;
    }
    if let Some(image) = after(message, "No such image: ") {
        return EngineError::ImageMissing {
            image: image.into(),
        };
    }
    if message.contains("No such container") || message.contains("No such exec instance") {
        return EngineError::NoSuchContainer { doing };
    }
    if status == 409 && message.contains("is already in use") {
        let name = between(message, "name \"", "\"").unwrap_or_default();
        return EngineError::NameTaken {
            doing,
            name: name.trim_start_matches('/').into(),
        };
    }
    if status == 409
        && ["is not running", "is restarting", "is paused"]
            .iter()
            .any(|text| message.contains(text))
    {
        return EngineError::NotRunning { doing };
    }
    if let Some(network) = between(message, "network ", " not found") {
        return EngineError::NetworkMissing {
            doing,
            network: network.trim_matches('"').into(),
        };
    }
    if let Some(path) = after(message, "bind source path does not exist: ") {
        return EngineError::BindMissing {
            doing,
            path: path.into(),
        };
    }
    if message.contains("executable file not found")
        || message.contains("no such file or directory: unknown")
    {
        // The innermost `exec: "…"` names the program; outer ones wrap it.
        if let Some(command) = message
            .rsplit("exec: \"")
            .next()
            .and_then(|rest| rest.split('"').next())
        {
            return EngineError::CommandMissing {
                doing,
                command: command.into(),
            };
        }
    }
    if message.contains("Range of CPUs is") || message.contains("Minimum memory limit") {
        return EngineError::OutOfRange {
            doing,
            detail: message.into(),
        };
    }
    if message.contains("rootfs is marked read-only") {
        return EngineError::ReadOnlyRoot { doing };
    }
    EngineError::Other {
        doing,
        detail: message.into(),
    }
}

fn taken_port(message: &str) -> Option<u16> {
    let taken =
        message.contains("port is already allocated") || message.contains("address already in use");
    taken.then(|| named_port(message)).flatten()
}

fn refused_port(message: &str) -> Option<EngineError> {
    let detail = ["permission denied", "cannot assign requested address"]
        .into_iter()
        .find(|reason| message.ends_with(reason) && message.contains("external connectivity"))?;
    Some(EngineError::PortRefused {
        port: named_port(message)?,
        detail: detail.into(),
    })
}

/// The host's port in `listen tcp4 127.0.0.1:80: …`, `Bind for 0.0.0.0:80 failed`,
/// `failed to bind host port for 0.0.0.0:80:172.17.0.2:80/tcp: …`.
fn named_port(message: &str) -> Option<u16> {
    let starts = [
        "bind host port for ",
        "bind host port ",
        "Bind for ",
        "listen tcp4 ",
        "listen tcp6 ",
        "listen tcp ",
        "listen udp4 ",
        "listen udp6 ",
        "listen udp ",
    ];
    let address = starts.iter().find_map(|start| after(message, start))?;
    let address = address.split_whitespace().next()?;
    let past_host = match address.strip_prefix('[') {
        Some(v6) => v6.split_once("]:")?.1,
        None => address.split_once(':')?.1,
    };
    let digits: String = past_host.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.split_once(start).map(|(_, rest)| rest)
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    after(text, start)?.split_once(end).map(|(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, message: &str) -> EngineError {
        from_answer("starting app-web".into(), status, message)
    }

    #[test]
    fn a_taken_port_is_recognised_in_every_wording() {
        let wordings = [
            (
                "driver failed programming external connectivity on endpoint x (1f): Error starting userland proxy: listen tcp4 127.0.0.1:8080: bind: address already in use",
                8080,
            ),
            (
                "driver failed programming external connectivity on endpoint x (1f): Bind for 0.0.0.0:80 failed: port is already allocated",
                80,
            ),
            (
                "driver failed programming external connectivity on endpoint x (1f): Error starting userland proxy: listen tcp6 [::1]:5432: bind: address already in use",
                5432,
            ),
            (
                "failed to set up container networking: driver failed programming external connectivity on endpoint x (1f): failed to bind host port for 0.0.0.0:80:172.18.0.2:80/tcp: address already in use",
                80,
            ),
            (
                "failed to bind host port 127.0.0.1:8081/tcp: address already in use",
                8081,
            ),
        ];
        for (message, port) in wordings {
            assert_eq!(
                answer(500, message),
                EngineError::PortTaken { port },
                "{message}"
            );
        }
    }

    #[test]
    fn a_port_that_the_host_refuses_is_not_called_taken() {
        let message = "driver failed programming external connectivity on endpoint x (1f): Error starting userland proxy: listen tcp6 [::1]:8080: bind: cannot assign requested address";
        assert_eq!(
            answer(500, message),
            EngineError::PortRefused {
                port: 8080,
                detail: "cannot assign requested address".into()
            }
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(
            answer(404, "No such image: nope:1"),
            EngineError::ImageMissing {
                image: "nope:1".into()
            }
        );
        assert!(answer(404, "No such container: 12ab").is_absent());
        assert_eq!(
            answer(404, "network app-network not found").to_string(),
            "starting app-web: the network app-network is not there"
        );
        assert_eq!(
            answer(
                400,
                "invalid mount config for type \"bind\": bind source path does not exist: /nope"
            )
            .to_string(),
            "starting app-web: /nope does not exist on the host"
        );
        assert_eq!(
            answer(400, "OCI runtime create failed: runc create failed: unable to start container process: exec: \"gunicorn\": executable file not found in $PATH: unknown").to_string(),
            "starting app-web: the command gunicorn is not in the image"
        );
    }

    #[test]
    fn a_taken_name_says_which() {
        let error = answer(
            409,
            "Conflict. The container name \"/app-db\" is already in use by container \"1f\". You have to remove (or rename) that container to be able to reuse that name.",
        );
        assert_eq!(
            error.to_string(),
            "starting app-web: the name app-db is taken"
        );
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("docker rm app-db"))
        );
    }

    #[test]
    fn a_socket_without_permission_leads_to_the_group() {
        let error = EngineError::Unreachable {
            endpoint: "unix:///run/docker.sock".into(),
            origin: "the default".into(),
            detail: "Permission denied (os error 13)".into(),
        };
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("usermod -aG docker"))
        );
    }
}
