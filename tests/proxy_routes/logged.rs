//! What the access log tells of requests, and how much of it is kept.

use std::thread::scope;

use serde_json::Value;

use super::agent::Agent;
use super::stage::{STACKFILE, Stage, docker, state, until};
use super::tests::read_until;

/// A person who says nothing of an access log.
const SILENT: &str = "\
user nginx;
events {}
http {
    server {
        listen 80;
        include devrun-routes;
    }
}
";

fn stage(test: &str, known: &'static str, nginx_conf: &str) -> Stage {
    let states = [state("backend", known), state("frontend", "ready")];
    Stage::configured(test, &states, STACKFILE, nginx_conf)
}

/// The requests that nginx told of on its output, once there are so many besides those of the
/// stage itself.
fn told(stage: &Stage, count: usize) -> Vec<Value> {
    let read = || {
        let log = docker(&["logs", stage.proxy()]);
        let lines = log.lines().filter(|line| line.starts_with("{\"time\""));
        let lines = lines.map(|line| serde_json::from_str::<Value>(line).expect(line));
        let of_others = lines.filter(|line| line["path"] != "/health");
        of_others.collect::<Vec<_>>()
    };
    until("nginx tells of all", || read().len() >= count);
    read()
}

#[test]
fn each_request_is_told_with_who_answered_and_how_long_it_waited() {
    let mut stage = stage("log", "updating", SILENT);
    let mut agent = Agent::start(&stage);
    agent.hold(false, 60_000, None);
    let backend = stage.neighbour("web", &["backend"], &["8000"]);
    let secret = [
        "Host: Example.test:81",
        "Authorization: Bearer hidden-1",
        "Cookie: session=hidden-2",
        "X-Request-Id: one-of-mine",
        "Referer: http://x/?hidden-3",
    ];
    let seen = scope(|scope| {
        let stage = &stage;
        let ask = scope.spawn(move || stage.ask("GET", "/api/a%20b?token=hidden-4", &secret, b""));
        until("it waits", || stage.connections("hold.sock") >= 1);
        agent.hold(true, 60_000, Some(&stage.address(&backend)));
        ask.join().unwrap()
    });
    assert_eq!(seen.json()["headers"]["x-request-id"], "one-of-mine");
    let lines = told(&stage, 1);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let line = &lines[0];
    for (field, wanted) in [
        ("id", "one-of-mine"),
        ("method", "GET"),
        ("scheme", "http"),
        ("host", "Example.test:81"),
        ("path", "/api/a%20b"),
        ("service", "backend"),
        ("state", "ready"),
    ] {
        assert_eq!(line[field], wanted, "{line}");
    }
    assert_eq!(
        (&line["status"], &line["generation"]),
        (&200.into(), &7.into())
    );
    let address = stage.address(&backend);
    assert_eq!(line["upstream"], format!("{}:8000", address.trim()));
    let seconds = |field: &str| {
        line[field]
            .as_f64()
            .unwrap_or_else(|| panic!("{field}: {line}"))
    };
    assert!(seconds("held") > 0.0, "{line}");
    assert!(seconds("request_time") >= seconds("held"), "{line}");
    assert!(seconds("upstream_time") < seconds("request_time"), "{line}");
    assert_eq!(line["bytes"].as_u64(), Some(seen.body.len() as u64));
    let time = line["time"].as_str().unwrap();
    assert!(time.contains('T') && time.contains('.'), "{time}");
    let log = docker(&["logs", stage.proxy()]);
    assert!(!log.contains("hidden"), "{log}");
}

#[test]
fn how_long_it_waited_is_told_also_of_who_was_refused_before() {
    let mut stage = stage("log-refused", "ready", SILENT);
    let mut agent = Agent::start(&stage);
    let backend = stage.neighbour("web", &["backend"], &["1234"]);
    agent.hold(true, 60_000, Some(&stage.address(&backend)));
    let large = vec![b'x'; 300 << 10];
    scope(|scope| {
        let asks: Vec<_> = [&b"a=b"[..], &large]
            .map(|body| {
                let stage = &stage;
                scope.spawn(move || stage.ask("POST", "/api/x", &[], body))
            })
            .into();
        until("both wait", || stage.connections("hold.sock") >= 2);
        stage.listen(&backend, "8000");
        for ask in asks {
            assert_eq!(ask.join().unwrap().status, 200);
        }
    });
    for line in told(&stage, 2) {
        assert!(line["held"].as_f64().unwrap() > 0.01, "{line}");
        assert!(line["upstream_time"].is_f64(), "{line}");
        assert!(
            line["upstream"].as_str().unwrap().ends_with(":8000"),
            "{line}"
        );
    }
}

#[test]
fn who_went_away_while_held_is_told_so() {
    let stage = stage("log-left", "updating", SILENT);
    let mut agent = Agent::start(&stage);
    agent.hold(false, 60_000, None);
    let asks = stage.open(b"POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    until("it waits", || stage.connections("hold.sock") >= 1);
    drop(asks);
    let line = &told(&stage, 1)[0];
    assert_eq!(line["status"], 499, "{line}");
    assert_eq!(line["service"], "backend", "{line}");
    assert_eq!(line["state"], "held", "{line}");
}

#[test]
fn what_nobody_answered_is_told_as_well() {
    let config = format!("error_log /tmp/error.log warn;\n{SILENT}");
    let mut stage = stage("log-none", "failed", &config);
    stage.neighbour("web", &["frontend"], &["5173"]);
    assert_eq!(
        stage
            .ask("POST", "/api/x", &["Accept: text/html"], b"a=b")
            .status,
        503
    );
    assert_eq!(stage.get("/.devrun/wait").status, 404);
    read_until(&mut stage.open(b"\x16\x03\x01 \"\\ garbage\r\n\r\n"), "400");
    read_until(
        &mut stage.open(b"GET /x HTTP/1.1\r\nHost: a b\r\n\r\n"),
        "400",
    );
    let odd = b"GET /\"\\\xff HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    read_until(&mut stage.open(odd), "\r\n\r\n");
    let told = told(&stage, 5);
    let brief = |line: &Value| {
        let text = |field: &str| line[field].as_str().unwrap().to_owned();
        (
            line["status"].as_u64().unwrap(),
            text("service"),
            text("state"),
        )
    };
    let of = |status, service: &str, state: &str| (status, service.to_owned(), state.to_owned());
    assert_eq!(brief(&told[0]), of(503, "backend", "failed"), "{told:#?}");
    assert_eq!(brief(&told[1]), of(404, "", ""), "{told:#?}");
    assert_eq!(brief(&told[2]), of(400, "", ""), "{told:#?}");
    assert_eq!(brief(&told[3]), of(400, "", ""), "{told:#?}");
    assert!(
        told[0]["held"].is_null() || told[0]["held"] == 0.0,
        "{told:#?}"
    );
    assert_eq!(
        (&told[0]["upstream"], &told[0]["upstream_time"]),
        (&"".into(), &Value::Null)
    );
    let errors = stage.inside("cat /tmp/error.log");
    assert!(!errors.contains("uninitialized"), "{errors}");
}

#[test]
fn a_persons_own_access_log_is_the_only_one_and_may_use_the_format() {
    let own = "    access_log /tmp/own.log devrun;\n";
    let config = SILENT.replace("http {\n", &format!("http {{\n{own}"));
    let mut stage = stage("log-own", "ready", &config);
    stage.neighbour("web", &["backend"], &["8000"]);
    stage.get("/api/x");
    until("it is written", || {
        stage.inside("cat /tmp/own.log").contains("/api/x")
    });
    let log = docker(&["logs", stage.proxy()]);
    assert!(!log.contains("/api/x"), "{log}");
}

#[test]
fn a_log_file_that_has_grown_gives_way_to_a_new_one() {
    let both =
        "    access_log /dev/stdout devrun;\n    access_log /var/log/nginx/own.log devrun;\n";
    let config = SILENT.replace("http {\n", &format!("http {{\n{both}"));
    let mut stage = stage("log-grown", "ready", &config);
    stage.neighbour("web", &["backend"], &["8000"]);
    stage.inside("head -c 11000000 /dev/zero >>/var/log/nginx/own.log");
    let mut agent = Agent::start(&stage);
    agent.hold(true, 60_000, None);
    until("it is put aside", || {
        stage.inside("ls /var/log/nginx").contains("own.log.1")
    });
    // Workers open their files by and by.
    until("the new one is written to", || {
        stage.get("/api/after");
        let log = stage.inside("cat /var/log/nginx/own.log 2>/dev/null || true");
        log.contains("/api/after")
    });
    stage.get("/api/last");
    until("nginx's output as well", || {
        docker(&["logs", stage.proxy()]).contains("/api/last")
    });
}
