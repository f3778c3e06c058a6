//! Each way to fail: the code, the words, the report, and that nothing is left.

use std::net::TcpListener;

use serde_json::Value;

use super::kit::{Ran, docker, said};
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
    (ran, report)
}

/// Both reports say that this service, task or check failed, and of what.
fn blames(stage: &Stage, report: &Value, kind: &str, name: &str, text: &str) {
    let message = stage.case((kind, name), "failure/@message");
    assert!(message.contains(text), "{kind} {name}: {message}");
    let entry = |list: &str| {
        let all = report[list].as_array().unwrap().iter();
        let mut found = all.filter(|it| it["name"] == name);
        found.next().cloned().expect(name)
    };
    let reason = match kind {
        "check" => {
            let check = entry("checks");
            assert_eq!(check["outcome"], "failed", "{check}");
            check["attempts"].as_array().unwrap().last().unwrap()["why"][0].clone()
        }
        _ => {
            let service = entry("services");
            assert_eq!(service["kind"], kind);
            assert_eq!(service["state"], "failed", "{service}");
            service["reason"].clone()
        }
    };
    assert!(
        reason.as_str().unwrap_or_default().contains(text),
        "{reason}"
    );
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
    blames(&stage, &report, "service", "app", "its build failed");
    stage.stackfile("service app { image \"nowhere.invalid/app:1\" }\n");
    let (_, report) = fails(&stage, &[], 1, &["nowhere.invalid/app:1"]);
    blames(&stage, &report, "service", "app", "nowhere.invalid/app:1");
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
    let (_, report) = fails(
        &stage,
        &[],
        1,
        &[
            "no answer",
            "booting",
            "    so far: waiting ",
            "failed: app: not ready in time",
        ],
    );
    blames(&stage, &report, "service", "app", "not ready in time");
    let whole = stage.case(("service", "app"), "failure");
    for text in ["no answer", "booting", "so far: waiting "] {
        assert!(whole.contains(text), "{text} in: {whole}");
    }

    stage.stackfile("service app { image \"redis:7\"; restart no; command \"until [ -e /now ]; do sleep 0.1; done; echo last words; exit 3\"; healthcheck \"true\" }\ncheck kills { exec app \"touch /now; sleep 30\" }\ncheck after { host \"true\"; depends-on kills }\n");
    let (_, report) = fails(
        &stage,
        &[],
        1,
        &["app died", "into the checks: exited with 3", "last words"],
    );
    blames(&stage, &report, "service", "app", "exited with 3");
    // Who hears of it first: the check that was cut off, or whoever watches the service.
    let after = report["checks"][1]["outcome"].as_str().unwrap();
    assert!(["skipped", "not-run"].contains(&after), "{after}");

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
    blames(&stage, &report, "task", "job", "task ended with 4");

    stage.stackfile("task job { image \"redis:7\"; ready-timeout \"5s\"; command \"echo endless; sleep 60\" }\n");
    let (_, report) = fails(
        &stage,
        &[],
        1,
        &[
            "failed: job: not over after 5 s: it has not ended yet",
            "endless",
            "    so far: waiting ",
        ],
    );
    blames(&stage, &report, "task", "job", "not over after 5 s");
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
    blames(&stage, &report, "check", "wrong", "ended with 5");
    blames(&stage, &report, "check", "hangs", "no end after 1.0 s");
    blames(&stage, &report, "check", "outside", "no end after 1.0 s");
    blames(&stage, &report, "check", "refused", "localhost:1");
    let skipped = stage.case(("check", "waits"), "skipped/@message");
    assert_eq!(skipped, "wrong did not pass");
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
        &["was started again 1 time by the engine, 0 are allowed"],
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
    let taken = format!("port {port} of the host is taken by ci-");
    let (_, report) = fails(&stage, &["--declared-ports"], 1, &[&taken]);
    blames(&stage, &report, "service", "app", &port.to_string());
    // Where the system chooses, it is in nobody's way.
    let ran = stage.ci(&[]);
    assert_eq!(ran.code, 0, "{}", said(&ran));
}

#[test]
fn a_disk_that_is_full_is_named_before_and_while_it_runs() {
    // As small as a disk that others have filled: what the image brings does not fit.
    let stage = Stage::new(
        "full",
        "",
        &[(
            "app/Dockerfile",
            "FROM redis:7\nRUN mkdir /big && head -c 3000000 /dev/zero > /big/file\n",
        )],
    );
    let volume = Volume::small(&stage.stack.name);
    let text = format!(
        "volume small external=#true name=\"{}\"\nservice app {{ build \"app\"; volume small to=\"/big\" }}\ncheck a {{ host \"true\" }}\n",
        volume.0
    );
    stage.stackfile(&text);
    let said = [
        "the engine's disk is full",
        "no space left on device",
        "docker system df",
    ];
    let (_, report) = fails(&stage, &[], 1, &said);
    blames(&stage, &report, "service", "app", "disk is full");
    assert_eq!(report["checks"][0]["outcome"], "not-run");
    let text = format!(
        "volume small external=#true name=\"{}\"\nservice app {{ image \"redis:7\"; restart no; command \"head -c 3000000 /dev/zero > /data/file || exit 5\"; volume small to=\"/data\" }}\n",
        volume.0
    );
    stage.stackfile(&text);
    let (_, report) = fails(
        &stage,
        &[],
        1,
        &["exited with 5", "No space left on device"],
    );
    blames(&stage, &report, "service", "app", "exited with 5");
    // A step of a build that finds no room.
    let step = "FROM redis:7\nRUN head -c 9 /dev/zero > /dev/full\n";
    stage.stack.write("app/Dockerfile", step);
    stage.stackfile("service app { build \"app\" }\n");
    let said = ["Dockerfile:2  RUN", "No space left on device"];
    let (_, report) = fails(&stage, &[], 1, &said);
    blames(&stage, &report, "service", "app", "its build failed");
    assert_eq!(
        docker(&["volume", "inspect", &volume.0]).code,
        0,
        "it is not ours"
    );
}

/// A volume with room for a megabyte; removed when dropped.
struct Volume(String);

impl Volume {
    fn small(stack: &str) -> Volume {
        let name = format!("{stack}-small");
        let mut make = vec![
            "volume",
            "create",
            "--opt",
            "type=tmpfs",
            "--opt",
            "device=tmpfs",
        ];
        make.extend(["--opt", "o=size=1m", &name]);
        assert_eq!(docker(&make).code, 0);
        Volume(name)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        docker(&["volume", "rm", &self.0]);
    }
}

#[test]
fn annotations_point_at_the_line_of_a_test() {
    let text = r#"
service app { image "redis:7"; sync "src" to="/app"; working-dir "/app" }
check unit { exec app "sh ./tests.sh" junit="/tmp/unit.xml" }
check outside { host "sh src/outside.sh" junit="out/outside.xml" }
"#;
    let failing = |file: &str, line: u32| {
        format!(
            "<testsuite name='unit' tests='2' failures='1' errors='0'><testcase name='fine'/><testcase classname='Cart' name='total' file='{file}' line='{line}'><failure message='7, not 8'>expected 8%\nsaw 7</failure></testcase></testsuite>"
        )
    };
    let inside = format!(
        "cat > /tmp/unit.xml <<'E'\n{}\nE\nexit 1\n",
        failing("test_cart.py", 12)
    );
    let outside = format!(
        "mkdir -p out\ncat > out/outside.xml <<'E'\n{}\nE\nexit 1\n",
        failing("e2e/page.js", 3)
    );
    let files = [
        ("deep/src/tests.sh", inside.as_str()),
        ("deep/src/outside.sh", outside.as_str()),
        ("deep/src/test_cart.py", ""),
        ("deep/e2e/page.js", ""),
    ];
    let stage = Stage::new("tests", text, &files);
    // The stack need not lie where the repository begins.
    let stackfile = stage.stack.read("Stackfile.kdl");
    stage.stack.write("deep/Stackfile.kdl", &stackfile);
    let mut command = stage.command(&[]);
    command
        .current_dir(stage.stack.path("deep"))
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_WORKSPACE", &stage.stack.folder)
        .env("GITHUB_STEP_SUMMARY", stage.stack.path("page.md"));
    let ran = Ran::of(command.output().unwrap());
    assert_eq!(ran.code, 1, "{}", said(&ran));
    let page = stage.stack.read("page.md");
    for text in [
        "::error file=deep/src/test_cart.py,line=12,title=unit::Cart.total: 7, not 8%0Aexpected 8%25%0Asaw 7\n",
        "::error file=deep/e2e/page.js,line=3,title=outside::Cart.total: 7, not 8",
        "::error file=deep/Stackfile.kdl,line=4,title=unit::check unit failed",
        "  check unit: test failed: Cart.total: 7, not 8 (src/test_cart.py:12)\n",
        "::group::checks\n",
    ] {
        assert!(ran.out.contains(text), "{text} in:\n{}", said(&ran));
    }
    for text in [
        "| failed test |",
        "| Cart.total: 7, not 8 | unit | deep/src/test_cart.py:12 |",
    ] {
        assert!(page.contains(text), "{text} in:\n{page}");
    }
    stage.nothing_is_left(&ran);
}
