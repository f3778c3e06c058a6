//! Runs that pass, with all that they can say.

use super::kit::{Ran, Scratch, docker, identity, said};
use super::stage::Stage;

const ALL_KINDS: &str = r#"
var CACHE_PORT 16379
service cache { image "redis:7"; healthcheck "redis-cli ping"; port "${CACHE_PORT}" to=6379; volume data to="/data" }
volume data
task seed { image "redis:7"; command "redis-cli -h cache set a b"; depends-on cache }
service other { image "redis:7"; profile more; healthcheck "false"; port 18099 to=6379 }
service web {
    image "nginx:1.26"
    depends-on cache
    port 18080 to=80
    environment { SEEN "${DEVRUN_PORT_WEB} ${CACHE_PORT}" }
    healthcheck http="http://localhost/"
}
check page { http "http://localhost:18080/" contains="nginx" }
check gone { http "http://localhost:18080/nowhere" status=404 }
check value { exec cache "test $(redis-cli get a) = b && echo $A $DEVRUN_PORT_WEB"; environment { A first } }
check seen { exec web "test \"$SEEN\" = \"$DEVRUN_PORT_WEB 16379\"" }
check of-other { exec other "true" }
check at-other { http "http://localhost:18099/" }
check inside { run "redis-cli -h cache get a" image="redis:7"; depends-on value }
check as-seed {
    run seed "mkdir -p /r && echo '<testsuite name=\"of-seed\" tests=\"2\" failures=\"0\" errors=\"0\"><testcase name=\"t\"/></testsuite>' > /r/a.xml" junit="/r"
}
check outside { host "curl -fsS http://localhost:$DEVRUN_PORT_WEB/ > page.html" }
check flaky { host "test -e mark || { touch mark; echo not yet; exit 3; }" retries=2; depends-on outside }
"#;

#[test]
fn beside_a_developers_stack_with_all_kinds_of_checks() {
    let stage = Stage::new("kinds", ALL_KINDS, &[]);
    // Whoever develops has the declared ports; the run gets others.
    let own = Scratch::new(
        "cikindsown",
        &[("Stackfile.kdl", &stage.stack.read("Stackfile.kdl"))],
    );
    own.ok(&["up", "-d", "cache"]);
    let before = identity(&own.container("cache"));
    let (ran, report) = stage.reported(&["--logs", "out/logs"]);
    assert_eq!(ran.code, 0, "{}", said(&ran));
    for text in [
        "check flaky  flaky: passed in",
        "flaky: check flaky passed at attempt 2",
        "not yet",
        "check of-other  skipped",
        "    other is not chosen",
        "2 services ready, 1 task done, 8 checks in ",
    ] {
        assert!(ran.out.contains(text), "{text} in:\n{}", ran.out);
    }
    assert!(ran.out.ends_with("passed (exit code 0)\n"), "{}", ran.out);
    assert!(!ran.out.contains(['\r', '\u{1b}']), "{:?}", ran.out);
    assert_eq!(identity(&own.container("cache")), before);

    assert_eq!(report["outcome"], "passed");
    let flaky = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == "flaky");
    assert_eq!(flaky.unwrap()["flaky"], true);
    let skipped = report["checks"].as_array().unwrap().iter();
    let skipped = skipped.filter(|it| it["outcome"] == "skipped");
    let skipped: Vec<&str> = skipped.filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(skipped, ["of-other", "at-other"]);
    let path = report["critical_path"].as_array().unwrap();
    for what in ["start", "check"] {
        assert!(path.iter().any(|it| it["what"] == what), "{path:?}");
    }
    let junit = stage.stack.read("out/junit.xml");
    for text in [
        "<testcase name=\"seed\" classname=",
        "<testcase name=\"page\" classname=",
        "<testsuite name=\"of-seed\" tests=\"2\"",
        "tests=\"15\" failures=\"0\"",
        "<flakyFailure message=\"ended with 3\"",
    ] {
        assert!(junit.contains(text), "{text} in:\n{junit}");
    }
    assert!(
        stage
            .stack
            .read("out/logs/cache.log")
            .contains("Ready to accept connections")
    );
    assert!(
        stage
            .stack
            .read("out/logs/check-value.log")
            .contains("first ")
    );
}

#[test]
fn without_a_terminal_lines_are_dated_and_come_at_once_and_say_what_is_waited_for() {
    let text = r#"
service app { image "redis:7"; healthcheck "redis-cli ping" }
check long { host "until test -e go; do sleep 0.1; done" timeout="5m" }
check after { host "true"; depends-on long }
"#;
    let stage = Stage::new("lines", text, &[]);
    let mut run = stage.start(&["--color", "always"]);
    let line = run.wait("still waiting for");
    stage.stack.write("go", "");
    let ran = run.end();
    assert_eq!(ran.code, 0, "{}", said(&ran));
    for text in ["check long: running for ", "1 more check"] {
        assert!(line.contains(text), "{text} in: {line}");
    }
    assert!(ran.out.contains('\u{1b}'), "colours were asked for");
    assert!(!ran.out.contains('\r'), "{:?}", ran.out);
    let ran = stage.ci(&[]);
    assert!(!ran.out.contains('\u{1b}'), "{:?}", ran.out);
    let (others, last) = ran.out.trim_end().rsplit_once('\n').unwrap();
    assert!(last.ends_with("passed (exit code 0)"), "{last}");
    let dated = |line: &str| {
        let time = line.get(..9).unwrap_or_default();
        let shape: String = time
            .chars()
            .map(|it| if it.is_ascii_digit() { '0' } else { it })
            .collect();
        shape == "00:00:00 "
    };
    assert!(others.lines().all(dated), "{others}");
}

#[test]
fn two_at_once_touch_neither_each_other() {
    let text = r#"
service cache { image "redis:7"; healthcheck "redis-cli ping"; port 16380 to=6379 }
check meet { host "touch $DEVRUN_STACK.here; for i in $(seq 600); do [ $(ls *.here | wc -l) = 2 ] && exit 0; sleep 0.1; done; exit 1" }
check still { exec cache "redis-cli ping"; depends-on meet }
"#;
    let stage = Stage::new("twice", text, &[]);
    let (one, other) = (stage.start(&[]), stage.start(&[]));
    for run in [one, other] {
        let ran = run.end();
        assert_eq!(ran.code, 0, "{}", said(&ran));
    }
    assert_eq!(stage.left(), Vec::<String>::new());
}

#[test]
fn what_is_unchanged_is_not_built_again_and_what_another_run_has_stays() {
    let text = r#"
service app { build "app" keep=1; healthcheck "redis-cli ping" }
check meet { host "until test -e go; do sleep 0.1; done" timeout="10m" }
"#;
    let file = |stage: &Stage, content: &str| {
        let text = format!(
            "FROM redis:7\nRUN echo {content} of {} > /made\n",
            stage.stack.name
        );
        stage.stack.write("app/Dockerfile", &text);
    };
    let stage = Stage::new("images", text, &[("app/Dockerfile", "")]);
    let shared = || {
        let label = format!("label=devrun.stack={}.ci", stage.stack.name);
        let format = "{{.Repository}}:{{.Tag}}";
        docker(&["images", "--filter", &label, "--format", format]).out
    };
    file(&stage, "one");
    stage.stack.write("go", "");
    let cache = |built: u64, unchanged: u64| {
        let (ran, report) = stage.reported(&[]);
        assert_eq!(ran.code, 0, "{}", said(&ran));
        assert_eq!(report["cache"]["built"], built, "{}", said(&ran));
        assert_eq!(report["cache"]["unchanged"], unchanged, "{}", said(&ran));
        ran
    };
    cache(1, 0);
    let ran = cache(0, 1);
    assert!(
        ran.out.contains("cache: 1 image unchanged, 0 built"),
        "{}",
        ran.out
    );

    std::fs::remove_file(stage.stack.path("go")).unwrap();
    let mut lives = stage.start(&[]);
    lives.wait("the checks begin");
    let one = shared();
    file(&stage, "two");
    stage.stackfile(&text.replace("until test -e go", "until true"));
    let ran = Ran::of(stage.command(&[]).output().unwrap());
    assert_eq!(ran.code, 0, "{}", said(&ran));
    for name in one.split_whitespace() {
        assert_eq!(
            docker(&["image", "inspect", name]).code,
            0,
            "{name} is gone"
        );
    }
    stage.stack.write("go", "");
    let ran = lives.end();
    assert_eq!(ran.code, 0, "{}", said(&ran));
    // Now only the newest stays, as `keep` says.
    stage.stackfile(text);
    let ran = cache(0, 1);
    assert_eq!(shared().lines().count(), 1, "{}\n{}", shared(), said(&ran));
}

#[test]
fn a_task_gives_the_run_its_code() {
    let text = r#"
service cache { image "redis:7"; healthcheck "redis-cli ping" }
task job { image "redis:7"; command "redis-cli -h cache ping; exit ${CODE:-0}"; depends-on cache }
check never { host "touch asked" }
"#;
    let stage = Stage::new("until", text, &[]);
    let ran = stage.ci(&["--until", "job"]);
    assert_eq!(ran.code, 0, "{}", said(&ran));
    // What is being made at the end is not forgotten: the next run would find it.
    let mut more = text.to_owned();
    for number in 0..6 {
        more += &format!(
            "service late{number} {{ image \"redis:7\"; depends-on job; volume v{number} to=\"/v\" }}\nvolume v{number}\n"
        );
    }
    stage.stackfile(&more);
    for _ in 0..2 {
        let ran = stage.ci(&["--until", "job"]);
        assert_eq!(ran.code, 0, "{}", said(&ran));
        assert!(!ran.err.contains("removed what"), "{}", ran.err);
    }
    stage.stackfile(text);
    let mut command = stage.command(&["--until", "job"]);
    let ran = Ran::of(command.env("CODE", "7").output().unwrap());
    assert_eq!(ran.code, 7, "{}", said(&ran));
    assert!(ran.out.ends_with("(exit code 7)\n"), "{}", ran.out);
    assert!(!stage.stack.path("asked").exists());
    let ran = stage.ci(&["--until", "cache"]);
    assert_eq!(ran.code, 2, "{}", said(&ran));
    assert!(ran.err.contains("it has job"), "{}", ran.err);
}

#[test]
fn the_example_passes() {
    let example = Scratch::copy("ciexample", "examples/ci");
    let mut command = example.command(&["ci", "--junit", "junit.xml"]);
    command.env_remove("DEVRUN_PROJECT_NAME");
    let ran = Ran::of(command.output().unwrap());
    assert_eq!(ran.code, 0, "{}", said(&ran));
    assert!(example.read("junit.xml").contains("the page is served"));
}
