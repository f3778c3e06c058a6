//! Limits and restart policies that are declared otherwise.

use super::bench::Bench;
use super::stacks::APP;
use crate::event::{Failure, Outcome};
use crate::live::Capacity;
use crate::observed::Happened;
use crate::session::Options;

const NOTHING: [&str; 0] = [];

fn limited(limits: &str) -> String {
    APP.replace(
        "    environment { POSTGRES_DB main }",
        &format!("    environment {{ POSTGRES_DB main }}; {limits}"),
    )
}

#[test]
fn they_are_changed_in_the_container_that_runs() {
    let mut bench = Bench::ready();
    bench.heard();
    let text = limited("limits memory=\"1G\"; restart always");
    assert_eq!(bench.load(&text), ["update db-1"]);
    assert!(!bench.session.view().settled);
    assert_eq!(bench.ok("update db-1"), NOTHING);
    assert_eq!(
        bench.heard(),
        [
            "db plan update: changed: limits memory, restart",
            "db Stackfile.kdl → updated in place: ok",
            "settled, ready: true"
        ]
    );
    assert_eq!(bench.load(&text), NOTHING, "it has them now");
    // What the engine was told counts from now on.
    bench.load(&limited("limits memory=\"1G\"; restart no"));
    bench.ok("update db-1");
    bench.happens("db-1", Happened::Exited { code: 3 });
    bench.finish();
    assert_eq!(bench.state("db"), "failed: exited with 3");
}

#[test]
fn a_new_session_compares_them_with_what_the_engine_shows() {
    let first = Bench::ready();
    let mut bench = Bench::with(Options::default());
    bench.takes_over(&first);
    bench.load(&limited("limits cpus=1"));
    bench.connect();
    let lines = bench.finish();
    assert!(lines.contains(&"update db-1".to_owned()), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("create")));
    assert!(bench.session.view().settled);
}

#[test]
fn what_the_machine_cannot_give_is_no_difference_each_time() {
    let text = limited("limits cpus=64 memory=\"1T\"");
    let mut bench = Bench::with(Options::default());
    bench.capacity = Capacity {
        cpus: 2,
        memory: 4 << 30,
    };
    bench.load(&text);
    bench.connect();
    bench.finish();
    bench.disconnect();
    bench.connect();
    let lines = bench.finish();
    assert!(!lines.iter().any(|line| line.starts_with("update")));
    assert!(bench.session.view().settled);
}

#[test]
fn a_bound_that_no_engine_takes_back_makes_a_new_container() {
    let mut bench = Bench::new(&limited("limits memory=\"1G\""));
    bench.finish();
    bench.heard();
    assert_eq!(bench.load(APP), ["create db replacing db-1"]);
    let heard = bench.heard();
    let reason = "db plan recreate: changed: limits memory (the engine cannot lift limits memory \
                  of one that is there)";
    assert!(heard.contains(&reason.to_owned()), "{heard:#?}");
    bench.finish();
    assert!(bench.session.view().settled);
}

#[test]
fn a_new_container_has_them_and_the_weaker_is_not_done_as_well() {
    let mut bench = Bench::ready();
    let text = limited("limits memory=\"1G\"").replace("POSTGRES_DB main", "POSTGRES_DB other");
    assert_eq!(bench.load(&text), ["create db replacing db-1"]);
    let lines = bench.finish();
    assert!(!lines.iter().any(|line| line.starts_with("update")));
    assert!(bench.session.view().settled);
}

#[test]
fn an_engine_that_refuses_gets_a_new_container_once() {
    let mut bench = Bench::ready();
    bench.load(&limited("limits memory=\"1G\""));
    bench.heard();
    assert_eq!(
        bench.fails("update db-1", "device or resource busy"),
        ["create db replacing db-1"]
    );
    let reason = "db plan recreate: changed: limits memory (the engine does not change it in \
                  place, device or resource busy)";
    let heard = bench.heard();
    assert!(heard.contains(&reason.to_owned()), "{heard:#?}");
    bench.finish();
    assert!(bench.session.view().settled);
}

#[test]
fn limits_that_are_taken_back_before_the_new_container_s_turn_leave_the_one_that_runs() {
    let mut bench = Bench::ready();
    let text = APP.replace(
        "    depends-on db\n",
        "    depends-on db; limits memory=\"1G\"\n",
    );
    assert_eq!(bench.load(&text), ["update backend-1"]);
    // Its dependency is away at that moment.
    bench.happens("db-1", Happened::Exited { code: 1 });
    assert_eq!(bench.fails("update backend-1", "busy"), NOTHING);
    assert_eq!(bench.load(APP), NOTHING);
    bench.finish();
    bench.happens("db-1", Happened::Started);
    let lines = bench.finish();
    assert!(
        !lines.iter().any(|line| line.starts_with("create")),
        "{lines:?}"
    );
    assert_eq!(bench.state("backend"), "ready");
    assert!(bench.session.view().settled);
}

#[test]
fn limits_that_no_container_can_have_leave_the_one_that_runs_and_are_shown() {
    let mut bench = Bench::ready();
    bench.load(&limited("limits memory=\"1G\""));
    let failure = Failure {
        message: "Minimum memory limit allowed is 6MB".to_owned(),
        impossible: true,
        ..Failure::default()
    };
    assert_eq!(bench.ends("update db-1", Outcome::Failed(failure)), NOTHING);
    assert_eq!(
        bench.state("db"),
        "ready: its limits are those of before: Minimum memory limit allowed is 6MB"
    );
    assert!(bench.service("db").stale);
    assert!(bench.session.view().settled);
    assert_eq!(
        bench.load(&limited("limits memory=\"2G\"")),
        ["update db-1"]
    );
    bench.finish();
    assert_eq!(bench.state("db"), "ready");
}

#[test]
fn a_terminal_on_the_process_is_waited_for() {
    let mut bench = Bench::ready();
    bench.attach("db");
    assert_eq!(bench.load(&limited("limits memory=\"1G\"")), NOTHING);
    assert!(!bench.session.view().settled);
    assert_eq!(bench.service("db").pending, 1);
    assert_eq!(bench.detach("db"), ["update db-1"]);
    bench.finish();
    assert!(bench.session.view().settled);
}

#[test]
fn one_that_ends_meanwhile_is_told_again() {
    let mut bench = Bench::ready();
    bench.load(&limited("limits memory=\"1G\""));
    let seen = bench.happens("db-1", Happened::Exited { code: 1 });
    assert_eq!(seen, ["cancel update db-1", "explain db-1"]);
    assert_eq!(bench.ok("explain db-1"), ["update db-1"]);
    bench.finish();
    bench.happens("db-1", Happened::Started);
    bench.finish();
    assert_eq!(bench.state("db"), "ready");
}

#[test]
fn a_task_that_is_done_is_not_run_again_for_them() {
    const TASK: &str = "\nstack app\ntask seed { image \"seed:1\"; }\n";
    let mut bench = Bench::new(TASK);
    bench.finish();
    bench.happens("seed-1", Happened::Exited { code: 0 });
    let text = TASK.replace("\"seed:1\";", "\"seed:1\"; limits memory=\"1G\";");
    assert_eq!(bench.load(&text), NOTHING);
    assert_eq!(bench.state("seed"), "done");
    assert!(bench.session.view().settled);
    assert_eq!(bench.load(TASK), NOTHING);
}

#[test]
fn limits_that_are_declared_again_before_they_could_be_lifted_make_no_new_container() {
    let limited = "stack app\nservice worker { image \"w:1\"; limits memory=\"1G\" }\n";
    let lifted = "stack app\nservice gate { image \"g:1\" }\n\
                  service worker { image \"w:1\"; depends-on gate }\n";
    let mut bench = Bench::new(limited);
    bench.finish();
    bench.load(lifted);
    bench.load(limited);
    let lines = bench.finish();
    assert!(!lines.contains(&"create worker".to_owned()), "{lines:?}");
    assert_eq!(bench.state("worker"), "ready");
}
