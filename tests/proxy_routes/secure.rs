//! Services that speak TLS themselves.

use std::io::Write;
use std::thread::scope;

use super::agent::Agent;
use super::stage::{Stage, state, until};
use super::tests::read_until;
use super::tls::certificate;

const STACKFILE: &str = r#"
stack routed
service backend {
    image "python:3.13-slim"
    route "/api/*" port=8443 scheme=https
    route "/plain/*" port=8000
}
proxy proxy {
    image "nginx:1.26"
    config "nginx.conf"
    health "/health"
    port 8080 to=80
}
"#;

#[test]
fn one_is_asked_by_tls_at_once_and_after_a_wait() {
    let before = [state("backend", "updating")];
    let mut stage = Stage::of("asked-by-tls", &before, STACKFILE);
    let mut agent = Agent::start(&stage);
    agent.hold(false, 60_000, None);
    let folder = tempfile::tempdir().unwrap();
    let secure = format!("8443:{}", certificate(&folder.path().join("web.crt")));
    let web = stage.neighbour("web", &["backend"], &["8000", &secure]);
    let body = vec![b'x'; 300 << 10];
    let ask = |path: &str| stage.ask("POST", path, &["Host: shop.test:8080"], &body);
    let waited = scope(|scope| {
        let waits = scope.spawn(|| ask("/api/a%2Fb?c"));
        until("it waits", || stage.connections("hold.sock") >= 1);
        agent.hold(true, 60_000, Some(&stage.address(&web)));
        waits.join().unwrap()
    });
    stage.tell(&before, &[state("backend", "ready")]);
    for answer in [waited, ask("/api/a%2Fb?c")] {
        let told = answer.json();
        assert_eq!(
            (&told["port"], &told["size"]),
            (&8443.into(), &(300 << 10).into())
        );
        assert_eq!(told["path"], "/api/a%2Fb?c");
        assert_eq!(told["asked_for"], "shop.test");
        assert_eq!(told["headers"]["host"], "shop.test:8080");
        assert_eq!(told["headers"]["x-forwarded-proto"], "http");
    }
    assert_eq!(ask("/plain/x").json()["port"], 8000);

    let mut socket = stage.open(
        b"GET /api/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
          Sec-WebSocket-Key: x\r\n\r\n",
    );
    read_until(&mut socket, "\r\n\r\n");
    socket.write_all(b"echo").unwrap();
    read_until(&mut socket, "ECHO");
}
