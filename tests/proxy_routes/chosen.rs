//! Which route a request takes: by its host, and by its path however that is written.

use std::io::Read;

use super::stage::{Answer, Stage, state};

const STACKFILE: &str = r#"
stack routed
service backend {
    image "python:3.13-slim"
    route "/api/*" "/admin/*" port=8000
}
service frontend {
    image "python:3.13-slim"
    route "/*" host="app.localhost" port=5173
    route "/open/*" port=5173
}
service tenants {
    image "python:3.13-slim"
    route "/*" host="*.localhost" port=7000
    route "/v1/*" "/v1/exact" host="api.localhost" port=7001
}
proxy proxy {
    image "nginx:1.26"
    config "nginx.conf"
    health "/health"
    port 8080 to=80
}
"#;

const ALL: [&str; 3] = ["backend", "frontend", "tenants"];

fn stage(test: &str) -> Stage {
    let states = ALL.map(|service| state(service, "ready"));
    let mut stage = Stage::of(test, &states, STACKFILE);
    stage.neighbour("all", &ALL, &["8000", "5173", "7000", "7001"]);
    stage
}

fn ask(stage: &Stage, host: &str, path: &str) -> Answer {
    stage.ask("GET", path, &[&format!("Host: {host}")], b"")
}

/// At which port it arrived, and with which path.
fn arrived(answer: &Answer) -> (u64, String) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let told = answer.json();
    let path = told["path"].as_str().unwrap().to_owned();
    (told["port"].as_u64().unwrap(), path)
}

#[test]
fn a_host_comes_before_all_others_and_its_longest_path_first() {
    let stage = stage("hosts");
    for (host, path, port) in [
        ("app.localhost", "/a%2Fb//c?q=%20", 5173),
        ("APP.localhost:8080", "/api/x", 5173),
        ("api.localhost", "/v1/exact", 7001),
        ("api.localhost", "/v1", 7001),
        ("api.localhost.", "/v1/?a=/../", 7001),
        ("api.localhost", "/v10", 7000),
        ("other.localhost", "/v1/exact", 7000),
        ("a.b.localhost", "/admin/", 7000),
        ("localhost", "/api/x", 8000),
        ("api.localhost.evil.test", "/api/x", 8000),
        ("evil.test", "/open/x", 5173),
    ] {
        let answer = ask(&stage, host, path);
        assert_eq!(arrived(&answer), (port, path.to_owned()), "{host}");
        assert_eq!(answer.json()["headers"]["host"], host);
    }
    let body = vec![b'x'; 300 << 10];
    let large = stage.ask("POST", "/up?x", &["Host: app.localhost"], &body);
    assert_eq!(arrived(&large), (5173, "/up?x".to_owned()));
    assert_eq!(large.json()["size"], 300 << 10);
    // What nginx answers by itself, it answers at every host.
    assert_eq!(ask(&stage, "app.localhost", "/health").body, "ok\n");
}

#[test]
fn nobody_gets_what_no_route_gives() {
    let before = ALL.map(|service| state(service, "ready"));
    let stage = stage("given");
    let updating = ALL.map(|service| state(service, "updating"));
    for path in ["/x", "/v1/x", "/.devrun/route/0", "/.devrun/route/1"] {
        assert_eq!(ask(&stage, "localhost", path).status, 404, "{path}");
    }
    // Nor does the answer in a service's place tell anything elsewhere.
    stage.tell(&before, &updating);
    for (host, path, service) in [
        ("localhost", "/x", ""),
        ("localhost", "/.devrun/route/0", ""),
        ("app.localhost", "/.devrun/route/0", ""),
        ("app.localhost", "/.devrun/wait", ""),
        ("app.localhost", "/x", "frontend"),
        ("new.localhost", "/v1/x", "tenants"),
        ("localhost", "/api/x", "backend"),
    ] {
        let answer = ask(&stage, host, path);
        assert_eq!(answer.header("X-Devrun-Service"), service, "{host}{path}");
        let status = if service.is_empty() { 404 } else { 503 };
        assert_eq!(answer.status, status, "{host}{path}");
    }
    for host in ["a/b.localhost", "a b.localhost", "..localhost"] {
        let answer = ask(&stage, host, "/x");
        assert_eq!(answer.status, 400, "{host}");
        assert_eq!(answer.header("X-Devrun-Service"), "");
    }
}

#[test]
fn a_request_for_a_whole_url_is_for_the_host_in_it() {
    let stage = stage("whole");
    let head = "GET http://app.localhost:8080/x?y HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut stream = stage.open(head.as_bytes());
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let told: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&told["port"], &told["path"]),
        (&5173.into(), &"/x?y".into())
    );
    assert_eq!(told["headers"]["host"], "app.localhost:8080");
    assert_eq!(told["headers"]["x-forwarded-port"], "8080");
}

#[test]
fn a_path_is_routed_by_what_it_means_and_passed_on_as_it_was_written() {
    let stage = stage("meant");
    for (host, path, port) in [
        ("localhost", "/open//x", 5173),
        ("localhost", "/%6fpen/x", 5173),
        ("api.localhost", "/v1%2Fy", 7001),
        ("api.localhost", "/v1//exact", 7001),
    ] {
        let answer = ask(&stage, host, path);
        assert_eq!(arrived(&answer), (port, path.to_owned()), "{host}");
    }
    // A line's end in a path is a letter as others are.
    assert_eq!(ask(&stage, "localhost", "/open%0a").status, 404);
    let answer = ask(&stage, "api.localhost", "/v1%0a");
    assert_eq!(arrived(&answer), (7000, "/v1%0a".to_owned()));
    for path in [
        "/open/../admin/x",
        "/api/%2e%2e/admin/x",
        "/open/..%2fapi/x",
        "/../api/x",
        "/api/../../x",
        "/api/%2e%2e/%2e%2e/x",
        "/api/%00",
    ] {
        assert_eq!(ask(&stage, "localhost", path).status, 400, "{path}");
    }
}
