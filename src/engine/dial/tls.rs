//! TLS to the engine: who it must be, and who we are.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::engine::locate::Tls;

/// Where systems keep the authorities that they trust.
const SYSTEM: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Makes plain connections safe ones.
#[derive(Clone)]
pub(super) struct Connector {
    tls: TlsConnector,
    name: ServerName<'static>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TLS to {:?}", self.name)
    }
}

impl Connector {
    /// Reads `ca.pem`, `cert.pem` and `key.pem`, of which each may be missing.
    pub(super) fn new(tls: &Tls) -> Result<Connector, String> {
        let host = host_of(&tls.address);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("{host} is neither a name nor an address"))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| error.to_string())?;
        let builder = if tls.verify {
            builder.with_root_certificates(authorities(tls.folder.as_deref())?)
        } else {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        };
        let config = match own(tls.folder.as_deref())? {
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| format!("cert.pem and key.pem do not fit: {error}"))?,
            None => builder.with_no_client_auth(),
        };
        Ok(Connector {
            tls: TlsConnector::from(Arc::new(config)),
            name,
        })
    }

    pub(super) async fn secure(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.tls.connect(self.name.clone(), stream).await
    }
}

fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Whom the engine's certificate must come from: `ca.pem`, else whom this system trusts.
fn authorities(folder: Option<&Path>) -> Result<RootCertStore, String> {
    let own = folder.map(|folder| folder.join("ca.pem"));
    let file = match own.filter(|file| file.exists()) {
        Some(file) => file,
        None => std::env::var_os("SSL_CERT_FILE")
            .map(Into::into)
            .or_else(|| {
                SYSTEM
                    .iter()
                    .map(Into::into)
                    .find(|file: &std::path::PathBuf| file.exists())
            })
            .ok_or("there is no ca.pem, and this system trusts nobody")?,
    };
    let mut store = RootCertStore::empty();
    let (taken, _) = store.add_parsable_certificates(certificates(&file)?);
    match taken {
        0 => Err(format!("{}: no certificate in it", file.display())),
        _ => Ok(store),
    }
}

/// What we show the engine; nothing where there is neither certificate nor key.
type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn own(folder: Option<&Path>) -> Result<Option<Own>, String> {
    let Some(folder) = folder else {
        return Ok(None);
    };
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    if !cert.exists() && !key.exists() {
        return Ok(None);
    }
    let chain = certificates(&cert)?;
    let key = PrivateKeyDer::from_pem_file(&key)
        .map_err(|error| format!("{}: {}", key.display(), said(&error)))?;
    Ok(Some((chain, key)))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bad = |error| format!("{}: {}", file.display(), said(&error));
    CertificateDer::pem_file_iter(file)
        .map_err(bad)?
        .collect::<Result<_, _>>()
        .map_err(bad)
}

fn said(error: &rustls::pki_types::pem::Error) -> String {
    match error {
        rustls::pki_types::pem::Error::Io(error) => error.to_string(),
        other => format!("not readable as PEM: {other}"),
    }
}

/// For `DOCKER_TLS` without `DOCKER_TLS_VERIFY`, which asks for exactly this: secret, but with
/// whom is not looked at.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
