//! What a save asks for is not lost, whenever the session that brought it over is killed.

use std::path::Path;

use serde_json::Value;

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

/// A save, and what is told of it.
struct Told {
    path: &'static str,
    text: &'static str,
    planned: &'static str,
    rule: &'static str,
    done: &'static str,
    /// It is brought over.
    synced: bool,
}

const TOLD: [Told; 4] = [
    Told {
        path: "app/page.html",
        text: "2\n",
        planned: "sync",
        rule: "app/page.html: sync rule, Stackfile.kdl:",
        done: "synced",
        synced: true,
    },
    Told {
        path: "app/package.json",
        text: "2\n",
        planned: "sync+exec",
        rule: "app/package.json: on rule, Stackfile.kdl:",
        done: "synced, ran its command",
        synced: true,
    },
    Told {
        path: "app/main.py",
        text: "2\n",
        planned: "sync+restart",
        rule: "app/main.py: on rule, Stackfile.kdl:",
        done: "synced, restarted",
        synced: true,
    },
    Told {
        path: "Dockerfile",
        text: "FROM python:3.13-slim\nCOPY app /app\nWORKDIR /\n",
        planned: "rebuild",
        rule: "Dockerfile: ",
        done: "rebuilt, recreated",
        synced: false,
    },
];

#[test]
fn each_save_is_told_from_seen_to_done_with_what_led_to_it() {
    let stack = waiting("told", RULES, &FILES);
    let mut session = up(&stack);
    for told in &TOLD {
        stack.write(told.path, told.text);
        let done = session.event("web", "update-done", 60);
        assert_eq!(done["action"], told.done, "{done}");
        let caused_by = |event: &Value| {
            let found = session.seen.iter().find(|it| it["seq"] == event["cause"]);
            found.unwrap_or_else(|| panic!("no cause: {event}")).clone()
        };
        let planned = caused_by(&done);
        assert_eq!(planned["event"], "update-planned");
        assert_eq!(planned["action"], told.planned);
        let reason = planned["reason"].as_str().unwrap();
        assert!(reason.contains(told.rule), "{reason}");
        let seen = caused_by(&planned);
        assert_eq!(
            (seen["event"].as_str(), seen["paths"][0].as_str()),
            (Some("files-changed"), Some(told.path))
        );
        let mut chain = vec![seen, planned.clone(), done];
        if told.synced {
            let is_it =
                |event: &&Value| event["event"] == "synced" && event["cause"] == planned["seq"];
            let synced = session.seen.iter().find(is_it).unwrap();
            assert_eq!(synced["files"], 1, "{synced}");
            chain.push(synced.clone());
        }
        for event in chain {
            let timed = event["time"].is_string() && event["took_ms"].is_number();
            assert!(timed, "{event}");
        }
        let file = Path::new(told.path).file_name().unwrap().to_string_lossy();
        let why = stack.ok(&["why", "web"]).out;
        for text in [
            &format!("{file} → {}", told.done),
            &format!("because of {}", told.rule),
            &format!("saved: {}", told.path),
        ] {
            assert!(why.contains(text), "{text}: {why}");
        }
    }
}
