//! An image is named by what it is made of: the same files elsewhere, or again, build nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::UNIX_EPOCH;

use crate::kit::{Scratch, Session, shell};
use crate::stage::{Picture, content, done, stack};

const NOTHING: [&str; 0] = [];

fn git(stack: &Scratch, line: &str) {
    let git = "git -c user.name=t -c user.email=t@example.org -c init.defaultBranch=main";
    let line = line.replace("git ", &format!("{git} "));
    let ran = shell(&format!("set -e; {line}"), &stack.path(""));
    assert_eq!(ran.code, 0, "{line}\n{}{}", ran.out, ran.err);
}

fn steps(session: &Session) -> usize {
    let steps = session.seen.iter();
    steps.filter(|event| event["event"] == "build-step").count()
}

#[test]
fn another_checkout_of_the_same_files_builds_nothing() {
    let first = stack("checkout");
    first.ok(&["up", "-d"]);
    let before = Picture::of(&first);
    first.ok(&["down"]);
    // The same stack, with times and a umask of its own.
    let mut second = stack("checkout-two");
    second.name.clone_from(&first.name);
    let file = second.path("web/setup.txt");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let open = fs::File::options().write(true).open(&file).unwrap();
    open.set_modified(UNIX_EPOCH).unwrap();
    let mut session = second.up(&[]);
    session.ready();
    assert_eq!(steps(&session), 0, "{}", session.dump());
    let moved = before.moved_to(&Picture::of(&second));
    assert!(
        moved.iter().all(|one| one.ends_with(" replaced")),
        "{moved:?}"
    );
    session.interrupt();
    second.ok(&["down"]);
}

#[test]
fn a_branch_there_and_back_builds_once_and_restarts_nothing_that_is_as_it_was() {
    let stack = stack("switch");
    stack.write(".gitignore", "marker.txt\n");
    git(
        &stack,
        "git init -q; git add -A; git commit -qm first; git switch -qc other",
    );
    git(
        &stack,
        "echo 2 > web/setup.txt; echo 2 > web/app/page.html; git commit -qam second; git switch -q main",
    );
    let mut session = stack.up(&[]);
    session.ready();
    let first = Picture::of(&stack);
    git(&stack, "git switch -q other");
    done(&mut session, "web");
    let both = |text: &str| {
        [
            content(&stack, "web", "/setup.txt"),
            content(&stack, "web", "/app/page.html"),
        ] == [text, text]
    };
    assert!(both("2\n"), "{}", session.dump());
    let second = Picture::of(&stack);
    assert_eq!(
        first.moved_to(&second),
        ["web replaced", "web has another image", "1 images made"]
    );
    let built = steps(&session);
    git(&stack, "git switch -q main");
    done(&mut session, "web");
    assert!(both("1\n"), "{}", session.dump());
    git(&stack, "git switch -q other");
    done(&mut session, "web");
    assert!(both("2\n"), "{}", session.dump());
    assert_eq!(steps(&session), built, "{}", session.dump());
    assert_eq!(second.moved_to(&Picture::of(&stack)), ["web replaced"]);

    // Where nobody looks on the way, nothing was on the way.
    let before = Picture::of(&stack);
    session.signal(9);
    session.end();
    git(&stack, "git switch -q main; git switch -q other");
    let mut session = stack.up(&[]);
    session.ready();
    assert_eq!(steps(&session), 0, "{}", session.dump());
    assert_eq!(
        before.moved_to(&Picture::of(&stack)),
        NOTHING,
        "{}",
        session.dump()
    );
}
