//! Words about beginning and end.

use std::time::Instant;

use crate::kit::{Scratch, docker, patience};

const HOOKS: &str = r#"stack app
volume notes
service web {
    image "python:3.13-slim"
    command "sh" "-c" "echo serving on port 80; while :; do sleep 0.1; done"
    volume notes to="/notes"
    init #true
    healthcheck log="serving on * 80"
    post-start "date +%s%N >/notes/began"
    post-start "test" "-s" "/notes/began"
    pre-stop "echo bye >/notes/ended"
}
service after { image "redis:7"; depends-on web }
"#;

/// What a file of the volume `notes` holds.
fn note(stack: &Scratch, name: &str) -> String {
    let mount = format!("{}-notes:/notes", stack.name);
    docker(&[
        "run",
        "--rm",
        "-v",
        &mount,
        "redis:7",
        "cat",
        &format!("/notes/{name}"),
    ])
    .out
}

#[test]
fn hooks_run_after_the_start_and_before_the_end() {
    let stack = Scratch::new("hooks", &[("Stackfile.kdl", HOOKS)]);
    stack.ok(&["up", "-d", "--no-watch"]);
    assert!(!note(&stack, "began").trim().is_empty());
    assert_eq!(note(&stack, "ended"), "");
    let first = note(&stack, "began");
    stack.ok(&["restart", "web"]);
    assert_eq!(note(&stack, "ended"), "bye\n");
    stack.ok(&["up", "-d", "--no-watch"]);
    // Without the Stackfile saying it any more, the container still knows.
    docker(&[
        "run",
        "--rm",
        "-v",
        &format!("{}-notes:/n", stack.name),
        "redis:7",
        "rm",
        "/n/ended",
    ]);
    stack.edit(
        "Stackfile.kdl",
        "    pre-stop \"echo bye >/notes/ended\"\n",
        "",
    );
    stack.ok(&["down"]);
    assert_eq!(note(&stack, "ended"), "bye\n");
    assert_ne!(first, "");
}

#[test]
fn a_hook_that_fails_is_told_and_dependents_wait() {
    let text = HOOKS.replace(
        "\"test\" \"-s\" \"/notes/began\"",
        "\"echo no luck; exit 3\"",
    );
    let stack = Scratch::new("badhook", &[("Stackfile.kdl", &text)]);
    let up = stack.run(&["up", "-d", "--no-watch"]);
    assert_eq!(up.code, 1);
    let said = format!("{}{}", up.out, up.err);
    assert!(
        said.contains("ended with 3") && said.contains("no luck"),
        "{said}"
    );
    assert_eq!(docker(&["inspect", &stack.container("after")]).code, 1);
}

#[test]
fn a_log_line_tells_that_it_is_ready() {
    let text = r#"stack app
service web {
    image "redis:7"
    command "sh" "-c" "echo starting; sleep 1; echo Ready to serve; sleep 1000"
    healthcheck log="ready"
    ready-timeout "4s"
    init #true
}
"#;
    let stack = Scratch::new("log", &[("Stackfile.kdl", text)]);
    let wrong = stack.run(&["up", "-d", "--no-watch"]);
    assert_eq!(wrong.code, 1);
    let said = format!("{}{}", wrong.out, wrong.err);
    assert!(said.contains("no line of its log says \"ready\""), "{said}");
    stack.ok(&["stop"]);
    stack.edit("Stackfile.kdl", "log=\"ready\"", "log=\"Ready to*\"");
    stack.ok(&["up", "-d", "--no-watch"]);
    assert_eq!(stack.service("web")["state"], "ready");
}

#[test]
fn the_grace_is_known_without_the_stackfile() {
    let text = r#"stack app
service slow {
    image "redis:7"
    command "sh" "-c" "trap 'sleep 1000' TERM; while :; do sleep 0.1; done"
    stop-grace-period "1s"
}
"#;
    let stack = Scratch::new("grace", &[("Stackfile.kdl", text)]);
    stack.ok(&["up", "-d", "--no-watch"]);
    stack.edit("Stackfile.kdl", "    stop-grace-period \"1s\"\n", "");
    let began = Instant::now();
    stack.ok(&["down"]);
    assert!(began.elapsed() < patience(8), "{:?}", began.elapsed());
}

#[test]
fn what_is_not_required_is_not_waited_for() {
    let text = r#"stack app
service mail { image "redis:7"; profile extra }
service broken { image "redis:7"; command "sh" "-c" "exit 1" }
service web {
    image "redis:7"
    depends-on mail broken required=#false
}
"#;
    let stack = Scratch::new("optional", &[("Stackfile.kdl", text)]);
    let up = stack.run(&["up", "-d", "--no-watch"]);
    assert_eq!(up.code, 1, "{}", up.err);
    assert_eq!(stack.service("web")["state"], "ready", "{}", up.err);
    assert_eq!(stack.service("mail")["state"], "off");
}
