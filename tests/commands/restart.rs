//! `devrun restart`.

use super::{Found, app, app_with};
use crate::kit::{Scratch, docker, said};

fn started_at(stack: &Scratch, service: &str) -> String {
    let format = "{{.State.StartedAt}}";
    docker(&["inspect", "-f", format, &stack.container(service)]).out
}

fn restarts(found: Found, test: &str) {
    let (stack, _session) = app_with(test, found);
    let ids = || {
        ["cache", "web"]
            .map(|name| docker(&["inspect", "-f", "{{.Id}}", &stack.container(name)]).out)
    };
    let times = || ["cache", "web"].map(|name| started_at(&stack, name));
    let (ids_before, before) = (ids(), times());

    stack.ok(&["restart", "web"]);
    let one = times();
    assert_eq!(one[0], before[0], "only the one that is named: {found:?}");
    assert_ne!(one[1], before[1], "{found:?}");

    stack.ok(&["restart"]);
    let all = times();
    assert!(
        all[0] != one[0] && all[1] != one[1],
        "{found:?}: {one:?} {all:?}"
    );
    assert!(all[0] < all[1], "whom others depend on goes first: {all:?}");
    assert_eq!(ids(), ids_before, "the containers are the same: {found:?}");
}

#[test]
fn with_a_session_services_restart_in_order_in_their_own_containers() {
    restarts(Found::Session, "restart");
}

#[test]
fn without_a_session_services_restart_in_order_too() {
    restarts(Found::NoSession, "restart-alone");
}

#[test]
fn a_killed_session_is_in_nobody_s_way() {
    restarts(Found::Killed, "restart-killed");
}

#[test]
fn what_was_stopped_by_name_is_started_by_a_restart_of_its_name_alone() {
    let (stack, _session) = app_with("restart-stopped", Found::Session);
    stack.ok(&["stop", "web"]);
    stack.ok(&["restart"]);
    assert_eq!(stack.service("web")["state"], "stopped");
    stack.ok(&["restart", "web"]);
    assert_eq!(stack.service("web")["state"], "ready");
}

#[test]
fn where_nothing_runs_a_restart_says_so() {
    let stack = app("restart-nothing");
    let ran = stack.run(&["restart"]);
    assert_eq!(ran.code, 1, "{}", said(&ran));
    assert!(ran.err.contains("devrun up -d"), "{}", ran.err);
}
