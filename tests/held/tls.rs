//! The entry point with TLS: certificates of an authority of the user's own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::kit::{Answer, Scratch, docker, free_port, http, identity, patience, shell};
use crate::stage::{app, port, up};

/// The stack with TLS at a port of its own, and a user whose data lie in the test's folder.
pub fn app_with_tls(test: &str) -> (Scratch, u16) {
    let mut stack = app(test);
    let tls = free_port();
    let plain = format!("port {} to=80", port(&stack));
    let both = format!("{plain}\n    port {tls} to=443\n    tls");
    stack.edit("Stackfile.kdl", &plain, &both);
    let data = stack.state.join("data");
    let data = ("XDG_DATA_HOME".to_owned(), data.display().to_string());
    stack.environment.push(data);
    (stack, tls)
}

fn authority(stack: &Scratch) -> PathBuf {
    stack.state.join("data/devrun/authority.crt")
}

/// As somebody asks who trusts it; `None` where the certificate is not believed.
pub fn ask(stack: &Scratch, host: &str, tls: u16) -> Option<Answer> {
    let file = authority(stack).display().to_string();
    let here = format!("{host}:{tls}:127.0.0.1");
    let url = format!("https://{host}:{tls}/api/word");
    http(&["--cacert", &file, "--resolve", &here, &url])
}

/// A WebSocket to the neighbour.
struct Socket(StreamOwned<ClientConnection, TcpStream>);

impl Socket {
    fn open(authority: &Path, port: u16) -> Socket {
        let mut roots = RootCertStore::empty();
        let own = CertificateDer::from_pem_file(authority).unwrap();
        roots.add(own).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(patience(30))).unwrap();
        let mut socket = Socket(StreamOwned::new(connection, stream));
        socket.say(
            "GET /open HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        );
        socket.until("\r\n\r\n");
        socket
    }

    /// Which certificate it was begun with.
    fn certificate(&self) -> Vec<u8> {
        self.0.conn.peer_certificates().unwrap()[0].to_vec()
    }

    fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
        self.0.flush().unwrap();
    }

    fn until(&mut self, wanted: &str) {
        let mut got = String::new();
        let mut buffer = [0; 4096];
        while !got.contains(wanted) {
            let count = self.0.read(&mut buffer).unwrap();
            assert!(count > 0, "ended without {wanted:?}: {got}");
            got.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }

    fn echoes(&mut self, text: &str) {
        self.say(text);
        self.until(text);
    }
}

#[test]
fn a_host_more_is_in_the_certificate_while_connections_go_on() {
    let (stack, tls) = app_with_tls("tls");
    let mut session = stack.up(&[]);
    let file = authority(&stack);
    let named = file.display().to_string();
    let told = session.wait("how to trust it", 180, |event| {
        event["message"]
            .as_str()
            .is_some_and(|it| it.contains(&named))
    });
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("update-ca-certificates"), "{message}");
    session.ready();
    let url = format!("https://localhost:{tls}");
    assert_eq!(stack.status()["proxy"]["url"], url);

    let answer = ask(&stack, "localhost", tls).unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "one"));
    assert!(answer.head.starts_with("HTTP/2 "), "{}", answer.head);
    assert!(http(&[&format!("{url}/api/word")]).is_none());
    let plain = format!("http://localhost:{}/api/word?x", port(&stack));
    let sent = http(&[&plain]).unwrap();
    assert_eq!(sent.status, 307);
    let to = format!("Location: {url}/api/word?x");
    assert!(sent.head.contains(&to), "{}", sent.head);

    let mut socket = Socket::open(&file, tls);
    socket.echoes("first");
    let proxy = stack.container("entry");
    let before = identity(&proxy);
    assert!(ask(&stack, "shop.localhost", tls).is_none());
    let route = "route \"/api/*\" port=8000";
    let more = format!("{route}\n    route \"/*\" host=\"shop.localhost\" port=8000");
    stack.edit("Stackfile.kdl", route, &more);
    session.wait("the other certificate", 60, |event| {
        event["event"] == "routes-applied"
    });
    assert_eq!(ask(&stack, "shop.localhost", tls).unwrap().body, "one");
    socket.echoes("still here");
    assert_eq!(identity(&proxy), before, "nginx was reloaded, and no more");

    let key = "-----BEGIN PRIVATE KEY-----";
    let inside = docker(&["exec", &proxy, "cat", "/run/devrun/tls.pem"]).out;
    assert!(inside.contains(key));
    let mode = docker(&["exec", &proxy, "stat", "-c", "%a", "/run/devrun/tls.pem"]);
    assert_eq!(mode.out.trim(), "600");
    let logs = docker(&["logs", &proxy]);
    let said = format!("{}{}{}", logs.out, logs.err, session.dump());
    assert!(!said.contains(key));
    let kept = shell("grep -rl 'PRIVATE KEY' . || true", &stack.folder);
    assert_eq!(kept.out, "", "nothing of it in the project");

    let (code, _) = session.interrupt();
    assert_eq!(code, 0);
    // The authority is there once, and said once.
    let mut again = stack.up(&[]);
    again.ready();
    assert!(!again.dump().contains("update-ca-certificates"));
    assert!(ask(&stack, "shop.localhost", tls).is_some());
}

#[test]
fn one_that_is_near_its_end_is_followed_by_another_one_while_connections_go_on() {
    const DAY: i64 = 24 * 60 * 60;
    let (stack, tls) = app_with_tls("tls-end");
    let mut session = up(&stack);
    let file = authority(&stack);
    let mut socket = Socket::open(&file, tls);
    socket.echoes("first");
    let containers = ["entry", "backend", "neighbour"].map(|name| stack.container(name));
    let before = containers.each_ref().map(|container| identity(container));

    let folder = stack.state.join("data/devrun/certificates");
    let mut all = std::fs::read_dir(folder).unwrap();
    let kept = all.next().unwrap().unwrap().path();
    assert!(all.next().is_none());
    let text = std::fs::read_to_string(&kept).unwrap();
    let until = |text: &str| -> i64 {
        let line = text.lines().find_map(|line| line.strip_prefix("until: "));
        line.unwrap().parse().unwrap()
    };
    let end = until(&text);
    let near = end - 61 * DAY;
    std::fs::write(&kept, text.replace(&end.to_string(), &near.to_string())).unwrap();
    let stackfile = stack.read("Stackfile.kdl");
    stack.write("Stackfile.kdl", &format!("{stackfile}\n// saved again\n"));
    session.wait("the other certificate", 60, |event| {
        event["event"] == "routes-applied"
    });

    let other = Socket::open(&file, tls);
    assert_ne!(other.certificate(), socket.certificate());
    assert!(until(&std::fs::read_to_string(&kept).unwrap()) >= end);
    socket.echoes("still here");
    let after = containers.each_ref().map(|container| identity(container));
    assert_eq!(after, before, "nginx was reloaded, and no more");
}

#[test]
fn checks_ask_the_entry_point_with_tls() {
    let (stack, _) = app_with_tls("tls-ci");
    let text = stack.read("Stackfile.kdl");
    let check = "check word { http \"/api/word\" contains=\"one\" }\n";
    stack.write("Stackfile.kdl", &format!("{text}{check}"));
    stack.ok(&["ci"]);
}
