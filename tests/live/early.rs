//! What differs is in a container before its process starts, so that it begins with it.

use std::fs;

use crate::kit::{Scratch, docker};
use crate::stage::{content, identity, inside, stack, starts, up};

/// Keeps what it began with.
const SEES: &str =
    "echo started >> /tmp/starts; cat /app/first.txt >> /tmp/saw; exec sleep infinity";
const COPIES: &str = "FROM python:3.13-slim\nCOPY app /app\nWORKDIR /app\n";
const COPIES_NOTHING: &str = "FROM python:3.13-slim\n";

fn seeing(test: &str, dockerfile: &str, words: &str, files: &[(&str, &str)]) -> Scratch {
    let stackfile = format!(
        "stack live\nservice web {{\n    build \".\"\n    command \"{SEES}\"\n{words}\n}}\n"
    );
    stack(test, &stackfile, dockerfile, files)
}

const RESTARTS: &str = "    sync \"app\" to=\"/app\" { on \"**\" { restart } }";

fn logged(stack: &Scratch) -> String {
    docker(&["logs", &stack.container("web")]).out
}

fn saw(stack: &Scratch) -> String {
    content(stack, "/tmp/saw").unwrap_or_default()
}

#[test]
fn an_edit_made_while_nothing_ran_is_what_the_process_begins_with() {
    let stack = seeing("earlyedit", COPIES, RESTARTS, &[]);
    up(&stack).interrupt();
    let before = identity(&stack);
    stack.ok(&["stop"]);
    stack.write("app/first.txt", "edited\n");
    fs::create_dir(stack.path("app/deep")).unwrap();
    stack.write("app/deep/new.txt", "new\n");
    let session = up(&stack);
    assert_eq!(identity(&stack), before);
    assert_eq!(saw(&stack), "first\nedited\n", "{}", session.dump());
    assert_eq!(
        starts(&stack),
        2,
        "it was started once more: {}",
        session.dump()
    );
    assert_eq!(
        content(&stack, "/app/deep/new.txt").as_deref(),
        Some("new\n")
    );
}

#[test]
fn so_does_a_container_that_is_made_anew_from_an_old_image() {
    let stack = seeing("earlyanew", COPIES, RESTARTS, &[("app/same.txt", "same\n")]);
    let mut session = up(&stack);
    stack.write("app/first.txt", "edited\n");
    session.event("web", "update-done", 30);
    session.interrupt();
    stack.ok(&["down"]);
    let session = up(&stack);
    assert_eq!(saw(&stack), "edited\n", "{}", session.dump());
    assert_eq!(starts(&stack), 1, "{}", session.dump());
}

#[test]
fn an_image_that_has_none_of_the_files_is_started_once() {
    let files = [("app/deep/er/x.txt", "x\n"), ("app/run.sh", "#!/bin/sh\n")];
    let stack = seeing("earlynone", COPIES_NOTHING, RESTARTS, &files);
    let session = up(&stack);
    assert_eq!(saw(&stack), "first\n", "{}", session.dump());
    assert_eq!(starts(&stack), 1, "{}", session.dump());
    assert_eq!(
        content(&stack, "/app/deep/er/x.txt").as_deref(),
        Some("x\n")
    );
}

#[test]
fn a_start_that_agrees_brings_nothing_over() {
    let stack = seeing("earlyagrees", COPIES, RESTARTS, &[]);
    let mut session = up(&stack);
    stack.write("app/first.txt", "saved\n");
    session.event("web", "update-done", 30);
    session.interrupt();
    stack.ok(&["stop"]);
    let session = up(&stack);
    let synced = session.seen.iter().any(|event| event["event"] == "synced");
    assert!(!synced, "{}", session.dump());
    assert_eq!(saw(&stack), "first\nsaved\nsaved\n");
}

#[test]
fn a_task_that_ends_at_once_runs_the_code_of_now() {
    let stackfile = "stack live\ntask web {\n    build \".\"\n    command \"cat\" \"/app/first.txt\"\n    \
                     sync \"app\" to=\"/app\"\n}\n";
    let stack = stack("earlytask", stackfile, COPIES, &[]);
    let mut session = stack.up(&[]);
    session.ready();
    assert_eq!(logged(&stack), "first\n");
    session.interrupt();
    stack.ok(&["down"]);
    stack.write("app/first.txt", "edited\n");
    let mut session = stack.up(&[]);
    session.ready();
    assert_eq!(logged(&stack), "edited\n", "{}", session.dump());
}

#[test]
fn what_lies_in_a_volume_is_brought_there_before() {
    let words =
        "    volume data to=\"/app\"\n    sync \"app\" to=\"/app\" { on \"**\" { restart } }";
    let stack = seeing("earlyvolume", COPIES_NOTHING, words, &[]);
    stack.edit("Stackfile.kdl", "stack live", "stack live\nvolume data");
    let session = up(&stack);
    assert_eq!(saw(&stack), "first\n", "{}", session.dump());
    session.interrupt();
    stack.ok(&["down"]);
    stack.write("app/first.txt", "edited\n");
    let session = up(&stack);
    assert_eq!(
        saw(&stack),
        "edited\n",
        "the volume was kept: {}",
        session.dump()
    );
    assert_eq!(starts(&stack), 1, "{}", session.dump());
}

#[test]
fn a_tmpfs_is_left_to_the_agent() {
    let words = "    tmpfs \"/app\"\n    sync \"app\" to=\"/app\"";
    let stack = seeing("earlytmpfs", COPIES_NOTHING, words, &[]);
    let _session = up(&stack);
    assert_eq!(
        content(&stack, "/app/first.txt").as_deref(),
        Some("first\n")
    );
    let below = docker(&["diff", &stack.container("web")]).out;
    assert!(
        !below.contains("/app/first.txt"),
        "below the mount: {below}"
    );
}

#[test]
fn what_a_user_with_a_name_is_given_belongs_to_it() {
    let dockerfile = "FROM python:3.13-slim\nRUN useradd -u 1234 -m app && mkdir /app && chown app /app\n\
                      COPY --chown=app app/first.txt /app/\nUSER app\n";
    let stack = seeing("earlyuser", dockerfile, RESTARTS, &[]);
    up(&stack).interrupt();
    stack.ok(&["down"]);
    stack.write("app/first.txt", "edited\n");
    fs::create_dir(stack.path("app/deep")).unwrap();
    stack.write("app/deep/new.txt", "new\n");
    let session = up(&stack);
    assert_eq!(saw(&stack), "edited\n", "{}", session.dump());
    let owners = inside(
        &stack,
        "cd /app && stat -c '%U %n' first.txt deep deep/new.txt",
    )
    .out;
    assert_eq!(owners, "app first.txt\napp deep\napp deep/new.txt\n");
}

#[test]
fn what_asks_for_a_command_is_followed_by_it_once() {
    let words =
        "    sync \"app\" to=\"/app\" { on \"package.json\" { exec \"echo ran >> /tmp/ran\" } }";
    let files = [("app/package.json", "{}\n")];
    let stack = seeing("earlycommand", COPIES, words, &files);
    let ran = || content(&stack, "/tmp/ran").unwrap_or_default();
    let session = up(&stack);
    assert_eq!(ran(), "", "{}", session.dump());
    session.interrupt();
    stack.ok(&["stop"]);
    stack.write("app/package.json", "{\"name\":\"x\"}\n");
    let session = up(&stack);
    assert_eq!(ran(), "ran\n", "{}", session.dump());
    session.interrupt();
    stack.ok(&["stop"]);
    let session = up(&stack);
    assert_eq!(ran(), "ran\n", "{}", session.dump());
}

#[test]
fn a_process_that_ends_before_it_is_compared_asks_for_no_command_that_nothing_differs_for() {
    let stackfile = "stack live\nservice web {\n    build \".\"\n    \
        command \"test -e /tmp/second || { touch /tmp/second; exit 3; }; exec sleep infinity\"\n    \
        sync \"app\" to=\"/app\" { on \"package.json\" { exec \"echo ran >> /tmp/ran\" } }\n}\n";
    let files = [("app/package.json", "{}\n")];
    let stack = stack("earlycrash", stackfile, COPIES, &files);
    let session = up(&stack);
    assert_eq!(content(&stack, "/tmp/ran"), None, "{}", session.dump());
}
