//! What clients cannot make a service, or a page of devrun's, believe or tell.

use serde_json::Value;

use super::agent::Agent;
use super::stage::{STACKFILE, Stage, state};

const ALL: [&str; 2] = ["backend", "frontend"];

fn ready(test: &str) -> Stage {
    let mut stage = Stage::set(test, &ALL.map(|service| state(service, "ready")));
    stage.neighbour("both", &ALL, &["8000", "5173"]);
    stage
}

#[test]
fn what_only_a_proxy_may_tell_is_told_by_this_one() {
    let stage = ready("forged");
    let answer = stage.ask(
        "GET",
        "/api/x",
        &[
            "Host: localhost:8080",
            "X-Forwarded-For: 203.0.113.9",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: evil.test",
            "X-Forwarded-Port: 443",
            "X-Forwarded-Prefix: /evil",
            "X-Forwarded-Ssl: on",
            "X-Forwarded-Scheme: https",
            "X-Real-IP: 203.0.113.9",
            "Forwarded: for=203.0.113.9;host=evil.test;proto=https",
            "X_Forwarded_Proto: https",
            "X_Forwarded_Host: evil.test",
            "X-Request-Id: bad id\\",
            "Proxy: http://evil.test",
            "Connection: X-Forwarded-Proto",
        ],
        b"",
    );
    let told = answer.json();
    let headers = told["headers"].as_object().unwrap();
    let client = headers["x-real-ip"].as_str().unwrap();
    assert_ne!(client, "203.0.113.9");
    // Of the list, the last one is what this proxy saw.
    let list = headers["x-forwarded-for"].as_str().unwrap();
    assert_eq!(list, format!("203.0.113.9, {client}"));
    for (name, wanted) in [
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "localhost:8080"),
        ("x-forwarded-port", "8080"),
        ("host", "localhost:8080"),
        ("connection", "close"),
    ] {
        assert_eq!(headers[name], wanted, "{name}");
    }
    assert_eq!(headers["x-request-id"].as_str().unwrap().len(), 32);
    for name in [
        "x-forwarded-prefix",
        "x-forwarded-ssl",
        "x-forwarded-scheme",
        "forwarded",
        "x_forwarded_proto",
        "x_forwarded_host",
        "proxy",
    ] {
        assert_eq!(headers.get(name), None, "{name}");
    }
}

#[test]
fn a_client_that_speaks_as_devrun_does_is_not_believed() {
    let mut stage = Stage::set("spoken", &[state("backend", "ready")]);
    let mut agent = Agent::start(&stage);
    let backend = stage.neighbour("web", &["backend"], &["8000"]);
    let ours = [
        "X-Devrun-To: 203.0.113.9:80",
        "X-Devrun-State: ready",
        "X-Accel-Redirect: @devrun-live",
        "Devrun-Service: frontend",
        "Devrun-Port: 1",
        "Devrun-Method: GET",
        "Devrun-Connect: -",
    ];
    agent.hold(true, 60_000, Some(&stage.address(&backend)));
    let large = vec![b'x'; 300 << 10];
    for body in [&b"a=b"[..], &large] {
        let told = stage.ask("POST", "/api/x", &ours, body).json();
        assert_eq!(
            (&told["port"], &told["size"]),
            (&8000.into(), &body.len().into())
        );
    }
    // It falls with a request that must not be sent again, whatever the request says.
    let lost = stage.ask("POST", "/api/fall?once=x", &ours, b"a=b");
    assert_eq!((lost.status, lost.header("X-Devrun-State")), (502, "lost"));
}

#[test]
fn a_path_that_leads_elsewhere_than_it_looks_reaches_nobody() {
    let stage = ready("above");
    for path in [
        "/api/../x",
        "/api/%2e%2e/x",
        "/api/.%2E/x",
        "/api/..%2fx",
        "/api%2f..%2Fx",
        "/x/../api/y",
        "/x/..",
        "/x/..?a",
        "/..",
        "/x//../api/y",
    ] {
        let answer = stage.ask("GET", path, &[], b"");
        assert_eq!(answer.status, 400, "{path}");
        assert!(!answer.body.contains("sha256"), "{path}");
    }
    // What only looks odd is for whom it means, as it was written.
    for (path, port) in [
        ("/api/a..b/...?x=/../", 8000),
        ("/api/./x", 8000),
        ("/./api//x", 8000),
        ("/%61pi/x", 8000),
        ("/api%2fx", 8000),
        ("/api;/x", 5173),
        ("/api\\..\\x", 5173),
        ("/API/x", 5173),
    ] {
        let told = stage.get(path).json();
        assert_eq!((&told["port"], &told["path"]), (&port.into(), &path.into()));
    }
}

const NAMED: &str = "\
user nginx;
events {}
http {
    access_log off;
    server {
        listen 80;
        server_name _ app.example .all.example;
        include devrun-routes;
    }
}
";

#[test]
fn devrun_shows_what_it_knows_to_nobody_elses_site() {
    let routed = STACKFILE.replace(
        "route \"/api/*\" port=8000",
        "route \"/api/*\" port=8000; route \"/*\" host=\"*.shop.example\" port=8000",
    );
    let known = [state("backend", "failed")];
    let mut stage = Stage::configured("strangers", &known, &routed, NAMED);
    let ask = |stage: &Stage, host: &str, accept: &str| {
        let (host, accept) = (format!("Host: {host}"), format!("Accept: {accept}"));
        stage.ask("GET", "/api/x", &[&host, &accept], b"")
    };
    for host in [
        "localhost",
        "localhost:8080",
        "LOCALHOST",
        "api.localhost",
        "127.0.0.1:8080",
        "127.8.8.8",
        "[::1]:8080",
        "192.168.1.7",
        "proxy",
        "app.example:8080",
        "a.shop.example",
        "all.example",
        "x.all.example",
    ] {
        for accept in ["text/html", "*/*"] {
            let answer = ask(&stage, host, accept);
            assert_eq!(answer.header("X-Devrun-State"), "failed", "{host}");
            assert!(answer.body.contains("because it is failed"), "{host}");
        }
    }
    let strangers = [
        "evil.test",
        "localhost.evil.test",
        "127.0.0.1.evil.test",
        "xlocalhost.test:8080",
        "shop.example",
        "app.example.evil.test",
        "1.2.3.4.a",
    ];
    for host in strangers {
        for accept in ["text/html", "*/*"] {
            let answer = ask(&stage, host, accept);
            assert_eq!(answer.status, 503, "{host}");
            assert_eq!(answer.header("X-Devrun-Service"), "", "{host}");
            assert_eq!(answer.header("X-Devrun-State"), "", "{host}");
            assert!(!answer.body.contains("backend"), "{host}: {answer:?}");
            assert!(!answer.body.contains("because"), "{host}: {answer:?}");
        }
    }
    // Which hosts it answers is for the application to say.
    stage.tell(&known, &[state("backend", "ready")]);
    stage.neighbour("web", &["backend"], &["8000"]);
    assert_eq!(ask(&stage, "evil.test", "*/*").status, 200);
}

#[test]
fn nothing_that_is_shown_is_taken_for_markup() {
    let evil = "</pre><script>alert('1' + \"2\")</script>&amp;";
    let mut known = state("backend", "building");
    known.reason = format!("builds: [2/3] RUN echo '{evil}'");
    known.lines = vec![evil.to_owned(), "<img src=x onerror=alert(1)>".to_owned()];
    let stage = Stage::set("markup", &[known]);
    let path = "/api/<script>alert(1)</script>?<b>";
    let page = stage.ask("GET", path, &["Accept: text/html"], b"");
    assert_eq!(page.header("Content-Type"), "text/html; charset=utf-8");
    assert_eq!(page.header("X-Content-Type-Options"), "nosniff");
    assert!(
        page.header("Content-Security-Policy")
            .contains("default-src 'none'")
    );
    for tag in ["<script", "<img", "<b>", "</pre><"] {
        assert!(!page.body.contains(tag), "{tag}: {}", page.body);
    }
    assert!(page.body.contains("&lt;script&gt;alert(&#39;1&#39;"));
    assert!(page.body.contains("&amp;amp;"));
    let answer = stage.ask("GET", path, &["Accept: */*"], b"");
    assert_eq!(answer.header("Content-Type"), "application/json");
    assert_eq!(answer.header("X-Content-Type-Options"), "nosniff");
    let told: Value = answer.json();
    assert_eq!(told["lines"][0], evil);
}
