//! `update roll`: the next container starts beside the one that serves.

use serde_json::Value;

use crate::kit::{Scratch, Session, docker, eventually, get, http};
use crate::load::Load;
use crate::stage::{Open, headers, recorded, rolling, up, url};

/// Each of these asks for another image, and so for another container.
fn rebuild(stack: &Scratch, text: &str) {
    stack.write("backend/extra.txt", text);
}

fn done(session: &mut Session) -> Value {
    session.event("backend", "update-done", 120)
}

/// The names of its containers that there are.
fn containers(stack: &Scratch) -> Vec<String> {
    let filter = format!("name=^{}", stack.container("backend"));
    let list = docker(&["ps", "-a", "--format", "{{.Names}}", "--filter", &filter]).out;
    list.lines().map(str::to_owned).collect()
}

/// The name that the next one has as long as there are two.
fn next(stack: &Scratch) -> String {
    format!("{}.devrun-beside", stack.container("backend"))
}

/// The next one has begun, and takes its time.
fn begins(stack: &Scratch) {
    rebuild(stack, "slow");
    eventually("a second container", 60, || {
        containers(stack).contains(&next(stack)).then_some(())
    });
}

fn word(stack: &Scratch) -> (u16, String) {
    let answer = get(&format!("{}api/word", url(stack))).unwrap();
    (answer.status, answer.body)
}

/// What it says on the second line of its answer is of its image.
fn version(stack: &Scratch) -> String {
    get(&format!("{}api/version", url(stack))).unwrap().body
}

fn only_one(stack: &Scratch) {
    let own = [stack.container("backend")];
    eventually("one container, by its own name", 60, || {
        (containers(stack) == own).then_some(())
    });
}

fn workers(stack: &Scratch) -> String {
    let list = "ps -o pid= -C nginx || pgrep nginx";
    let entry = stack.container("entry");
    let mut pids: Vec<String> = docker(&["exec", &entry, "sh", "-c", list])
        .out
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    pids.sort();
    pids.join(" ")
}

#[test]
fn five_rolls_lose_nothing_and_double_nothing() {
    let stack = rolling("rolls");
    let mut session = up(&stack);
    let (mut socket, mut events) = (Open::socket(&stack), Open::events(&stack));
    let before = workers(&stack);
    let load = Load::begin(&stack);
    for round in 0..5 {
        rebuild(&stack, &format!("round {round}"));
        let done = done(&mut session);
        assert_eq!(done["outcome"], "ok", "{done}");
        let action = done["action"].as_str().unwrap();
        assert!(action.ends_with("rolled"), "{done}");
        // Who hears that it is done finds it.
        assert_eq!(version(&stack), format!("round {round}"));
    }
    only_one(&stack);
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
    assert_eq!(workers(&stack), before, "nginx was reloaded");
    stack.ok(&["wait"]);
    let why = stack.ok(&["why", "backend"]).out;
    assert!(why.contains("roll"), "{why}");
}

#[test]
fn one_that_never_gets_ready_leaves_the_old_one_where_it_is() {
    let stack = rolling("vain");
    let mut session = up(&stack);
    let load = Load::begin(&stack);
    rebuild(&stack, "never");
    let failed = done(&mut session);
    assert_eq!(failed["outcome"], "failed", "{failed}");
    let details = failed["details"].to_string();
    assert!(details.contains("no such <b>table</b>"), "{failed}");
    only_one(&stack);
    let service = stack.service("backend");
    assert_eq!(service["state"], "ready", "{service}");
    let reason = service["reason"].as_str().unwrap();
    assert!(reason.contains("did not get ready"), "{service}");
    let why = stack.ok(&["why", "backend"]).out;
    assert!(why.contains("no such <b>table</b>"), "{why}");
    assert_eq!(version(&stack), "first");
    rebuild(&stack, "mended");
    assert_eq!(done(&mut session)["outcome"], "ok");
    assert_eq!(version(&stack), "mended");
    eventually("nothing is left to say", 60, || {
        stack.service("backend")["reason"].is_null().then_some(())
    });
    let asked = load.end();
    let failed: Vec<_> = asked.iter().filter(|one| one.status != 200).collect();
    assert!(failed.is_empty(), "of {}: {failed:#?}", asked.len());
}

#[test]
fn a_save_meanwhile_goes_to_both_and_a_newer_image_takes_the_place_of_the_next() {
    let stack = rolling("newer");
    let mut session = up(&stack);
    begins(&stack);
    stack.edit("backend/main.py", "WORD = \"one\"", "WORD = \"two\"");
    eventually("the old one says so", 60, || {
        (word(&stack) == (200, "two".to_owned())).then_some(())
    });
    assert_eq!(version(&stack), "first");
    rebuild(&stack, "newest");
    session.wait("the newest is live", 120, |event| {
        event["event"] == "update-done" && version(&stack) == "newest"
    });
    assert_eq!(word(&stack), (200, "two".to_owned()));
    only_one(&stack);
}

#[test]
fn the_old_one_falls_meanwhile() {
    let stack = rolling("fell");
    let mut session = up(&stack);
    begins(&stack);
    let answer = http(&["-X", "POST", &format!("{}api/die", url(&stack))]).unwrap();
    assert_eq!(headers(&answer, "state"), "lost");
    assert_eq!(word(&stack).0, 200);
    let over = done(&mut session);
    assert_eq!(over["outcome"], "ok", "{over}");
    assert_eq!(version(&stack), "slow");
    only_one(&stack);
}

#[test]
fn a_session_that_is_killed_meanwhile_leaves_one_to_the_next() {
    let stack = rolling("killed");
    let session = up(&stack);
    begins(&stack);
    session.signal(9);
    session.end();
    rebuild(&stack, "after");
    let session = up(&stack);
    only_one(&stack);
    assert_eq!(version(&stack), "after");
    begins(&stack);
    session.signal(9);
    session.end();
    stack.ok(&["down"]);
    assert_eq!(containers(&stack), [""; 0]);
}

#[test]
fn stopped_meanwhile_both_end() {
    let stack = rolling("stopped");
    let session = up(&stack);
    begins(&stack);
    stack.ok(&["stop", "backend"]);
    only_one(&stack);
    assert_eq!(stack.service("backend")["state"], "stopped");
    rebuild(&stack, "again");
    stack.ok(&["start", "backend"]);
    stack.ok(&["wait"]);
    assert_eq!(version(&stack), "again");
    begins(&stack);
    assert_eq!(session.interrupt().0, 0);
    only_one(&stack);
}
