//! `mirror`: a container has what the host has, and nothing else.

use std::fs;

use crate::kit::{Scratch, docker};
use crate::stage::{comes, content, goes, inside, marked, stack, starts, up, waiting};

const RULES: &str = "        ignore \"cache/\"\n        on \"*.py\" { restart }";

fn mirrored(stack: &Scratch) {
    stack.edit(
        "Stackfile.kdl",
        "to=\"/app\" {",
        "to=\"/app\" mirror=#true {",
    );
}

#[test]
fn what_the_container_made_goes_at_the_start_and_after_saves() {
    let stack = waiting("mirrors", RULES, &[]);
    mirrored(&stack);
    let mut session = up(&stack);
    let make =
        "cd /app && mkdir -p cache deep && touch own.py deep/own.txt cache/kept /tmp/outside";
    assert_eq!(inside(&stack, make).code, 0);
    stack.write("app/new.txt", "new\n");
    let event = session.event("web", "mirrored", 30);
    assert_eq!(
        (event["count"].as_u64(), event["paths"][0].as_str()),
        (Some(2), Some("app/deep/own.txt"))
    );
    comes(&stack, "/app/new.txt", "new\n");
    goes(&stack, "/app/deep");
    assert!(
        content(&stack, "/app/cache/kept").is_some(),
        "the rule leaves it alone"
    );
    assert!(content(&stack, "/tmp/outside").is_some());
    assert_eq!(starts(&stack), 1, "what mirror removes restarts nothing");

    assert_eq!(inside(&stack, "touch /app/again.txt").code, 0);
    session.interrupt();
    let mut session = up(&stack);
    goes(&stack, "/app/again.txt");
    marked(&stack, &mut session, "after.txt");
}

#[test]
fn without_the_word_it_stays_and_a_volume_below_is_never_emptied() {
    let stack = waiting("stays", "", &[]);
    let mut session = up(&stack);
    assert_eq!(inside(&stack, "touch /app/own.txt").code, 0);
    marked(&stack, &mut session, "after.txt");
    assert!(content(&stack, "/app/own.txt").is_some());
    session.interrupt();
    stack.edit(
        "Stackfile.kdl",
        "    sync",
        "    volume data to=\"/app/data\"\n    sync",
    );
    stack.edit(
        "Stackfile.kdl",
        "stack live",
        "stack live\nvolume data doc=\"\"",
    );
    mirrored(&stack);
    let mut session = up(&stack);
    assert_eq!(
        inside(&stack, "touch /app/data/precious /app/own.txt").code,
        0
    );
    stack.write("app/new.txt", "new\n");
    session.event("web", "mirrored", 30);
    goes(&stack, "/app/own.txt");
    assert!(content(&stack, "/app/data/precious").is_some());
}

#[test]
fn a_source_that_is_gone_empties_nothing() {
    let dockerfile = "FROM python:3.13-slim\n";
    let stackfile = "stack live\nservice web {\n    image \"python:3.13-slim\"\n    command \"exec sleep infinity\"\n    sync \"src\" to=\"/src\" mirror=#true\n}\n";
    let stack = stack("gone", stackfile, dockerfile, &[("src/a.txt", "a\n")]);
    let session = up(&stack);
    assert_eq!(content(&stack, "/src/a.txt").as_deref(), Some("a\n"));
    fs::rename(stack.path("src"), stack.path("away")).unwrap();
    stack.run(&["sync"]);
    assert_eq!(content(&stack, "/src/a.txt").as_deref(), Some("a\n"));
    assert_eq!(
        docker(&[
            "inspect",
            "-f",
            "{{.State.Running}}",
            &stack.container("web")
        ])
        .out,
        "true\n"
    );
    drop(session);
}
