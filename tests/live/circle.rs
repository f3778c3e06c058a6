//! What triggers itself.

use crate::stage::{about, content, stack, up};

#[test]
fn a_command_that_writes_what_triggers_it_is_named_and_slowed_down() {
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
    let mut session = up(&stack);
    stack.write("made/out.txt", "begin\n");
    let warning = session.event("web", "warning", 60);
    let said = warning["message"].as_str().unwrap();
    assert!(
        said.contains("made/out.txt: on rule, Stackfile.kdl:7"),
        "{said}"
    );

    let turns = || content(&stack, "/tmp/turns").unwrap().lines().count();
    let before = turns();
    let service = stack.service("web");
    assert_eq!(service["state"], "ready", "{service}");
    assert!(
        service["reason"].to_string().contains("out.txt"),
        "{service}"
    );
    // Somebody else's save waits for nothing, and saves are synced all the while.
    stack.write("app/first.txt", "second\n");
    crate::stage::comes(&stack, "/app/first.txt", "second\n");
    assert_eq!(turns(), before, "it goes round: {}", session.dump());
    stack.write("other.txt", "x\n");
    crate::stage::comes(&stack, "/tmp/others", "other\n");
    assert_eq!(about(&session.seen, "is changed each time").len(), 1);
}
