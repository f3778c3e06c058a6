//! Files that the build reads, builds that fail, and images that are older than the source.

use crate::kit::{Scratch, docker, shell};
use crate::stage::{about, content, identity, marked, stack, starts, up};

const STACKFILE: &str = r#"stack live
service web {
    build "."
    command "echo started >> /tmp/starts; exec sleep infinity"
    sync "app" to="/app" { on "*.py" { restart } }
}
"#;

const DOCKERFILE: &str = "\
FROM python:3.13-slim
COPY setup.txt /setup.txt
RUN if grep -q bad /setup.txt; then echo no such package; exit 9; fi
COPY app /app
";

fn built(test: &str) -> Scratch {
    stack(
        test,
        STACKFILE,
        DOCKERFILE,
        &[("setup.txt", "one\n"), ("app/main.py", "v = 0\n")],
    )
}

#[test]
fn what_the_build_reads_and_no_sync_covers_replaces_the_container() {
    let stack = built("reads");
    let mut session = up(&stack);
    let before = identity(&stack);
    stack.write("setup.txt", "two\n");
    let planned = session.event("web", "update-planned", 30);
    assert_eq!(planned["action"], "rebuild");
    assert!(
        planned["reason"].as_str().unwrap().contains("setup.txt"),
        "{planned}"
    );
    let done = session.event("web", "update-done", 60);
    assert_eq!(done["outcome"], "ok", "{done}");
    assert_eq!(content(&stack, "/setup.txt").as_deref(), Some("two\n"));
    assert_ne!(identity(&stack), before);

    // The Dockerfile itself, too.
    stack.edit("Dockerfile", "COPY app", "ENV MORE=more\nCOPY app");
    let done = session.event("web", "update-done", 60);
    assert_eq!(done["outcome"], "ok", "{done}");
    assert_eq!(crate::stage::inside(&stack, "echo $MORE").out, "more\n");
    assert_eq!(starts(&stack), 1);
}

#[test]
fn a_build_that_fails_leaves_the_old_one_serving_until_the_next_good_save() {
    let stack = built("fails");
    let mut session = up(&stack);
    let before = identity(&stack);
    stack.write("setup.txt", "bad\n");
    let done = session.event("web", "update-done", 60);
    assert_eq!(done["outcome"], "failed", "{done}");
    let told = done["details"].to_string();
    assert!(
        told.contains("Dockerfile:3") && told.contains("no such package"),
        "{done}"
    );
    assert_eq!((identity(&stack), starts(&stack)), (before.clone(), 1));
    let service = stack.service("web");
    assert_eq!(service["state"], "ready", "{service}");
    assert!(
        service["reason"]
            .as_str()
            .unwrap_or_default()
            .contains("build failed"),
        "{service}"
    );

    // Saves of synced files go on being live meanwhile.
    stack.write("app/first.txt", "meanwhile\n");
    let planned = session.event("web", "update-planned", 30);
    assert_eq!(planned["action"], "sync", "{planned}");
    crate::stage::comes(&stack, "/app/first.txt", "meanwhile\n");
    assert_eq!(identity(&stack), before);

    stack.write("setup.txt", "good again\n");
    session.wait("the new image", 60, |event| {
        event["event"] == "update-done" && event["outcome"] == "ok" && event["paths"] == "setup.txt"
    });
    assert_eq!(
        content(&stack, "/setup.txt").as_deref(),
        Some("good again\n")
    );
    assert_eq!(
        content(&stack, "/app/first.txt").as_deref(),
        Some("meanwhile\n")
    );
    let service = stack.service("web");
    assert_eq!(
        (&service["state"], &service["reason"]),
        (&"ready".into(), &serde_json::Value::Null)
    );
}

#[test]
fn an_image_that_never_built_is_mended_by_a_save() {
    let stack = built("never");
    stack.write("setup.txt", "bad\n");
    let mut session = stack.up(&[]);
    assert!(!session.settled(), "{}", session.dump());
    let service = stack.service("web");
    assert_eq!(service["state"], "failed", "{service}");
    stack.write("setup.txt", "good\n");
    session.state("web", "ready", 60);
    assert_eq!(content(&stack, "/setup.txt").as_deref(), Some("good\n"));
}

#[test]
fn an_image_older_than_the_synced_source_is_kept_and_the_new_source_runs() {
    let stack = built("older");
    let mut session = up(&stack);
    stack.write("app/main.py", "v = 1\n");
    session.event("web", "update-done", 30);
    session.interrupt();
    stack.write("app/more.py", "v = 2\n");
    stack.ok(&["down"]);

    let mut session = up(&stack);
    let built = session
        .seen
        .iter()
        .filter(|event| event["event"] == "build-step" || event["outcome"] == "ok");
    assert_eq!(built.count(), 0, "{}", session.dump());
    assert_eq!(content(&stack, "/app/main.py").as_deref(), Some("v = 1\n"));
    assert_eq!(content(&stack, "/app/more.py").as_deref(), Some("v = 2\n"));
    marked(&stack, &mut session, "marker.txt");
}

#[test]
fn a_save_while_it_builds_is_not_lost() {
    let stack = built("while");
    stack.edit(
        "Dockerfile",
        "COPY setup.txt",
        "RUN echo begun\nCOPY setup.txt",
    );
    let mut session = up(&stack);
    stack.write("setup.txt", "two\n");
    session.event("web", "build-started", 30);
    stack.write("app/main.py", "v = 1\n");
    stack.write("setup.txt", "three\n");
    session.wait("the last save", 60, |event| {
        event["event"] == "settled" && content(&stack, "/setup.txt").as_deref() == Some("three\n")
    });
    assert_eq!(content(&stack, "/app/main.py").as_deref(), Some("v = 1\n"));
}

#[test]
fn of_a_hundred_saves_in_a_second_the_last_one_is_built_and_nothing_after_it() {
    let stack = built("newest");
    let mut session = up(&stack);
    let before = image(&stack);
    let writer = "for n in $(seq 100); do echo save $n > setup.txt; sleep 0.01; done";
    assert_eq!(shell(writer, &stack.path("")).code, 0);
    session.wait("the last save", 60, |event| {
        let live = || content(&stack, "/setup.txt").as_deref() == Some("save 100\n");
        event["event"] == "settled" && live()
    });
    assert_ne!(image(&stack), before);
    let now = (identity(&stack), image(&stack));
    let heard = marked(&stack, &mut session, "marker.txt");
    assert!(about(&heard, "build-started").is_empty(), "{heard:#?}");
    assert_eq!((identity(&stack), image(&stack)), now);

    // Each is told of to its end.
    let done = |outcome: &str| {
        let events = session
            .seen
            .iter()
            .filter(|event| event["event"] == "build-done");
        events.filter(|event| event["outcome"] == outcome).count()
    };
    let started = session
        .seen
        .iter()
        .filter(|event| event["event"] == "build-started");
    assert_eq!(
        started.count(),
        done("ok") + done("superseded"),
        "{}",
        session.dump()
    );
}

/// The image that the container was made of.
fn image(stack: &Scratch) -> String {
    docker(&["inspect", "-f", "{{.Image}}", &stack.container("web")]).out
}
