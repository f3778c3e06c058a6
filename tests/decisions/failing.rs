//! What fails: a person's command is told and stays to be done, what the engine refuses is done in
//! the next stronger way.

use crate::kit::relay::Relay;
use crate::kit::{Scratch, Session, docker, said};
use crate::stage::{Picture, content, done, save, stack, up};

const NOTHING: [&str; 0] = [];

/// A session whose engine can be made to refuse.
fn relayed(test: &str) -> (Scratch, Session, Relay) {
    let mut stack = stack(test);
    let relay = Relay::between(&mut stack);
    let mut session = stack.up(&[]);
    session.ready();
    (stack, session, relay)
}

#[test]
fn a_command_that_fails_keeps_the_container_is_shown_and_tried_again_by_save_and_trigger() {
    let (stack, mut session) = up("undone");
    let web = stack.container("web");
    let inside = |line: &str| assert_eq!(docker(&["exec", &web, "sh", "-c", line]).code, 0);
    let before = Picture::of(&stack);
    for again in ["save", "trigger"] {
        // Nothing can be written to a folder.
        inside("rm -rf /tmp/ran; mkdir /tmp/ran");
        stack.write("web/app/tool.sh", &format!("for {again}\n"));
        let failed = session.event("web", "update-done", 60);
        assert_eq!(failed["outcome"], "failed", "{failed}");
        let shown = stack.service("web");
        let reason = shown["reason"].as_str().unwrap_or_default();
        assert!(
            reason.contains("cat /app/tool.sh") && reason.contains("`devrun trigger web`"),
            "{shown}"
        );
        assert_eq!(
            (&shown["state"], &shown["pending"], &shown["stale"]),
            (&"ready".into(), &1.into(), &true.into()),
            "{shown}"
        );
        let wait = stack.run(&["wait", "--timeout", "60s"]);
        assert_eq!(wait.code, 1, "{}", said(&wait));

        inside("rmdir /tmp/ran");
        match again {
            "save" => stack.write("web/app/page.html", "2\n"),
            _ => drop(stack.ok(&["trigger", "web"])),
        }
        done(&mut session, "web");
        assert_eq!(
            content(&stack, "web", "/tmp/ran"),
            format!("for {again}\n"),
            "{}",
            session.dump()
        );
        stack.ok(&["wait", "--timeout", "60s"]);
    }
    assert_eq!(before.moved_to(&Picture::of(&stack)), NOTHING);
}

#[test]
fn a_build_that_failed_is_tried_again_by_trigger() {
    let (stack, mut session) = up("buildagain");
    stack.write("web/setup.txt", "bad\n");
    let failed = session.event("web", "update-done", 90);
    assert_eq!(failed["outcome"], "failed", "{failed}");
    stack.ok(&["trigger", "web"]);
    let started = session.event("web", "build-started", 60);
    assert_eq!(started["reason"], "tried again", "{started}");
}

#[test]
fn a_restart_that_the_engine_refuses_is_a_new_container_and_the_reason_told() {
    let (stack, mut session, relay) = relayed("norestart");
    relay.refuse("/restart", 1);
    let moved = save(&stack, &mut session, "web/app/main.py", "2\n");
    assert_eq!(moved, ["web replaced"], "{}", session.dump());
    let told = session
        .seen
        .iter()
        .find(|event| event["event"] == "update-planned" && event["action"] == "recreate");
    let reason = told.unwrap()["reason"].to_string();
    assert!(
        reason.contains("the engine does not restart it") && reason.contains("the relay says no"),
        "{reason}"
    );
    // The next one is a restart again.
    let moved = save(&stack, &mut session, "web/app/main.py", "3\n");
    assert_eq!(moved, ["web restarted"], "{}", session.dump());
}

#[test]
fn a_signal_that_the_engine_refuses_is_a_restart_and_the_reason_told() {
    let (stack, mut session, relay) = relayed("nosignal");
    relay.refuse("signal=HUP", 1);
    let moved = save(&stack, &mut session, "web/app/web.conf", "2\n");
    assert_eq!(moved, ["web restarted"], "{}", session.dump());
    let told = session.dump();
    assert!(
        told.contains("the engine does not send its signal"),
        "{told}"
    );
}
