//! How a request is passed on: with another path, after a wait, or to nobody but elsewhere.

use std::thread::scope;

use super::agent::Agent;
use super::stage::{Answer, Stage, state, until};

const STACKFILE: &str = r#"
stack routed
service backend {
    image "python:3.13-slim"
    route "/*" host="api.localhost" port=8000
    route "/v1/*" host="api.localhost" strip-prefix="/v1" port=8000
    route "/api/*" strip-prefix="/api" port=8000
    route "/a/b~c/*" strip-prefix="/a/b~c" port=8000
    route "/one" strip-prefix="/one" port=8000
    route "/old/*" redirect="/new/*"
    route "/go/*" redirect="/*" status=307
    route "/away" redirect="https://other.test:8443/x" status=308
    route "/found" redirect="/new?from=found#here"
    route "/*" host="www.localhost" redirect="http://localhost:8080/*" status=301
}
proxy proxy {
    image "nginx:1.26"
    config "nginx.conf"
    port 8080 to=80
    health "/health"
}
"#;

fn ask(stage: &Stage, host: &str, path: &str) -> Answer {
    stage.ask("GET", path, &[&format!("Host: {host}")], b"")
}

#[test]
fn what_a_service_is_not_to_see_is_taken_away_and_nothing_else() {
    let mut stage = Stage::of("strip", &[state("backend", "ready")], STACKFILE);
    stage.neighbour("web", &["backend"], &["8000"]);
    for (host, path, seen, prefix) in [
        ("a", "/api/a%2Fb//c?q=%20", "/a%2Fb//c?q=%20", "/api"),
        ("a", "/api", "/", "/api"),
        ("a", "/api/", "/", "/api"),
        ("a", "/api?x=/../", "/?x=/../", "/api"),
        (
            "a",
            "/api/a..b/.well-known/...",
            "/a..b/.well-known/...",
            "/api",
        ),
        ("a", "/a/b~c/x", "/x", "/a/b~c"),
        ("a", "/a/b%7Ec/x", "/x", "/a/b~c"),
        ("a", "/one?x", "/?x", "/one"),
        ("api.localhost", "/v1/x%20y?z", "/x%20y?z", "/v1"),
        ("api.localhost", "/v1", "/", "/v1"),
        ("api.localhost", "/v2/x", "/v2/x", ""),
    ] {
        let answer = ask(&stage, host, path);
        assert_eq!(answer.status, 200, "{host}{path}: {answer:?}");
        let told = answer.json();
        assert_eq!(told["path"], seen, "{host}{path}");
        let headers = &told["headers"];
        let told = headers["x-forwarded-prefix"].as_str().unwrap_or_default();
        assert_eq!(told, prefix, "{host}{path}");
        assert_eq!(headers["host"], host);
    }
    let forged = ["Host: api.localhost", "X-Forwarded-Prefix: /evil"];
    let told = stage.ask("GET", "/x", &forged, b"").json();
    assert_eq!(
        told["headers"]["x-forwarded-prefix"],
        serde_json::Value::Null
    );
    // What would mean another path without its beginning is passed on to nobody.
    for path in [
        "/api/../api/x",
        "/api/x/../y",
        "/api/%2e%2e/api/x",
        "/api/x%2f..%2fy",
        "/api/.",
        "/x/../api/y",
        "//api/x",
        "/%61pi/x",
        "/api%2Fx",
    ] {
        let answer = ask(&stage, "a", path);
        assert_eq!(answer.status, 400, "{path}");
        assert!(!answer.body.contains("sha256"), "{path}");
    }
}

#[test]
fn who_waits_goes_where_it_was_sent() {
    let mut stage = Stage::of("waits", &[state("backend", "updating")], STACKFILE);
    let mut agent = Agent::start(&stage);
    agent.hold(false, 60_000, None);
    let backend = stage.neighbour("web", &["backend"], &["8000"]);
    let body = vec![b'x'; 300 << 10];
    scope(|scope| {
        let stage = &stage;
        let asks: Vec<_> = [
            ("api.localhost", "GET", "/a%2Fb?q=%20", &b""[..]),
            ("api.localhost", "POST", "/v1/up?x", &body),
            ("a", "POST", "/api/x%20y", b"a=b"),
        ]
        .map(|(host, method, path, body)| {
            scope.spawn(move || stage.ask(method, path, &[&format!("Host: {host}")], body))
        })
        .into();
        until("all wait", || stage.connections("hold.sock") >= 3);
        agent.hold(true, 60_000, Some(&stage.address(&backend)));
        let told: Vec<_> = asks.into_iter().map(|ask| ask.join().unwrap()).collect();
        let seen: Vec<_> = told
            .iter()
            .map(|answer| answer.json()["path"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(seen, ["/a%2Fb?q=%20", "/up?x", "/x%20y"]);
        assert_eq!(told[1].json()["size"], 300 << 10);
    });
}

#[test]
fn a_redirect_needs_no_service_and_leads_to_no_other_host() {
    let stage = Stage::of("redirect", &[state("backend", "stopped")], STACKFILE);
    for (host, path, status, to) in [
        ("a", "/old/a%2Fb?q=%20", 302, "/new/a%2Fb?q=%20"),
        ("a", "/old", 302, "/new/"),
        ("a", "/old?x", 302, "/new/?x"),
        ("a", "/go/x", 307, "/x"),
        ("a", "/go//evil.test", 307, "/evil.test"),
        ("a", "/go/%5cevil.test", 307, "/%5cevil.test"),
        ("a", "/away?x=1", 308, "https://other.test:8443/x?x=1"),
        ("a", "/found?x=1", 302, "/new?from=found#here"),
        ("www.localhost", "/x?y", 301, "http://localhost:8080/x?y"),
        ("www.localhost", "/", 301, "http://localhost:8080/"),
    ] {
        let answer = stage.ask("POST", path, &[&format!("Host: {host}")], b"a=b");
        assert_eq!(
            (answer.status, answer.header("Location")),
            (status, to),
            "{host}{path}"
        );
    }
    for path in ["/go/\\evil.test", "/go//\\evil.test", "/x/../go/y"] {
        let answer = ask(&stage, "a", path);
        assert_eq!((answer.status, answer.header("Location")), (400, ""));
    }
    assert_eq!(ask(&stage, "www.localhost", "/health").status, 200);
}
