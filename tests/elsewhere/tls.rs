//! `DOCKER_HOST=tcp://…` with TLS, and contexts with it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, UnixStream};
use tokio_rustls::TlsAcceptor;

use crate::day;
use crate::kit::Scratch;
use crate::wire::Wire;

/// An engine with TLS: certificates of the test's own, before the real engine's socket.
struct Engine {
    folder: PathBuf,
    port: u16,
    _runtime: tokio::runtime::Runtime,
}

impl Engine {
    /// With a certificate for this name (`IP:127.0.0.1`), good for so many days.
    fn start(folder: &Path, name: &str, days: i32) -> Engine {
        let folder = folder.join("tls");
        std::fs::create_dir(&folder).unwrap();
        for (authority, of) in [("ca", "one"), ("other-ca", "another")] {
            openssl(
                &folder,
                &format!(
                    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={of} -keyout {authority}.key -out {authority}.pem"
                ),
            );
        }
        signed(&folder, "server", &format!("subjectAltName={name}"), days);
        signed(&folder, "client", "extendedKeyUsage=clientAuth", 2);
        std::fs::copy(folder.join("client.pem"), folder.join("cert.pem")).unwrap();
        std::fs::copy(folder.join("client.key"), folder.join("key.pem")).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(serve(listener, acceptor(&folder)));
        Engine {
            folder,
            port,
            _runtime: runtime,
        }
    }

    fn by_variables(&self, stack: &mut Scratch, folder: &Path) {
        stack.environment = vec![
            (
                "DOCKER_HOST".to_owned(),
                format!("tcp://127.0.0.1:{}", self.port),
            ),
            ("DOCKER_TLS_VERIFY".to_owned(), "1".to_owned()),
            ("DOCKER_CERT_PATH".to_owned(), folder.display().to_string()),
        ];
    }

    /// The same files, but one of them another.
    fn but(&self, name: &str, file: &str, other: Option<&str>) -> PathBuf {
        let folder = self.folder.join(name);
        std::fs::create_dir(&folder).unwrap();
        for kept in ["ca.pem", "cert.pem", "key.pem"] {
            std::fs::copy(self.folder.join(kept), folder.join(kept)).unwrap();
        }
        match other {
            Some(other) => drop(std::fs::copy(self.folder.join(other), folder.join(file))),
            None => std::fs::remove_file(folder.join(file)).unwrap(),
        }
        folder
    }
}

fn acceptor(folder: &Path) -> TlsAcceptor {
    let mut trusted = RootCertStore::empty();
    trusted
        .add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(trusted.into(), provider.clone());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(
            vec![CertificateDer::from_pem_file(folder.join("server.pem")).unwrap()],
            PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    while let Ok((near, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let mut near = acceptor.accept(near).await?;
            let mut far = UnixStream::connect("/var/run/docker.sock").await?;
            tokio::io::copy_bidirectional(&mut near, &mut far).await
        });
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {said}");
}

/// A key, and its certificate from the authority.
fn signed(folder: &Path, name: &str, extension: &str, days: i32) {
    std::fs::write(folder.join("extension"), extension).unwrap();
    openssl(
        folder,
        &format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
        ),
    );
    openssl(
        folder,
        &format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days {days} -extfile extension -out {name}.pem"
        ),
    );
}

#[test]
fn a_whole_day_over_tls_by_a_context() {
    let mut stack = day::stack("tls");
    let engine = Engine::start(&stack.state, "IP:127.0.0.1", 2);
    let config = stack.state.join("docker");
    // The SHA-256 of `far`.
    let hash = "512eea46ceb3921dff4363c7069d89d4964d1d9fccaa0f411851a7aa60a5c868";
    let meta = config.join("contexts/meta").join(hash);
    let tls = config.join("contexts/tls").join(hash).join("docker");
    std::fs::create_dir_all(&meta).unwrap();
    std::fs::create_dir_all(&tls).unwrap();
    let host = format!(
        r#"{{"Name":"far","Endpoints":{{"docker":{{"Host":"tcp://127.0.0.1:{}","SkipTLSVerify":false}}}}}}"#,
        engine.port
    );
    std::fs::write(meta.join("meta.json"), host).unwrap();
    for file in ["ca.pem", "cert.pem", "key.pem"] {
        std::fs::copy(engine.folder.join(file), tls.join(file)).unwrap();
    }
    std::fs::write(config.join("config.json"), r#"{"currentContext":"far"}"#).unwrap();
    stack.environment = vec![("DOCKER_CONFIG".to_owned(), config.display().to_string())];
    day::whole(&stack);
    let doctor = stack.run(&["doctor"]);
    let wanted = format!("at tcp://127.0.0.1:{} (context far of ", engine.port);
    assert!(doctor.out.contains(&wanted), "{doctor:?}");
}

#[test]
fn a_session_outlives_its_connection_over_tls() {
    let mut stack = day::stack("tlscut");
    let mut engine = Engine::start(&stack.state, "IP:127.0.0.1", 2);
    let mut wire = Wire::to(engine.port);
    engine.port = wire.port;
    engine.by_variables(&mut stack, &engine.folder);
    day::cut(&stack, &mut wire);
}

#[test]
fn certificates_that_do_not_fit_are_said_with_the_mend() {
    let mut stack = day::stack("tlsout");
    let engine = Engine::start(&stack.state, "IP:127.0.0.1", 2);
    let wrong = engine.but("wrong-ca", "ca.pem", Some("other-ca.pem"));
    engine.by_variables(&mut stack, &wrong);
    day::refused(&stack, &["UnknownIssuer", "take the ca.pem of that engine"]);
    // Who asks for TLS alone wants exactly that.
    stack.environment[1].0 = "DOCKER_TLS".to_owned();
    stack.ok(&["status"]);
    engine.by_variables(&mut stack, &engine.but("no-cert", "cert.pem", None));
    day::refused(&stack, &["DOCKER_HOST: ", "cert.pem: No such file"]);
    engine.by_variables(
        &mut stack,
        &engine.but("no-key", "key.pem", Some("server.key")),
    );
    day::refused(&stack, &["cert.pem and key.pem do not fit"]);
    let bare = engine.but("bare", "cert.pem", None);
    std::fs::remove_file(bare.join("key.pem")).unwrap();
    engine.by_variables(&mut stack, &bare);
    day::refused(&stack, &["the engine does not take your certificate"]);
}

#[test]
fn an_engine_whose_certificate_has_run_out_is_not_believed() {
    let mut stack = day::stack("tlsold");
    let engine = Engine::start(&stack.state, "IP:127.0.0.1", -1);
    engine.by_variables(&mut stack, &engine.folder);
    day::refused(&stack, &["xpired", "has run out"]);
}

#[test]
fn an_engine_of_another_name_is_not_believed() {
    let mut stack = day::stack("tlsname");
    let engine = Engine::start(&stack.state, "DNS:elsewhere.test", 2);
    engine.by_variables(&mut stack, &engine.folder);
    day::refused(&stack, &["not valid for name", "subjectAltName"]);
}
