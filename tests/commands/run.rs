//! `devrun run`: a command in a container of its own.

use std::io::Write;
use std::process::Stdio;

use super::{Found, app, app_with};
use crate::kit::{Ran, Scratch, docker, eventually, said};

fn one_offs(name: &str) -> String {
    let filter = format!("name={name}-web-run-");
    docker(&["ps", "-a", "--format", "{{.Names}}", "--filter", &filter]).out
}

#[test]
fn it_has_image_environment_network_and_saves_and_is_gone_afterwards() {
    let (stack, _session) = app_with("run", Found::Session);
    // Not in the image, and not restarted for either.
    stack.write("src/note.txt", "just saved");
    let said_inside = "echo $WORD; cat note.txt; redis-cli -h cache ping; hostname -i | wc -w";
    let ran = stack.ok(&["run", "web", "bash", "-c", said_inside]);
    assert_eq!(ran.out, "hello\njust savedPONG\n1\n", "{}", said(&ran));
    assert_eq!(one_offs(&stack.name), "");
    assert_eq!(stack.service("web")["state"], "ready");
}

#[test]
fn without_anything_running_it_makes_what_it_needs_and_says_what_is_missing() {
    let stack = app("run-alone");
    let ran = stack.ok(&["run", "web", "cat", "/app/main.sh"]);
    assert_eq!(ran.out, super::PROGRAM);
    assert!(ran.err.contains("devrun up -d cache"), "{}", ran.err);
}

#[test]
fn input_is_passed_on_and_ends() {
    let stack = app("run-input");
    let mut child = stack
        .command(&["run", "web", "wc", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(&[b'x'; 100_000])
        .unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.out.trim()), (0, "100000"), "{}", said(&ran));
}

#[test]
fn interrupted_it_ends_and_leaves_nothing() {
    let stack = app("run-interrupted");
    let mut child = stack
        .command(&["run", "web", "sleep", "1000"])
        .spawn()
        .unwrap();
    eventually("its container runs", 60, || {
        let filter = format!("name={}-web-run-1", stack.name);
        let running = docker(&["ps", "-q", "--filter", &filter]);
        (!running.out.is_empty()).then_some(())
    });
    let pid = child.id().to_string();
    std::process::Command::new("kill")
        .args(["-2", &pid])
        .status()
        .unwrap();
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(130));
    assert_eq!(one_offs(&stack.name), "");
}

#[test]
fn what_a_killed_one_leaves_down_removes_and_status_does_not_take_it_for_the_service() {
    let stack = app("run-killed");
    let mut child = stack
        .command(&["run", "web", "sleep", "1000"])
        .spawn()
        .unwrap();
    eventually("its container runs", 60, || {
        (!one_offs(&stack.name).is_empty()).then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(stack.service("web")["state"], "stopped");
    stack.ok(&["up", "-d"]);
    assert_eq!(stack.service("web")["state"], "ready");
    stack.ok(&["down"]);
    assert_eq!(one_offs(&stack.name), "");
}

#[test]
fn secrets_and_configuration_are_there_too() {
    let text = r#"stack app
secret key file="key.txt"
config-file settings text="loud = yes"
service web {
    image "redis:7"
    secret key
    config-file settings to="/etc/app.conf"
}
"#;
    let stack = Scratch::new("run-files", &[("Stackfile.kdl", text), ("key.txt", "k3y")]);
    let ran = stack.ok(&["run", "web", "cat", "/run/secrets/key", "/etc/app.conf"]);
    assert_eq!(ran.out, "k3yloud = yes", "{}", said(&ran));
}
