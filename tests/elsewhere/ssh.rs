//! `DOCKER_HOST=ssh://…`.

use crate::day;
use crate::kit::{Ran, Scratch, free_port};
use crate::sshd::Sshd;
use crate::wire::Wire;

/// In this order, so that the server is there until the stack is removed.
fn stack(test: &str) -> (Sshd, Scratch) {
    with(test, "")
}

fn with(test: &str, server: &str) -> (Sshd, Scratch) {
    let mut stack = day::stack(test);
    let sshd = Sshd::start(&stack.state, server);
    sshd.known_to(&mut stack, sshd.port, "key", Some("host"));
    (sshd, stack)
}

#[test]
fn a_whole_day_over_ssh() {
    let (_sshd, mut stack) = stack("ssh");
    let port = free_port();
    stack
        .environment
        .push(("PORT".to_owned(), port.to_string()));
    let up = day::whole(&stack);
    let told = format!("{}{}", up.out, up.err);
    for part in [
        "engine at farbox: ports are published there".to_owned(),
        format!("ssh -N -L {port}:localhost:{port} farbox"),
        "Stackfile.kdl:8: ".to_owned(),
        "is mounted from farbox".to_owned(),
    ] {
        assert_eq!(told.matches(&part).count(), 1, "{part:?} in:\n{told}");
    }
    let doctor = stack.run(&["doctor"]);
    assert!(
        doctor.out.contains("at ssh://farbox (DOCKER_HOST)"),
        "{doctor:?}"
    );
}

#[test]
fn a_second_up_that_means_another_engine_is_refused() {
    let (_sshd, stack) = stack("sshtwo");
    let mut session = stack.up(&[]);
    session.ready();
    assert_eq!(stack.status()["session"]["engine"], "ssh://farbox");
    let mut command = stack.command(&["up", "-d"]);
    let second = Ran::of(command.env_remove("DOCKER_HOST").output().unwrap());
    assert_eq!(second.code, 1, "{second:?}");
    assert!(
        second.err.contains("runs on ssh://farbox, and unix:///"),
        "{second:?}"
    );
    stack.ok(&["up", "-d"]);
    let (code, errors) = session.interrupt();
    assert_eq!(code, 0, "{errors}");
}

#[test]
fn a_whole_day_over_ssh_whose_server_forwards_nothing() {
    let (_sshd, stack) = with("sshbare", "DisableForwarding yes\n");
    day::whole(&stack);
}

#[test]
fn a_session_outlives_its_connection_over_ssh() {
    let (sshd, mut stack) = stack("sshcut");
    let mut wire = Wire::to(sshd.port);
    sshd.known_to(&mut stack, wire.port, "key", Some("host"));
    day::cut(&stack, &mut wire);
}

#[test]
fn what_keeps_ssh_out_is_said_with_the_mend() {
    let (sshd, mut stack) = stack("sshout");
    sshd.known_to(&mut stack, sshd.port, "key", None);
    day::refused(
        &stack,
        &[
            "ssh://farbox (DOCKER_HOST)",
            "Host key verification failed",
            "connect once by hand (ssh farbox)",
        ],
    );
    sshd.known_to(&mut stack, sshd.port, "key", Some("other"));
    day::refused(&stack, &["IDENTIFICATION HAS CHANGED", "ssh-keygen -R"]);
    sshd.known_to(&mut stack, sshd.port, "other", Some("host"));
    day::refused(&stack, &["Permission denied", "ssh-add"]);
    let nobody = free_port();
    sshd.known_to(&mut stack, nobody, "key", Some("host"));
    day::refused(&stack, &["Connection refused", "ssh farbox docker version"]);
    sshd.known_to(&mut stack, sshd.port, "key", Some("host"));
    stack.environment.push((
        "DOCKER_HOST".to_owned(),
        "ssh://farbox/nowhere.sock".to_owned(),
    ));
    day::refused(
        &stack,
        &[
            "/nowhere.sock: connect: no such file",
            "the engine does not run there",
        ],
    );
}
