//! Requests through the proxy while what is behind it is restarted, replaced, and falls.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends by panicking, its helpers too"
)]

mod kit;

#[path = "held/begins.rs"]
mod begins;
#[path = "held/load.rs"]
mod load;
#[path = "held/mistakes.rs"]
mod mistakes;
#[path = "held/others.rs"]
mod others;
#[path = "held/rolls.rs"]
mod rolls;
#[path = "held/stage.rs"]
mod stage;
#[path = "held/tls.rs"]
mod tls;
#[path = "held/users.rs"]
mod users;
#[path = "held/written.rs"]
mod written;

use kit::{Scratch, get, http};
use load::Load;
use stage::{BACKEND, Open, app, app_with, headers, recorded, up, url};

/// Each of these asks for a restart.
fn save(stack: &Scratch, round: u32) {
    let text = BACKEND.replace("WORD = \"one\"", &format!("WORD = \"round {round}\""));
    stack.write("backend/main.py", &text);
}

#[test]
fn no_request_is_lost_or_doubled_by_what_is_announced() {
    let stack = app("announced");
    let mut session = up(&stack);
    let (mut socket, mut events) = (Open::socket(&stack), Open::events(&stack));
    let load = Load::begin(&stack);
    for round in 0..4 {
        save(&stack, round);
        let done = session.event("backend", "update-done", 60);
        assert_eq!(done["outcome"], "ok", "{done}");
        let answer = get(&format!("{}api/word", url(&stack))).unwrap();
        assert_eq!(answer.body, format!("round {round}"));
    }
    for round in 0..2 {
        stack.write("backend/extra.txt", &format!("{round}"));
        let done = session.event("backend", "update-done", 120);
        let action = done["action"].as_str().unwrap();
        assert!(action.contains("recreated"), "{done}");
    }
    stack.ok(&["restart", "backend"]);
    let asked = load.end();
    assert!(asked.len() > 100, "only {} requests", asked.len());
    let failed: Vec<_> = asked.iter().filter(|one| one.status != 200).collect();
    assert!(failed.is_empty(), "of {}: {failed:#?}", asked.len());
    let recorded = recorded(&stack, "backend");
    for one in &asked {
        assert_eq!(recorded.get(&one.line), Some(&1), "{one:?}");
    }
    socket.echoes("still here");
    events.goes_on();
}

#[test]
fn several_that_serve_together_lose_nothing_either() {
    let stack = app_with("several", "replicas 2");
    let mut session = up(&stack);
    let load = Load::begin(&stack);
    for round in 0..3 {
        save(&stack, round);
        for _ in 0..2 {
            let both = |event: &serde_json::Value| event["event"] == "update-done";
            session.wait("both are updated", 60, both);
        }
    }
    stack.ok(&["restart", "backend-2"]);
    let asked = load.end();
    let failed: Vec<_> = asked.iter().filter(|one| one.status != 200).collect();
    assert!(failed.is_empty(), "of {}: {failed:#?}", asked.len());
    let recorded = recorded(&stack, "backend-1");
    for one in &asked {
        assert_eq!(recorded.get(&one.line), Some(&1), "{one:?}");
    }
}

const FALLS: usize = 2;

#[test]
fn a_fall_costs_only_what_was_inside() {
    let stack = app("fall");
    let mut session = up(&stack);
    let mut socket = Open::socket(&stack);
    let load = Load::begin(&stack);
    // One more in so short a time is a loop, whose requests are answered at once.
    for _ in 0..FALLS {
        let answer = http(&["-X", "POST", &format!("{}api/die", url(&stack))]).unwrap();
        assert_eq!(
            (answer.status, headers(&answer, "state").as_str()),
            (502, "lost")
        );
        session.state("backend", "ready", 60);
    }
    let asked = load.end();
    let failed: Vec<_> = asked.iter().filter(|one| one.status != 200).collect();
    for one in &failed {
        let lost = one.head.contains("X-Devrun-State: lost");
        assert!(one.status == 502 && lost, "{one:?}");
    }
    // A `GET` is asked once more: one of these may be inside again at the next fall.
    assert!(failed.len() <= FALLS * load::SIDE_BY_SIDE, "{failed:#?}");
    let reads = failed.iter().filter(|one| one.line.starts_with("GET "));
    assert!(
        reads.count() <= (FALLS - 1) * load::SIDE_BY_SIDE,
        "{failed:#?}"
    );
    let recorded = recorded(&stack, "backend");
    for one in asked.iter().filter(|one| one.line.starts_with("POST ")) {
        let count = recorded.get(&one.line).copied().unwrap_or_default();
        assert!(
            count == 1 || (count == 0 && one.status != 200),
            "{one:?}: {count}"
        );
    }
    socket.echoes("still here");
}

#[test]
fn a_person_sees_a_page_meanwhile_and_a_program_waits() {
    let stack = app("meanwhile");
    let mut session = up(&stack);
    let slow = BACKEND
        .replace("SLOW = 0", "SLOW = 5")
        .replace("\"one\"", "\"two\"");
    stack.write("backend/main.py", &slow);
    session.state("backend", "updating", 60);
    let page = http(&[
        "-H",
        "Accept: text/html",
        &format!("{}api/word", url(&stack)),
    ])
    .unwrap();
    assert_eq!(page.status, 503, "{page:?}");
    assert_eq!(headers(&page, "service"), "backend");
    assert!(page.body.contains("http-equiv=\"refresh\""), "{page:?}");
    assert!(page.body.contains(">updating<"), "{page:?}");
    let answer = get(&format!("{}api/word", url(&stack))).unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "two"));
}

#[test]
fn where_nothing_comes_nobody_waits() {
    let stack = app("nothing");
    let mut session = up(&stack);
    let state = |path: &str, accept: &str| {
        let accept = format!("Accept: {accept}");
        let answer = http(&["-H", &accept, &format!("{}{path}", url(&stack))]).unwrap();
        assert_eq!(answer.status, 503, "{answer:?}");
        headers(&answer, "state")
    };
    stack.ok(&["stop", "backend"]);
    assert_eq!(state("api/word", "*/*"), "stopped");
    stack.ok(&["start", "backend"]);
    // The engine starts it again and again, and it never gets ready.
    stack.write("backend/main.py", "raise SystemExit('<b>no</b>')\n");
    session.state("backend", "failed", 60);
    assert_eq!(state("api/word", "*/*"), "failed");
    let page = http(&[
        "-H",
        "Accept: text/html",
        &format!("{}api/word", url(&stack)),
    ])
    .unwrap();
    assert!(page.body.contains("&lt;b&gt;no&lt;/b&gt;"), "{page:?}");
    save(&stack, 1);
    session.state("backend", "ready", 60);
    assert_eq!(
        get(&format!("{}api/word", url(&stack))).unwrap().body,
        "round 1"
    );
    // Nobody holds them once the session is gone.
    session.signal(9);
    session.end();
    assert_eq!(
        get(&format!("{}api/word", url(&stack))).unwrap().status,
        200
    );
    kit::docker(&["stop", "-t", "0", &stack.container("backend")]);
    assert_eq!(state("api/word", "*/*"), "unreachable");
    let told = get(&format!("{}api/word", url(&stack))).unwrap();
    assert!(told.body.contains("no devrun session answers"), "{told:?}");
}
