//! Tasks that run again when what they read has changed.

use crate::kit::{Scratch, docker, eventually};
use crate::stage::{about, stack, up};

/// Who began, in order, stands in `runs/log` of the host.
const STACKFILE: &str = r#"stack live
task migrate {
    image "redis:7"
    command "echo migrate >> /runs/log; ls /app >> /runs/seen; if grep -q broken /app/2.sql; then echo no such table; exit 3; fi"
    sync "app" to="/app"
    bind "./runs" to="/runs"
}
service web {
    image "redis:7"
    init #true
    command "echo web >> /runs/log; exec sleep infinity"
    depends-on migrate
    bind "./runs" to="/runs"
    sync "app" to="/app" { on "*.sql" { restart } }
    on "schema/*.sql" { run load; restart }
}
service page {
    image "redis:7"
    init #true
    command "echo page >> /runs/log; exec sleep infinity"
    depends-on migrate
    bind "./runs" to="/runs"
}
task load {
    image "redis:7"
    profile schemas
    command "cat /schema/a.sql >> /runs/log"
    bind "./schema" to="/schema"
    bind "./runs" to="/runs"
}
"#;
const FILES: [(&str, &str); 3] = [
    ("app/2.sql", "two\n"),
    ("runs/log", ""),
    ("schema/a.sql", "load 1\n"),
];

fn log(stack: &Scratch) -> Vec<String> {
    let text = std::fs::read_to_string(stack.path("runs/log")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn started(stack: &Scratch, service: &str) -> String {
    let format = "{{.Id}} {{.State.StartedAt}}";
    docker(&["inspect", "-f", format, &stack.container(service)]).out
}

/// Those that start side by side, in an order of no importance.
fn begins(stack: &Scratch) {
    let mut log = log(stack);
    log[1..].sort();
    assert_eq!(log, ["migrate", "page", "web"]);
}

#[test]
fn a_task_runs_again_for_a_save_and_who_waits_for_it_is_restarted_after_it() {
    let stack = stack("taskagain", STACKFILE, "", &FILES);
    let mut session = up(&stack);
    begins(&stack);
    let page = started(&stack, "page");

    stack.write("app/3.sql", "three\n");
    let done = session.event("migrate", "update-done", 30);
    assert_eq!(
        (&done["outcome"], &done["action"], &done["paths"]),
        (&"ok".into(), &"synced, ran again".into(), &"3.sql".into()),
        "{done}"
    );
    let done = session.event("web", "update-done", 30);
    assert_eq!(done["action"], "synced, restarted", "{done}");
    eventually("the restart", 20, || (log(&stack).len() == 5).then_some(()));
    assert_eq!(log(&stack)[3..], ["migrate", "web"], "{}", session.dump());
    let seen = std::fs::read_to_string(stack.path("runs/seen")).unwrap();
    assert!(seen.ends_with("2.sql\n3.sql\nfirst.txt\n"), "{seen}");

    // The same content is no change: only who says so is restarted by nobody either.
    stack.write("app/3.sql", "three\n");
    session.event("migrate", "update-done", 30);
    assert_eq!(stack.ok(&["wait"]).code, 0);
    assert_eq!(log(&stack).len(), 5, "{}", session.dump());
    assert_eq!(started(&stack, "page"), page, "nobody asked for that");
}

#[test]
fn a_task_that_fails_holds_up_what_is_due_until_it_is_mended() {
    let stack = stack("taskfails", STACKFILE, "", &FILES);
    let mut session = up(&stack);
    begins(&stack);
    stack.write("app/2.sql", "broken\n");
    let failed = session.state("migrate", "failed", 30);
    let reason = "task ended with 3 after app/2.sql was saved";
    assert_eq!(failed["reason"], reason, "{failed}");
    assert!(
        failed["details"].to_string().contains("no such table"),
        "{failed}"
    );
    let web = stack.service("web");
    assert_eq!(
        (&web["state"], &web["reason"], &web["sync"]["pending"]),
        (
            &"ready".into(),
            &"what follows waits for migrate, which failed".into(),
            &1.into()
        ),
        "{web}"
    );
    let waited = stack.run(&["wait", "--timeout", "30s"]);
    assert_eq!(waited.code, 1, "{}", waited.err);
    assert!(waited.err.contains("task ended with 3"), "{}", waited.err);
    assert_eq!(log(&stack)[3..], ["migrate"]);

    stack.write("app/2.sql", "mended\n");
    session.event("web", "update-done", 30);
    eventually("the restart", 20, || (log(&stack).len() == 6).then_some(()));
    assert_eq!(log(&stack)[3..], ["migrate", "migrate", "web"]);
    assert_eq!(stack.ok(&["wait"]).code, 0);
}

#[test]
fn a_task_is_not_run_again_by_the_next_session_unless_something_changed_meanwhile() {
    let stack = stack("tasknext", STACKFILE, "", &FILES);
    up(&stack).interrupt();
    begins(&stack);
    let runs = |stack: &Scratch| log(stack).iter().filter(|line| *line == "migrate").count();
    let session = up(&stack);
    assert_eq!(runs(&stack), 1, "{}", session.dump());
    session.interrupt();
    stack.write("app/2.sql", "another\n");
    let session = up(&stack);
    assert_eq!(runs(&stack), 2, "{}", session.dump());
    // And one that was killed before the task had run with a save.
    session.signal(9);
    session.end();
    let id = docker(&["inspect", "-f", "{{.Id}}", &stack.container("migrate")]).out;
    let owed = stack
        .state
        .join("devrun/known")
        .join(format!("{}.owed", id.trim()));
    assert!(!owed.exists(), "it has run with all of it");
    std::fs::write(&owed, format!("{}\0", stack.path("app/2.sql").display())).unwrap();
    let session = up(&stack);
    assert_eq!(runs(&stack), 3, "{}", session.dump());
    session.interrupt();
    let _session = up(&stack);
    assert_eq!(runs(&stack), 3, "once is enough");
}

#[test]
fn a_rule_of_a_service_runs_a_task_and_restarts_after_it() {
    let stack = stack("taskrule", STACKFILE, "", &FILES);
    let mut session = up(&stack);
    begins(&stack);
    for turn in [2, 3] {
        stack.write("schema/a.sql", &format!("load {turn}\n"));
        let done = session.event("web", "update-done", 30);
        assert_eq!(
            (&done["outcome"], &done["action"]),
            (&"ok".into(), &"ran load, restarted".into()),
            "{done}"
        );
        let planned = about(&session.seen, "schema/a.sql: on rule, Stackfile.kdl:15");
        assert!(!planned.is_empty(), "{}", session.dump());
    }
    eventually("the restart", 20, || (log(&stack).len() == 7).then_some(()));
    assert_eq!(log(&stack)[3..], ["load 2", "web", "load 3", "web"]);
}

#[test]
fn a_task_of_an_image_runs_again_when_its_build_reads_another_file() {
    let stackfile = r#"stack live
task migrate {
    build "."
    command "cat /app/first.txt >> /runs/log"
    bind "./runs" to="/runs"
}
service web {
    build "."
    command "echo web >> /runs/log; exec sleep infinity"
    depends-on migrate
    bind "./runs" to="/runs"
}
"#;
    let files = [("runs/log", ""), (".dockerignore", "runs\nStackfile.kdl\n")];
    let dockerfile = "FROM redis:7\nCOPY app /app\n";
    let stack = stack("taskimage", stackfile, dockerfile, &files);
    let mut session = up(&stack);
    assert_eq!(log(&stack), ["first", "web"]);
    stack.write("app/first.txt", "second\n");
    session.event("web", "update-done", 60);
    assert_eq!(
        log(&stack),
        ["first", "web", "second", "web"],
        "{}",
        session.dump()
    );
}
