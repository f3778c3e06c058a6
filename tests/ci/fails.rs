//! Each way to fail: the code, the words, the report, and that nothing is left.

use std::net::TcpListener;

use serde_json::Value;

use super::kit::{Ran, said};
use super::stage::Stage;

/// The run fails with this code and says all of this.
fn fails(stage: &Stage, arguments: &[&str], code: i32, texts: &[&str]) -> (Ran, Value) {
    let (ran, report) = stage.reported(arguments);
    assert_eq!(ran.code, code, "{}", said(&ran));
    for text in texts {
        assert!(ran.out.contains(text), "{text} in:\n{}", said(&ran));
    }
    let last = ran.out.lines().last().unwrap_or_default();
    assert!(last.starts_with("failed: "), "{last}");
    assert!(last.ends_with(&format!("(exit code {code})")), "{last}");
    assert_ne!(report["reasons"].as_array().unwrap().len(), 0);
    assert!(
        stage.stack.read("out/junit.xml").contains("<failure "),
        "{}",
        stage.stack.read("out/junit.xml")
    );
    (ran, report)
}

#[test]
fn what_cannot_be_built_or_pulled() {
    let files = [(
        "app/Dockerfile",
        "FROM redis:7\nRUN echo on the way; exit 9\n",
    )];
    let stage = Stage::new(
        "made",
        "service app { build \"app\" }\ncheck a { host \"true\" }\n",
        &files,
    );
    let (_, report) = fails(
        &stage,
        &[],
        1,
        &[
            "Dockerfile:2  RUN",
            "on the way",
            "failed: app: its build failed",
        ],
    );
    assert_eq!(report["checks"][0]["outcome"], "not-run");
    stage.stackfile("service app { image \"nowhere.invalid/app:1\" }\n");
    fails(&stage, &[], 1, &["nowhere.invalid/app:1"]);
    // A page that can fold shows the line of the Dockerfile.
    stage.stackfile("service app { build \"app\" }\n");
    let mut command = stage.command(&[]);
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", stage.stack.path("page.md"));
    let ran = Ran::of(command.output().unwrap());
    assert!(
        ran.out
            .contains("::error file=app/Dockerfile,line=2,title=app::"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("::group::start\n"), "{}", ran.out);
    assert!(
        stage.stack.read("page.md").contains("| app | failed |"),
        "{}",
        stage.stack.read("page.md")
    );
    stage.nothing_is_left(&ran);
}

#[test]
fn what_is_never_ready_dies_or_does_not_end() {
    let never = "service app { image \"redis:7\"; ready-timeout \"2s\"; command \"echo booting; sleep 60\"; healthcheck \"echo no answer; false\" start-period=\"30s\" }\n";
    let stage = Stage::new("ready", never, &[]);
    fails(
        &stage,
        &[],
        1,
        &["no answer", "booting", "failed: app: not ready in time"],
    );

    stage.stackfile("service app { image \"redis:7\"; restart no; command \"until [ -e /now ]; do sleep 0.1; done; echo last words; exit 3\"; healthcheck \"true\" }\ncheck kills { exec app \"touch /now; sleep 30\" }\ncheck after { host \"true\"; depends-on kills }\n");
    let (_, report) = fails(
        &stage,
        &[],
        1,
        &["app died", "into the checks: exited with 3", "last words"],
    );
    assert_eq!(report["checks"][1]["outcome"], "skipped");

    stage.stackfile("task job { image \"redis:7\"; command \"echo halfway; exit 4\" }\nservice app { image \"redis:7\"; depends-on job }\n");
    let (_, report) = fails(
        &stage,
        &[],
        1,
        &[
            "task ended with 4",
            "halfway",
            "failed: job: task ended with 4",
        ],
    );
    assert_eq!(report["services"][0]["exit_code"], 4);

    stage.stackfile("task job { image \"redis:7\"; ready-timeout \"5s\"; command \"echo endless; sleep 60\" }\n");
    fails(
        &stage,
        &[],
        1,
        &[
            "failed: job: not over after 5 s: it has not ended yet",
            "endless",
        ],
    );
}

#[test]
fn checks_that_fail_hang_or_pass_only_now_and_then() {
    let text = r#"
service app { image "redis:7"; healthcheck "redis-cli ping" }
check wrong { exec app "echo it is so; exit 5" retries=1 }
check hangs { exec app "echo begun; sleep 60" timeout="1s" }
check outside { host "echo there; sleep 60 & sleep 60" timeout="1s" }
check waits { host "true"; depends-on wrong }
check refused { http "http://localhost:1/" }
check fine { host "true" }
"#;
    let stage = Stage::new("checks", text, &[]);
    let (ran, report) = fails(
        &stage,
        &[],
        1,
        &[
            "check wrong  failed 2 times in",
            "ended with 5",
            "it is so",
            "check hangs  failed after",
            "no end after 1.0 s",
            "begun",
            "check outside  failed after",
            "check waits  skipped",
            "check fine  passed",
            "and 3 more (exit code 1)",
        ],
    );
    let outcomes: Vec<&str> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["outcome"].as_str())
        .collect();
    assert_eq!(
        outcomes,
        ["failed", "failed", "failed", "skipped", "failed", "passed"],
        "{}",
        ran.out
    );
    let (_, report) = fails(
        &stage,
        &["--fail-fast", "--jobs", "1"],
        1,
        &["check wrong failed 2 times"],
    );
    assert_eq!(report["checks"][1]["outcome"], "not-run");
}

#[test]
fn restarts_are_shown_and_fatal_where_there_are_too_many() {
    let text = r#"
service app {
    image "redis:7"
    restart on-failure retries=5
    command "test -e /m && exec redis-server; touch /m; until [ -e /now ]; do sleep 0.1; done; echo first life; exit 3"
    healthcheck "test -e /now && redis-cli ping || ! test -e /now"
}
check kills { exec app "touch /now; sleep 30 || true" retries=1 timeout="5s" }
"#;
    let stage = Stage::new(
        "restarts",
        &text.replace("sleep 30 || true", "redis-cli ping"),
        &[],
    );
    let (ran, report) = stage.reported(&[]);
    assert_eq!(ran.code, 0, "{}", said(&ran));
    assert!(ran.out.contains("1 of 3 restarts allowed"), "{}", ran.out);
    assert_eq!(report["services"][0]["restarts"], 1);
    let (_, report) = fails(
        &stage,
        &["--restarts-allowed", "0"],
        1,
        &["was started again 1 times by the engine, 0 are allowed"],
    );
    assert_eq!(report["services"][0]["restarts"], 1);
}

#[test]
fn a_port_that_is_taken_is_named_with_who_has_it() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let stage = Stage::new(
        "port",
        &format!("service app {{ image \"redis:7\"; port {port} to=6379 }}\n"),
        &[],
    );
    fails(&stage, &["--declared-ports"], 1, &[&port.to_string()]);
    // Where the system chooses, it is in nobody's way.
    let ran = stage.ci(&[]);
    assert_eq!(ran.code, 0, "{}", said(&ran));
}
