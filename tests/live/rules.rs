//! What follows a save: the actions of `on`, dependents, the Stackfile itself.

use crate::kit::{Scratch, eventually, free_port, get};
use crate::stage::{about, comes, content, identity, inside, marked, stack, starts, up, waiting};

#[test]
fn a_restart_keeps_the_container() {
    let stack = waiting(
        "restart",
        "on \"*.py\" { restart }",
        &[("app/main.py", "v = 0\n")],
    );
    let mut session = up(&stack);
    let before = identity(&stack);
    stack.write("app/main.py", "v = 1\n");
    let done = session.event("web", "update-done", 30);
    assert_eq!(
        (&done["outcome"], &done["action"]),
        (&"ok".into(), &"synced, restarted".into()),
        "{done}"
    );
    assert_eq!((identity(&stack), starts(&stack)), (before, 2));
    assert_eq!(content(&stack, "/app/main.py").as_deref(), Some("v = 1\n"));
}

#[test]
fn a_recreate_makes_a_container_of_the_same_image() {
    let stack = waiting(
        "recreate",
        "on \"*.py\" { recreate }",
        &[("app/main.py", "v = 0\n")],
    );
    let mut session = up(&stack);
    let before = identity(&stack);
    stack.write("app/main.py", "v = 1\n");
    let done = session.event("web", "update-done", 30);
    assert_eq!(done["outcome"], "ok", "{done}");
    assert_ne!(identity(&stack), before);
    // The image is the old one, but what is synced is what it is on the host.
    comes(&stack, "/app/main.py", "v = 1\n");
    let builds = about(&session.seen, "build-done");
    assert_eq!(builds.len(), 1, "{builds:?}");
}

#[test]
fn commands_run_in_order_once_a_batch_and_see_the_new_files() {
    let rule = "on \"a.txt\" \"b.txt\" { exec \"cat a.txt b.txt >> /tmp/first\"; exec \"cat /tmp/first > /tmp/second\" }";
    let stack = waiting("exec", rule, &[("app/a.txt", "a\n"), ("app/b.txt", "b\n")]);
    let mut session = up(&stack);
    stack.write("app/a.txt", "A\n");
    stack.write("app/b.txt", "B\n");
    let done = session.event("web", "update-done", 30);
    assert_eq!(done["outcome"], "ok", "{done}");
    assert_eq!(content(&stack, "/tmp/second").as_deref(), Some("A\nB\n"));
    assert_eq!(starts(&stack), 1);
}

#[test]
fn a_command_that_fails_is_reported_and_the_container_goes_on() {
    let stack = waiting(
        "execfail",
        "on \"check.sh\" { exec \"sh check.sh\" }",
        &[("app/check.sh", "exit 0\n")],
    );
    let mut session = up(&stack);
    let before = identity(&stack);
    stack.write("app/check.sh", "echo it does not add up >&2; exit 3\n");
    let done = session.event("web", "update-done", 30);
    assert_eq!(done["outcome"], "failed", "{done}");
    let told = done["details"].to_string();
    assert!(
        told.contains("it does not add up") && told.contains('3'),
        "{done}"
    );
    assert_eq!(stack.service("web")["state"], "ready");
    assert_eq!((identity(&stack), starts(&stack)), (before, 1));

    stack.write("app/check.sh", "exit 0 # mended\n");
    let done = session.event("web", "update-done", 30);
    assert_eq!(done["outcome"], "ok", "{done}");
}

#[test]
fn a_signal_reaches_the_process() {
    let stackfile = r#"stack live
service web {
    build "."
    command "python" "-u" "/app/main.py"
    healthcheck "test -e /tmp/listening" interval="1s"
    sync "app" to="/app" { on "*.conf" { signal "HUP" } }
}
"#;
    let program = "import signal, pathlib, time\n\
        def hup(*_):\n    pathlib.Path('/tmp/seen').write_text(open('/app/a.conf').read())\n\
        signal.signal(signal.SIGHUP, hup)\n\
        pathlib.Path('/tmp/listening').touch()\n\
        while True: signal.pause()\n";
    let stack = stack(
        "signal",
        stackfile,
        "FROM python:3.13-slim\nCOPY app /app\n",
        &[("app/main.py", program), ("app/a.conf", "one\n")],
    );
    let mut session = up(&stack);
    let before = identity(&stack);
    stack.write("app/a.conf", "two\n");
    let done = session.event("web", "update-done", 30);
    assert_eq!(
        (&done["outcome"], &done["action"]),
        (&"ok".into(), &"synced, signalled".into()),
        "{done}"
    );
    comes(&stack, "/tmp/seen", "two\n");
    assert_eq!(identity(&stack), before);
}

#[test]
fn the_strongest_action_wins() {
    let rules = "on \"*.py\" { exec \"touch /tmp/ran\"; restart }\non \"req.txt\" { rebuild }";
    let stack = waiting(
        "strongest",
        rules,
        &[("app/main.py", "v = 0\n"), ("app/req.txt", "one\n")],
    );
    let mut session = up(&stack);
    let before = identity(&stack);
    stack.write("app/req.txt", "two\n");
    stack.write("app/main.py", "v = 1\n");
    let done = session.event("web", "update-done", 60);
    assert_eq!(done["outcome"], "ok", "{done}");
    assert_ne!(identity(&stack), before, "{}", session.dump());
    assert_eq!(
        inside(&stack, "cat /app/req.txt /app/main.py").out,
        "two\nv = 1\n"
    );
    assert_eq!(starts(&stack), 1, "a new container was restarted as well");
}

#[test]
fn a_trigger_of_the_service_looks_at_files_that_are_not_synced() {
    let stackfile = "stack live\nservice web {\n    image \"redis:7\"\n    \
        command \"echo started >> /tmp/starts; exec sleep infinity\"\n    init #true\n    \
        bind \"./conf\" to=\"/conf\"\n    on \"conf/*.conf\" { restart }\n}\n";
    let stack = stack("bound", stackfile, "", &[("conf/a.conf", "one\n")]);
    let mut session = up(&stack);
    stack.write("conf/a.conf", "two\n");
    let done = session.event("web", "update-done", 30);
    assert_eq!(done["outcome"], "ok", "{done}");
    assert_eq!(starts(&stack), 2);
}

#[test]
fn who_follows_restarts_after_whom_it_follows() {
    let stackfile = r#"stack live
service web {
    build "."
    command "exec sleep infinity"
    sync "app" to="/app" { on "*.py" { restart }; on "req.txt" { rebuild } }
}
service second { image "redis:7"; init #true; command "echo started >> /tmp/starts; exec sleep infinity"; depends-on web follow=#true }
service third { image "redis:7"; init #true; command "echo started >> /tmp/starts; exec sleep infinity"; depends-on web }
"#;
    let files = [("app/main.py", "v = 0\n"), ("app/req.txt", "one\n")];
    let stack = stack(
        "follow",
        stackfile,
        "FROM python:3.13-slim\nCOPY app /app\n",
        &files,
    );
    let mut session = up(&stack);
    let count = |service: &str| {
        let ran = crate::kit::docker(&["exec", &stack.container(service), "cat", "/tmp/starts"]);
        ran.out.lines().count()
    };
    stack.write("app/main.py", "v = 1\n");
    session.event("second", "update-done", 30);
    assert_eq!(
        (count("second"), count("third")),
        (2, 1),
        "{}",
        session.dump()
    );
    stack.write("app/req.txt", "two\n");
    session.event("second", "update-done", 60);
    assert_eq!(
        (count("second"), count("third")),
        (3, 1),
        "{}",
        session.dump()
    );
}

#[test]
fn the_stackfile_itself_is_live() {
    let (first, second) = (free_port(), free_port());
    let stackfile = format!(
        "stack live\nservice web {{\n    build \".\"\n    environment {{ GREETING \"one\" }}\n    \
         command \"exec python -m http.server -d /app 8000\"\n    port {first} to=8000\n    healthcheck tcp=8000 interval=\"1s\"\n    \
         sync \"app\" to=\"/app\"\n}}\n"
    );
    // The build does not read the Stackfile, so that saving it makes no new image.
    let files = [(".dockerignore", "*\n!app\n")];
    let stack = stack(
        "stackfile",
        &stackfile,
        "FROM python:3.13-slim\nCOPY app /app\n",
        &files,
    );
    let mut session = up(&stack);
    let greeting = |stack: &Scratch| inside(stack, "echo $GREETING").out;
    assert_eq!(greeting(&stack), "one\n");
    let before = identity(&stack);

    // Nothing that counts changed.
    stack.write("Stackfile.kdl", &format!("// A comment.\n{stackfile}"));
    marked(&stack, &mut session, "marker.txt");
    assert_eq!(identity(&stack), before);

    // Wrong: said with its place, and what runs goes on.
    stack.write(
        "Stackfile.kdl",
        &stackfile.replace("environment", "enviroment"),
    );
    let warning = session.wait("the warning", 30, |event| event["event"] == "warning");
    assert!(
        warning["message"].as_str().unwrap().contains("enviroment"),
        "{warning}"
    );
    assert_eq!(identity(&stack), before);

    // Mended, with another value, another port and another service.
    let mended = stackfile
        .replace("\"one\"", "\"two\"")
        .replace(&first.to_string(), &second.to_string());
    stack.write(
        "Stackfile.kdl",
        &format!("{mended}service more {{ image \"redis:7\"; healthcheck \"redis-cli ping\" }}\n"),
    );
    session.state("more", "ready", 60);
    eventually("the new environment", 30, || {
        (greeting(&stack) == "two\n").then_some(())
    });
    eventually("the new port", 30, || {
        get(&format!("http://localhost:{second}/first.txt"))
    });
    assert!(
        get(&format!("http://localhost:{first}/")).is_none(),
        "the old port is still taken"
    );
}
