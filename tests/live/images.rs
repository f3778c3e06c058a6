//! Images of every kind: other users, root's files, nothing but one program, places that cannot be
//! written; and services that do not run at the moment.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::kit::{docker, eventually};
use crate::stage::{about, comes, content, goes, identity, inside, stack, starts, up, waiting};

const WAITING: &str = r#"stack live
service web {
    build "."
    command "sleep" "infinity"
    sync "app" to="/app"
}
"#;

#[test]
fn a_container_of_another_user_gets_files_that_it_owns() {
    let dockerfile = "FROM python:3.13-slim\nWORKDIR /app\nRUN chown 1000:1000 /app\nUSER 1000\nCOPY --chown=1000:1000 app /app\n";
    let stack = stack("user", WAITING, dockerfile, &[]);
    let mut session = up(&stack);
    stack.write("app/first.txt", "edited\n");
    session.event("web", "update-done", 30);
    stack.write("app/new.txt", "new\n");
    session.event("web", "update-done", 30);
    assert_eq!(
        inside(&stack, "cat /app/first.txt /app/new.txt").out,
        "edited\nnew\n"
    );
    assert_eq!(
        inside(&stack, "stat -c '%u %n' /app/*").out,
        "1000 /app/first.txt\n1000 /app/new.txt\n"
    );
    fs::remove_file(stack.path("app/new.txt")).unwrap();
    goes(&stack, "/app/new.txt");
    assert!(
        about(&session.seen, "warning").is_empty(),
        "{}",
        session.dump()
    );
}

#[test]
fn files_of_root_are_brought_up_to_date_for_another_user() {
    let dockerfile = "FROM python:3.13-slim\nCOPY app /app\nUSER 1000\n";
    let stack = stack("rooted", WAITING, dockerfile, &[("app/lib/a.txt", "a\n")]);
    let mut session = up(&stack);
    stack.write("app/first.txt", "edited\n");
    let done = session.event("web", "update-done", 30);
    assert_eq!(done["outcome"], "ok", "{done}");
    stack.write("app/new.txt", "new\n");
    session.event("web", "update-done", 30);
    assert_eq!(
        inside(&stack, "cat /app/first.txt /app/new.txt").out,
        "edited\nnew\n"
    );
    fs::remove_file(stack.path("app/lib/a.txt")).unwrap();
    goes(&stack, "/app/lib/a.txt");
    assert!(
        about(&session.seen, "not synced").is_empty(),
        "{}",
        session.dump()
    );
}

#[test]
fn an_image_of_one_static_program_is_enough() {
    let stackfile = WAITING.replace("\"sleep\"", "\"/busybox\" \"sleep\"");
    let stack = stack(
        "scratch",
        &stackfile,
        "FROM scratch\nCOPY busybox /busybox\nCOPY app /app\n",
        &[],
    );
    fs::copy("/bin/busybox", stack.path("busybox")).unwrap();
    let mut session = up(&stack);
    let cat = |path: &str| docker(&["exec", &stack.container("web"), "/busybox", "cat", path]);
    stack.write("app/first.txt", "edited\n");
    session.event("web", "update-done", 30);
    assert_eq!(cat("/app/first.txt").out, "edited\n");
    fs::create_dir(stack.path("app/more")).unwrap();
    stack.write("app/more/new.txt", "new\n");
    eventually("new.txt", 20, || {
        (cat("/app/more/new.txt").out == "new\n").then_some(())
    });
    fs::remove_file(stack.path("app/first.txt")).unwrap();
    eventually("first.txt gone", 20, || {
        (cat("/app/first.txt").code != 0).then_some(())
    });
    assert_eq!(stack.service("web")["sync"]["transport"], "agent");
}

#[test]
fn what_is_mounted_inside_is_left_alone_and_the_rest_is_live() {
    let stackfile = r#"stack live
service web {
    build "."
    command "sleep" "infinity"
    bind "fixed" to="/app/fixed" read-only=#true
    sync "app" to="/app"
}
"#;
    let stack = stack(
        "readonly",
        stackfile,
        "FROM python:3.13-slim\nCOPY app /app\n",
        &[("fixed/mine.txt", "mine\n")],
    );
    let session = up(&stack);
    fs::create_dir(stack.path("app/fixed")).unwrap();
    stack.write("app/fixed/mine.txt", "other\n");
    stack.write("app/first.txt", "edited\n");
    comes(&stack, "/app/first.txt", "edited\n");
    assert_eq!(
        stack.read("fixed/mine.txt"),
        "mine\n",
        "a file of the host was changed through the container"
    );
    let warnings = about(&session.seen, "\"warning\"");
    assert!(warnings.is_empty(), "{warnings:?}");
    let service = stack.service("web");
    assert_eq!(
        (&service["state"], &service["sync"]["state"]),
        (&"ready".into(), &"live".into())
    );
}

#[test]
fn a_file_that_is_read_only_on_the_host_is_followed_all_the_same() {
    let stack = waiting("mode", "", &[]);
    let set = |mode| {
        fs::set_permissions(
            stack.path("app/first.txt"),
            fs::Permissions::from_mode(mode),
        )
        .unwrap()
    };
    set(0o444);
    let _session = up(&stack);
    set(0o644);
    stack.write("app/first.txt", "edited\n");
    set(0o444);
    comes(&stack, "/app/first.txt", "edited\n");
    eventually("its mode", 20, || {
        (inside(&stack, "stat -c %a /app/first.txt").out == "444\n").then_some(())
    });
}

const CRASHING: &str = r#"stack live
service web {
    build "."
    command "echo started >> /tmp/starts; exec python -u /app/main.py"
    sync "app" to="/app" { on "*.py" { restart } }
    restart no
}
"#;
const GOOD: &str = "import time\nwhile True: time.sleep(1)\n";

#[test]
fn a_service_that_ended_gets_the_mended_file_and_runs_it() {
    for (test, policy) in [("crashed", "no"), ("crashing", "always")] {
        let stackfile = CRASHING.replace("restart no", &format!("restart {policy}"));
        let stack = stack(
            test,
            &stackfile,
            "FROM python:3.13-slim\nCOPY app /app\n",
            &[("app/main.py", GOOD)],
        );
        let mut session = up(&stack);
        let before = identity(&stack);
        stack.write("app/main.py", "raise SystemExit('the sum is wrong')\n");
        let failed = session.state("web", "failed", 60);
        assert!(
            failed["details"].to_string().contains("the sum is wrong"),
            "{failed}"
        );
        assert_eq!(stack.service("web")["state"], "failed");

        stack.write("app/main.py", GOOD);
        session.state("web", "ready", 60);
        assert_eq!(content(&stack, "/app/main.py").as_deref(), Some(GOOD));
        assert_eq!(identity(&stack), before);
        assert!(starts(&stack) >= 3, "{}", session.dump());
    }
}

#[test]
fn a_service_that_never_ran_is_mended_by_a_save() {
    let (bad, good) = ("def f(:\n", format!("open('/tmp/up', 'w')\n{GOOD}"));
    let stackfile = CRASHING.replace(
        "restart no",
        "healthcheck \"test -e /tmp/up\" interval=\"1s\"",
    );
    let stack = stack(
        "broken",
        &stackfile,
        "FROM python:3.13-slim\nCOPY app /app\n",
        &[("app/main.py", bad)],
    );
    let mut session = stack.up(&[]);
    assert!(!session.settled(), "{}", session.dump());
    let service = stack.service("web");
    assert_eq!(service["state"], "failed", "{service}");
    assert!(session.dump().contains("SyntaxError"), "{}", session.dump());
    stack.write("app/main.py", &good);
    session.state("web", "ready", 60);
}
