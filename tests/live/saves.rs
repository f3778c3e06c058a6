//! What a person does to files, and what becomes of it in the container.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::kit::{Scratch, docker, eventually};
use crate::stage::{
    about, comes, content, fingerprint, goes, identity, inside, marked, starts, up, waiting,
};

#[test]
fn an_edited_file_is_in_the_container_with_its_mode() {
    let stack = waiting("edited", "", &[("app/run.sh", "echo one\n")]);
    let mut session = up(&stack);
    stack.write("app/first.txt", "second\n");
    let done = session.event("web", "update-done", 30);
    assert_eq!(
        (&done["outcome"], &done["action"]),
        (&"ok".into(), &"synced".into()),
        "{done}"
    );
    assert_eq!(
        content(&stack, "/app/first.txt").as_deref(),
        Some("second\n")
    );

    stack.write("app/run.sh", "echo two\n");
    fs::set_permissions(stack.path("app/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    comes(&stack, "/app/run.sh", "echo two\n");
    eventually("the mode of run.sh", 20, || {
        (inside(&stack, "stat -c %a /app/run.sh").out == "755\n").then_some(())
    });
    assert_eq!(starts(&stack), 1, "nothing asked for a restart");
}

#[test]
fn files_and_folders_come_and_go_as_on_the_host() {
    let stack = waiting(
        "comego",
        "",
        &[("app/old/deep/a.txt", "a\n"), ("app/old/b.txt", "b\n")],
    );
    let _session = up(&stack);
    stack.write("app/new.txt", "new\n");
    comes(&stack, "/app/new.txt", "new\n");

    fs::create_dir_all(stack.path("app/one/two/three")).unwrap();
    stack.write("app/one/two/three/deep.txt", "deep\n");
    stack.write("app/one/flat.txt", "flat\n");
    comes(&stack, "/app/one/two/three/deep.txt", "deep\n");
    comes(&stack, "/app/one/flat.txt", "flat\n");

    fs::rename(stack.path("app/new.txt"), stack.path("app/renamed.txt")).unwrap();
    comes(&stack, "/app/renamed.txt", "new\n");
    goes(&stack, "/app/new.txt");

    fs::rename(stack.path("app/old"), stack.path("app/moved")).unwrap();
    comes(&stack, "/app/moved/deep/a.txt", "a\n");
    comes(&stack, "/app/moved/b.txt", "b\n");
    goes(&stack, "/app/old/deep/a.txt");
    goes(&stack, "/app/old/b.txt");

    fs::remove_file(stack.path("app/renamed.txt")).unwrap();
    goes(&stack, "/app/renamed.txt");
    fs::remove_dir_all(stack.path("app/one")).unwrap();
    goes(&stack, "/app/one/two/three/deep.txt");
    goes(&stack, "/app/one/flat.txt");

    // A folder moved in from elsewhere is there with all that it holds.
    fs::create_dir_all(stack.path("elsewhere/in")).unwrap();
    stack.write("elsewhere/in/x.txt", "x\n");
    fs::rename(stack.path("elsewhere"), stack.path("app/arrived")).unwrap();
    comes(&stack, "/app/arrived/in/x.txt", "x\n");
}

#[test]
fn links_are_links_and_a_name_may_become_something_else() {
    let files = [("app/target.txt", "target\n"), ("app/baked/x.txt", "x\n")];
    let stack = waiting("links", "", &files);
    let _session = up(&stack);
    symlink("target.txt", stack.path("app/link")).unwrap();
    comes(&stack, "/app/link", "target\n");
    assert_eq!(inside(&stack, "readlink /app/link").out, "target.txt\n");

    fs::remove_file(stack.path("app/link")).unwrap();
    symlink("first.txt", stack.path("app/link")).unwrap();
    comes(&stack, "/app/link", "first\n");

    fs::remove_file(stack.path("app/link")).unwrap();
    stack.write("app/link", "a file now\n");
    comes(&stack, "/app/link", "a file now\n");
    assert_eq!(
        content(&stack, "/app/first.txt").as_deref(),
        Some("first\n"),
        "written through the old link"
    );

    fs::remove_file(stack.path("app/link")).unwrap();
    fs::create_dir(stack.path("app/link")).unwrap();
    stack.write("app/link/below.txt", "below\n");
    comes(&stack, "/app/link/below.txt", "below\n");
    fs::remove_dir_all(stack.path("app/link")).unwrap();
    stack.write("app/link", "and back\n");
    comes(&stack, "/app/link", "and back\n");

    // The file system of a container does not rename a folder that the image brought.
    fs::remove_dir_all(stack.path("app/baked")).unwrap();
    stack.write("app/baked", "a file now\n");
    comes(&stack, "/app/baked", "a file now\n");
}

#[test]
fn every_editor_s_way_of_saving_is_one_save() {
    let stack = waiting(
        "editors",
        "on \"*.py\" { restart }",
        &[("app/main.py", "v = 0\n")],
    );
    let mut session = up(&stack);
    let mut expect = |text: &str, count: usize| {
        let done = session.event("web", "update-done", 30);
        assert_eq!(done["outcome"], "ok", "{done}");
        assert_eq!(content(&stack, "/app/main.py").as_deref(), Some(text));
        assert_eq!(starts(&stack), count, "{}", session.dump());
    };

    // vim, `backupcopy=no`: a probe file, the old one aside, a new one, the old one away.
    stack.write("app/4913", "");
    fs::remove_file(stack.path("app/4913")).unwrap();
    stack.write("app/.main.py.swp", "swap");
    fs::rename(stack.path("app/main.py"), stack.path("app/main.py~")).unwrap();
    stack.write("app/main.py", "v = 1\n");
    fs::remove_file(stack.path("app/main.py~")).unwrap();
    fs::remove_file(stack.path("app/.main.py.swp")).unwrap();
    expect("v = 1\n", 2);

    // JetBrains: a temporary file beside, the old one aside, renamed over.
    stack.write("app/main.py___jb_tmp___", "v = 2\n");
    fs::rename(
        stack.path("app/main.py"),
        stack.path("app/main.py___jb_old___"),
    )
    .unwrap();
    fs::rename(
        stack.path("app/main.py___jb_tmp___"),
        stack.path("app/main.py"),
    )
    .unwrap();
    fs::remove_file(stack.path("app/main.py___jb_old___")).unwrap();
    expect("v = 2\n", 3);

    // VS Code, nano: truncated and written.
    stack.write("app/main.py", "v = 3\n");
    expect("v = 3\n", 4);

    // gedit, emacs: a temporary file with a name of its own, renamed over.
    stack.write("app/.goutputstream-X1Y2Z3", "v = 4\n");
    fs::rename(
        stack.path("app/.goutputstream-X1Y2Z3"),
        stack.path("app/main.py"),
    )
    .unwrap();
    expect("v = 4\n", 5);

    let events = marked(&stack, &mut session, "marker.txt");
    assert!(
        about(&events, "main.py").is_empty(),
        "a save echoes: {events:?}"
    );
    let names = inside(&stack, "ls -A /app").out;
    assert_eq!(
        names, "first.txt\nmain.py\nmarker.txt\n",
        "editors' files were brought over"
    );
}

#[test]
fn many_files_at_once_restart_once() {
    let files: Vec<String> = (0..40).map(|n| format!("app/pkg/m{n}.py")).collect();
    let all: Vec<(&str, &str)> = files
        .iter()
        .map(|path| (path.as_str(), "v = 0\n"))
        .collect();
    let stack = waiting("many", "on \"**/*.py\" { restart }", &all);
    let mut session = up(&stack);
    for path in &files {
        stack.write(path, "v = 1\n");
    }
    session.event("web", "update-done", 30);
    let wrong = inside(&stack, "grep -L 'v = 1' /app/pkg/*.py").out;
    assert_eq!(wrong, "", "not live at update-done");
    marked(&stack, &mut session, "marker.txt");
    assert_eq!(starts(&stack), 2, "{}", session.dump());
}

#[test]
fn a_touch_is_no_change() {
    let stack = waiting(
        "touch",
        "on \"*.py\" { restart }",
        &[("app/main.py", "v = 0\n")],
    );
    let mut session = up(&stack);
    touch(&stack);
    assert_eq!(session.event("web", "synced", 30)["files"], 0);
    // Written anew, equal.
    stack.write("app/main.py", "v = 0\n");
    assert_eq!(session.event("web", "synced", 30)["files"], 0);
    marked(&stack, &mut session, "marker.txt");
    assert_eq!(starts(&stack), 1, "{}", session.dump());
}

#[test]
fn of_files_saved_together_only_those_that_differ_ask_for_more() {
    let stack = waiting(
        "together",
        "on \"*.py\" { restart }",
        &[("app/main.py", "v = 0\n")],
    );
    let mut session = up(&stack);
    touch(&stack);
    stack.write("app/marker.txt", "here\n");
    comes(&stack, "/app/marker.txt", "here\n");
    marked(&stack, &mut session, "second.txt");
    assert_eq!(starts(&stack), 1, "{}", session.dump());
}

#[test]
fn a_touch_right_after_a_change_takes_nothing_from_it() {
    let stack = waiting(
        "after",
        "on \"*.py\" { restart }",
        &[("app/main.py", "v = 0\n"), ("app/other.py", "v = 0\n")],
    );
    let mut session = up(&stack);
    stack.write("app/other.py", "v = 1\n");
    session.event("web", "synced", 30);
    touch(&stack);
    let done = session.event("web", "update-done", 30);
    assert_eq!(
        (&done["outcome"], &done["action"]),
        (&"ok".into(), &"synced, restarted".into()),
        "{done}"
    );
    assert_eq!(starts(&stack), 2);
}

fn touch(stack: &Scratch) {
    let file = fs::File::options()
        .append(true)
        .open(stack.path("app/main.py"))
        .unwrap();
    file.set_modified(std::time::SystemTime::now()).unwrap();
}

#[test]
fn what_is_ignored_is_left_alone_and_a_rule_that_names_it_wins() {
    let rules = "ignore \"notes/\"\non \"built.css\" { exec \"cp built.css served.css\" }";
    let files = [
        (".gitignore", "*.log\nbuilt.css\n"),
        (".dockerignore", "app/private.env\n"),
        ("app/.git/HEAD", "ref\n"),
        ("app/built.css", "a{}\n"),
    ];
    let stack = waiting("ignored", rules, &files);
    let mut session = up(&stack);
    for path in [
        "app/debug.log",
        "app/private.env",
        "app/.git/HEAD",
        "app/.git/index",
        "app/sub.txt~",
        "app/.#lock",
        "app/.x.swp",
    ] {
        stack.write(path, "ignored\n");
    }
    fs::create_dir_all(stack.path("app/notes")).unwrap();
    stack.write("app/notes/todo.txt", "ignored\n");
    let events = marked(&stack, &mut session, "marker.txt");
    for word in [
        "debug.log",
        "private.env",
        ".git/",
        "sub.txt~",
        ".#lock",
        ".x.swp",
        "notes",
    ] {
        assert!(about(&events, word).is_empty(), "{word}: {events:?}");
    }
    let found = inside(&stack, "grep -rl ignored /app").out;
    assert_eq!(found, "", "ignored files are in the container");

    stack.write("app/built.css", "b{}\n");
    let done = session.event("web", "update-done", 30);
    assert_eq!(done["outcome"], "ok", "{done}");
    assert_eq!(content(&stack, "/app/served.css").as_deref(), Some("b{}\n"));
}

#[test]
fn nothing_in_a_container_changes_a_file_of_the_host_and_its_own_files_stay() {
    let stack = waiting(
        "host",
        "on \"*.py\" { restart }",
        &[("app/main.py", "v = 0\n"), ("app/lib/a.py", "a = 0\n")],
    );
    let mut session = up(&stack);
    let made = "mkdir -p /app/cache && echo own > /app/cache/made.txt && echo own > /app/lib/own.txt \
                && echo changed > /app/first.txt && rm /app/lib/a.py && chmod 700 /app/main.py";
    let before = fingerprint(&stack.folder);
    assert_eq!(inside(&stack, made).code, 0);
    stack.ok(&["status"]);
    assert_eq!(fingerprint(&stack.folder), before);

    let container = identity(&stack);
    fs::remove_dir_all(stack.path("app/lib")).unwrap();
    stack.write("app/main.py", "v = 1\n");
    session.event("web", "update-done", 30);
    comes(&stack, "/app/main.py", "v = 1\n");
    let before = fingerprint(&stack.folder);
    assert_eq!(
        content(&stack, "/app/cache/made.txt").as_deref(),
        Some("own\n")
    );
    assert_eq!(
        content(&stack, "/app/lib/own.txt").as_deref(),
        Some("own\n"),
        "what the container made was removed"
    );

    // Also by being compared from the start, and by the end.
    drop(session);
    let session = up(&stack);
    assert_eq!(identity(&stack), container, "the same container goes on");
    assert_eq!(
        content(&stack, "/app/first.txt").as_deref(),
        Some("first\n"),
        "the host's file is what counts"
    );
    assert_eq!(
        content(&stack, "/app/cache/made.txt").as_deref(),
        Some("own\n")
    );
    assert_eq!(
        content(&stack, "/app/lib/own.txt").as_deref(),
        Some("own\n")
    );
    session.interrupt();
    stack.ok(&["down"]);
    assert_eq!(fingerprint(&stack.folder), before);
    assert_eq!(
        docker(&[
            "ps",
            "-aq",
            "--filter",
            &format!("label=devrun.stack={}", stack.name)
        ])
        .out,
        ""
    );
}
