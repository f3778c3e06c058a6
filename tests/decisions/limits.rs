//! Limits and restart policies: changed in the container that is there, else in a new one.

use crate::kit::relay::Relay;
use crate::kit::{Scratch, Session, docker, said};
use crate::stage::{Picture, done, stack, up};

const NOTHING: [&str; 0] = [];
const CACHE: &str = "service cache { image \"redis:7\"; init #true";

/// Saves the Stackfile with this said of `cache`, and nothing else.
fn declare(stack: &Scratch, limits: &str) {
    let text = stack.read("Stackfile.kdl");
    let (before, _) = text.split_once(CACHE).unwrap();
    stack.write("Stackfile.kdl", &format!("{before}{CACHE}; {limits} }}\n"));
}

fn limits(stack: &Scratch) -> String {
    let format = "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} \
        {{.HostConfig.RestartPolicy.Name}}";
    let shown = docker(&["inspect", "-f", format, &stack.container("cache")]);
    shown.out.trim().to_owned()
}

/// The plan of the next update of `cache`, and what has moved at its end.
fn updated(stack: &Scratch, session: &mut Session, limits: &str) -> (String, Vec<String>) {
    let before = Picture::of(stack);
    declare(stack, limits);
    let planned = session.event("cache", "update-planned", 60);
    session.ready();
    let moved = before.moved_to(&Picture::of(stack));
    let told = format!("{}: {}", planned["action"], planned["reason"]);
    (told.replace('"', ""), moved)
}

#[test]
fn what_the_engine_can_change_keeps_the_container_and_its_process() {
    let (stack, mut session) = up("limits");
    let cases = [
        (
            "limits cpus=0.5 memory=\"256M\"; restart unless-stopped",
            "update: changed: limits cpus, limits memory, restart",
            "500000000 268435456 <no value> unless-stopped",
        ),
        (
            "limits cpus=1 memory=\"128M\"; reservations cpus=0.5; pids-limit 100; restart always",
            "update: changed: limits cpus, limits memory, reservations cpus, pids-limit, restart",
            "1000000000 134217728 100 always",
        ),
    ];
    for (said, told, shown) in cases {
        let (planned, moved) = updated(&stack, &mut session, said);
        assert_eq!(
            (planned.as_str(), moved),
            (told, NOTHING.map(str::to_owned).into())
        );
        // An engine says of no bound of processes that it is none, or nothing.
        let seen = limits(&stack).replace(" 0 ", " <no value> ");
        assert_eq!(seen, shown.replace(" 0 ", " <no value> "));
    }

    // A bound that is lifted needs a new container, and that is said.
    let (planned, moved) = updated(
        &stack,
        &mut session,
        "limits cpus=1; reservations cpus=0.5; restart always",
    );
    assert_eq!(
        planned,
        "recreate: changed: limits memory, pids-limit (the engine cannot lift limits memory of \
         one that is there)"
    );
    assert_eq!(moved, ["cache replaced"]);
}

#[test]
fn limits_that_were_changed_while_nobody_looked_are_seen_in_the_plan_and_updated_in_place() {
    let (stack, session) = up("before");
    let before = Picture::of(&stack);
    session.signal(9);
    session.end();
    declare(&stack, "limits memory=\"256M\"");
    let plan = stack.ok(&["up", "--dry-run"]);
    let line = plan.out.lines().find(|line| line.contains("cache"));
    let line = line.unwrap_or_default();
    assert!(
        line.contains("update in place") && line.contains("changed: limits memory"),
        "{}",
        said(&plan)
    );
    let mut session = stack.up(&[]);
    session.ready();
    assert_eq!(before.moved_to(&Picture::of(&stack)), NOTHING);
    assert!(limits(&stack).contains("268435456"), "{}", session.dump());
    let plan = stack.ok(&["up", "--dry-run"]);
    assert!(!plan.out.contains("update in place"), "{}", said(&plan));
}

#[test]
fn an_engine_that_refuses_gets_a_new_container_with_the_reason() {
    let mut stack = stack("refused");
    let relay = Relay::between(&mut stack);
    let mut session = stack.up(&[]);
    session.ready();
    relay.refuse("/update", 1);
    let before = Picture::of(&stack);
    declare(&stack, "limits memory=\"256M\"");
    let recreated = session.wait("the stronger way", 60, |event| {
        event["event"] == "update-planned" && event["action"] == "recreate"
    });
    let reason = recreated["reason"].to_string();
    assert!(
        reason.contains("changed: limits memory (the engine does not change it in place")
            && reason.contains("the relay says no"),
        "{reason}"
    );
    done(&mut session, "cache");
    assert_eq!(
        before.moved_to(&Picture::of(&stack)),
        ["cache replaced"],
        "{}",
        session.dump()
    );
    assert!(limits(&stack).contains("268435456"));
}

#[test]
fn limits_that_no_container_can_have_leave_the_one_that_runs() {
    let (stack, mut session) = up("impossible");
    let before = Picture::of(&stack);
    declare(
        &stack,
        "limits memory=\"64M\"; reservations memory=\"128M\"",
    );
    let over = session.event("cache", "update-done", 60);
    assert_eq!(over["outcome"], "failed", "{over}");
    let wait = stack.run(&["wait", "--timeout", "60s"]);
    assert_eq!(wait.code, 1, "{}", said(&wait));
    assert!(
        wait.err.contains("its limits are those of before"),
        "{}",
        wait.err
    );
    assert_eq!(before.moved_to(&Picture::of(&stack)), NOTHING);

    declare(
        &stack,
        "limits memory=\"256M\"; reservations memory=\"128M\"",
    );
    done(&mut session, "cache");
    stack.ok(&["wait", "--timeout", "60s"]);
    assert_eq!(before.moved_to(&Picture::of(&stack)), NOTHING);
}
