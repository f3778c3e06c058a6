//! `devrun sync`: what differs is said, or brought over, with a session and without one.

use std::fs;

use serde_json::Value;

use crate::kit::{Scratch, said};
use crate::stage::{content, inside, marked, starts, up, waiting};

const FILES: [(&str, &str); 3] = [
    ("app/main.py", "1\n"),
    ("app/gone.txt", "gone\n"),
    ("app/same.txt", "same\n"),
];

fn differing(test: &str) -> Scratch {
    waiting(test, "        on \"*.py\" { restart }", &FILES)
}

/// Somebody works in the container itself.
fn tamper(stack: &Scratch) {
    let line = "cd /app && echo inside > main.py && chmod 755 same.txt && rm first.txt && echo own > own.txt";
    assert_eq!(inside(stack, line).code, 0);
}

fn verified(stack: &Scratch) -> (i32, Value) {
    let ran = stack.run(&["sync", "--verify", "--format", "json"]);
    let value: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", said(&ran)));
    (ran.code, value["services"][0].clone())
}

fn differences(service: &Value) -> Vec<String> {
    let found = service["differences"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let tell = |one: &Value| {
        let text = |key: &str| one[key].as_str().unwrap().to_owned();
        format!("{} {}", text("kind"), text("path"))
    };
    found.iter().map(tell).collect()
}

const TAMPERED: [&str; 3] = [
    "missing app/first.txt",
    "differs app/main.py",
    "mode app/same.txt",
];

#[test]
fn verify_lists_what_differs_and_changes_nothing() {
    let stack = differing("verifies");
    let mut session = up(&stack);
    let (code, service) = verified(&stack);
    assert_eq!(
        (code, service["compared"].as_u64()),
        (0, Some(4)),
        "{service}"
    );
    tamper(&stack);
    let (code, service) = verified(&stack);
    assert_eq!(
        (code, differences(&service)),
        (1, TAMPERED.map(str::to_owned).to_vec())
    );
    let text = stack.run(&["sync", "--verify", "web"]);
    assert_eq!(text.code, 1);
    assert!(
        text.out.contains("3 differ") && text.out.contains("differs  app/main.py"),
        "{}",
        text.out
    );
    assert_eq!(content(&stack, "/app/main.py").as_deref(), Some("inside\n"));
    assert_eq!(content(&stack, "/app/own.txt").as_deref(), Some("own\n"));
    marked(&stack, &mut session, "after.txt");
}

#[test]
fn sync_brings_over_what_differs_and_does_what_follows() {
    let stack = differing("insync");
    let mut session = up(&stack);
    tamper(&stack);
    let ran = stack.ok(&["sync"]);
    assert!(
        ran.out.contains("4 paths compared, 3 brought over"),
        "{}",
        said(&ran)
    );
    assert_eq!(starts(&stack), 2, "main.py asks for a restart");
    assert_eq!(content(&stack, "/app/main.py").as_deref(), Some("1\n"));
    assert_eq!(
        content(&stack, "/app/own.txt").as_deref(),
        Some("own\n"),
        "the container's own stays"
    );
    assert_eq!(verified(&stack).0, 0);
    let event = session.event("web", "compared", 30);
    assert!(event["took_ms"].is_number(), "{event}");
    let again = stack.ok(&["sync", "web"]);
    assert!(again.out.contains("all equal"), "{}", said(&again));
    assert_eq!(starts(&stack), 2, "nothing differed, so nothing follows");
    // The session's picture is right: the next save is live, and what goes on the host goes there.
    marked(&stack, &mut session, "after.txt");
    fs::remove_file(stack.path("app/first.txt")).unwrap();
    crate::stage::goes(&stack, "/app/first.txt");
}

#[test]
fn without_a_session_it_works_by_itself() {
    let stack = differing("alone");
    let session = up(&stack);
    session.signal(9);
    session.end();
    tamper(&stack);
    fs::remove_file(stack.path("app/gone.txt")).unwrap();
    let mut expected = TAMPERED.map(str::to_owned).to_vec();
    expected.insert(1, "extra app/gone.txt".to_owned());
    let (code, service) = verified(&stack);
    assert_eq!((code, differences(&service)), (1, expected));
    let ran = stack.ok(&["sync", "--format", "json"]);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    let service = &value["services"][0];
    assert_eq!(
        (service["brought"].as_u64(), service["then"][0].as_str()),
        (Some(4), Some("restarted")),
        "{value}"
    );
    assert_eq!(content(&stack, "/app/main.py").as_deref(), Some("1\n"));
    assert_eq!(content(&stack, "/app/gone.txt"), None);
    assert_eq!(starts(&stack), 2);
    assert_eq!(verified(&stack).0, 0);
}

#[test]
fn what_does_not_run_or_syncs_nothing_is_said() {
    let stack = differing("nothing");
    let ran = stack.ok(&["sync"]);
    assert!(
        ran.out.contains("does not run; its next start compares"),
        "{}",
        said(&ran)
    );
    let stackfile = "stack live\nservice web { image \"python:3.13-slim\" }\n";
    stack.write("Stackfile.kdl", stackfile);
    let ran = stack.run(&["sync"]);
    assert_eq!(ran.code, 2, "{}", said(&ran));
    assert!(ran.err.contains("no service has a `sync`"), "{}", ran.err);
}
