//! Large files, and what is saved while one of them travels.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde_json::Value;

use crate::kit::eventually;
use crate::stage::{comes, content, inside, marked, starts, up, waiting};

const LARGE: u64 = 200 << 20;

/// A file that is mostly holes, with this word at its end; saved by one rename.
fn save_large(path: &Path, word: &str) {
    let beside = path.with_extension("part");
    let mut file = File::create(&beside).unwrap();
    file.set_len(LARGE).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(word.as_bytes()).unwrap();
    drop(file);
    fs::rename(beside, path).unwrap();
}

fn end_of_large(stack: &crate::kit::Scratch) -> String {
    inside(stack, "tail -c 5 /app/dump.sql 2> /dev/null").out
}

fn bytes_of(event: &Value) -> u64 {
    event["bytes"].as_u64().unwrap_or_default()
}

#[test]
fn a_large_file_holds_no_small_one_up_and_a_restart_waits_for_it() {
    let stack = waiting(
        "large",
        "on \"*.py\" { restart }\nignore \"*.part\"",
        &[("app/views.py", "one\n")],
    );
    let mut session = up(&stack);
    save_large(&stack.path("app/dump.sql"), "first");
    session.wait("the large file planned", 30, |event| {
        event["event"] == "update-planned" && event["reason"].to_string().contains("dump.sql")
    });
    stack.write("app/views.py", "two\n");
    let small = session.event("web", "synced", 60);
    assert!(
        bytes_of(&small) < LARGE,
        "the large one came first: {small}"
    );
    assert_eq!(content(&stack, "/app/views.py").as_deref(), Some("two\n"));

    let large = session.wait("the large file synced", 120, |event| {
        event["event"] == "synced" && bytes_of(event) > LARGE
    });
    let restarted = session.wait("the restart", 60, |event| {
        event["event"] == "update-done" && event["action"].to_string().contains("restarted")
    });
    assert!(large["seq"].as_u64() < restarted["seq"].as_u64());
    assert_eq!(end_of_large(&stack), "first");
    assert_eq!(starts(&stack), 2, "one restart for all of it");
    let seen = marked(&stack, &mut session, "later.txt");
    assert!(
        !seen.iter().any(|event| bytes_of(event) > LARGE),
        "it was sent twice: {seen:?}"
    );
}

#[test]
fn saved_again_on_its_way_the_newest_wins_and_removed_it_does_not_come() {
    let stack = waiting("largeagain", "ignore \"*.part\"", &[]);
    let mut session = up(&stack);
    for word in ["older", "newer"] {
        save_large(&stack.path("app/dump.sql"), word);
        session.wait("the large file planned", 30, |event| {
            event["event"] == "update-planned" && event["reason"].to_string().contains("dump.sql")
        });
    }
    eventually("the newest version", 120, || {
        (end_of_large(&stack) == "newer").then_some(())
    });
    save_large(&stack.path("app/dump.sql"), "third");
    fs::remove_file(stack.path("app/dump.sql")).unwrap();
    stack.write("app/views.py", "two\n");
    comes(&stack, "/app/views.py", "two\n");
    eventually("the removed file gone", 120, || {
        (inside(&stack, "ls -A /app").out == "first.txt\nviews.py\n").then_some(())
    });
    marked(&stack, &mut session, "later.txt");
    assert_eq!(content(&stack, "/app/dump.sql"), None);
}
