//! What the words of a `sync` promise, by either way into the container.

use std::fs;

use crate::kit::{Scratch, eventually};
use crate::stage::{By, Kind, TARGET, as_user, equal, inside, stack, up};

const BASE: Kind = Kind {
    dockerfile: "FROM python:3.13-slim\nCOPY busybox /busybox\n",
    lines: "",
    top: "",
};

/// The same stack, with more words in its `sync`.
fn with(test: &str, by: By, kind: &Kind, words: &str) -> Scratch {
    let stack = stack(test, by, kind);
    let line = format!("sync \"app\" to=\"{TARGET}\"");
    stack.edit("Stackfile.kdl", &line, &format!("{line} {words}"));
    stack
}

fn has(stack: &Scratch, path: &str) -> bool {
    inside(stack, &format!("test -e {TARGET}/{path}")).code == 0
}

fn comes(stack: &Scratch, path: &str) {
    eventually(path, 30, || has(stack, path).then_some(()));
}

fn goes(stack: &Scratch, path: &str) {
    eventually(path, 30, || (!has(stack, path)).then_some(()));
}

/// The image says itself that something below the target outlives its containers.
fn mirrors(by: By) {
    let kind = Kind {
        dockerfile: "FROM python:3.13-slim\nCOPY busybox /busybox\n\
                     RUN mkdir -p /srv/app/data && touch /srv/app/data/of-image\n\
                     VOLUME /srv/app/data\n",
        ..BASE
    };
    let words = "mirror=#true {\n        ignore \"cache/\"\n    }";
    let stack = with("mirrors", by, &kind, words);
    fs::create_dir(stack.path("app/data")).unwrap();
    stack.write("app/data/of-host", "host\n");
    let mut session = up(&stack, by);
    comes(&stack, "data/of-host");
    let made = format!(
        "cd {TARGET} && mkdir -p own/deep cache && touch own.txt own/deep/x cache/x data/precious"
    );
    assert_eq!(inside(&stack, &made).code, 0);
    stack.write("app/first.txt", "second\n");
    session.event("web", "mirrored", 60);
    goes(&stack, "own.txt");
    goes(&stack, "own");
    for stays in ["cache/x", "data/of-image", "data/of-host", "first.txt"] {
        assert!(has(&stack, stays), "{stays} by {by:?}");
    }
    // A comparison sweeps as well.
    assert_eq!(inside(&stack, &format!("touch {TARGET}/again.txt")).code, 0);
    stack.ok(&["sync"]);
    goes(&stack, "again.txt");
    assert!(has(&stack, "data/precious"), "by {by:?}");
    fs::remove_file(stack.path("app/data/of-host")).unwrap();
    goes(&stack, "data/of-host");
    assert!(has(&stack, "data/precious"), "by {by:?}");
}

#[test]
fn mirror_by_agent() {
    mirrors(By::Agent);
}

#[test]
fn mirror_by_archive() {
    mirrors(By::Archive);
}

fn gives_away(by: By) {
    let stack = with("gives", by, &BASE, "owner=\"1234:2345\" mode=0640");
    let _session = up(&stack, by);
    let owners = |paths: &str| {
        let line = format!("cd {TARGET} && stat -c '%u:%g %a' {paths}");
        as_user(&stack, &line).out
    };
    comes(&stack, "lib/deep/a.txt");
    let files = "first.txt lib/deep/a.txt";
    assert_eq!(owners(files), "1234:2345 640\n".repeat(2), "by {by:?}");
    assert_eq!(
        owners("lib lib/deep"),
        "1234:2345 750\n".repeat(2),
        "by {by:?}"
    );
    stack.write("app/first.txt", "second\n");
    fs::create_dir(stack.path("app/made")).unwrap();
    stack.write("app/made/new.txt", "new\n");
    comes(&stack, "made/new.txt");
    stack.ok(&["wait", "--timeout", "30s"]);
    assert_eq!(
        owners("first.txt made/new.txt"),
        "1234:2345 640\n".repeat(2),
        "by {by:?}"
    );
    // What belongs to somebody else is given away again by the next comparison.
    assert_eq!(
        inside(&stack, &format!("chown 0:0 {TARGET}/first.txt")).code,
        0
    );
    stack.ok(&["sync"]);
    let owner = || owners("first.txt");
    eventually("its owner", 30, || {
        (owner() == "1234:2345 640\n").then_some(())
    });
}

#[test]
fn owner_and_mode_by_agent() {
    gives_away(By::Agent);
}

#[test]
fn owner_and_mode_by_archive() {
    gives_away(By::Archive);
}

/// Nothing comes by itself where no agent runs; asked for, it does, and is not sent back.
#[test]
fn what_is_to_come_back_is_fetched_by_hand_by_archive() {
    let words = "{\n        back \"**/migrations/*.py\"\n    }";
    let stack = with("comes-back", By::Archive, &BASE, words);
    let session = up(&stack, By::Archive);
    let made =
        format!("cd {TARGET} && mkdir -p shop/migrations && echo made > shop/migrations/0001.py");
    assert_eq!(inside(&stack, &made).code, 0);
    let listed = stack.ok(&["pull-files", "--dry-run", "web"]).out;
    assert!(listed.contains("app/shop/migrations/0001.py"), "{listed}");
    stack.ok(&["pull-files", "--yes", "web", "0001.py"]);
    let text = fs::read_to_string(stack.path("app/shop/migrations/0001.py")).unwrap();
    assert_eq!(text, "made\n");
    equal(&stack, "both have it");
    fs::remove_file(stack.path("app/shop/migrations/0001.py")).unwrap();
    goes(&stack, "shop/migrations/0001.py");
    drop(session);
}

/// A comparison asks for what the host has, and not for all that lies beside it.
#[test]
fn a_large_tree_beside_what_is_synced_is_not_fetched_by_archive() {
    let words = "{\n        ignore \"node_modules/\"\n    }";
    let stack = with("beside", By::Archive, &BASE, words);
    fs::create_dir(stack.path("app/src")).unwrap();
    for name in ["a", "b", "c", "d", "e", "src/f"] {
        stack.write(&format!("app/{name}.txt"), name);
    }
    let _session = up(&stack, By::Archive);
    comes(&stack, "src/f.txt");
    // It holds nothing and takes no room, but nobody reads it within the time of a test.
    let large = format!(
        "cd {TARGET} && mkdir node_modules && truncate -s 2000G node_modules/large \
         && echo other > a.txt && rm b.txt"
    );
    assert_eq!(inside(&stack, &large).code, 0);
    stack.ok(&["sync"]);
    comes(&stack, "b.txt");
    let text = inside(&stack, &format!("cat {TARGET}/a.txt")).out;
    assert_eq!(text, "a");
    stack.ok(&["restart", "web"]);
    assert!(has(&stack, "node_modules/large"));
}
