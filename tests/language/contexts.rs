//! What a build reads besides its context.

use crate::kit::{Scratch, docker, said};

const STACKFILE: &str = r#"stack app
service base {
    build "base"
    profile never
}
service web {
    build "web" {
        additional-context base "service:base"
        additional-context shared "shared"
        additional-context small "docker-image://redis:7"
    }
    command "sleep" "1000"
}
service other { image "redis:7" }
"#;

const WEB: &str = "\
FROM redis:7 AS first
RUN echo first >/first
FROM base
COPY --from=0 /first /first
COPY --from=shared . /shared/
COPY --from=small /etc/passwd /cli
RUN --mount=type=bind,from=shared,target=/m cat /m/a.txt >/mounted
";

fn stack(test: &str) -> Scratch {
    Scratch::new(
        test,
        &[
            ("Stackfile.kdl", STACKFILE),
            ("base/Dockerfile", "FROM redis:7\nCOPY base.txt /base.txt\n"),
            ("base/base.txt", "base\n"),
            ("web/Dockerfile", WEB),
            ("shared/a.txt", "one\n"),
            ("shared/left.out", "x\n"),
            ("shared/.dockerignore", "*.out\n"),
        ],
    )
}

fn inside(stack: &Scratch, line: &str) -> String {
    docker(&["exec", &stack.container("web"), "sh", "-c", line]).out
}

#[test]
fn other_contexts_are_there_and_rebuild() {
    let stack = stack("contexts");
    let mut session = stack.up(&[]);
    session.ready();
    assert_eq!(
        inside(
            &stack,
            "cat /base.txt /first /mounted; ls /shared; test -s /cli && echo cli"
        ),
        "base\nfirst\none\na.txt\ncli\n"
    );
    stack.write("shared/a.txt", "two\n");
    let planned = session.event("web", "update-planned", 60);
    assert_eq!(planned["action"], "rebuild", "{planned}");
    let done = session.event("web", "update-done", 120);
    assert_eq!(done["outcome"], "ok", "{done}");
    assert_eq!(inside(&stack, "cat /mounted /shared/a.txt"), "two\ntwo\n");

    // What another service is built from, although that one is off.
    stack.write("base/base.txt", "new base\n");
    let planned = session.event("web", "update-planned", 60);
    assert!(
        planned["reason"].as_str().unwrap().contains("base.txt"),
        "{planned}"
    );
    let done = session.event("web", "update-done", 120);
    assert_eq!(done["outcome"], "ok", "{done}");
    assert_eq!(inside(&stack, "cat /base.txt"), "new base\n");
    assert_eq!(session.interrupt().0, 0);

    let plan = stack.ok(&["up", "--dry-run"]);
    assert!(!said(&plan).contains("build "), "{}", said(&plan));
}

#[test]
fn a_step_that_fails_stands_where_the_dockerfile_has_it() {
    let stack = stack("badctx");
    stack.edit("web/Dockerfile", "cat /m/a.txt", "cat /m/left.out");
    let failed = stack.run(&["build", "web"]);
    assert_eq!(failed.code, 1, "{}", said(&failed));
    assert!(said(&failed).contains("Dockerfile:7"), "{}", said(&failed));
}
