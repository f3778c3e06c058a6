//! A build that nobody wants any more ends in the engine as well.

use crate::kit::{Scratch, eventually, shell};

const STACKFILE: &str =
    "stack app\nservice web { build \".\"; command \"sleep\" \"infinity\"; init #true }\n";

/// A stack whose build sleeps for so many seconds, which are nobody else's.
fn stack(test: &str, seconds: u32) -> Scratch {
    let dockerfile =
        format!("FROM redis:7\nCOPY go.txt /\nRUN grep -q on /go.txt || sleep {seconds}\n");
    Scratch::new(
        test,
        &[
            ("Stackfile.kdl", STACKFILE),
            ("Dockerfile", &dockerfile),
            ("go.txt", "wait\n"),
        ],
    )
}

/// Processes of the machine that sleep so long; the engine's are among them.
fn sleeps(stack: &Scratch, seconds: u32) -> bool {
    let list = format!(
        "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -q '[s]leep {seconds}'"
    );
    shell(&list, &stack.path("")).code == 0
}

fn begins(stack: &Scratch, seconds: u32) {
    eventually("the build", 60, || sleeps(stack, seconds).then_some(()));
}

fn ends(stack: &Scratch, seconds: u32) {
    eventually("the end of the build in the engine", 30, || {
        (!sleeps(stack, seconds)).then_some(())
    });
}

#[test]
fn one_that_a_newer_save_made_worthless_leaves_nothing_that_runs() {
    let seconds = 861_001 + std::process::id();
    let stack = stack("cancel-save", seconds);
    let mut session = stack.up(&[]);
    begins(&stack, seconds);
    stack.write("go.txt", "on\n");
    session.ready();
    ends(&stack, seconds);
    let superseded = |event: &serde_json::Value| event["outcome"] == "superseded";
    assert!(session.seen.iter().any(superseded), "{}", session.dump());
}

#[test]
fn one_whose_devrun_was_interrupted_or_killed_leaves_nothing_that_runs() {
    for (number, signal) in [(0, "INT"), (1, "KILL")] {
        let seconds = 7_861_001 + 2 * std::process::id() + number;
        let stack = stack("cancel-signal", seconds);
        let mut building = stack.command(&["build"]).spawn().unwrap();
        begins(&stack, seconds);
        let kill = format!("kill -{signal} {}", building.id());
        assert_eq!(shell(&kill, &stack.path("")).code, 0);
        assert!(!building.wait().unwrap().success());
        ends(&stack, seconds);
    }
}

#[test]
fn one_whose_session_ends_leaves_nothing_that_runs() {
    let seconds = 17_861_001 + std::process::id();
    let stack = stack("cancel-session", seconds);
    let session = stack.up(&[]);
    begins(&stack, seconds);
    session.interrupt();
    ends(&stack, seconds);
}
