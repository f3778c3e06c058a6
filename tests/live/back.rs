//! `back`: new files that the container makes come to the host, once.

use std::fs;
use std::os::unix::fs::symlink;

use crate::kit::{Scratch, Session, eventually};
use crate::stage::{about, content, goes, inside, marked, starts, up, waiting};

const RULES: &str = "        back \"**/migrations/*.py\"\n        on \"**/*.py\" { restart }";

fn begun(test: &str, files: &[(&str, &str)]) -> (Scratch, Session) {
    let stack = waiting(test, RULES, files);
    let session = up(&stack);
    (stack, session)
}

fn make(stack: &Scratch, line: &str) {
    let ran = inside(stack, line);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn a_new_file_comes_once_and_restarts_nothing() {
    let (stack, mut session) = begun("comes", &[("app/blog/migrations/0001.py", "one\n")]);
    make(
        &stack,
        "cd /app/blog && echo two > migrations/0002.py && echo no > migrations/notes.txt && chmod 640 migrations/0002.py",
    );
    let event = session.event("web", "brought-back", 30);
    assert_eq!(
        (event["count"].as_u64(), event["paths"][0].as_str()),
        (Some(1), Some("app/blog/migrations/0002.py"))
    );
    assert_eq!(stack.read("app/blog/migrations/0002.py"), "two\n");
    let mode = std::os::unix::fs::MetadataExt::mode(
        &fs::metadata(stack.path("app/blog/migrations/0002.py")).unwrap(),
    );
    assert_eq!(mode & 0o777, 0o640);
    assert!(!stack.path("app/blog/migrations/notes.txt").exists());
    // Folders that the host does not have are made, however deep.
    make(
        &stack,
        "mkdir -p /app/shop/deep/migrations && echo s > /app/shop/deep/migrations/0001.py",
    );
    session.event("web", "brought-back", 30);
    assert_eq!(stack.read("app/shop/deep/migrations/0001.py"), "s\n");
    let meantime = marked(&stack, &mut session, "after.txt");
    assert_eq!(about(&meantime, "brought-back").len(), 0);
    assert_eq!(starts(&stack), 1, "{}", session.dump());

    // From now on it is the host's.
    stack.write("app/blog/migrations/0002.py", "mended\n");
    crate::stage::comes(&stack, "/app/blog/migrations/0002.py", "mended\n");
    marked(&stack, &mut session, "mended.txt");
    make(&stack, "echo inside > /app/blog/migrations/0002.py");
    fs::remove_file(stack.path("app/shop/deep/migrations/0001.py")).unwrap();
    goes(&stack, "/app/shop/deep/migrations/0001.py");
    marked(&stack, &mut session, "later.txt");
    assert_eq!(stack.read("app/blog/migrations/0002.py"), "mended\n");
    assert!(!stack.path("app/shop/deep/migrations/0001.py").exists());
}

#[test]
fn what_was_made_while_no_session_ran_comes_with_the_next_one() {
    let (stack, session) = begun("meanwhile", &[("app/blog/migrations/0001.py", "one\n")]);
    session.signal(9);
    session.end();
    make(
        &stack,
        "cd /app/blog/migrations && echo two > 0002.py && echo changed > 0001.py",
    );
    stack.write("app/blog/migrations/0003.py", "mine\n");
    make(&stack, "echo theirs > /app/blog/migrations/0003.py");
    let mut session = up(&stack);
    session.event("web", "brought-back", 30);
    assert_eq!(stack.read("app/blog/migrations/0002.py"), "two\n");
    assert_eq!(
        stack.read("app/blog/migrations/0001.py"),
        "one\n",
        "what is there is never changed"
    );
    assert_eq!(stack.read("app/blog/migrations/0003.py"), "mine\n");
    assert_eq!(
        content(&stack, "/app/blog/migrations/0003.py").as_deref(),
        Some("mine\n")
    );
}

#[test]
fn nothing_is_written_outside_of_the_source() {
    let (stack, mut session) = begun("outside", &[("app/blog/models.py", "m\n")]);
    // Not in the folder of the stack, which its build reads.
    let elsewhere = stack.state.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, stack.path("app/blog/migrations")).unwrap();
    eventually("the link is there", 20, || {
        (inside(&stack, "test -L /app/blog/migrations").code == 0).then_some(())
    });
    make(
        &stack,
        "cd /app/blog && rm migrations && mkdir migrations && echo x > migrations/0001.py",
    );
    let warning = session.event("web", "warning", 30);
    let told = warning["message"].as_str().unwrap();
    assert!(told.contains("leads out of what is synced"), "{told}");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_still_written_comes_whole() {
    let (stack, mut session) = begun("slowly", &[("app/blog/migrations/0001.py", "one\n")]);
    make(
        &stack,
        "cd /app/blog/migrations && (for i in 1 2 3 4 5; do echo $i; sleep 0.2; done) > 0002.py",
    );
    session.event("web", "brought-back", 30);
    assert_eq!(stack.read("app/blog/migrations/0002.py"), "1\n2\n3\n4\n5\n");
}
