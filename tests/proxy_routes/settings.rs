//! What one route tells nginx: on each way that a request may take, and on no other route.

use std::io::Write;
use std::thread::scope;

use super::agent::Agent;
use super::stage::{Stage, state, until};
use super::tests::read_until;

const STACKFILE: &str = r##"
stack routed
service backend {
    image "python:3.13-slim"
    route "/*" port=8000
    route "/quick/*" timeout="300ms" port=8000
    route "/small/*" max-body="1K" port=8000
    route "/streamed/*" buffering=#false port=8000
    route "/raw/*" port=8000 {
        nginx "add_header X-Raw $request_method always;"
        nginx #"proxy_set_header X-More "more; and }";"#
        nginx "proxy_set_header x-real-ip 192.0.2.1;"
    }
    route "/quick-stream/*" buffering=#false timeout="300ms" port=8000
    route "/*" host="small.localhost" max-body="1K" port=8000
}
proxy proxy {
    image "nginx:1.26"
    config "nginx.conf"
    port 8080 to=80
    health "/health"
}
"##;

fn set(test: &str, known: &'static str) -> Stage {
    Stage::of(test, &[state("backend", known)], STACKFILE)
}

#[test]
fn a_service_that_is_silent_for_too_long_is_given_up() {
    let mut stage = set("late", "ready");
    let mut agent = Agent::start(&stage);
    let backend = stage.neighbour("web", &["backend"], &["8000"]);
    agent.hold(true, 60_000, Some(&stage.address(&backend)));
    for (method, body) in [("GET", vec![]), ("POST", vec![b'x'; 300 << 10])] {
        let answer = stage.ask(method, "/quick/silent", &[], &body);
        assert_eq!(
            (answer.status, answer.header("X-Devrun-State")),
            (504, "late"),
            "{method}"
        );
        assert_eq!(answer.json()["service"], "backend");
    }
    assert_eq!(stage.get("/quick/x").status, 200);
    let answer = stage.get("/quick-stream/silent");
    let state = answer.header("X-Devrun-State");
    assert_eq!((answer.status, state), (504, "late"));
}

#[test]
fn without_anybody_to_ask_what_was_received_is_told_from_what_was_not() {
    let mut stage = set("nobody", "ready");
    // One that is kept, one that is asked for anew because of its size, one that is not kept.
    let ways = |path: &str| {
        [
            ("GET", format!("/quick/{path}"), 0),
            ("POST", format!("/quick/{path}"), 3),
            ("POST", format!("/quick/{path}"), 300 << 10),
            ("POST", format!("/quick-stream/{path}"), 3),
        ]
    };
    let told = |stage: &Stage, (method, path, size): &(&str, String, usize)| {
        let answer = stage.ask(method, path, &[], &vec![b'x'; *size]);
        (answer.status, answer.header("X-Devrun-State").to_owned())
    };
    let said = |status: u16, state: &str| (status, state.to_owned());
    let closed = stage.neighbour("closed", &["backend"], &["1234"]);
    for way in ways("x") {
        assert_eq!(told(&stage, &way), said(503, "unreachable"), "{way:?}");
    }
    stage.remove(&closed);
    let backend = stage.neighbour("web", &["backend"], &["8000"]);
    until("it is found", || stage.get("/x").status == 200);
    for way in ways("silent") {
        assert_eq!(told(&stage, &way), said(504, "late"), "{way:?}");
    }
    for way in ways("fall") {
        let wanted = match way.0 {
            "GET" => said(503, "unreachable"),
            _ => said(502, "lost"),
        };
        assert_eq!(told(&stage, &way), wanted, "{way:?}");
        stage.start(&backend);
        until("it is found again", || stage.get("/x").status == 200);
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_however_it_comes() {
    let mut stage = set("small", "ready");
    stage.neighbour("web", &["backend"], &["8000"]);
    let ask = |host: &str, path: &str, size: usize| {
        let host = format!("Host: {host}");
        stage.ask("POST", path, &[&host], &vec![b'x'; size]).status
    };
    assert_eq!(ask("a", "/small/x", 1024), 200);
    assert_eq!(ask("a", "/small/x", 1025), 413);
    assert_eq!(ask("small.localhost", "/x", 1025), 413);
    assert_eq!(ask("a", "/x", 1025), 200);
    let chunk = format!("800\r\n{}\r\n0\r\n\r\n", "x".repeat(0x800));
    for (path, status) in [("/small/x", " 413 "), ("/x", " 200 ")] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut stream = stage.open((head + &chunk).as_bytes());
        let answer = read_until(&mut stream, "\r\n\r\n");
        let first = answer.lines().next().unwrap();
        assert!(first.contains(status), "{path}: {answer}");
    }
}

#[test]
fn a_body_is_passed_on_as_it_comes_where_it_is_not_kept() {
    let mut stage = set("streamed", "ready");
    stage.neighbour("web", &["backend"], &["8000"]);
    let head = "POST /streamed/first HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx";
    let mut stream = stage.open(head.as_bytes());
    read_until(&mut stream, "got x");
    let whole = vec![b'x'; 5 << 20];
    let told = stage.ask("POST", "/streamed/x", &[], &whole).json();
    assert_eq!(told["size"], 5 << 20);
}

#[test]
fn lines_of_ones_own_count_on_all_ways_and_take_nothing_away() {
    let before = [state("backend", "updating")];
    let mut stage = set("raw", "updating");
    let mut agent = Agent::start(&stage);
    agent.hold(false, 60_000, None);
    let backend = stage.neighbour("web", &["backend"], &["8000"]);
    let large = vec![b'x'; 300 << 10];
    let check = |answer: &super::stage::Answer, method: &str| {
        assert_eq!(answer.header("X-Raw"), method, "{answer:?}");
        let told = answer.json();
        let headers = &told["headers"];
        assert_eq!(headers["x-more"], "more; and }");
        assert_eq!(headers["x-real-ip"], "192.0.2.1");
        assert_eq!(headers["x-forwarded-host"], "a");
        assert_eq!(headers["proxy"], serde_json::Value::Null);
    };
    let headers = ["Host: a", "Proxy: evil"];
    scope(|scope| {
        let stage = &stage;
        let waiting = scope.spawn(|| stage.ask("GET", "/raw/x", &headers, b""));
        until("it waits", || stage.connections("hold.sock") >= 1);
        agent.hold(true, 60_000, Some(&stage.address(&backend)));
        check(&waiting.join().unwrap(), "GET");
    });
    stage.tell(&before, &[state("backend", "ready")]);
    check(&stage.ask("GET", "/raw/x", &headers, b""), "GET");
    check(&stage.ask("POST", "/raw/x", &headers, &large), "POST");
    check(&stage.ask("GET", "/raw", &headers, b""), "GET");
    let mut events =
        stage.open(b"GET /raw/events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n");
    assert!(read_until(&mut events, "data: first").contains("X-Raw: GET"));
    let mut socket = stage.open(
        b"GET /raw/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
          Sec-WebSocket-Protocol: x\r\n\r\n",
    );
    read_until(&mut socket, "\r\n\r\n");
    socket.write_all(b"one").unwrap();
    read_until(&mut socket, "ONE");
    let other = stage.ask("GET", "/x", &headers, b"");
    assert_eq!(other.header("X-Raw"), "");
    assert_eq!(other.json()["headers"]["x-more"], serde_json::Value::Null);
}

#[test]
fn what_nginx_says_of_a_line_is_told_with_its_place_in_the_stackfile() {
    let stage = Stage::set("said", &[]);
    let wrong = |line: &str| {
        let text = STACKFILE.replace("nginx \"add_header X-Raw", line);
        assert_ne!(text, STACKFILE);
        stage.said_of(&text)
    };
    let said = wrong("nginx \"gzzip off;\"\n        nginx \"add_header X-Raw");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("Stackfile.kdl:10: "), "{said:?}");
    let complaint = "unknown directive \"gzzip\": gzzip off;";
    assert!(said[0].ends_with(complaint), "{said:?}");
    let said = wrong("nginx \"gzip perhaps;\"\n        nginx \"add_header X-Raw");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("Stackfile.kdl:10: "), "{said:?}");
    assert_eq!(stage.said_of(STACKFILE), [""; 0]);
}
