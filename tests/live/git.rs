//! What Git does to a checkout is one batch, and what a person saves meanwhile is not lost.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::kit::{Ran, Scratch, Session};
use crate::stage::{agree, comes, content, marked, starts, up, waiting};

const RESTARTS: &str = "on \"**/*.py\" { restart }";

fn git(stack: &Scratch, arguments: &[&str]) -> Ran {
    let person = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
    let habits = [
        "-c",
        "init.defaultBranch=main",
        "-c",
        "protocol.file.allow=always",
    ];
    let git = Command::new("git")
        .args(person)
        .args(habits)
        .args(arguments)
        .current_dir(&stack.folder)
        .env("GIT_EDITOR", "true")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output();
    Ran::of(git.unwrap())
}

fn git_ok(stack: &Scratch, arguments: &[&str]) {
    let ran = git(stack, arguments);
    assert_eq!(ran.code, 0, "git {arguments:?}\n{}{}", ran.out, ran.err);
}

fn commit(stack: &Scratch, message: &str) {
    git_ok(stack, &["add", "-A"]);
    git_ok(stack, &["commit", "-qm", message]);
}

/// A checkout with its first commit.
fn checkout(test: &str, files: &[(&str, &str)]) -> Scratch {
    let stack = waiting(test, RESTARTS, files);
    git_ok(&stack, &["init", "-q"]);
    commit(&stack, "first");
    stack
}

/// Runs Git, which is to be one batch; and one restart at most.
fn one_batch(stack: &Scratch, session: &mut Session, arguments: &[&str]) {
    let before = starts(stack);
    git_ok(stack, arguments);
    session.wait(&format!("batch of {arguments:?}"), 30, is_batch);
    let events = marked(stack, session, "marker.txt");
    let more = events
        .iter()
        .filter(|event| is_batch(event) && event["paths"] != serde_json::json!(["app/marker.txt"]));
    assert_eq!(more.count(), 0, "git {arguments:?}: {events:?}");
    agree(stack);
    assert!(
        starts(stack) <= before + 1,
        "git {arguments:?}: {}",
        session.dump()
    );
    fs::remove_file(stack.path("app/marker.txt")).unwrap();
    session.wait("the marker's end", 30, is_batch);
    session.event("web", "update-done", 30);
}

fn is_batch(event: &Value) -> bool {
    event["event"] == "files-changed"
}

#[test]
fn a_switch_between_branches_is_one_batch_and_one_restart() {
    let stack = checkout(
        "switch",
        &[("app/main.py", "v = 0\n"), ("app/old/gone.py", "")],
    );
    git_ok(&stack, &["switch", "-qc", "other"]);
    fs::remove_dir_all(stack.path("app/old")).unwrap();
    for folder in 0..20 {
        fs::create_dir_all(stack.path(&format!("app/pkg{folder}/deep"))).unwrap();
        for file in 0..30 {
            let name = format!("app/pkg{folder}/deep/m{file}.py");
            stack.write(&name, &format!("v = {folder} + {file}\n"));
        }
    }
    stack.write("app/main.py", "v = 1\n");
    commit(&stack, "many");
    git_ok(&stack, &["switch", "-q", "main"]);

    let mut session = up(&stack);
    one_batch(&stack, &mut session, &["switch", "-q", "other"]);
    assert_eq!(content(&stack, "/app/main.py").as_deref(), Some("v = 1\n"));
    assert_eq!(starts(&stack), 2, "{}", session.dump());
    one_batch(&stack, &mut session, &["switch", "-q", "main"]);
    assert_eq!(starts(&stack), 3, "{}", session.dump());
}

#[test]
fn stash_reset_and_a_single_file_are_one_batch_each() {
    let files: Vec<String> = (0..30)
        .map(|number| format!("app/m{number:02}.py"))
        .collect();
    let all: Vec<(&str, &str)> = files
        .iter()
        .map(|path| (path.as_str(), "v = 0\n"))
        .collect();
    let stack = checkout("stash", &all);
    for path in &files {
        stack.write(path, "v = 1\n");
    }
    stack.write("app/new.py", "new\n");
    let mut session = up(&stack);
    one_batch(&stack, &mut session, &["stash", "-u", "-q"]);
    assert_eq!(content(&stack, "/app/m00.py").as_deref(), Some("v = 0\n"));
    assert_eq!(content(&stack, "/app/new.py"), None);
    one_batch(&stack, &mut session, &["stash", "pop", "-q"]);
    assert_eq!(content(&stack, "/app/new.py").as_deref(), Some("new\n"));
    one_batch(
        &stack,
        &mut session,
        &["checkout", "-q", "--", "app/m07.py"],
    );
    assert_eq!(content(&stack, "/app/m07.py").as_deref(), Some("v = 0\n"));
    one_batch(&stack, &mut session, &["reset", "-q", "--hard"]);
    // Without a lock, so nothing says that it is one thing.
    git_ok(&stack, &["clean", "-qfd"]);
    marked(&stack, &mut session, "marker.txt");
    agree(&stack);
}

#[test]
fn a_rebase_is_one_batch_and_a_conflict_holds_nobody_up() {
    let stack = checkout(
        "rebase",
        &[("app/main.py", "v = 0\n"), ("app/base.py", "0\n")],
    );
    git_ok(&stack, &["switch", "-qc", "topic"]);
    for number in 0..6 {
        stack.write(&format!("app/t{number}.py"), "t\n");
        stack.write("app/main.py", &format!("v = {number}\n"));
        commit(&stack, "step");
    }
    git_ok(&stack, &["switch", "-q", "main"]);
    stack.write("app/base.py", "1\n");
    commit(&stack, "base");
    git_ok(&stack, &["switch", "-q", "topic"]);
    let mut session = up(&stack);
    one_batch(&stack, &mut session, &["rebase", "-q", "main"]);
    assert_eq!(content(&stack, "/app/base.py").as_deref(), Some("1\n"));

    git_ok(&stack, &["switch", "-q", "main"]);
    stack.write("app/main.py", "v = 100\n");
    commit(&stack, "conflict");
    assert_ne!(git(&stack, &["merge", "-q", "topic"]).code, 0);
    assert!(stack.path(".git/MERGE_HEAD").exists());
    stack.write("app/main.py", "v = 101\n");
    comes(&stack, "/app/main.py", "v = 101\n");
    git_ok(&stack, &["merge", "--abort"]);
    comes(&stack, "/app/main.py", "v = 100\n");
    agree(&stack);
}

#[test]
fn a_lock_that_nobody_holds_holds_nothing_up() {
    let stack = checkout("stale", &[]);
    stack.write(".git/index.lock", "");
    let session = up(&stack);
    stack.write("app/first.txt", "second\n");
    comes(&stack, "/app/first.txt", "second\n");
    // One that appears, as with a message that is being written in an editor.
    fs::remove_file(stack.path(".git/index.lock")).unwrap();
    stack.write(".git/index.lock", "");
    stack.write("app/first.txt", "third\n");
    comes(&stack, "/app/first.txt", "third\n");
    drop(session);
}

#[test]
fn a_branch_without_the_folder_and_back() {
    let stack = checkout("absent", &[("app/main.py", "v = 0\n")]);
    git_ok(&stack, &["switch", "-qc", "without"]);
    git_ok(&stack, &["rm", "-rq", "app"]);
    git_ok(&stack, &["commit", "-qm", "without"]);
    git_ok(&stack, &["switch", "-q", "main"]);
    let _session = up(&stack);
    git_ok(&stack, &["switch", "-q", "without"]);
    assert!(!stack.path("app").exists());
    git_ok(&stack, &["switch", "-q", "main"]);
    stack.write("app/main.py", "v = 1\n");
    comes(&stack, "/app/main.py", "v = 1\n");
    agree(&stack);
}

#[test]
fn checkouts_whose_git_folder_lies_elsewhere_are_checkouts_too() {
    let stack = waiting(
        "elsewhere",
        RESTARTS,
        &[
            ("app/main.py", "v = 0\n"),
            ("lib/a.py", "1\n"),
            (".dockerignore", "lib\napart\n"),
        ],
    );
    let own = stack.path("lib").display().to_string();
    for arguments in [
        &["init", "-q"][..],
        &["add", "-A"],
        &["commit", "-qm", "lib"],
    ] {
        git_ok(&stack, &[&["-C", "lib"], arguments].concat());
    }
    let apart = format!("--separate-git-dir={}", stack.path("apart").display());
    git_ok(&stack, &["init", "-q", &apart]);
    git_ok(&stack, &["submodule", "--quiet", "add", &own, "app/lib"]);
    fs::remove_dir_all(stack.path("lib")).unwrap();
    commit(&stack, "first");
    git_ok(&stack, &["-C", "app/lib", "switch", "-qc", "other"]);
    for number in 0..100 {
        stack.write(&format!("app/lib/b{number}.py"), "b\n");
        stack.write(&format!("app/c{number}.py"), "c\n");
    }
    git_ok(&stack, &["-C", "app/lib", "add", "-A"]);
    git_ok(&stack, &["-C", "app/lib", "commit", "-qm", "other"]);
    git_ok(&stack, &["-C", "app/lib", "switch", "-q", "-"]);
    git_ok(&stack, &["switch", "-qc", "other"]);
    git_ok(&stack, &["add", "app"]);
    git_ok(&stack, &["commit", "-qm", "other"]);
    git_ok(&stack, &["switch", "-q", "main"]);
    assert!(stack.path(".git").is_file() && stack.path("app/lib/.git").is_file());

    let mut session = up(&stack);
    one_batch(&stack, &mut session, &["switch", "-q", "other"]);
    one_batch(
        &stack,
        &mut session,
        &["-C", "app/lib", "switch", "-q", "other"],
    );
}
