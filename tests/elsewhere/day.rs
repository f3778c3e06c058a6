//! What people do all day, and what must work the same wherever the engine is.

use std::io::Write;
use std::process::Stdio;

use crate::kit::{Ran, Scratch, docker, eventually};
use crate::wire::Wire;

pub const STACK: &str = r#"stack app
var PORT ""
service web {
    build "."
    port "${PORT}" to=80
    healthcheck "true"
    sync to="/app"
    bind "." to="/there"
}
service cache { image "redis:7"; healthcheck "redis-cli ping" }
"#;

pub fn stack(test: &str) -> Scratch {
    let dockerfile = "FROM redis:7\nWORKDIR /app\nCOPY . .\nCMD [\"sleep\", \"infinity\"]\n";
    Scratch::new(
        test,
        &[
            ("Stackfile.kdl", STACK),
            ("Dockerfile", dockerfile),
            ("note.txt", "one\n"),
        ],
    )
}

fn inside(stack: &Scratch) -> String {
    docker(&["exec", &stack.container("web"), "cat", "/app/note.txt"]).out
}

/// Up, save, exec with input, build, logs and down; what `up` said.
pub fn whole(stack: &Scratch) -> Ran {
    let up = stack.ok(&["up", "-d"]);
    assert_eq!(stack.service("cache")["health"], "healthy");
    assert_eq!(inside(stack), "one\n");
    stack.write("note.txt", "two\n");
    stack.ok(&["wait"]);
    assert_eq!(
        stack.ok(&["exec", "web", "cat", "/app/note.txt"]).out,
        "two\n"
    );
    let mut exec = stack
        .command(&["exec", "web", "wc", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // More than any buffer on the way holds, and then an end that must be heard.
    exec.stdin
        .take()
        .unwrap()
        .write_all(&vec![b'x'; 3_000_000])
        .unwrap();
    assert_eq!(
        Ran::of(exec.wait_with_output().unwrap()).out.trim(),
        "3000000"
    );
    assert_eq!(stack.run(&["exec", "web", "sh", "-c", "exit 7"]).code, 7);
    stack.ok(&["build", "--no-cache", "web"]);
    let logs = stack.ok(&["logs", "cache"]);
    assert!(logs.out.contains("Ready to accept connections"), "{logs:?}");
    stack.ok(&["down"]);
    let label = format!("label=devrun.stack={}", stack.name);
    assert_eq!(docker(&["ps", "-aq", "--filter", &label]).out, "");
    up
}

/// The connection breaks while a session runs; what is saved meanwhile arrives all the same.
pub fn cut(stack: &Scratch, wire: &mut Wire) {
    let mut session = stack.up(&[]);
    session.ready();
    wire.cut();
    session.wait("the warning", 60, |event| {
        let message = event["message"].as_str().unwrap_or_default();
        event["event"] == "warning" && message.contains("the engine does not answer")
    });
    stack.write("note.txt", "meanwhile\n");
    let away = stack.run(&["exec", "web", "true"]);
    assert_eq!(away.code, 3, "{away:?}");
    wire.mend();
    eventually("the save of the time between", 60, || {
        (inside(stack) == "meanwhile\n").then_some(())
    });
    stack.write("note.txt", "after\n");
    eventually("the save after it", 60, || {
        (inside(stack) == "after\n").then_some(())
    });
    let (code, errors) = session.interrupt();
    assert_eq!(code, 0, "{errors}");
}

/// No engine can be reached: the code says so, and the text what to do.
pub fn refused(stack: &Scratch, said: &[&str]) {
    let ran = stack.run(&["status"]);
    assert_eq!(ran.code, 3, "{said:?}: {ran:?}");
    for part in said {
        assert!(ran.err.contains(part), "{part:?} is not in: {}", ran.err);
    }
}
