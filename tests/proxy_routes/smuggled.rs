//! Requests that nginx and a service could read in two ways: refused, before anybody gets them. They
//! are sent as they are here, which no client does.

use std::io::Read;

use super::agent::Agent;
use super::stage::{Stage, state};

fn stage(test: &str) -> Stage {
    let states = ["backend", "frontend"].map(|service| state(service, "ready"));
    let mut stage = Stage::set(test, &states);
    stage.neighbour("both", &["backend", "frontend"], &["8000", "5173"]);
    stage
}

/// All that comes back until the connection ends.
fn whole(stage: &Stage, request: &[u8]) -> String {
    let mut answer = Vec::new();
    // Whoever refuses a request need not read it all.
    let _ = stage.open(request).read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of each answer.
fn statuses(stage: &Stage, request: &[u8]) -> Vec<u16> {
    let answers = whole(stage, request);
    let heads = answers.split("HTTP/1.1 ").skip(1);
    heads
        .map(|head| head.get(..3).unwrap().parse().unwrap())
        .collect()
}

fn post(lines: &str, body: &str) -> Vec<u8> {
    format!("POST /api/x HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n{body}").into_bytes()
}

/// How many requests the services have got, this one among them.
fn seen(stage: &Stage) -> u64 {
    stage.get("/api/x").json()["seen"].as_u64().unwrap()
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let stage = stage("smuggled");
    let before = seen(&stage);
    let smuggled = "0\r\n\r\nGET /api/admin HTTP/1.1\r\nHost: a\r\n\r\n";
    for (lines, body, status) in [
        (
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            smuggled,
            400,
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 3",
            smuggled,
            400,
        ),
        ("Content-Length: 3\r\nContent-Length: 4", "abcd", 400),
        ("Content-Length: 3\r\nContent-Length: 3", "abc", 400),
        ("Content-Length: 3, 3", "abc", 400),
        ("Content-Length: +3", "abc", 400),
        ("Content-Length: -3", "abc", 400),
        ("Content-Length: 0x3", "abc", 400),
        ("Content-Length:", "", 400),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            smuggled,
            400,
        ),
        ("Transfer-Encoding: chunked, identity", smuggled, 501),
        ("Transfer-Encoding: xchunked", smuggled, 501),
        ("Transfer-Encoding: \x0bchunked", smuggled, 501),
        ("Transfer-Encoding : chunked", smuggled, 400),
        ("X: a\r\n Transfer-Encoding: chunked", smuggled, 400),
        ("X: a\r\n\tfolded", "", 400),
        ("X: a\rTransfer-Encoding: chunked", smuggled, 400),
        ("X: a\0b", "", 400),
        ("X Y: a", "", 400),
        (": a", "", 400),
        ("Host: b", "", 400),
    ] {
        let answers = statuses(&stage, &post(lines, body));
        assert_eq!(answers, [status], "{lines:?}");
    }
    for body in [
        "zz\r\nab\r\n0\r\n\r\n",
        "-1\r\nab\r\n0\r\n\r\n",
        "0x2\r\nab\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nab\r\n0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "2 \n\nab\r\n0\r\n\r\n",
    ] {
        let answers = statuses(&stage, &post("Transfer-Encoding: chunked", body));
        assert_eq!(answers, [400], "{body:?}");
    }
    let old = b"POST /api/x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(statuses(&stage, old), [400]);
    assert_eq!(seen(&stage), before + 1, "some of it was passed on");
}

#[test]
fn each_of_several_requests_on_a_connection_takes_its_own_route() {
    let stage = stage("several");
    let chunked = "2\r\nab\r\n3;more=x\r\ncde\r\n0\r\nTrailer: x\r\n\r\n";
    let second = "GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for (lines, body) in [
        ("Content-Length: 5", "abcde"),
        ("Transfer-Encoding: chunked", chunked),
        ("Content-Length: 5\r\nConnection: Content-Length", "abcde"),
        (
            "Content-Length: 5\r\nConnection: Upgrade\r\nUpgrade: websocket",
            "abcde",
        ),
    ] {
        let answers = whole(&stage, &post(lines, &format!("{body}{second}")));
        let told: Vec<(u64, String, u64)> = answers
            .split("\r\n\r\n")
            .filter_map(|part| part.find('{').map(|at| &part[at..]))
            .map(|part| part.split("HTTP/1.1").next().unwrap())
            .map(|part| serde_json::from_str::<serde_json::Value>(part).expect(part))
            .map(|told| {
                let number = |field: &str| told[field].as_u64().unwrap();
                let path = told["path"].as_str().unwrap().to_owned();
                (number("port"), path, number("size"))
            })
            .collect();
        let wanted = [
            (8000, "/api/x".to_owned(), 5),
            (5173, "/second".to_owned(), 0),
        ];
        assert_eq!(told, wanted, "{lines:?}");
    }
}

#[test]
fn what_is_too_large_is_answered_and_waits_for_nobody() {
    let stage = Stage::set("too-large", &[state("backend", "updating")]);
    let mut agent = Agent::start(&stage);
    agent.hold(false, 60_000, None);
    let x = |count| "x".repeat(count);
    let line = format!("GET /api/{} HTTP/1.1\r\nHost: a\r\n\r\n", x(9_000));
    assert_eq!(statuses(&stage, line.as_bytes()), [414]);
    let header = format!("GET /api/x HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", x(9_000));
    assert_eq!(statuses(&stage, header.as_bytes()), [400]);
    let headers: String = (0..60)
        .map(|n| format!("X-{n}: {}\r\n", x(1_000)))
        .collect();
    let many = format!("GET /api/x HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    assert_eq!(statuses(&stage, many.as_bytes()), [400]);
    assert_eq!(stage.connections("hold.sock"), 0);
}
