//! The exit codes of the contract, as a table.

use super::{Found, app, app_with};
use crate::kit::{Scratch, said};

#[test]
fn without_an_engine_or_a_stack_the_codes_are_those_of_the_contract() {
    let stack = app("codes");
    let table: &[(&[&str], i32)] = &[
        (&["--help"], 0),
        (&["--version"], 0),
        (&["check"], 0),
        (&["config"], 0),
        (&["config", "--format", "json"], 0),
        (&["config", "--graph"], 0),
        (&["why", "src/main.sh"], 0),
        (&["frobnicate"], 2),
        (&["up", "--frobnicate"], 2),
        (&["exec"], 2),
        (&["up", "nobody"], 2),
        (&["restart", "nobody"], 2),
        (&["run", "nobody", "true"], 2),
        (&["build", "nobody"], 2),
        (&["exec", "nobody", "true"], 2),
        (&["attach", "nobody"], 2),
        (&["stop", "nobody"], 2),
        (&["start", "nobody"], 2),
        (&["wait", "nobody"], 2),
        (&["trigger", "nobody"], 2),
        (&["ci", "nobody"], 2),
        (&["man", "nobody"], 2),
        (&["logs", "--tail", "some"], 2),
        (&["--file", "absent.kdl", "check"], 2),
        (&["status"], 3),
        (&["up"], 3),
        (&["up", "--dry-run"], 3),
        (&["down"], 3),
        (&["stop"], 3),
        (&["restart"], 3),
        (&["exec", "web", "true"], 3),
        (&["run", "web", "true"], 3),
        (&["build"], 3),
        (&["logs"], 3),
        (&["doctor"], 3),
    ];
    for (arguments, code) in table {
        let output = stack
            .command(arguments)
            .env("DOCKER_HOST", "unix:///nonexistent.sock")
            .output()
            .unwrap();
        let ran = crate::kit::Ran::of(output);
        assert_eq!(ran.code, *code, "devrun {arguments:?}\n{}", said(&ran));
    }
}

#[test]
fn a_wrong_stackfile_is_2_whatever_is_asked() {
    let stack = Scratch::new("wrong", &[("Stackfile.kdl", "stack app\nservise web\n")]);
    for verb in [
        "up", "down", "stop", "start", "restart", "status", "logs", "build", "config", "check",
        "why", "wait", "events",
    ] {
        let ran = stack.run(&[verb]);
        assert_eq!(ran.code, 2, "devrun {verb}\n{}", said(&ran));
    }
    // The doctor looks at the machine all the same.
    let ran = stack.run(&["doctor"]);
    assert_eq!(ran.code, 1, "{}", said(&ran));
    assert!(ran.out.contains("devrun check"), "{}", ran.out);
}

#[test]
fn codes_of_commands_are_passed_on_and_failures_are_1() {
    let (stack, _session) = app_with("passed-on", Found::Session);
    let table: &[(&[&str], i32)] = &[
        (&["exec", "web", "sh", "-c", "exit 42"], 42),
        (&["run", "web", "sh", "-c", "exit 43"], 43),
        (&["run", "web", "true"], 0),
        (&["restart", "web"], 0),
        (&["wait", "--timeout", "30s"], 0),
        (&["stop", "web"], 0),
        (&["exec", "web", "true"], 1),
        (&["wait", "web", "--timeout", "100ms"], 4),
        (&["start", "web"], 0),
    ];
    for (arguments, code) in table {
        let ran = stack.run(arguments);
        assert_eq!(ran.code, *code, "devrun {arguments:?}\n{}", said(&ran));
    }
}

/// What each verb comes to, one after the other, where nobody watches; and where a session does, if
/// that is another code.
const EACH: &[(&[&str], i32, i32)] = &[
    (&["status"], 0, 0),
    (&["ps"], 0, 0),
    (&["logs"], 0, 0),
    (&["logs", "web", "--tail", "1"], 0, 0),
    (&["exec", "web", "true"], 0, 0),
    (&["run", "web", "true"], 0, 0),
    (&["why"], 0, 0),
    (&["why", "web"], 0, 0),
    (&["check"], 0, 0),
    (&["config"], 0, 0),
    (&["build"], 0, 0),
    (&["events"], 1, 0),
    (&["wait", "--timeout", "30s"], 0, 0),
    (&["trigger"], 1, 0),
    (&["trigger", "web"], 1, 0),
    (&["up", "--dry-run"], 0, 0),
    (&["restart", "web"], 0, 0),
    (&["stop", "web"], 0, 0),
    (&["exec", "web", "true"], 1, 1),
    (&["attach", "web"], 1, 1),
];

fn each(found: Found, test: &str) {
    let (stack, session) = app_with(test, found);
    for (arguments, alone, watched) in EACH {
        let code = if found == Found::Session {
            watched
        } else {
            alone
        };
        let ran = stack.run(arguments);
        assert_eq!(ran.code, *code, "devrun {arguments:?}\n{}", said(&ran));
        if *code == 0 && matches!(arguments[0], "status" | "ps" | "logs" | "exec") {
            let told = ran
                .err
                .contains("not watching: saves do not reach these containers. devrun up");
            assert_eq!(
                told,
                found != Found::Session,
                "devrun {arguments:?}\n{}",
                ran.err
            );
        }
    }
    // These begin or end a session.
    drop(session);
    for (arguments, code) in [
        (&["start"][..], 0),
        (&["up", "-d"], 0),
        (&["down"], 0),
        (&["status"], 0),
        (&["exec", "web", "true"], 1),
        (&["restart", "web"], 1),
        (&["stop"], 0),
        (&["down", "--volumes"], 0),
    ] {
        let ran = stack.run(arguments);
        assert_eq!(ran.code, code, "devrun {arguments:?}\n{}", said(&ran));
    }
}

#[test]
fn each_verb_without_a_session() {
    each(Found::NoSession, "each-alone");
}

#[test]
fn each_verb_with_a_session() {
    each(Found::Session, "each-watched");
}

#[test]
fn each_verb_after_a_session_that_was_killed() {
    each(Found::Killed, "each-killed");
}
