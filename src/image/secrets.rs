//! What a `RUN --mount=type=secret` may read, and leaves no trace of.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server;
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use tonic::{Request, Response, Status};

#[cfg(test)]
mod tests;

/// The secret that every build is offered where the host has certificate authorities of its own:
/// `RUN --mount=type=secret,id=host-ca,target=/etc/ssl/certs/ca-certificates.crt …`.
pub(crate) const HOST_CA: &str = "host-ca";

/// Folders in which an administrator puts certificate authorities.
const ANCHORS: [&str; 3] = [
    "/usr/local/share/ca-certificates",
    "/etc/pki/ca-trust/source/anchors",
    "/etc/pki/trust/anchors",
];

/// Where systems keep all authorities in one file.
const BUNDLES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
];

/// Where a secret comes from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum SecretSource {
    /// A file, read when the build asks for it.
    File(PathBuf),
    /// The secret itself.
    Bytes(Vec<u8>),
}

impl std::fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SecretSource::File(path) => f.debug_tuple("File").field(path).finish(),
            SecretSource::Bytes(_) => f.write_str("Bytes(…)"),
        }
    }
}

/// The secrets of one build.
#[derive(Debug)]
pub(super) struct Secrets(BTreeMap<String, SecretSource>);

impl Secrets {
    /// The given secrets, and [`HOST_CA`] unless it is among them.
    pub(super) fn with_host_authorities(mut secrets: BTreeMap<String, SecretSource>) -> Self {
        if let Some(bundle) = own_authorities() {
            secrets
                .entry(HOST_CA.to_owned())
                .or_insert(SecretSource::File(bundle));
        }
        Self(secrets)
    }
}

/// All authorities that the host trusts, as one file, where some of them are its own.
pub(crate) fn own_authorities() -> Option<PathBuf> {
    let named = env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    host_authorities(named, &ANCHORS, &BUNDLES)
}

fn host_authorities(named: Option<PathBuf>, anchors: &[&str], bundles: &[&str]) -> Option<PathBuf> {
    let is_standard = |file: &Path| bundles.iter().any(|bundle| file == Path::new(bundle));
    let named = named.filter(|file| file.is_file());
    let own = anchors
        .iter()
        .any(|folder| has_certificate(Path::new(folder)));
    match named {
        Some(file) if own || !is_standard(&file) => Some(file),
        _ if own => bundles
            .iter()
            .map(PathBuf::from)
            .find(|file| file.is_file()),
        _ => None,
    }
}

fn has_certificate(folder: &Path) -> bool {
    let Ok(items) = fs::read_dir(folder) else {
        return false;
    };
    items.flatten().any(|item| {
        let path = item.path();
        let ends_so = path.extension().is_some_and(|e| e == "crt" || e == "pem");
        // Folders are looked into, but not links to them, which may lead round in a circle.
        ends_so || (item.file_type().is_ok_and(|t| t.is_dir()) && has_certificate(&path))
    })
}

#[tonic::async_trait]
impl secrets_server::Secrets for Secrets {
    async fn get_secret(
        &self,
        request: Request<GetSecretRequest>,
    ) -> Result<Response<GetSecretResponse>, Status> {
        let id = request.into_inner().id;
        let data = match self.0.get(&id) {
            Some(SecretSource::Bytes(bytes)) => bytes.clone(),
            Some(SecretSource::File(path)) => tokio::fs::read(path)
                .await
                .map_err(|e| unreadable(&id, path, &e))?,
            // The build goes on without it unless the mount says `required`.
            None => return Err(Status::not_found(format!("there is no secret {id}"))),
        };
        Ok(Response::new(GetSecretResponse { data }))
    }
}

fn unreadable(id: &str, path: &Path, error: &io::Error) -> Status {
    Status::failed_precondition(format!(
        "cannot read the secret {id} from {}: {error}",
        path.display()
    ))
}
