//! What triggers itself.

use serde_json::Value;

use crate::kit::{Scratch, Session};
use crate::stage::{comes, content, stack, up};

fn begin() -> (Scratch, Session) {
    let stackfile = r#"stack live
service web {
    build "."
    command "sleep infinity"
    sync "app" to="/app"
    bind "made" to="/made"
    on "made/*.txt" { exec "echo turn >> /tmp/turns; cp /tmp/turns /made/out.txt" }
    on "other.txt" { exec "echo other >> /tmp/others" }
}
"#;
    let dockerfile = "FROM python:3.13-slim\nCOPY app /app\nWORKDIR /app\n";
    let files = [
        ("made/out.txt", ""),
        ("other.txt", ""),
        (".dockerignore", "made\nother.txt\n"),
    ];
    let stack = stack("circle", stackfile, dockerfile, &files);
    let session = up(&stack);
    (stack, session)
}

fn turns(stack: &Scratch) -> usize {
    content(stack, "/tmp/turns").map_or(0, |text| text.lines().count())
}

/// All of it may have been told before the rule was paused, or only afterwards.
fn at_rest(stack: &Scratch) {
    stack.ok(&["wait", "--timeout", "60s"]);
}

fn paused(stack: &Scratch) -> Value {
    stack.service("web")["paused"].clone()
}

#[test]
fn a_command_that_writes_what_triggers_it_is_named_and_paused_until_somebody_says_so() {
    let (stack, mut session) = begin();
    stack.write("made/in.txt", "begin\n");
    let told = session.event("web", "rule-paused", 90);
    assert_eq!(
        (&told["rule"], &told["path"]),
        (&"Stackfile.kdl:7".into(), &"made/out.txt".into()),
        "{told}"
    );
    at_rest(&stack);
    let before = turns(&stack);
    let service = stack.service("web");
    assert_eq!(service["state"], "ready", "{service}");
    let reason = service["reason"].as_str().unwrap();
    assert!(
        reason.contains("Stackfile.kdl:7 is paused") && reason.contains("made/out.txt"),
        "{service}"
    );
    assert_eq!(service["paused"][0]["rule"], "Stackfile.kdl:7", "{service}");
    for why in [
        stack.ok(&["why", "web"]).out,
        stack.ok(&["why", "made/any.txt"]).out,
    ] {
        assert!(
            why.contains("Stackfile.kdl:7 is paused: made/out.txt"),
            "{why}"
        );
    }

    // Somebody else's save waits for nothing, and saves are synced all the while.
    stack.write("app/first.txt", "second\n");
    comes(&stack, "/app/first.txt", "second\n");
    stack.write("made/in.txt", "again\n");
    stack.write("other.txt", "x\n");
    comes(&stack, "/tmp/others", "other\n");
    session.ready();
    assert_eq!(turns(&stack), before, "it goes round: {}", session.dump());

    stack.ok(&["trigger", "web"]);
    session.event("web", "rule-resumed", 30);
    assert!(turns(&stack) > before, "{}", session.dump());
}

#[test]
fn a_save_of_the_stackfile_that_mends_it_has_the_rule_act_again() {
    let (stack, mut session) = begin();
    stack.write("made/in.txt", "begin\n");
    session.event("web", "rule-paused", 90);
    at_rest(&stack);
    let before = turns(&stack);
    stack.edit("Stackfile.kdl", "made/*.txt", "made/in.txt");
    session.event("web", "rule-resumed", 30);
    session.ready();
    assert_eq!(paused(&stack), Value::Null);
    stack.write("made/in.txt", "again\n");
    session.event("web", "update-done", 30);
    session.ready();
    assert_eq!(turns(&stack), before + 1, "{}", session.dump());
}
