//! Runs that are ended from outside, and those that are kept.

use super::kit::relay::Relay;
use super::kit::{Ran, docker, eventually, identity, said};
use super::stage::{Stage, reporting};

const SLOW: &str = r#"
service app { image "redis:7"; command "echo booting; exec redis-server"; healthcheck "redis-cli ping" }
service mute { image "redis:7"; command "echo hm; sleep 600"; healthcheck "echo nobody home; false" start-period="60s" }
"#;
const CHECKING: &str = r#"
service app { image "redis:7"; healthcheck "redis-cli ping"; volume data to="/data" }
volume data
check long { exec app "echo on it; sleep 600" timeout="20m" }
"#;

#[test]
fn time_that_runs_out_says_what_was_waited_for() {
    let stage = Stage::new("time", SLOW, &[]);
    let (ran, report) = stage.reported(&["--timeout", "6s"]);
    assert_eq!(ran.code, 4, "{}", said(&ran));
    for text in [
        "time ran out after 6.0 s",
        "its health check says: nobody home",
        "        hm",
        "app: ",
        "failed: time ran out after 6.0 s (exit code 4)",
    ] {
        assert!(ran.out.contains(text), "{text} in:\n{}", ran.out);
    }
    assert_eq!(report["outcome"], "timed-out");
    stage.stackfile(CHECKING);
    let (ran, report) = stage.reported(&["--timeout", "6s"]);
    assert_eq!(ran.code, 4, "{}", said(&ran));
    for text in ["check long: running for", "    on it"] {
        assert!(ran.out.contains(text), "{text} in:\n{}", ran.out);
    }
    assert_eq!(report["checks"][0]["outcome"], "cancelled");
}

#[test]
fn interrupted_and_told_to_end_it_cleans_up() {
    let building = "service app { build \"app\" }\n";
    let dockerfile = "FROM redis:7\nRUN echo now and sleep 600\nRUN sleep 600\n";
    let stage = Stage::new("stopped", "", &[("app/Dockerfile", dockerfile)]);
    let cut_off = "cut off when the run ended";
    for (signal, text, moment, case, told) in [
        (
            "-INT",
            CHECKING,
            "the checks begin",
            ("check", "long"),
            cut_off,
        ),
        (
            "-TERM",
            CHECKING,
            "the checks begin",
            ("check", "long"),
            cut_off,
        ),
        (
            "-INT",
            building,
            "sleep 600",
            ("service", "app"),
            "building",
        ),
        (
            "-TERM",
            SLOW,
            "app       ready",
            ("service", "mute"),
            "starting",
        ),
    ] {
        stage.stackfile(text);
        let mut run = stage.start(&reporting(&["-v"]));
        run.wait(moment);
        run.signal(signal);
        let ran = run.end();
        assert_eq!(ran.code, 130, "{}", said(&ran));
        let waited = match case {
            ("check", name) => format!("  check {name}: running for "),
            (_, name) => format!("  {name}: {told} for "),
        };
        for text in ["interrupted after ", "it was waiting for", &waited] {
            assert!(ran.out.contains(text), "{text} in:\n{}", said(&ran));
        }
        assert!(
            ran.out.ends_with("interrupted (exit code 130)\n"),
            "{}",
            ran.out
        );
        let report = stage.report(&ran);
        assert_eq!(report["outcome"], "interrupted");
        let message = stage.case(case, "failure/@message");
        assert!(message.contains(told), "{message}");
        stage.nothing_is_left(&ran);
    }
}

#[test]
fn what_a_killed_run_left_the_next_one_removes_and_nothing_else() {
    let stage = Stage::new("killed", CHECKING, &[]);
    let mut lives = stage.start(&[]);
    let name = lives.wait("-ci-");
    let name = name
        .split_whitespace()
        .find(|word| word.contains("-ci-"))
        .unwrap()
        .to_owned();
    lives.wait("the checks begin");
    let container = identity(&format!("{name}-app"));
    let mut killed = stage.start(&[]);
    killed.wait("the checks begin");
    killed.signal("-KILL");
    killed.end();
    assert!(
        stage.left().iter().any(|it| !it.contains(&name)),
        "{:?}",
        stage.left()
    );
    // One that is killed while it builds has no container yet.
    let files = "service app { build \"app\" }\n";
    std::fs::create_dir_all(stage.stack.path("app")).unwrap();
    stage.stack.write(
        "app/Dockerfile",
        "FROM redis:7\nRUN echo now and sleep 600\nRUN sleep 600\n",
    );
    stage.stackfile(files);
    let mut builds = stage.start(&["-v"]);
    builds.wait("sleep 600");
    builds.signal("-KILL");
    let ran = builds.end();
    assert!(ran.err.contains("removed what the run "), "{}", ran.err);

    stage.stackfile("service app { image \"redis:7\" }\n");
    let ran = Ran::of(stage.command(&[]).output().unwrap());
    assert_eq!(ran.code, 0, "{}", said(&ran));
    assert_eq!(
        ran.err.matches("removed what the run ").count(),
        1,
        "{}",
        ran.err
    );
    eventually("only the living one is left", 10, || {
        stage
            .left()
            .iter()
            .all(|it| it.contains(&name))
            .then_some(())
    });
    assert_eq!(identity(&format!("{name}-app")), container);
    lives.signal("-TERM");
    let ran = lives.end();
    stage.nothing_is_left(&ran);
}

#[test]
fn what_is_kept_can_be_looked_at_and_removed_as_it_says() {
    let stage = Stage::new(
        "kept",
        "service app { image \"redis:7\"; port 18161 to=6379 }\ncheck no { host \"false\" }\n",
        &[],
    );
    let ran = Ran::of(stage.command(&["--keep-on-failure"]).output().unwrap());
    assert_eq!(ran.code, 1, "{}", said(&ran));
    let name = ran
        .err
        .split_whitespace()
        .find(|word| word.contains("-ci-"))
        .unwrap()
        .to_owned();
    // At which port it is to be found is not what the Stackfile says.
    let status = stage.stack.run(&["-p", &name, "status"]).out;
    assert!(
        status.contains("→6379") && !status.contains("18161→"),
        "{status}"
    );
    // The next run is none of its business.
    stage.stackfile("service app { image \"redis:7\" }\n");
    let next = Ran::of(stage.command(&["--keep-on-failure"]).output().unwrap());
    assert_eq!(next.code, 0, "{}", said(&next));
    assert!(
        stage.left().iter().all(|it| it.ends_with(&name)),
        "{:?}",
        stage.left()
    );
    for line in ran
        .err
        .lines()
        .flat_map(|line| line.split("devrun ").skip(1))
    {
        let words = line.split([',', ';']).next().unwrap_or_default();
        let words: Vec<&str> = words.split_whitespace().collect();
        if words.contains(&"exec") {
            continue;
        }
        let told = stage.stack.run(&words);
        assert_eq!(told.code, 0, "devrun {words:?}\n{}", said(&told));
    }
    stage.nothing_is_left(&ran);
}

#[test]
fn a_command_of_a_check_ends_with_the_run_that_is_killed() {
    let text = "service app { image \"redis:7\" }\ncheck long { host \"sleep 600 & echo $$ $! > ids.new; mv ids.new ids; wait\" timeout=\"20m\" }\n";
    let stage = Stage::new("orphan", text, &[]);
    let run = stage.start(&[]);
    let ids = eventually("the check runs", 60, || {
        std::fs::read_to_string(stage.stack.path("ids")).ok()
    });
    run.signal("-KILL");
    run.end();
    for id in ids.split_whitespace() {
        eventually("the check's command is gone", 20, || {
            let state = std::fs::read_to_string(format!("/proc/{id}/stat"));
            let ended = |text: String| text.contains(") Z ");
            state.map_or(true, ended).then_some(())
        });
    }
    stage.stackfile("service app { image \"redis:7\" }\n");
    let next = stage.ci(&[]);
    assert_eq!(next.code, 0, "{}", said(&next));
    assert!(next.err.contains("removed what the run "), "{}", next.err);
}

#[test]
fn an_engine_that_goes_away_in_the_middle_is_told_and_cleared_up_after_by_the_next_run() {
    let mut stage = Stage::new("gone", CHECKING, &[]);
    let relay = Relay::between(&mut stage.stack);
    let mut run = stage.start(&reporting(&[]));
    run.wait("the checks begin");
    relay.cut();
    let ran = run.end();
    assert_eq!(ran.code, 3, "{}", said(&ran));
    for text in [
        "no engine answers any more",
        "it was waiting for",
        "  app: ",
    ] {
        assert!(ran.out.contains(text), "{text} in:\n{}", said(&ran));
    }
    assert!(ran.out.ends_with("(exit code 3)\n"), "{}", ran.out);
    assert!(ran.err.contains("not all is removed"), "{}", ran.err);
    let report = stage.report(&ran);
    assert_eq!(report["outcome"], "no-engine");
    assert_eq!(report["left"].as_array().unwrap().len(), 1, "{report}");
    assert!(!stage.left().is_empty());

    relay.listen();
    stage.stackfile("service app { image \"redis:7\" }\n");
    let next = stage.ci(&[]);
    assert_eq!(next.code, 0, "{}", said(&next));
    assert!(next.err.contains("removed what the run "), "{}", next.err);
}

#[test]
fn an_engine_that_comes_back_is_waited_for_and_the_run_goes_on() {
    let text = "service app { image \"redis:7\"; healthcheck \"redis-cli ping\" }\ncheck waits { host \"until test -e go; do sleep 0.1; done\" timeout=\"5m\" }\ncheck after { exec app \"redis-cli ping\"; depends-on waits }\n";
    let mut stage = Stage::new("back", text, &[]);
    let relay = Relay::between(&mut stage.stack);
    let mut run = stage.start(&reporting(&["--format", "json"]));
    run.wait("\"to\":\"ready\"");
    relay.cut();
    run.wait("for the engine");
    relay.listen();
    run.wait("\"to\":\"ready\"");
    stage.stack.write("go", "");
    let ran = run.end();
    assert_eq!(ran.code, 0, "{}", said(&ran));
    let report = stage.report(&ran);
    assert_eq!(report["checks"][1]["outcome"], "passed");
    stage.nothing_is_left(&ran);
}

#[test]
fn an_engine_that_says_nothing_any_more_keeps_no_run_from_its_end() {
    let mut stage = Stage::new("hangs", CHECKING, &[]);
    let relay = Relay::between(&mut stage.stack);
    let mut run = stage.start(&reporting(&["--timeout", "15s"]));
    run.wait("the checks begin");
    relay.hang(true);
    let ran = run.end();
    assert_eq!(ran.code, 4, "{}", said(&ran));
    let report = stage.report(&ran);
    assert_eq!(report["outcome"], "timed-out");
    assert_eq!(report["left"].as_array().unwrap().len(), 1, "{report}");
    assert!(ran.err.contains("not all is removed"), "{}", ran.err);

    relay.hang(false);
    stage.stackfile("service app { image \"redis:7\" }\n");
    let next = stage.ci(&[]);
    assert_eq!(next.code, 0, "{}", said(&next));
    assert!(next.err.contains("removed what the run "), "{}", next.err);
}

#[test]
fn a_second_ctrl_c_ends_at_once_and_says_what_is_left() {
    let text = "service app { image \"redis:7\"; init #false; stop-grace-period \"10m\"; command \"trap 'until test -e /end; do sleep 0.1; done; exit 0' TERM; touch /up; while :; do sleep 0.1; done\"; healthcheck \"test -e /up\" }\ncheck long { host \"sleep 600\" timeout=\"20m\" }\n";
    let stage = Stage::new("second", text, &[]);
    let mut run = stage.start(&[]);
    run.wait("the checks begin");
    run.signal("-INT");
    run.wait("interrupted after ");
    run.signal("-INT");
    let ran = run.end();
    assert_eq!(ran.code, 130, "{}", said(&ran));
    assert!(
        ran.err.contains("not all is removed: devrun -p "),
        "{}",
        ran.err
    );
    let left = stage.left();
    let name = left[0].split_whitespace().last().unwrap();
    let ended = docker(&["exec", &format!("{name}-app"), "touch", "/end"]);
    assert_eq!(ended.code, 0, "{}", said(&ended));
    stage.stack.ok(&["-p", name, "down", "--volumes"]);
    stage.nothing_is_left(&ran);

    // The first one beside the removing is no second one.
    stage.stackfile(&text.replace("sleep 600", "false"));
    let mut run = stage.start(&[]);
    run.wait("check long failed");
    run.signal("-INT");
    run.hears("once more ends at once");
    let name = stage.left()[0]
        .split_whitespace()
        .last()
        .unwrap()
        .to_owned();
    docker(&["exec", &format!("{name}-app"), "touch", "/end"]);
    let ran = run.end();
    assert_eq!(ran.code, 1, "{}", said(&ran));
    stage.nothing_is_left(&ran);
}
