//! What a save asks for is not lost, whenever the session that brought it over is killed.

use crate::kit::{Scratch, docker};
use crate::stage::{content, inside, starts, up, waiting};

const RULES: &str = "        on \"*.py\" { restart }\n        on \"package.json\" { exec \"echo ran >> /tmp/ran\" }";
const FILES: [(&str, &str); 2] = [("app/main.py", "1\n"), ("app/package.json", "{}\n")];

fn ran(stack: &Scratch) -> usize {
    content(stack, "/tmp/ran").map_or(0, |text| text.lines().count())
}

fn owed(stack: &Scratch) -> std::path::PathBuf {
    let id = docker(&["inspect", "-f", "{{.Id}}", &stack.container("web")]).out;
    stack
        .state
        .join("devrun/known")
        .join(format!("{}.owed", id.trim()))
}

#[test]
fn files_that_were_brought_and_not_followed_are_followed_by_the_next_session() {
    let stack = waiting("owed", RULES, &FILES);
    let session = up(&stack);
    session.signal(9);
    session.end();
    // As a session leaves it that is killed after it has sent the files: the host's are there.
    stack.write("app/main.py", "2\n");
    stack.write("app/package.json", "{\"a\": 1}\n");
    let line = "cd /app && echo 2 > main.py && printf '{\"a\": 1}\\n' > package.json";
    assert_eq!(inside(&stack, line).code, 0);
    let paths = ["app/main.py", "app/package.json"].map(|path| stack.path(path));
    let text: String = paths
        .iter()
        .map(|path| format!("{}\0", path.display()))
        .collect();
    std::fs::write(owed(&stack), text).unwrap();
    let session = up(&stack);
    assert_eq!((starts(&stack), ran(&stack)), (2, 1), "{}", session.dump());
    session.interrupt();
    let _session = up(&stack);
    assert_eq!(ran(&stack), 1, "once is enough");
}

#[test]
fn what_was_followed_is_not_followed_again() {
    let stack = waiting("paid", RULES, &FILES);
    let mut session = up(&stack);
    stack.write("app/package.json", "{\"a\": 1}\n");
    session.event("web", "update-done", 30);
    assert_eq!(ran(&stack), 1);
    stack.write("app/main.py", "2\n");
    session.event("web", "update-done", 30);
    assert_eq!(starts(&stack), 2);
    session.signal(9);
    session.end();
    assert!(!owed(&stack).exists());
    let _session = up(&stack);
    assert_eq!((starts(&stack), ran(&stack)), (2, 1));
}

#[test]
fn each_save_is_told_from_seen_to_done_with_what_led_to_it() {
    let stack = waiting("told", RULES, &FILES);
    let mut session = up(&stack);
    stack.write("app/main.py", "2\n");
    let done = session.event("web", "update-done", 30);
    let events = session.seen.clone();
    let cause = |event: &serde_json::Value| {
        let found = events.iter().find(|it| it["seq"] == event["cause"]);
        found.unwrap_or_else(|| panic!("no cause: {event}")).clone()
    };
    let planned = cause(&done);
    assert_eq!(planned["event"], "update-planned");
    assert_eq!(planned["action"], "sync+restart");
    let reason = planned["reason"].as_str().unwrap();
    assert!(
        reason.contains("app/main.py: on rule, Stackfile.kdl:"),
        "{reason}"
    );
    let synced = events
        .iter()
        .rfind(|event| event["event"] == "synced")
        .unwrap();
    assert_eq!(
        (synced["cause"].clone(), synced["files"].as_u64()),
        (planned["seq"].clone(), Some(1))
    );
    assert!(synced["took_ms"].is_number() && done["took_ms"].is_number());
    let seen = cause(&planned);
    assert_eq!(
        (seen["event"].as_str(), seen["paths"][0].as_str()),
        (Some("files-changed"), Some("app/main.py"))
    );
    for event in [&seen, &planned, synced, &done] {
        assert!(event["time"].is_string(), "{event}");
    }
    let why = stack.ok(&["why", "web"]).out;
    for text in [
        "main.py → synced, restarted",
        "because of app/main.py: on rule",
        "saved: app/main.py",
    ] {
        assert!(why.contains(text), "{text}: {why}");
    }
}
