//! The engine goes away and comes back: through a relay, because the real one is not ours to stop.

use std::process::{Command, Stdio};

use crate::kit::relay::Relay;
use crate::kit::{Ran, Scratch, docker, eventually, identity};

const STACK: &str = r#"stack app
service web {
    build "."
    healthcheck "true"
    sync to="/app"
}
service cache { image "redis:7"; healthcheck "redis-cli ping" }
"#;

fn files() -> [(&'static str, &'static str); 3] {
    [
        ("Stackfile.kdl", STACK),
        (
            "Dockerfile",
            "FROM redis:7\nWORKDIR /app\nCOPY . .\nCMD [\"sleep\", \"infinity\"]\n",
        ),
        ("note.txt", "one\n"),
    ]
}

fn inside(stack: &Scratch) -> String {
    docker(&["exec", &stack.container("web"), "cat", "/app/note.txt"]).out
}

#[test]
fn a_session_outlives_the_engine_and_saves_again_once_it_is_back() {
    let mut stack = Scratch::new("engine", &files());
    let relay = Relay::between(&mut stack);
    let mut session = stack.up(&[]);
    session.ready();
    let before = ["web", "cache"].map(|service| identity(&stack.container(service)));
    stack.write("note.txt", "two\n");
    session.event("web", "update-done", 60);
    assert_eq!(inside(&stack), "two\n");

    relay.cut();
    let warning = session.wait("the warning", 30, |event| event["event"] == "warning");
    assert!(
        warning["message"]
            .as_str()
            .unwrap()
            .contains("the engine does not answer"),
        "{warning}"
    );
    let status = stack.status();
    assert!(status["session"]["pid"].is_number(), "{status}");
    // What is saved meanwhile is not lost, and what happens meanwhile is seen.
    stack.write("note.txt", "three\n");
    let wait = stack.run(&["wait", "--timeout", "1s"]);
    assert_eq!(wait.code, 4, "{wait:?}");
    assert!(
        wait.err
            .contains("web is waiting for the engine, 1 save is not live yet"),
        "it does not say what it waited for: {}",
        wait.err
    );
    assert_eq!(
        docker(&["restart", "-t", "1", &stack.container("cache")]).code,
        0
    );

    relay.listen();
    session.state("web", "ready", 60);
    session.ready();
    eventually("the save of the time between", 30, || {
        (inside(&stack) == "three\n").then_some(())
    });
    stack.write("note.txt", "four\n");
    eventually("the save after it", 30, || {
        (inside(&stack) == "four\n").then_some(())
    });
    assert_eq!(
        identity(&stack.container("web")),
        before[0],
        "it was made again without a reason"
    );
    assert_eq!(stack.service("cache")["state"], "ready");
    let (code, errors) = session.interrupt();
    assert_eq!(code, 0, "{errors}");
}

#[test]
fn ctrl_c_ends_a_session_whose_engine_is_away() {
    let mut stack = Scratch::new("enginec", &files());
    let relay = Relay::between(&mut stack);
    let mut session = stack.up(&[]);
    session.ready();
    relay.cut();
    session.wait("the warning", 30, |event| event["event"] == "warning");
    let (code, errors) = session.interrupt();
    assert!(code == 0 || code == 3, "{code} {errors}");
    stack.environment.clear();
    let down = Ran::of(
        stack
            .command(&["down"])
            .stdin(Stdio::null())
            .output()
            .unwrap(),
    );
    assert_eq!(down.code, 0, "{down:?}");
    let left = Command::new("docker")
        .args([
            "ps",
            "-aq",
            "--filter",
            &format!("label=devrun.stack={}", stack.name),
        ])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}
