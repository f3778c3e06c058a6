//! TLS in front of the routes: who is sent to it, HTTP/2, and what services see of it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use devrun_core::certificate;
use devrun_core::effect::PutFile;

use super::stage::{More, Stage, state};

const STACKFILE: &str = r#"
stack routed
service backend {
    image "python:3.13-slim"
    route "/*" port=8000
}
proxy proxy {
    image "nginx:1.26"
    config "nginx.conf"
    health "/health"
    tls
    port 8080 to=80
    port 8443 to=443
}
"#;

/// A certificate of its own in that file, and with its key.
pub(crate) fn certificate(authority: &Path) -> String {
    let key = authority.with_extension("key");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
        .args(["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=test"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(authority)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let pem = [authority, &key].map(|file| std::fs::read_to_string(file).unwrap());
    pem.concat()
}

/// The stage with that certificate.
fn stage(test: &str, authority: &Path) -> Stage {
    let pem = certificate(authority);
    let more = More {
        files: vec![PutFile::text(certificate::PATH.into(), pem)],
        version: Some("1.26.3"),
        ..More::default()
    };
    let mut stage = Stage::with(test, &[state("backend", "ready")], STACKFILE, more);
    stage.neighbour("web", &["backend"], &["8000"]);
    stage
}

/// What curl says of an address, as if the stack were published where its Stackfile says.
fn curl(stage: &Stage, authority: &Path, words: &[&str], body: &[u8]) -> (bool, String) {
    let mut child = Command::new("curl")
        .args(["-sS", "--max-time", "20", "--cacert"])
        .arg(authority)
        .arg("--connect-to")
        .arg(format!(":8080:127.0.0.1:{}", stage.port))
        .arg("--connect-to")
        .arg(format!(":8443:127.0.0.1:{}", stage.secure))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(body).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[test]
fn a_request_over_tls_speaks_http2_and_its_service_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("authority.crt");
    let stage = stage("h2", &authority);
    let ask = |words: &[&str], body: &[u8]| {
        let (well, text) = curl(&stage, &authority, words, body);
        assert!(well, "{words:?}: {text}");
        text
    };
    let version = ["-w", "\n%{http_version}"];
    let text = ask(
        &[&version[..], &["https://localhost:8443/a%2Fb?c"]].concat(),
        b"",
    );
    let (told, spoken) = text.rsplit_once('\n').unwrap();
    assert_eq!(spoken, "2");
    let told: serde_json::Value = serde_json::from_str(told).unwrap();
    assert_eq!(told["path"], "/a%2Fb?c");
    let headers = &told["headers"];
    assert_eq!(headers["host"], "localhost:8443");
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers["x-forwarded-host"], "localhost:8443");
    assert_eq!(headers["x-forwarded-port"], "8443");
    // A body of which nobody says how long it is.
    let body = vec![b'x'; 300 << 10];
    let words = ["-X", "POST", "-T", "-", "https://localhost:8443/up"];
    let told: serde_json::Value = serde_json::from_str(&ask(&words, &body)).unwrap();
    assert_eq!(told["size"], 300 << 10);
    let words = ["--http1.1", "https://localhost:8443/x"];
    assert!(ask(&words, b"").contains("\"https\""));
    let (well, text) = curl(&stage, &authority, &["https://other.test:8443/"], b"");
    assert!(!well, "{text}");
    // The form of older ones is understood too.
    assert_eq!(
        stage
            .said_of(STACKFILE)
            .join("\n")
            .matches("[emerg]")
            .count(),
        0
    );
}

#[test]
fn who_asks_without_tls_is_sent_to_it_but_for_what_is_asked_inside() {
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("authority.crt");
    let stage = stage("sent", &authority);
    let sent = |words: &[&str]| {
        let told = ["-o", "/dev/null", "-w", "%{http_code} %{redirect_url}"];
        curl(&stage, &authority, &[&told[..], words].concat(), b"").1
    };
    let there = "307 https://localhost:8443/a%2Fb?c=d";
    assert_eq!(sent(&["http://localhost:8080/a%2Fb?c=d"]), there);
    assert_eq!(sent(&["-d", "x", "http://localhost:8080/a%2Fb?c=d"]), there);
    assert_eq!(sent(&["http://localhost:8443/a%2Fb?c=d"]), there);
    assert_eq!(
        sent(&["http://app.localhost:8080/"]),
        "307 https://app.localhost:8443/"
    );
    assert_eq!(sent(&["http://localhost:8080/health"]), "200 ");
    assert_eq!(sent(&["http://localhost:8080/healthy"])[..3], *"307");
    let url = "http://127.0.0.1/.devrun/generation";
    assert_eq!(stage.inside(&format!("wget -qO- {url}")), "7");
    // Other containers know it by its name, and no port of the host.
    for name in ["proxy", "routed-proxy"] {
        let answer = stage.ask("GET", "/x", &[&format!("Host: {name}")], b"");
        assert_eq!(answer.status, 200, "{name}");
    }
    let answer = stage.ask("GET", "/x", &["Host: proxyx"], b"");
    assert_eq!(answer.status, 307);
}
