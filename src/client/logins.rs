//! Who logged in to which registry, as `docker login` keeps it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{folder, helper};

/// A login at a registry.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Login {
    /// With a name.
    Password {
        /// The name.
        username: String,
        /// The password.
        password: String,
    },
    /// With a token that stands for both.
    Token(String),
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a login")
    }
}

/// Why it is not known who this user is for a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoginError {
    /// The file cannot be read.
    #[error("{file} cannot be read: {detail}")]
    File {
        /// Which.
        file: String,
        /// Why.
        detail: String,
    },
    /// A program that keeps logins is not there.
    #[error("{program}, which keeps the login for {server}, is not installed, or not on the PATH")]
    NoHelper {
        /// Its name.
        program: String,
        /// For which registry.
        server: String,
    },
    /// A program that keeps logins did not answer.
    #[error("{program}, which keeps the login for {server}, failed: {detail}")]
    Helper {
        /// Its name.
        program: String,
        /// For which registry.
        server: String,
        /// What it said.
        detail: String,
    },
}

#[derive(Deserialize, Default, Debug)]
#[serde(default)]
struct Config {
    auths: BTreeMap<String, Entry>,
    #[serde(rename = "credsStore")]
    store: String,
    #[serde(rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an entry")
    }
}

/// All logins of this user.
#[derive(Debug, Default)]
pub(crate) struct Logins(Config);

impl Logins {
    /// Reads the client's configuration; without one nobody has logged in.
    pub(crate) async fn of_this_user() -> Result<Logins, LoginError> {
        let variable = |name: &str| std::env::var(name).ok();
        match folder(&variable).map(|folder| folder.join("config.json")) {
            Some(file) => Logins::read(file).await,
            None => Ok(Logins::default()),
        }
    }

    async fn read(file: PathBuf) -> Result<Logins, LoginError> {
        let failed = |detail: String| LoginError::File {
            file: file.display().to_string(),
            detail,
        };
        match tokio::fs::read(&file).await {
            Ok(text) => serde_json::from_slice(&text)
                .map(Logins)
                .map_err(|error| failed(format!("not valid JSON: {error}"))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Logins::default()),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// The login for a registry, with the address under which it is kept.
    pub(crate) async fn of(&self, server: &str) -> Result<Option<(String, Login)>, LoginError> {
        let config = &self.0;
        let entry = config.auths.iter().find(|(key, _)| speaks_for(key, server));
        // Helpers keep a login under the address that was logged in to.
        let kept = entry.map_or(server, |(key, _)| key);
        let own = config
            .helpers
            .iter()
            .find(|(key, _)| speaks_for(key, server));
        let helper = match own {
            Some((key, name)) => Some((key.as_str(), name)),
            None if config.store.is_empty() => None,
            None => Some((kept, &config.store)),
        };
        if let Some((address, name)) = helper.filter(|(_, name)| !name.is_empty()) {
            let login = match helper::ask(name, address).await {
                // A store that is named everywhere but installed elsewhere, and no trace of a login:
                // then there is none, and what is public needs none.
                Err(LoginError::NoHelper { .. }) if own.is_none() && entry.is_none() => None,
                asked => asked?,
            };
            return Ok(login.map(|login| (address.to_owned(), login)));
        }
        Ok(entry.and_then(|(key, entry)| Some((key.clone(), entry.login()?))))
    }
}

impl Entry {
    fn login(&self) -> Option<Login> {
        if !self.identitytoken.is_empty() {
            return Some(Login::Token(self.identitytoken.clone()));
        }
        if self.auth.is_empty() {
            return (!self.username.is_empty()).then(|| Login::Password {
                username: self.username.clone(),
                password: self.password.clone(),
            });
        }
        let decoded = String::from_utf8(STANDARD.decode(&self.auth).ok()?).ok()?;
        let (username, password) = decoded.split_once(':')?;
        Some(Login::Password {
            username: username.to_owned(),
            password: password.trim_end_matches('\0').to_owned(),
        })
    }
}

/// Whether an entry is about this registry. An old entry, `https://index.DOMAIN/v1/`, speaks for
/// the host that serves that index's images, `registry-1.DOMAIN`.
fn speaks_for(key: &str, server: &str) -> bool {
    let (name, path) = parts(key);
    let (host, _) = parts(server);
    let index = name.strip_prefix("index.");
    let old = path.trim_end_matches('/') == "v1" && index.is_some();
    name == host || (old && index == host.strip_prefix("registry-1."))
}

fn parts(address: &str) -> (&str, &str) {
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    address.split_once('/').unwrap_or((address, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logins(text: &str) -> Logins {
        Logins(serde_json::from_str(text).unwrap())
    }

    fn password(username: &str, password: &str) -> Login {
        Login::Password {
            username: username.into(),
            password: password.into(),
        }
    }

    #[tokio::test]
    async fn a_login_is_given_to_its_registry_and_to_no_other() {
        let logins = logins(
            r#"{"auths": {
                "registry.example.com": {"auth": "YW5uOnA6dw=="},
                "https://index.example.org/v1/": {"auth": "Ym9iOng="},
                "token.example.net:5000": {"auth": "YW5uOg==", "identitytoken": "abc"},
                "empty.example.net": {}
            }}"#,
        );
        let cases = [
            ("registry.example.com", Some(password("ann", "p:w"))),
            (
                "https://registry.example.com/v2/",
                Some(password("ann", "p:w")),
            ),
            ("other.example.com", None),
            ("registry-1.example.org", Some(password("bob", "x"))),
            ("https://index.example.org/v1/", Some(password("bob", "x"))),
            ("example.org", None),
            ("token.example.net:5000", Some(Login::Token("abc".into()))),
            ("empty.example.net", None),
        ];
        for (server, wanted) in cases {
            let found = logins.of(server).await.unwrap().map(|(_, login)| login);
            assert!(found == wanted, "{server}");
        }
    }

    #[tokio::test]
    async fn a_helper_that_is_not_there_is_named() {
        let logins = logins(
            r#"{"auths": {"a.test": {}}, "credsStore": "devrun-has-none",
                "credHelpers": {"b.test": "devrun-has-no-other"}}"#,
        );
        let error = logins.of("a.test").await.unwrap_err().to_string();
        assert!(
            error
                .starts_with("docker-credential-devrun-has-none, which keeps the login for a.test"),
            "{error}"
        );
        assert_eq!(logins.of("never.test").await, Ok(None));
        let error = logins.of("b.test").await.unwrap_err().to_string();
        assert!(
            error.contains("docker-credential-devrun-has-no-other"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_file_that_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        assert!(
            Logins::read(file.clone())
                .await
                .unwrap()
                .of("a.test")
                .await
                .unwrap()
                .is_none()
        );
        std::fs::write(&file, "{").unwrap();
        let error = Logins::read(file.clone()).await.unwrap_err().to_string();
        assert!(error.starts_with(&file.display().to_string()), "{error}");
    }
}
