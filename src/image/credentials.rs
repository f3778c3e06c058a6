//! What this user logged in with, for base images that only they may pull.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bollard_buildkit_proto::moby::filesync::v1::auth_server::Auth;
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse,
    GetTokenAuthorityRequest, GetTokenAuthorityResponse, VerifyTokenAuthorityRequest,
    VerifyTokenAuthorityResponse,
};
use serde::Deserialize;
use tonic::{Request, Response, Status};

/// Where `docker login` keeps what it was told.
#[derive(Debug)]
pub(super) struct Credentials {
    file: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Login>,
}

#[derive(Deserialize, Default)]
struct Login {
    #[serde(default)]
    auth: String,
    #[serde(default, rename = "identitytoken")]
    identity_token: String,
}

impl Credentials {
    /// Those in `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`.
    pub(super) fn of_this_user() -> Self {
        let folder = env::var_os("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| Some(env::home_dir()?.join(".docker")));
        Self {
            file: folder.map(|folder| folder.join("config.json")),
        }
    }
}

impl Config {
    /// The login for a host; an empty one where there is none.
    fn login(&self, host: &str) -> CredentialsResponse {
        let found = self
            .auths
            .iter()
            .find(|(key, _)| speaks_for(key, host))
            .map(|(_, login)| login);
        match found {
            Some(login) if !login.identity_token.is_empty() => CredentialsResponse {
                username: String::new(),
                secret: login.identity_token.clone(),
            },
            Some(login) => {
                let decoded = STANDARD.decode(&login.auth).unwrap_or_default();
                let text = String::from_utf8_lossy(&decoded);
                let (name, secret) = text.split_once(':').unwrap_or_default();
                CredentialsResponse {
                    username: name.to_owned(),
                    secret: secret.trim_end_matches('\0').to_owned(),
                }
            }
            None => CredentialsResponse::default(),
        }
    }
}

/// Whether an entry of the file is about this host. An old entry, `https://index.DOMAIN/v1/`,
/// speaks for the host that serves that index's images.
fn speaks_for(key: &str, host: &str) -> bool {
    let address = key.split_once("://").map_or(key, |(_, rest)| rest);
    let (name, path) = address.split_once('/').unwrap_or((address, ""));
    let index = name.strip_prefix("index.");
    let old = path.trim_end_matches('/') == "v1" && index.is_some();
    name == host || (old && index == host.strip_prefix("registry-1."))
}

#[tonic::async_trait]
impl Auth for Credentials {
    async fn credentials(
        &self,
        request: Request<CredentialsRequest>,
    ) -> Result<Response<CredentialsResponse>, Status> {
        let mut config = Config::default();
        if let Some(file) = &self.file
            && let Ok(bytes) = tokio::fs::read(file).await
        {
            config = serde_json::from_slice(&bytes).map_err(|e| {
                Status::failed_precondition(format!("{} cannot be read: {e}", file.display()))
            })?;
        }
        Ok(Response::new(config.login(&request.into_inner().host)))
    }

    async fn fetch_token(
        &self,
        _: Request<FetchTokenRequest>,
    ) -> Result<Response<FetchTokenResponse>, Status> {
        Err(only_credentials())
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(only_credentials())
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(only_credentials())
    }
}

fn only_credentials() -> Status {
    Status::unimplemented("ask with Credentials, and fetch the token yourself")
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn a_login_is_given_to_its_host_and_to_no_other() {
        let config: Config = serde_json::from_str(
            r#"{"auths": {
                "registry.example.com": {"auth": "YW5uOnA6dw=="},
                "https://index.example.org/v1/": {"auth": "Ym9iOng="},
                "token.example.net:5000": {"identitytoken": "abc"}
            }, "credsStore": "x"}"#,
        )
        .unwrap();
        let cases = [
            ("registry.example.com", "ann", "p:w"),
            ("other.example.com", "", ""),
            ("registry-1.example.org", "bob", "x"),
            ("example.org", "", ""),
            ("token.example.net:5000", "", "abc"),
        ];
        for (host, name, secret) in cases {
            let login = config.login(host);
            assert_eq!((&*login.username, &*login.secret), (name, secret), "{host}");
        }
    }
}
