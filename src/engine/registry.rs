//! Names of images, who keeps them, and what their registry's answers mean.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;

use super::EngineError;

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

#[derive(Deserialize, Default)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
}

#[derive(Deserialize, Default)]
struct Auth {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    identitytoken: Option<String>,
}

/// What the configuration of Docker's client holds for a registry.
pub(super) fn credentials(config: &str, server: &str) -> Option<DockerCredentials> {
    let config: Config = serde_json::from_str(config).ok()?;
    let bare = |name: &str| {
        let name = name.split_once("://").map_or(name, |(_, rest)| rest);
        name.split('/').next().unwrap_or_default().to_owned()
    };
    let (address, auth) = config
        .auths
        .iter()
        .find(|(name, _)| bare(name) == bare(server))?;
    let decoded = String::from_utf8(STANDARD.decode(&auth.auth).ok()?).ok()?;
    let (username, password) = decoded.split_once(':')?;
    Some(DockerCredentials {
        username: Some(username.to_owned()),
        password: Some(password.trim_end_matches('\0').to_owned()),
        identitytoken: auth.identitytoken.clone(),
        serveraddress: Some(address.clone()),
        ..Default::default()
    })
}

/// Tells a registry that says no from one that says nothing.
pub(super) fn refused(reference: &str, message: &str) -> EngineError {
    let (image, detail) = (reference.to_owned(), message.trim().to_owned());
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
    fn credentials_are_found_however_the_registry_is_written() {
        // `me:secret`
        let config = r#"{"auths":{"https://registry.test/v1/":{"auth":"bWU6c2VjcmV0"}}}"#;
        let found = credentials(config, "registry.test").unwrap();
        assert_eq!(
            (found.username.as_deref(), found.password.as_deref()),
            (Some("me"), Some("secret"))
        );
        assert!(credentials(config, "other.test").is_none());
        assert!(credentials("not json", "registry.test").is_none());
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
}
