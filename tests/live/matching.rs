//! Which paths reach the container, and as what: the words of `sync` on the real engine.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

use crate::kit::{Scratch, docker, eventually};
use crate::stage::{about, comes, content, goes, inside, marked, stack, starts, up, waiting};

const WAITS: &str = "echo started >> /tmp/starts; exec sleep infinity";

/// A stack of one image that only waits, with these words in its service.
fn plain(test: &str, words: &str, files: &[(&str, &str)]) -> Scratch {
    let stackfile = format!(
        "stack live\nservice web {{\n    image \"python:3.13-slim\"\n    init #true\n    command \"{WAITS}\"\n{words}\n}}\n"
    );
    stack(test, &stackfile, "", files)
}

/// `MODE UID:GID` of a path of the container.
fn attributes(stack: &Scratch, path: &str) -> String {
    let container = stack.container("web");
    let ran = docker(&[
        "exec", "-u", "0", &container, "stat", "-c", "%a %u:%g", path,
    ]);
    ran.out.trim().to_owned()
}

#[test]
fn include_ignore_and_settings_decide_together() {
    let stack = plain(
        "include",
        "sync \"app\" to=\"/srv/app\" { include \"*.py\" \"/conf/\"; ignore \"test_*\" }",
        &[
            ("app/a.py", "a"),
            ("app/deep/b.py", "b"),
            ("app/only/text.txt", "t"),
            ("app/test_a.py", "t"),
            ("app/conf/x.ini", "x"),
            ("app/conf/.env", "SECRET=1"),
        ],
    );
    let mut session = up(&stack);
    let tree = || inside(&stack, "cd /srv/app && find . | sort | tr '\\n' ' '").out;
    assert_eq!(
        tree().trim(),
        ". ./a.py ./conf ./conf/x.ini ./deep ./deep/b.py"
    );
    fs::create_dir(stack.path("app/new")).unwrap();
    stack.write("app/new/c.py", "c");
    stack.write("app/new/c.txt", "c");
    comes(&stack, "/srv/app/new/c.py", "c");
    stack.write("app/last.py", "last");
    comes(&stack, "/srv/app/last.py", "last");
    session.ready();
    assert_eq!(content(&stack, "/srv/app/new/c.txt"), None);
    fs::remove_file(stack.path("app/deep/b.py")).unwrap();
    goes(&stack, "/srv/app/deep/b.py");
}

#[test]
fn a_file_goes_to_a_file_of_another_name() {
    let stack = plain(
        "filetofile",
        "sync \"conf/dev.conf\" to=\"/etc/new/deep/default.conf\" { on \"*\" { exec \"cat /etc/new/deep/default.conf >> /tmp/seen\" } }\n\
         sync \"app/.env\" to=\"/srv/.env\" mode=0600",
        &[
            ("conf/dev.conf", "one\n"),
            ("conf/other.conf", "no"),
            ("app/.env", "A=1"),
        ],
    );
    let mut session = up(&stack);
    let folder = || inside(&stack, "ls -A /etc/new/deep").out;
    assert_eq!(folder().trim(), "default.conf");
    assert_eq!(content(&stack, "/srv/.env").as_deref(), Some("A=1"));
    assert_eq!(attributes(&stack, "/srv/.env"), "600 0:0");
    stack.write("conf/dev.conf", "two\n");
    let done = session.event("web", "update-done", 30);
    assert_eq!(done["outcome"], "ok", "{done}");
    assert!(content(&stack, "/tmp/seen").unwrap().ends_with("two\n"));
    // As editors save: another file of that name.
    stack.write("conf/.new", "three\n");
    fs::rename(stack.path("conf/.new"), stack.path("conf/dev.conf")).unwrap();
    comes(&stack, "/etc/new/deep/default.conf", "three\n");
    assert_eq!(folder().trim(), "default.conf");
}

#[test]
fn a_file_does_not_take_the_place_of_a_folder() {
    let stack = plain(
        "filefolder",
        "sync \"conf/dev.conf\" to=\"/etc/ssl\"",
        &[("conf/dev.conf", "one\n")],
    );
    let mut session = stack.up(&[]);
    session.wait("the warning", 60, |event| {
        event
            .to_string()
            .contains("/etc/ssl is a folder in the container")
    });
    assert_eq!(inside(&stack, "test -d /etc/ssl/certs").code, 0);
}

#[test]
fn owner_and_mode_are_as_the_rule_says_and_else_as_they_were() {
    let stack = plain(
        "owner",
        "user \"1000:1000\"\n\
         sync \"app\" to=\"/srv/own\" owner=\"33:0\" mode=0640 { on \"*.sh\" { restart } }\n\
         sync \"app\" to=\"/tmp/plain\"",
        &[("app/run.sh", "x"), ("app/deep/a", "a")],
    );
    fs::set_permissions(stack.path("app/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut session = up(&stack);
    for (path, wanted) in [
        ("/srv/own", "755 33:0"),
        ("/srv/own/deep", "750 33:0"),
        ("/srv/own/run.sh", "640 33:0"),
        ("/srv/own/deep/a", "640 33:0"),
        ("/tmp/plain/run.sh", "755 1000:1000"),
    ] {
        assert_eq!(attributes(&stack, path), wanted, "{path}");
    }
    stack.write("app/deep/a", "b");
    stack.write("app/new", "n");
    comes(&stack, "/tmp/plain/new", "n");
    session.ready();
    for (path, wanted) in [
        ("/srv/own/deep/a", "640 33:0"),
        ("/srv/own/new", "640 33:0"),
        ("/tmp/plain/new", "644 1000:1000"),
    ] {
        assert_eq!(attributes(&stack, path), wanted, "{path}");
    }
    // `run.sh` was there before, and what cannot be read inside is no difference.
    assert_eq!(starts(&stack), 1);
    // Only its mode on the host: nothing differs by the rule.
    fs::set_permissions(stack.path("app/new"), fs::Permissions::from_mode(0o600)).unwrap();
    eventually("the mode of the plain one", 20, || {
        (attributes(&stack, "/tmp/plain/new") == "600 1000:1000").then_some(())
    });
    assert_eq!(attributes(&stack, "/srv/own/new"), "640 33:0");
    let verified = stack.run(&["sync", "--verify"]);
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
}

#[test]
fn the_deeper_target_and_mounts_have_their_place_to_themselves() {
    let stack = plain(
        "overlap",
        "sync \"app\" to=\"/srv\" mirror=#true { on \"bound/*.conf\" \"boundary/*.conf\" { restart } }\n\
         sync \"lib\" to=\"/srv/lib\"\n\
         sync \"app\" to=\"/copy\" { ignore \"bound/\" \"boundary/\" }\n\
         volume data to=\"/srv/data\"\n\
         bind \"app/bound\" to=\"/srv/bound\"\n\
         tmpfs \"/srv/tmp\"",
        &[
            ("app/lib/x", "the outer one's"),
            ("app/libx", "x"),
            ("lib/x", "the inner one's"),
            ("app/data/x", "not for the volume"),
            ("app/data2/x", "2"),
            ("app/bound/a.conf", "one"),
            ("app/boundary/a.conf", "one"),
            ("app/tmp/x", "not for the tmpfs"),
        ],
    );
    let text = fs::read_to_string(stack.path("Stackfile.kdl")).unwrap();
    stack.write(
        "Stackfile.kdl",
        &text.replace("stack live\n", "stack live\nvolume data\n"),
    );
    let mut session = up(&stack);
    for (path, wanted) in [
        ("/srv/lib/x", Some("the inner one's")),
        ("/srv/libx", Some("x")),
        ("/srv/data/x", None),
        ("/srv/data2/x", Some("2")),
        ("/srv/tmp/x", None),
        ("/copy/lib/x", Some("the outer one's")),
        ("/copy/data/x", Some("not for the volume")),
    ] {
        assert_eq!(content(&stack, path).as_deref(), wanted, "{path}");
    }
    inside(
        &stack,
        "echo kept > /srv/data/own; echo kept > /srv/lib/own; echo gone > /srv/own",
    );
    // A change of each: only what is a rule's own arrives.
    stack.write("app/lib/x", "outer again");
    stack.write("app/data/x", "again");
    stack.write("lib/x", "inner again");
    comes(&stack, "/srv/lib/x", "inner again");
    comes(&stack, "/copy/lib/x", "outer again");
    assert_eq!(content(&stack, "/srv/data/x"), None);
    // Mounted: live without a copy, and yet followed.
    let before = starts(&stack);
    stack.write("app/bound/a.conf", "two");
    let done = session.wait("the restart", 30, |event| {
        event["event"] == "update-done" && event.to_string().contains("restarted")
    });
    assert_eq!(done["action"], "restarted", "{done}");
    assert_eq!(content(&stack, "/srv/bound/a.conf").as_deref(), Some("two"));
    assert_eq!(starts(&stack), before + 1);
    stack.write("app/boundary/a.conf", "two");
    session.wait("the other restart", 30, |event| {
        event["event"] == "update-done" && event["action"] == "synced, restarted"
    });
    comes(&stack, "/srv/boundary/a.conf", "two");
    goes(&stack, "/srv/own");
    for path in ["/srv/data/own", "/srv/lib/own"] {
        assert_eq!(content(&stack, path).as_deref(), Some("kept\n"), "{path}");
    }
}

#[test]
fn one_source_reaches_several_services_and_all_replicas() {
    let service = |name: &str, more: &str| {
        format!(
            "service {name} {{ image \"redis:7\"; init #true; command \"exec sleep infinity\"; sync \"app\" to=\"/{name}\"; {more} }}\n"
        )
    };
    let stackfile = format!(
        "stack live\n{}{}",
        service("one", ""),
        service("many", "replicas 3")
    );
    let stack = stack("several", &stackfile, "", &[]);
    let _session = up(&stack);
    let places = [
        ("one", "/one"),
        ("many-1", "/many"),
        ("many-2", "/many"),
        ("many-3", "/many"),
    ];
    let read =
        |service: &str, path: &str| docker(&["exec", &stack.container(service), "cat", path]).out;
    for (service, folder) in places {
        assert_eq!(read(service, &format!("{folder}/first.txt")), "first\n");
    }
    stack.write("app/first.txt", "second\n");
    for (service, folder) in places {
        eventually(&format!("{service} has it"), 20, || {
            (read(service, &format!("{folder}/first.txt")) == "second\n").then_some(())
        });
    }
}

#[test]
fn a_source_that_comes_later_is_synced_when_it_comes() {
    let stack = plain(
        "later",
        "sync \"generated/out\" to=\"/generated\" { on \"*.json\" { restart } }",
        &[],
    );
    let mut session = up(&stack);
    let told = about(&session.seen, "the source generated/out does not exist");
    assert!(!told.is_empty(), "{}", session.dump());
    fs::create_dir_all(stack.path("generated/out")).unwrap();
    stack.write("generated/out/a.json", "{}");
    comes(&stack, "/generated/a.json", "{}");
    session.event("web", "update-done", 30);
    fs::remove_dir_all(stack.path("generated")).unwrap();
    fs::create_dir_all(stack.path("generated/out")).unwrap();
    stack.write("generated/out/b.json", "[]");
    comes(&stack, "/generated/b.json", "[]");
}

#[test]
fn edits_to_ignore_files_take_effect_at_once() {
    let stack = waiting(
        "ignores",
        "",
        &[
            ("app/.gitignore", "*.gen\n"),
            ("app/a.gen", "a"),
            ("app/sub/.gitignore", "!keep.gen\n"),
            ("app/sub/keep.gen", "k"),
            (".dockerignore", "app/*.gen\napp/docs\n"),
            ("app/docs/x.md", "x"),
        ],
    );
    let mut session = up(&stack);
    assert_eq!(content(&stack, "/app/sub/keep.gen").as_deref(), Some("k"));
    assert_eq!(content(&stack, "/app/a.gen"), None);
    // Taken back in: it comes.
    stack.write(".dockerignore", "app/docs\n");
    stack.write("app/.gitignore", "*.log\n");
    comes(&stack, "/app/a.gen", "a");
    session.ready();
    // Ignored from now on: it stays as it is, and is no longer kept in step.
    stack.write("app/.gitignore", "*.gen\n");
    comes(&stack, "/app/.gitignore", "*.gen\n");
    marked(&stack, &mut session, "first-marker.txt");
    stack.write("app/a.gen", "other");
    marked(&stack, &mut session, "second-marker.txt");
    assert_eq!(content(&stack, "/app/a.gen").as_deref(), Some("a"));
}

#[test]
fn a_rule_that_names_a_path_beats_gitignore() {
    let stack = plain(
        "named",
        "sync \"app\" to=\"/srv\" { ignore \"!.env.local\" \"!/dist/app.js\"; on \"build/out.txt\" { exec \"true\" } }",
        &[
            ("app/.gitignore", "dist/\nbuild/\n.env*\n"),
            ("app/dist/app.js", "js"),
            ("app/dist/app.map", "map"),
            ("app/build/out.txt", "out"),
            ("app/.env.local", "A=1"),
            ("app/.env", "B=1"),
        ],
    );
    let _session = up(&stack);
    for (path, wanted) in [
        ("build/out.txt", Some("out")),
        (".env.local", Some("A=1")),
        (".env", None),
        ("dist/app.map", None),
    ] {
        assert_eq!(
            content(&stack, &format!("/srv/{path}")).as_deref(),
            wanted,
            "{path}"
        );
    }
}

#[test]
fn nothing_is_brought_at_the_first_start_and_saves_are_back_in_a_new_container() {
    let stack = waiting(
        "initial",
        "on \"*.py\" { recreate }",
        &[("app/a.txt", "image")],
    );
    let text = fs::read_to_string(stack.path("Stackfile.kdl")).unwrap();
    stack.write(
        "Stackfile.kdl",
        &text.replace("to=\"/app\"", "to=\"/app\" initial=#false"),
    );
    // The image is made, and the host goes on without anybody watching.
    stack.ok(&["build"]);
    stack.write("app/a.txt", "before");
    stack.write("app/b.txt", "before");
    stack.write("app/c.txt", "before");
    let mut session = up(&stack);
    assert_eq!(content(&stack, "/app/a.txt").as_deref(), Some("image"));
    assert_eq!(content(&stack, "/app/b.txt"), None);
    stack.write("app/b.txt", "saved");
    comes(&stack, "/app/b.txt", "saved");
    // A new container: what was saved is back, and nothing else.
    stack.write("app/x.py", "x");
    let done = session.event("web", "update-done", 60);
    assert_eq!(done["outcome"], "ok", "{done}");
    session.wait("recreated", 60, |event| {
        event["event"] == "update-done" && event.to_string().contains("recreated")
    });
    for (path, wanted) in [
        ("a.txt", Some("image")),
        ("b.txt", Some("saved")),
        ("c.txt", None),
        ("x.py", Some("x")),
    ] {
        assert_eq!(
            content(&stack, &format!("/app/{path}")).as_deref(),
            wanted,
            "{path}"
        );
    }
}

#[test]
fn settle_waits_for_quiet_and_sends_all_at_once() {
    let stack = plain(
        "settle",
        "sync \"app\" to=\"/srv\" settle=\"500ms\" { on \"*.json\" { exec \"ls /srv >> /tmp/seen\" } }",
        &[],
    );
    let mut session = up(&stack);
    for number in 0..5 {
        stack.write(&format!("app/{number}.json"), "{}");
    }
    let synced = session.event("web", "synced", 30);
    assert_eq!(synced["files"], 5, "{}", session.dump());
    let done = session.event("web", "update-done", 30);
    assert_eq!(done["outcome"], "ok", "{done}");
    let seen = content(&stack, "/tmp/seen").unwrap();
    assert_eq!(seen.matches("4.json").count(), 1, "{seen}");
}

#[test]
fn names_of_any_bytes_arrive_and_go() {
    let stack = plain("names", "sync \"app\" to=\"/srv\"", &[]);
    let session = up(&stack);
    let names: [&[u8]; 8] = [
        b"with space",
        b"line\nbreak",
        b"quote\"s and 'more'",
        b"--dash",
        b"-rf",
        b"\xff\xfe.bin",
        b"$(touch x)",
        b"*",
    ];
    let path = |name: &[u8]| stack.path("app").join(OsStr::from_bytes(name));
    for name in names {
        fs::write(path(name), name).unwrap();
    }
    // Each holds its own name.
    let check = "import os, sys\nall = {n: open(b'/srv/' + n, 'rb').read() for n in os.listdir(b'/srv')}\nown = [n for n in all if all[n] == n]\nprint(len(own), len(all))\n";
    let count = || {
        let ran = docker(&["exec", &stack.container("web"), "python", "-c", check]);
        ran.out.trim().to_owned()
    };
    eventually("all names", 30, || (count() == "8 9").then_some(()));
    // Another case of the same name is another file.
    fs::write(path(b"Case.txt"), "upper").unwrap();
    comes(&stack, "/srv/Case.txt", "upper");
    fs::rename(path(b"Case.txt"), path(b"case.txt")).unwrap();
    comes(&stack, "/srv/case.txt", "upper");
    goes(&stack, "/srv/Case.txt");
    for name in names {
        fs::remove_file(path(name)).unwrap();
    }
    eventually("no names", 30, || (count() == "0 2").then_some(()));
    drop(session);
}

#[test]
fn why_names_what_decides_also_where_nothing_is_done() {
    let stack = plain(
        "whypath",
        "sync \"app\" to=\"/srv\" { include \"*.py\" \"data/\"; ignore \"skip.py\" }\nvolume data to=\"/srv/data\"",
        &[("app/.gitignore", "gen/\n*.log.py\n"), ("app/gen/a.py", "")],
    );
    let text = fs::read_to_string(stack.path("Stackfile.kdl")).unwrap();
    stack.write(
        "Stackfile.kdl",
        &text.replace(
            "stack live\n",
            "stack live\nvolume data\nservice other { image \"redis:7\" }\n",
        ),
    );
    for (path, wanted) in [
        ("app/not/there.py", "sync to /srv/not/there.py  sync rule"),
        (
            "app/gen/a.py",
            "nothing  ignored by app/.gitignore:1 (`gen/`)",
        ),
        (
            "app/x.log.py",
            "nothing  ignored by app/.gitignore:2 (`*.log.py`)",
        ),
        ("app/skip.py", "nothing  left alone by `ignore \"skip.py\"`"),
        ("app/a.txt", "nothing  no `include` of it matches"),
        ("app/data/x.py", "is at /srv/data"),
        ("elsewhere/x", "does nothing"),
    ] {
        let told = stack.ok(&["why", path]).out;
        assert!(told.contains(wanted), "{path}: {told}");
    }
    let told = stack.ok(&["why", "app/a.py"]).out;
    assert!(told.contains("nothing to other"), "{told}");
}
