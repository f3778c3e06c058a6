//! devrun ended at any moment: politely, twice, and by `kill -9`.

use crate::kit::{Ran, Scratch, docker, eventually, identity, said};

fn running(stack: &Scratch) -> String {
    docker(&[
        "ps",
        "--format",
        "{{.Names}}",
        "--filter",
        &format!("label=devrun.stack={}", stack.name),
    ])
    .out
}

/// One that is ready, and one that never will be: the start goes on for as long as it is let.
const NEVER: &str = r#"stack app
service cache { image "redis:7"; healthcheck "redis-cli ping" }
service slow { image "redis:7"; depends-on cache; healthcheck "false" start-period="10m" }
"#;

const CACHE: &str = r#"stack app
service cache { image "redis:7"; healthcheck "redis-cli ping" }
"#;

#[test]
fn ctrl_c_during_the_start_ends_with_130_and_leaves_nothing_running() {
    let stack = Scratch::new("ctrlc", &[("Stackfile.kdl", NEVER)]);
    let mut session = stack.up(&[]);
    session.event("slow", "probe-failed", 60);
    let (code, errors) = session.interrupt();
    assert_eq!(code, 130, "{errors}");
    assert_eq!(running(&stack), "");
}

#[test]
fn the_polite_request_to_end_is_like_ctrl_c() {
    let stack = Scratch::new("term", &[("Stackfile.kdl", NEVER)]);
    let mut session = stack.up(&[]);
    session.event("slow", "probe-failed", 60);
    session.signal(15);
    let (code, errors) = session.end();
    assert_eq!(code, 130, "{errors}");
    assert_eq!(running(&stack), "");

    stack.write("Stackfile.kdl", CACHE);
    let mut session = stack.up(&[]);
    session.ready();
    session.signal(15);
    let (code, errors) = session.end();
    assert_eq!(code, 0, "{errors}");
    assert_eq!(running(&stack), "");
}

#[test]
fn ctrl_c_twice_ends_at_once() {
    // It takes the signal to end and does not care, for all the ten seconds that it has.
    let stack = Scratch::new(
        "twicec",
        &[(
            "Stackfile.kdl",
            "stack app\nservice deaf { image \"redis:7\"; command \"trap : TERM; while true; do sleep 1; done\" }\n",
        )],
    );
    let mut session = stack.up(&[]);
    session.ready();
    let began = std::time::Instant::now();
    session.signal(2);
    eventually("the first Ctrl-C taken", 20, || {
        stack
            .run(&["status", "--format", "json"])
            .out
            .contains("\"deaf\"")
            .then_some(())
    });
    session.signal(2);
    let (code, errors) = session.end();
    assert_eq!(code, 130, "{errors}");
    assert!(
        began.elapsed() < std::time::Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
    // It did not wait for the process, which has nobody to wait for it now.
    docker(&["rm", "-f", &stack.container("deaf")]);
}

#[test]
fn after_kill_9_status_says_so_and_up_owns_what_is_there() {
    let stack = Scratch::new("kill", &[("Stackfile.kdl", CACHE)]);
    let mut session = stack.up(&[]);
    session.ready();
    let before = identity(&stack.container("cache"));
    session.signal(9);
    session.end();

    let status = stack.ok(&["status"]);
    assert!(
        status
            .err
            .contains("not watching: saves do not reach these containers. devrun up"),
        "{}",
        said(&status)
    );
    let status = stack.status();
    assert!(status["session"].is_null(), "{status}");
    for verb in [vec!["logs", "cache"], vec!["exec", "cache", "true"]] {
        let ran = stack.ok(&verb);
        assert!(ran.err.contains("not watching"), "{verb:?}: {}", said(&ran));
    }

    let mut session = stack.up(&[]);
    session.ready();
    assert_eq!(
        identity(&stack.container("cache")),
        before,
        "{}",
        session.dump()
    );
    session.signal(9);
    session.end();
    stack.ok(&["down"]);
    let left = docker(&[
        "ps",
        "-aq",
        "--filter",
        &format!("label=devrun.stack={}", stack.name),
    ]);
    assert_eq!(left.out, "");
    let networks = docker(&[
        "network",
        "ls",
        "-q",
        "--filter",
        &format!("label=devrun.stack={}", stack.name),
    ]);
    assert_eq!(networks.out, "");
}

#[test]
fn kill_9_in_a_start_and_in_a_build_leaves_nothing_that_the_next_up_does_not_own() {
    let dockerfile = "FROM redis:7\nRUN echo MARK; for i in $(seq 1 300); do sleep 0.1; done\n";
    let text = "stack app\nservice cache { image \"redis:7\"; healthcheck \"redis-cli ping\" }\nservice web { build \".\"; depends-on cache; healthcheck \"redis-cli ping\" }\n";
    let stack = Scratch::new("killbuild", &[("Stackfile.kdl", text), ("Dockerfile", "")]);
    stack.write("Dockerfile", &dockerfile.replace("MARK", &stack.name));
    // In the middle of a start.
    let mut session = stack.up(&[]);
    session.state("cache", "starting", 60);
    session.signal(9);
    session.end();
    // In the middle of a build.
    let mut session = stack.up(&[]);
    session.event("web", "build-step", 60);
    session.signal(9);
    session.end();

    stack.edit("Dockerfile", "seq 1 300", "seq 1 2");
    let mut session = stack.up(&[]);
    session.ready();
    let (code, errors) = session.interrupt();
    assert_eq!(code, 0, "{errors}");
    assert_eq!(running(&stack), "");
    stack.ok(&["down"]);
}

#[test]
fn without_an_engine_it_says_where_it_looked_and_ends_with_3() {
    let stack = Scratch::new("noengine", &[("Stackfile.kdl", CACHE)]);
    let nowhere = format!("unix://{}", stack.path("nowhere.sock").display());
    for verb in [
        vec!["up"],
        vec!["up", "-d"],
        vec!["status"],
        vec!["down"],
        vec!["stop"],
        vec!["logs"],
        vec!["exec", "cache", "true"],
    ] {
        let ran = Ran::of(
            stack
                .command(&verb)
                .env("DOCKER_HOST", &nowhere)
                .output()
                .unwrap(),
        );
        assert_eq!(ran.code, 3, "{verb:?}: {}", said(&ran));
        assert!(
            ran.err.contains(&nowhere) && ran.err.contains("DOCKER_HOST"),
            "{verb:?}: {}",
            said(&ran)
        );
        assert!(ran.err.contains("hint:"), "{verb:?}: {}", said(&ran));
    }
}

#[test]
fn commands_of_a_start_that_a_killed_session_did_not_come_to_run_later_and_once() {
    let text = r#"stack app
service one {
    image "redis:7"
    post-start "touch /tmp/began; until [ -e /tmp/go ]; do sleep 0.1; done"
    post-start "echo ran >> /tmp/second"
}
"#;
    let stack = Scratch::new("hooks-killed", &[("Stackfile.kdl", text)]);
    let one = stack.container("one");
    let session = stack.up(&[]);
    eventually("the first command runs", 60, || {
        let began = docker(&["exec", &one, "test", "-e", "/tmp/began"]);
        (began.code == 0).then_some(())
    });
    session.signal(9);
    session.end();
    let container = identity(&one);
    docker(&["exec", &one, "touch", "/tmp/go"]);
    for _ in 0..2 {
        let mut session = stack.up(&[]);
        session.ready();
        session.signal(9);
        session.end();
    }
    assert_eq!(docker(&["exec", &one, "cat", "/tmp/second"]).out, "ran\n");
    assert_eq!(identity(&one), container, "nobody started it anew");
}

#[test]
fn one_that_was_told_to_end_by_who_was_killed_meanwhile_comes_back() {
    let text = r#"stack app
service web { image "redis:7"; init #true; user "0"; bind "out" to="/out"; environment { NUMBER "0"; }
    command "trap 'echo told > /out/told; sleep 3; exit 0' TERM; while :; do sleep 0.1; done" }
"#;
    let files = [("Stackfile.kdl", text), ("out/told", "")];
    let stack = Scratch::new("leaving", &files);
    let mut session = stack.up(&[]);
    session.ready();
    stack.edit("Stackfile.kdl", "NUMBER \"0\"", "NUMBER \"1\"");
    eventually("the old one to be told", 30, || {
        (stack.read("out/told") == "told\n").then_some(())
    });
    session.signal(9);
    session.end();
    let mut session = stack.up(&[]);
    session.ready();
    assert_eq!(stack.service("web")["state"], "ready");
    let number = docker(&["exec", &stack.container("web"), "printenv", "NUMBER"]);
    assert_eq!(number.out, "1\n");
}
