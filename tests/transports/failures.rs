//! What cannot be brought over is seen, and mended by itself when it can be.

use std::fs;

use crate::kit::{Scratch, Session, docker, eventually};
use crate::stage::{By, Kind, TARGET, equal, inside, of, stack, up};
use crate::tree::What;

const BASE: Kind = Kind {
    dockerfile: "FROM python:3.13-slim\nCOPY busybox /busybox\n",
    lines: "",
    top: "",
};

/// The file is in the container.
fn live(stack: &Scratch, path: &str) {
    eventually(path, 30, || {
        let tree = of(stack, "web")?;
        matches!(tree.get(std::path::Path::new(path)), Some(What::File(..))).then_some(())
    });
}

/// It is told, shown and waited for in vain.
fn pending(stack: &Scratch, session: &mut Session, path: &str, reason: &str) {
    let warning = session.wait("the warning", 60, |event| {
        event["event"] == "warning" && event["message"].to_string().contains(path)
    });
    assert!(warning["message"].to_string().contains(reason), "{warning}");
    let service = stack.service("web");
    assert_eq!(service["sync"]["state"], "pending", "{service}");
    let named = service["sync"]["not_synced"].to_string();
    assert!(named.contains(path) && named.contains(reason), "{service}");
    let ran = stack.run(&["wait", "--timeout", "1s"]);
    assert_eq!(ran.code, 4, "{}{}", ran.out, ran.err);
    assert!(
        ran.err.contains(path) && ran.err.contains(reason),
        "{}",
        ran.err
    );
    let shown = stack.ok(&["status"]).out;
    assert!(shown.contains(path), "{shown}");
}

fn mended(stack: &Scratch, session: &mut Session) {
    session.event("web", "sync-mended", 60);
    stack.ok(&["wait", "--timeout", "30s"]);
    equal(stack, "mended");
    assert_eq!(stack.service("web")["sync"]["state"], "live");
}

fn full(by: By) {
    let kind = Kind {
        lines: "    tmpfs \"/srv/app\" size=\"4M\"\n",
        ..BASE
    };
    let stack = stack("full", by, &kind);
    let mut session = up(&stack, by);
    let filler = format!("dd if=/dev/zero of={TARGET}/filler bs=1k count=3500");
    assert_eq!(inside(&stack, &filler).code, 0);
    fs::write(stack.path("app/large.bin"), vec![7; 2_000_000]).unwrap();
    pending(&stack, &mut session, "app/large.bin", "");
    stack.write("app/small.txt", "small\n");
    live(&stack, "small.txt");
    assert!(
        !of(&stack, "web")
            .unwrap()
            .contains_key(std::path::Path::new("large.bin"))
    );
    assert_eq!(inside(&stack, &format!("rm {TARGET}/filler")).code, 0);
    mended(&stack, &mut session);
}

#[test]
fn a_full_disk_by_the_agent() {
    full(By::Agent);
}

#[test]
fn a_full_disk_by_the_archive_call() {
    full(By::Archive);
}

/// Somebody else's folder, and root without root's rights.
fn denied(by: By) {
    let kind = Kind {
        dockerfile: "FROM python:3.13-slim\nCOPY busybox /busybox\n\
                     RUN mkdir -p /srv/app/theirs && chown 1000:1000 /srv/app \
                     && chown 2000:2000 /srv/app/theirs\nUSER 1000:1000\n",
        lines: "    cap-drop \"ALL\"\n",
        ..BASE
    };
    let stack = stack("denied", by, &kind);
    let mut session = up(&stack, by);
    fs::create_dir(stack.path("app/theirs")).unwrap();
    stack.write("app/theirs/file.txt", "mine\n");
    stack.write("app/beside.txt", "beside\n");
    pending(
        &stack,
        &mut session,
        "app/theirs/file.txt",
        "Permission denied",
    );
    live(&stack, "beside.txt");
    fs::remove_dir_all(stack.path("app/theirs")).unwrap();
    session.event("web", "sync-mended", 60);
    stack.ok(&["wait", "--timeout", "30s"]);
}

#[test]
fn a_permission_that_is_missing_by_the_agent() {
    denied(By::Agent);
}

#[test]
fn a_permission_that_is_missing_by_the_archive_call() {
    denied(By::Archive);
}

fn read_only(by: By) {
    let kind = Kind {
        dockerfile: "FROM python:3.13-slim\nCOPY busybox /busybox\nRUN mkdir -p /srv/app\n",
        lines: "    read-only #true\n",
        ..BASE
    };
    let stack = stack("readonly", by, &kind);
    let mut session = stack.up(&[]);
    pending(&stack, &mut session, "app/first.txt", "ead-only");
}

#[test]
fn a_root_that_cannot_be_written_by_the_agent() {
    read_only(By::Agent);
}

#[test]
fn a_root_that_cannot_be_written_by_the_archive_call() {
    read_only(By::Archive);
}

#[test]
fn a_container_that_is_removed_in_the_middle() {
    for by in [By::Agent, By::Archive] {
        let stack = stack("removed", by, &BASE);
        let mut session = up(&stack, by);
        write_large(&stack, &mut session);
        docker(&["rm", "-f", "-v", &stack.container("web")]);
        stack.ok(&["up", "-d"]);
        equal(&stack, "in the container that came after it");
        stack.ok(&["wait", "--timeout", "60s"]);
    }
}

#[test]
fn a_container_that_stands_still_in_the_middle() {
    for by in [By::Agent, By::Archive] {
        let stack = stack("paused", by, &BASE);
        let mut session = up(&stack, by);
        let name = stack.container("web");
        assert_eq!(docker(&["pause", &name]).code, 0);
        stack.write("app/first.txt", "while it stood still\n");
        session.wait("the plan", 30, |event| event["event"] == "update-planned");
        let ran = stack.run(&["wait", "--timeout", "1s"]);
        assert_eq!(ran.code, 4, "{}{}", ran.out, ran.err);
        assert_eq!(docker(&["unpause", &name]).code, 0);
        equal(&stack, "once it goes on");
        stack.ok(&["wait", "--timeout", "60s"]);
    }
}

fn write_large(stack: &Scratch, session: &mut Session) {
    let large: Vec<u8> = (0..30_000_000_u32).map(|n| (n % 249) as u8).collect();
    fs::write(stack.path("app/large.bin"), large).unwrap();
    session.wait("the plan", 30, |event| event["event"] == "update-planned");
}

/// Ends every agent in the container.
fn kill_agents(stack: &Scratch) {
    let line = "for p in /proc/[0-9]*; do case $(readlink $p/exe) in */agent) kill -9 ${p#/proc/};; esac; done";
    assert_eq!(inside(stack, line).code, 0);
}

#[test]
fn an_agent_that_is_killed_in_the_middle_leaves_nothing_and_the_rest_comes() {
    let stack = stack("killed", By::Agent, &BASE);
    let mut session = up(&stack, By::Agent);
    for round in 0..3 {
        let text = format!("round {round}\n");
        stack.write("app/first.txt", &text);
        write_large(&stack, &mut session);
        kill_agents(&stack);
        fs::write(stack.path("app/large.bin"), &text).unwrap();
        equal(&stack, "after its agent was killed");
        stack.ok(&["wait", "--timeout", "60s"]);
    }
}

#[test]
fn what_a_killed_agent_left_behind_is_removed_by_the_next_one() {
    let stack = stack("leftover", By::Agent, &BASE);
    let _session = up(&stack, By::Agent);
    let line = format!(
        "cd {TARGET} && echo half > .devrun-99999-0 && echo half > lib/deep/.devrun-99999-1 && \
         mkdir lib/.devrun-99999-2 && echo old > lib/.devrun-99999-2/old && echo own > .devrun-notes"
    );
    assert_eq!(inside(&stack, &line).code, 0);
    kill_agents(&stack);
    let gone = || {
        let names = inside(&stack, &format!("find {TARGET} -name '.devrun-*'")).out;
        (names == format!("{TARGET}/.devrun-notes\n")).then_some(())
    };
    eventually(
        "the left-overs gone, and what the container made kept",
        30,
        gone,
    );
}
