//! Names of images, who keeps them, and what their registry's answers mean.

use bollard::auth::DockerCredentials;

use super::EngineError;
use super::error::says_full;
use crate::client::Login;

/// A reference without and with its tag or digest; `latest` if it has none.
pub(super) fn split(reference: &str) -> (&str, &str) {
    if let Some((name, digest)) = reference.split_once('@') {
        return (name, digest);
    }
    let last_part = reference.rfind('/').map_or(0, |slash| slash + 1);
    match reference[last_part..].find(':') {
        Some(colon) => (
            &reference[..last_part + colon],
            &reference[last_part + colon + 1..],
        ),
        None => (reference, "latest"),
    }
}

/// The registry that a reference names; `None` for the engine's default one.
pub(super) fn host(reference: &str) -> Option<&str> {
    let (first, _) = reference.split_once('/')?;
    (first.contains(['.', ':']) || first == "localhost").then_some(first)
}

/// What the engine passes on to a registry.
pub(super) fn credentials(address: String, login: Login) -> DockerCredentials {
    let mut credentials = DockerCredentials {
        serveraddress: Some(address),
        ..Default::default()
    };
    match login {
        Login::Password { username, password } => {
            credentials.username = Some(username);
            credentials.password = Some(password);
        }
        Login::Token(token) => credentials.identitytoken = Some(token),
    }
    credentials
}

/// Tells a registry that says no from one that says nothing.
pub(super) fn refused(reference: &str, message: &str) -> EngineError {
    let (image, detail) = (reference.to_owned(), message.trim().to_owned());
    if says_full(&detail) {
        return EngineError::Full {
            doing: format!("pulling {image}"),
            detail,
        };
    }
    let silent = [
        "no such host",
        "connection refused",
        "i/o timeout",
        "Client.Timeout",
        "TLS handshake",
        "x509",
        "network is unreachable",
        "no route to host",
        "server misbehaving",
        "deadline exceeded",
        "EOF",
        "connection reset",
        "Temporary failure",
        "Service Unavailable",
        "Bad Gateway",
        "Forbidden",
        "proxyconnect",
    ];
    match silent.iter().any(|sign| detail.contains(sign)) {
        true => EngineError::RegistryUnreachable { image, detail },
        false => EngineError::PullRefused { image, detail },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart_as_docker_does() {
        assert_eq!(split("postgres:17"), ("postgres", "17"));
        assert_eq!(
            split("registry.test:5000/team/app"),
            ("registry.test:5000/team/app", "latest")
        );
        assert_eq!(split("app@sha256:1f"), ("app", "sha256:1f"));
        assert_eq!(host("team/app"), None);
        assert_eq!(host("registry.test/app:1"), Some("registry.test"));
        assert_eq!(host("localhost/app"), Some("localhost"));
    }

    #[test]
    fn a_registry_that_is_away_is_told_from_one_that_refuses() {
        let away = refused(
            "app",
            "Get \"https://registry.test/v2/\": dial tcp: lookup registry.test: no such host",
        );
        assert!(
            matches!(away, EngineError::RegistryUnreachable { .. }),
            "{away}"
        );
        let denied = refused(
            "app",
            "pull access denied for app, repository does not exist or may require 'docker login'",
        );
        assert!(
            matches!(denied, EngineError::PullRefused { .. }),
            "{denied}"
        );
    }

    #[test]
    fn a_full_disk_is_no_answer_of_the_registry() {
        let full = refused(
            "app",
            "failed to register layer: Error processing tar file(exit status 1): write /bin/x: no space left on device",
        );
        assert!(matches!(full, EngineError::Full { .. }), "{full}");
    }
}
