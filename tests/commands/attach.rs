//! A terminal on the process of a service, and saves that wait.

use std::io::Write;
use std::process::Stdio;

use crate::kit::terminal::CTRL_D;
use crate::kit::{Ran, Scratch, Session, eventually, identity, said};

/// A program that stops at a breakpoint when its input says so.
const PROGRAM: &str = "import sys

answer = 41
for line in sys.stdin:
    if line.strip() == 'stop':
        breakpoint()
    if line.strip() == 'seven':
        sys.exit(7)
    print('heard', line.strip(), flush=True)
";

const STACKFILE: &str = "stack app
service app {
    build \"src\"
    stdin-open #true
    tty #true
    sync to=\"/app\" { on \"*.py\" { restart } }
}
service other {
    build \"src\"
    command \"sleep\" \"infinity\"
    init #true
    sync to=\"/app\" { on \"*.none\" { restart } }
}
";

/// Ctrl-P Ctrl-Q.
const LEAVE: &str = "\u{10}\u{11}";

fn app(test: &str, stackfile: &str) -> Scratch {
    let dockerfile =
        "FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nCMD [\"python\", \"main.py\"]\n";
    Scratch::new(
        test,
        &[
            ("Stackfile.kdl", stackfile),
            ("src/Dockerfile", dockerfile),
            ("src/main.py", PROGRAM),
            ("src/page.txt", "one"),
        ],
    )
}

fn ready(stack: &Scratch) -> Session {
    let mut session = stack.up(&[]);
    session.ready();
    session
}

fn inside(stack: &Scratch, service: &str) -> String {
    stack.ok(&["exec", service, "cat", "page.txt"]).out
}

#[test]
fn a_breakpoint_is_answered_and_saves_wait_until_the_terminal_leaves() {
    let stack = app("attach", STACKFILE);
    let mut session = ready(&stack);
    let process = identity(&stack.container("app"));

    let mut terminal = stack.terminal("attach app");
    terminal.expect("saves wait meanwhile");
    terminal.line("stop");
    terminal.expect("(Pdb)");
    terminal.line("p answer + 1");
    terminal.expect("42");
    terminal.expect("(Pdb)");

    stack.write("src/page.txt", "two");
    stack.edit("src/main.py", "41", "51");
    let told = eventually("the saves are counted", 30, || {
        let reason = stack.service("app")["reason"].clone();
        reason
            .as_str()
            .filter(|it| it.starts_with("2 saves wait"))
            .map(str::to_owned)
    });
    assert!(told.contains("terminal"), "{told}");
    // The other service, kept in step with the same folder, does not wait.
    eventually("the other has the save", 30, || {
        Some(inside(&stack, "other")).filter(|it| it == "two")
    });
    assert_eq!(inside(&stack, "app"), "one");
    assert_eq!(identity(&stack.container("app")), process);

    terminal.line("continue");
    terminal.expect("heard stop");
    terminal.keys(LEAVE);
    let (code, rest) = terminal.end();
    assert_eq!(code, 0, "{rest}");
    assert!(rest.contains("2 saves waited"), "{rest}");
    session.event("app", "update-done", 30);
    assert_eq!(inside(&stack, "app"), "two");
    assert_ne!(
        identity(&stack.container("app")),
        process,
        "it was not restarted"
    );
}

#[test]
fn a_terminal_that_is_killed_takes_its_hold_along() {
    let stack = app("attachkilled", STACKFILE);
    let mut session = ready(&stack);
    let mut terminal = stack.terminal("attach app");
    terminal.expect("saves wait meanwhile");
    stack.write("src/page.txt", "two");
    eventually("the save is counted", 30, || {
        let reason = stack.service("app")["reason"].clone();
        reason
            .as_str()
            .filter(|it| it.starts_with("1 save waits"))
            .map(|_| ())
    });
    drop(terminal);
    session.event("app", "update-done", 30);
    assert_eq!(inside(&stack, "app"), "two");
}

#[test]
fn the_end_of_the_process_is_the_end_of_the_terminal() {
    let stack = app("attachend", STACKFILE);
    let _session = ready(&stack);
    let mut terminal = stack.terminal("attach app");
    terminal.expect("saves wait meanwhile");
    terminal.line("hello");
    terminal.expect("heard hello");
    terminal.keys(CTRL_D);
    let (code, rest) = terminal.end();
    assert_eq!(code, 0, "{rest}");
    assert!(rest.contains("app ended with 0"), "{rest}");
}

#[test]
fn what_is_piped_in_reaches_the_process_which_outlives_it() {
    let stack = app("attachpipe", &STACKFILE.replace("    tty #true\n", ""));
    let _session = ready(&stack);
    let process = identity(&stack.container("app"));
    let piped = |line: &str, goes_on: bool| {
        let mut attach = stack
            .command(&["attach", "app"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = attach.stdin.take().unwrap();
        stdin.write_all(line.as_bytes()).unwrap();
        // Whoever has said all does not hear how it ends.
        let _open = goes_on.then_some(stdin);
        Ran::of(attach.wait_with_output().unwrap())
    };
    let left = piped("hello\n", false);
    assert_eq!(left.code, 0, "{}", said(&left));
    assert!(!left.err.contains("ended"), "{}", left.err);
    eventually("it was heard", 30, || {
        let logs = stack.ok(&["logs", "app"]).out;
        logs.contains("heard hello").then_some(())
    });
    assert_eq!(identity(&stack.container("app")), process);

    let ended = piped("seven\n", true);
    assert_eq!(ended.code, 7, "{}", said(&ended));
}

#[test]
fn what_is_declared_otherwise_waits_and_is_said() {
    let stack = app("attachdeclared", STACKFILE);
    let mut session = ready(&stack);
    let process = identity(&stack.container("app"));
    let mut terminal = stack.terminal("attach app");
    terminal.expect("saves wait meanwhile");
    stack.edit(
        "Stackfile.kdl",
        "    stdin-open",
        "    environment { COLOUR blue }\n    stdin-open",
    );
    eventually("the change is counted", 30, || {
        let reason = stack.service("app")["reason"].clone();
        let reason = reason.as_str()?;
        reason
            .contains("what is declared otherwise comes then")
            .then_some(())
    });
    let late = stack.run(&["wait", "app", "--timeout", "1s"]);
    assert_eq!(late.code, 4, "{}", said(&late));
    assert!(late.err.contains("terminal"), "{}", late.err);
    assert_eq!(identity(&stack.container("app")), process);
    terminal.keys(LEAVE);
    let (_, rest) = terminal.end();
    assert!(rest.contains("1 save waited"), "{rest}");
    session.event("app", "update-planned", 30);
    stack.ok(&["wait", "app"]);
    let colour = stack.ok(&["exec", "app", "printenv", "COLOUR"]);
    assert_eq!(colour.out.trim(), "blue");
}

#[test]
fn without_a_session_or_an_input_it_is_said_what_is_missing() {
    let stack = app("attachbare", &STACKFILE.replace("    stdin-open #true\n    tty #true\n", "    command \"sh\" \"-c\" \"while :; do echo tick; sleep 0.1; done\"\n    init #true\n"));
    let session = ready(&stack);
    session.signal(9);
    session.end();
    let mut terminal = stack.terminal("attach app");
    terminal.expect("not watching");
    terminal.expect("stdin-open #true");
    terminal.expect("tick");
    terminal.keys("\u{3}");
    assert_eq!(terminal.end().0, 0);

    stack.ok(&["stop", "app"]);
    let refused = stack.run(&["attach", "app"]);
    assert_eq!(refused.code, 1, "{}", said(&refused));
    assert!(refused.err.contains("devrun up -d app"), "{}", refused.err);
}

#[test]
fn saves_wait_for_a_trigger_where_the_stackfile_says_so() {
    let stack = app(
        "trigger",
        &STACKFILE.replace("    tty #true\n", "    tty #true\n    trigger manual\n"),
    );
    let _session = ready(&stack);
    stack.write("src/page.txt", "two");
    stack.ok(&["wait"]);
    let service = stack.service("app");
    assert_eq!(service["reason"], "1 save waits for `devrun trigger app`");
    assert_eq!(
        (&service["sync"]["pending"], &service["sync"]["held"]),
        (&1.into(), &"trigger".into())
    );
    assert_eq!(
        (
            inside(&stack, "app").as_str(),
            inside(&stack, "other").as_str()
        ),
        ("one", "two")
    );

    stack.ok(&["trigger", "app"]);
    assert_eq!(inside(&stack, "app"), "two");
    stack.ok(&["trigger"]);
    let by_itself = stack.run(&["trigger", "other"]);
    assert_eq!(by_itself.code, 0, "{}", said(&by_itself));
    assert!(
        by_itself.err.contains("trigger manual"),
        "{}",
        by_itself.err
    );
}
