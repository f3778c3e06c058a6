//! What the engine's answers mean; only their text tells most of them apart.

use super::EngineError;
use super::error::says_full;

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

/// Recognises an answer that is not a success.
pub(super) fn from_answer(doing: String, status: u16, message: &str) -> EngineError {
    let message = message.trim();
    // First: a full disk is told within the words of whatever it stopped.
    if says_full(message) {
        return EngineError::Full {
            doing,
            detail: message.into(),
        };
    }
    if is_ending(message) {
        return EngineError::Lost {
            doing,
            detail: message.into(),
        };
    }
    if let Some(port) = taken_port(message) {
        return EngineError::PortTaken { port };
    }
    if let Some(error) = refused_port(message) {
        return error;
    }
    // The engine's own words; those of the system about ports begin with a small letter.
    if message.ends_with("Address already in use") {
        return EngineError::AddressTaken { doing };
    }
    if message.contains("Pool overlaps with") || message.contains("networks have overlapping") {
        return EngineError::SubnetTaken { doing };
    }
    if let Some(image) = after(message, "No such image: ") {
        return EngineError::ImageMissing {
            image: image.into(),
        };
    }
    if is_gone(message) {
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
    if message.contains("of a non running container") {
        return EngineError::LenderMissing { doing };
    }
    if message.contains("rootfs is marked read-only") {
        return EngineError::ReadOnlyRoot { doing };
    }
    EngineError::Other {
        doing,
        detail: message.into(),
    }
}

/// What an engine says that has been told to end, of the parts of it that have ended already.
fn is_ending(message: &str) -> bool {
    [
        "transport is closing",
        "code = Unavailable",
        "containerd.sock",
        "shutting down",
    ]
    .iter()
    .any(|text| message.contains(text))
}

/// Of one that is being removed the engine says many things; that its root is not there is one.
fn is_gone(message: &str) -> bool {
    [
        "No such container",
        "No such exec instance",
        "marked for removal",
        "Could not find the file / in container",
    ]
    .iter()
    .any(|text| message.contains(text))
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

/// The host's port in `listen tcp4 127.0.0.1:80: …`, `Bind for 0.0.0.0:80 failed`, `Bind for ::1:80 failed`,
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
        // Engine 20 writes `::1:5432`.
        None if address.starts_with(':') => address.rsplit_once(':')?.1,
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
                "driver failed programming external connectivity on endpoint x (1f): Bind for ::1:8080 failed: port is already allocated",
                8080,
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
    fn taken_addresses_are_no_taken_ports() {
        let message = "failed to set up container networking: Address already in use";
        let one = answer(500, message);
        assert!(matches!(one, EngineError::AddressTaken { .. }), "{one:?}");
        for message in [
            "Pool overlaps with other one on this address space",
            "cannot create network 1f (br-1f): conflicts with network 2e (br-2e): networks have overlapping IPv4",
            "invalid pool request: Pool overlaps with other one on this address space",
        ] {
            let subnet = answer(403, message);
            assert!(
                matches!(subnet, EngineError::SubnetTaken { .. }),
                "{subnet:?}"
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
    fn a_full_disk_is_recognised_whatever_it_stopped() {
        let wordings = [
            "mkdir /var/lib/docker/overlay2/1f-init: no space left on device",
            "error creating overlay mount to /var/lib/docker/overlay2/1f/merged: no such file or directory: unknown: no space left on device",
            "create app-data: error while creating volume path '/var/lib/docker/volumes/app-data/_data': mkdir /var/lib/docker/volumes/app-data: no space left on device",
            "failed to register layer: Error processing tar file(exit status 1): write /usr/lib/libx.so: no space left on device",
            "open /var/lib/docker/containers/1f/.tmp-config.v2.json: disk quota exceeded",
        ];
        for message in wordings {
            let error = answer(500, message);
            assert!(
                matches!(error, EngineError::Full { .. }),
                "{message}: {error}"
            );
            assert!(
                error
                    .hint()
                    .is_some_and(|hint| hint.contains("docker system df"))
            );
        }
    }

    #[test]
    fn one_that_is_about_to_end_is_away_and_does_not_refuse() {
        for message in [
            "cannot start a stopped process: transport is closing: unavailable",
            "rpc error: code = Unavailable desc = transport is closing",
            "connection error: desc = \"transport: error while dialing: dial unix:///run/docker/containerd/containerd.sock: timeout\"",
            "the daemon is shutting down",
        ] {
            let error = answer(500, message);
            assert!(error.is_away() && !error.is_refusal(), "{error:?}");
        }
        assert!(!answer(500, "no").is_away());
    }

    #[test]
    fn one_that_is_being_removed_is_as_good_as_gone() {
        for (status, message) in [
            (409, "container is marked for removal and cannot be started"),
            (404, "Could not find the file / in container 6f56697665d5"),
        ] {
            let error = answer(status, message);
            assert!(error.is_absent(), "{error}");
        }
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
}
