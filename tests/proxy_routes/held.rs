//! Requests that wait, and those that must not be sent twice.

use std::io::Write;
use std::thread::scope;

use super::agent::Agent;
use super::stage::{Stage, state, until};
use super::tests::read_until;

const LONG: u64 = 60_000;

#[test]
fn a_request_waits_for_its_service_and_goes_there_whole() {
    let before = [state("backend", "updating")];
    let mut stage = Stage::set("wait", &before);
    let mut agent = Agent::start(&stage);
    agent.hold(false, LONG, None);
    let backend = stage.neighbour("web", &["backend"], &["8000"]);
    let body = vec![b'x'; 300 << 10];
    let answers = scope(|scope| {
        let asks: Vec<_> = [
            ("GET", "/api/a%2Fb?q=%20", &b""[..]),
            ("POST", "/api/small", b"a=b"),
            ("POST", "/api/large", &body),
            ("DELETE", "/api/x", b""),
        ]
        .map(|(method, path, body)| {
            let stage = &stage;
            scope.spawn(move || stage.ask(method, path, &["Accept: */*"], body))
        })
        .into();
        until("all wait", || stage.connections("hold.sock") >= 4);
        assert!(asks.iter().all(|ask| !ask.is_finished()));
        agent.hold(true, LONG, Some(&stage.address(&backend)));
        let answers = asks.into_iter().map(|ask| ask.join().unwrap());
        answers.collect::<Vec<_>>()
    });
    let told: Vec<_> = answers
        .iter()
        .map(|answer| {
            let told = answer.json();
            (
                told["method"].as_str().unwrap().to_owned(),
                told["path"].as_str().unwrap().to_owned(),
                told["size"].as_u64().unwrap(),
            )
        })
        .collect();
    let wanted = |method: &str, path: &str, size| (method.to_owned(), path.to_owned(), size);
    assert_eq!(
        told,
        [
            wanted("GET", "/api/a%2Fb?q=%20", 0),
            wanted("POST", "/api/small", 3),
            wanted("POST", "/api/large", 300 << 10),
            wanted("DELETE", "/api/x", 0),
        ]
    );
    // Who comes now needs nobody to wait with.
    stage.tell(&before, &[state("backend", "ready")]);
    drop(agent);
    assert_eq!(stage.ask("POST", "/api/x", &[], &body).status, 200);
    assert_eq!(stage.get("/api/x").status, 200);
}

#[test]
fn a_person_sees_what_is_waited_for_after_a_second_and_a_program_at_the_end() {
    let stage = Stage::set("page", &[state("backend", "building")]);
    let mut agent = Agent::start(&stage);
    agent.hold(false, LONG, None);
    let page = stage.ask("GET", "/api/x", &["Accept: text/html,*/*;q=0.8"], b"");
    assert_eq!(page.status, 503);
    assert!(page.header("Content-Type").starts_with("text/html"));
    assert!(page.body.contains("because it is building"), "{page:?}");
    agent.hold(false, 100, None);
    for method in ["GET", "POST", "HEAD"] {
        let answer = stage.ask(method, "/api/x", &[], b"a=b");
        assert_eq!(answer.status, 503, "{method}");
        assert_eq!(answer.header("X-Devrun-Service"), "backend");
        assert_eq!(answer.header("X-Devrun-State"), "building");
        assert_eq!(answer.header("Content-Type"), "application/json");
    }
    // Nothing is waited for where nothing comes.
    agent.hold(false, 0, None);
    let answer = stage.ask("GET", "/api/x", &["Accept: text/html"], b"");
    assert_eq!((answer.status, answer.header("Retry-After")), (503, "1"));
}

#[test]
fn what_has_no_end_waits_too_and_is_not_waited_for() {
    let mut stage = Stage::set("open", &[state("backend", "updating")]);
    let mut agent = Agent::start(&stage);
    agent.hold(false, LONG, None);
    let backend = stage.neighbour("web", &["backend"], &["8000"]);
    let address = stage.address(&backend);
    let mut socket = stage.open(
        b"GET /api/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
          Sec-WebSocket-Protocol: x\r\n\r\n",
    );
    let mut events = stage
        .open(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    until("both wait", || stage.connections("hold.sock") >= 2);
    agent.hold(true, LONG, Some(&address));
    read_until(&mut socket, "\r\n\r\n");
    socket.write_all(b"one").unwrap();
    read_until(&mut socket, "ONE");
    read_until(&mut events, "data: first");
    assert!(agent.drain(&address, 5_000), "they have no end");

    // The same when nobody had to wait.
    stage.tell(
        &[state("backend", "updating")],
        &[state("backend", "ready")],
    );
    let mut events = stage
        .open(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    read_until(&mut events, "data: first");
    assert!(agent.drain(&address, 5_000), "it has no end");
    let mut slow = stage.open(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    read_until(&mut slow, "data: first");
    assert!(!agent.drain(&address, 50), "this one is waited for");
    drop(slow);
    assert!(agent.drain(&address, 20_000), "its client went away");
}

#[test]
fn a_service_that_takes_no_connection_for_a_moment_is_waited_for() {
    let mut stage = Stage::set("refused", &[state("backend", "ready")]);
    let mut agent = Agent::start(&stage);
    let backend = stage.neighbour("web", &["backend"], &["1234"]);
    agent.hold(true, LONG, Some(&stage.address(&backend)));
    scope(|scope| {
        let asks: Vec<_> = ["GET", "POST"]
            .map(|method| {
                let stage = &stage;
                scope.spawn(move || stage.ask(method, "/api/x", &[], b"a=b"))
            })
            .into();
        until("both wait", || stage.connections("hold.sock") >= 2);
        stage.listen(&backend, "8000");
        for ask in asks {
            assert_eq!(ask.join().unwrap().status, 200);
        }
    });
}

#[test]
fn what_a_service_had_when_it_fell_is_asked_again_only_where_that_does_no_harm() {
    let mut stage = Stage::set("fell", &[state("backend", "ready")]);
    let mut agent = Agent::start(&stage);
    let backend = stage.neighbour("web", &["backend"], &["8000"]);
    agent.hold(true, LONG, Some(&stage.address(&backend)));
    let answer = stage.ask("POST", "/api/fall?once=a", &[], b"a=b");
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(answer.header("X-Devrun-State"), "lost");
    assert_eq!(answer.header("Retry-After"), "");
    assert_eq!(answer.json()["service"], "backend");
    stage.start(&backend);
    scope(|scope| {
        let stage = &stage;
        let ask = scope.spawn(|| stage.get("/api/fall?once=b"));
        stage.start(&backend);
        agent.hold(true, LONG, Some(&stage.address(&backend)));
        let answer = ask.join().unwrap();
        assert_eq!(
            (answer.status, answer.json()["path"].as_str()),
            (200, Some("/api/fall?once=b"))
        );
    });
    // One that fells it each time is not asked for ever.
    scope(|scope| {
        let stage = &stage;
        let ask = scope.spawn(|| stage.get("/api/fall"));
        stage.start(&backend);
        let answer = ask.join().unwrap();
        assert_eq!(
            (answer.status, answer.header("X-Devrun-State")),
            (502, "lost")
        );
    });
}

#[test]
fn without_anybody_to_ask_the_answer_comes_at_once() {
    let stage = Stage::set("alone", &[state("backend", "updating")]);
    let mut agent = Agent::start(&stage);
    agent.hold(false, LONG, None);
    scope(|scope| {
        let stage = &stage;
        let ask = scope.spawn(|| stage.ask("POST", "/api/x", &[], b"a=b"));
        until("it waits", || stage.connections("hold.sock") >= 1);
        drop(agent);
        let answer = ask.join().unwrap();
        assert_eq!(
            (answer.status, answer.header("X-Devrun-State")),
            (503, "updating")
        );
    });
    let page = stage.ask("GET", "/api/x", &["Accept: text/html"], b"");
    assert_eq!(page.status, 503);
    assert!(page.body.contains("because it is updating"), "{page:?}");
    assert!(page.body.contains("no devrun session"), "{page:?}");
}
