//! What could not be done: it stays pending and is tried again, or goes the next stronger way.

use super::bench::Bench;
use super::stacks::APP;
use crate::event::Outcome;
use crate::observed::Happened;

const NOTHING: [&str; 0] = [];

/// `npm ci` is under way, and a restart comes after it.
fn installing() -> Bench {
    let mut bench = Bench::ready();
    bench.save(&["backend/package.json"]);
    bench.finish_until("exec backend-1");
    bench.heard();
    bench
}

const SHOWN: &str = "ready: `npm ci` ended with 1; the next save, or `devrun trigger backend`, \
                     tries again";

#[test]
fn a_command_that_fails_stays_pending_and_is_shown() {
    let mut bench = installing();
    assert_eq!(
        bench.fails("exec backend-1", "`npm ci` ended with 1"),
        NOTHING
    );
    assert_eq!(bench.state("backend"), SHOWN);
    let backend = bench.service("backend");
    assert_eq!((backend.pending, backend.stale), (1, true));
    assert!(bench.session.view().settled, "nobody waits for it");
    assert_eq!(
        bench.heard(),
        [
            "backend package.json → synced: failed; `npm ci` ended with 1",
            "settled, ready: true"
        ]
    );
}

#[test]
fn the_next_save_tries_it_again_and_then_what_came_after_it() {
    let mut bench = installing();
    bench.fails("exec backend-1", "`npm ci` ended with 1");
    assert_eq!(
        bench.save(&["backend/page.html"]),
        ["sync backend-1 page.html"]
    );
    let lines = bench.finish();
    assert_eq!(
        lines[..2],
        ["exec backend-1 npm ci", "restart backend-1"],
        "{lines:?}"
    );
    assert_eq!(bench.state("backend"), "ready");
    assert_eq!(bench.service("backend").pending, 0);
    assert!(bench.session.view().settled);
}

#[test]
fn what_fails_again_does_not_keep_a_later_save_from_its_restart() {
    let mut bench = installing();
    bench.fails("exec backend-1", "`npm ci` ended with 1");
    bench.save(&["backend/app.py"]);
    bench.finish_until("exec backend-1");
    bench.heard();
    assert_eq!(
        bench.fails("exec backend-1", "`npm ci` ended with 1")[0],
        "restart backend-1"
    );
    assert_eq!(
        bench.heard()[0],
        "backend warning: tried again in vain: `npm ci` ended with 1"
    );
    bench.finish();
    assert_eq!(bench.state("backend"), SHOWN, "it is still to be done");
}

#[test]
fn somebody_who_says_so_has_it_tried_again_at_once() {
    let mut bench = installing();
    bench.fails("exec backend-1", "`npm ci` ended with 1");
    bench.heard();
    assert_eq!(bench.trigger(&["db"]), NOTHING);
    assert_eq!(bench.trigger(&["backend"]), ["exec backend-1 npm ci"]);
    assert_eq!(bench.ok("exec backend-1")[0], "restart backend-1");
    bench.finish();
    let heard = bench.heard();
    let over = "backend package.json → ran its command, restarted: ok";
    assert!(heard.contains(&over.to_owned()), "{heard:?}");
    assert_eq!(bench.trigger(&["backend"]), NOTHING, "nothing is left");
}

#[test]
fn a_new_container_is_told_anew_what_follows() {
    let mut bench = installing();
    bench.fails("exec backend-1", "`npm ci` ended with 1");
    bench.expect_recreation();
    bench.save(&["backend/deploy.ini"]);
    let lines = bench.finish();
    assert!(lines.contains(&"create backend replacing backend-1".to_owned()));
    assert!(
        !lines.contains(&"exec backend-1 npm ci".to_owned()),
        "{lines:?}"
    );
    assert_eq!(bench.state("backend"), "ready");
}

#[test]
fn a_failed_build_and_a_failed_start_are_tried_again_by_a_trigger() {
    let mut bench = Bench::ready();
    bench.save(&["backend/Dockerfile"]);
    bench.finish_until("build backend");
    bench.fails("build backend", "exit code 1");
    assert!(bench.service("backend").stale);
    assert_eq!(bench.trigger(&["backend"]), ["build backend"]);
    bench.finish();
    assert_eq!(bench.state("backend"), "ready");

    for exits in 1..=3 {
        bench.happens("backend-1", Happened::Exited { code: 1 });
        bench.finish();
        if exits < 3 {
            bench.happens("backend-1", Happened::Started);
            bench.ok("attach backend-1");
        }
    }
    let lines = bench.trigger(&["backend"]);
    assert!(lines.contains(&"restart backend-1".to_owned()), "{lines:?}");
    bench.finish();
    assert_eq!(bench.state("backend"), "ready");
}

#[test]
fn a_restart_that_the_engine_refuses_is_a_new_container_once() {
    let mut bench = Bench::ready();
    bench.save(&["backend/app.py"]);
    bench.finish_until("restart backend-1");
    bench.heard();
    assert_eq!(
        bench.refused("restart backend-1")[0],
        "create backend replacing backend-1"
    );
    assert_eq!(
        bench.heard(),
        ["backend plan recreate: the engine does not restart it (no)"]
    );
    bench.finish();
    assert_eq!(bench.state("backend"), "ready");

    // What is refused for a second time has failed.
    bench.save(&["backend/app.py"]);
    bench.finish_until("restart backend-2");
    bench.refused("restart backend-2");
    bench.refused("create backend");
    bench.finish();
    assert!(bench.state("backend").starts_with("failed: no"));
    assert!(bench.session.view().settled);
}

#[test]
fn a_refused_restart_that_came_about_all_the_same_needs_no_new_container() {
    let mut bench = Bench::ready();
    bench.stop(&["db"]);
    bench.finish();
    bench.save(&["backend/app.py"]);
    bench.finish_until("restart backend-1");
    bench.refused("restart backend-1");
    bench.happens("backend-1", Happened::Exited { code: 143 });
    bench.happens("backend-1", Happened::Started);
    bench.up(&["db"]);
    let lines = bench.finish();
    let made = lines.iter().find(|line| line.starts_with("create"));
    assert_eq!(made, None, "{lines:?}");
    assert_eq!(bench.state("backend"), "ready");
}

#[test]
fn a_start_that_the_engine_refuses_is_a_new_container() {
    let mut bench = Bench::ready();
    bench.stop(&["entry"]);
    bench.finish();
    bench.up(&["entry"]);
    assert_eq!(
        bench.refused("start entry-1")[0],
        "create entry replacing entry-1"
    );
    bench.finish();
    assert_eq!(bench.state("entry"), "ready");
}

#[test]
fn a_command_that_the_engine_does_not_run_is_run_after_a_restart() {
    let mut bench = installing();
    assert_eq!(bench.refused("exec backend-1")[0], "restart backend-1");
    let heard = bench.heard();
    let warning = "backend warning: the engine does not run its command (no); it is restarted \
                   instead";
    assert!(heard.contains(&warning.to_owned()), "{heard:?}");
    let lines = bench.finish();
    assert!(
        lines.contains(&"exec backend-1 npm ci".to_owned()),
        "{lines:?}"
    );
    assert!(bench.session.view().settled);

    // Once: what is refused again is left pending.
    let mut bench = installing();
    bench.refused("exec backend-1");
    bench.finish_until("exec backend-1");
    assert!(
        !bench
            .refused("exec backend-1")
            .contains(&"restart backend-1".to_owned())
    );
    bench.finish();
    assert_eq!(bench.service("backend").pending, 1);
    assert!(bench.session.view().settled);
}

#[test]
fn a_signal_that_the_engine_does_not_send_is_a_restart() {
    let mut bench = Bench::ready();
    bench.save(&["backend/server.conf"]);
    bench.finish_until("signal backend-1");
    assert_eq!(bench.refused("signal backend-1")[0], "restart backend-1");
    bench.finish();
    assert_eq!(bench.state("backend"), "ready");
    assert!(bench.session.view().settled);
}

#[test]
fn files_that_cannot_be_compared_any_more_are_compared_after_a_restart() {
    let mut bench = Bench::ready();
    bench.save(&["backend/page.html"]);
    bench.refused("sync backend-1");
    for _ in 0..2 {
        bench.refused("attach backend-1");
        bench.wake();
    }
    bench.refused("attach backend-1");
    assert!(bench.wake().contains(&"restart backend-1".to_owned()));
    bench.finish();
    assert_eq!(bench.state("backend"), "ready");
    assert!(bench.session.view().settled);
}

#[test]
fn a_command_that_failed_with_its_process_is_run_in_the_next_one() {
    let mut bench = installing();
    bench.fails("exec backend-1", "the container is not running");
    bench.happens("backend-1", Happened::Exited { code: 1 });
    bench.ok("explain backend-1");
    bench.happens("backend-1", Happened::Started);
    let outcome = super::bench::attached(&[]);
    assert_eq!(
        bench.ends("attach backend-1", outcome)[0],
        "exec backend-1 npm ci"
    );
    bench.ends("exec backend-1", Outcome::Executed);
    bench.finish();
    assert_eq!(bench.state("backend"), "ready");
}

const TASK: &str = "
    sync to=\"/app\" {
        on \"data.json\" { run load; restart }";

#[test]
fn a_task_that_fails_leaves_what_waits_for_it_pending() {
    let text = APP.replace("\n    sync to=\"/app\" {", TASK)
        + "\ntask load { image \"load:1\"; depends-on db; }\n";
    let mut bench = Bench::new(&text);
    bench.finish();
    bench.happens("load-1", Happened::Exited { code: 0 });
    bench.save(&["backend/data.json"]);
    bench.finish();
    bench.happens("load-1", Happened::Exited { code: 4 });
    bench.finish();
    assert!(
        bench
            .state("backend")
            .starts_with("ready: load: task ended with 4; the next save"),
        "{}",
        bench.state("backend")
    );
    let lines = bench.trigger(&["backend"]);
    assert!(lines.contains(&"start load-1".to_owned()), "{lines:?}");
    bench.finish();
    let lines = bench.happens("load-1", Happened::Exited { code: 0 });
    assert!(lines.contains(&"restart backend-1".to_owned()), "{lines:?}");
    bench.finish();
    assert_eq!(bench.state("backend"), "ready");
}

#[test]
fn a_new_container_for_another_reason_is_not_the_image_that_is_still_to_be_made() {
    let text = format!("{APP}\ntask load {{ image \"load:1\"; profile extra }}");
    let rule = "    on \"models/*.json\" { run load; rebuild }\n    sync to=\"/app\" {";
    let text = text.replacen("    sync to=\"/app\" {", rule, 1);
    let mut bench = Bench::new(&text);
    bench.finish();
    bench.save(&["models/a.json"]);
    bench.finish_until("create load");
    bench.fails("create load", "no room");
    bench.finish();
    assert!(bench.service("backend").stale);
    bench.load(&text.replacen("port 8000", "port 8001 to=8000", 1));
    let lines = bench.finish();
    assert!(!lines.contains(&"build backend".to_owned()), "{lines:?}");
    let mut lines = bench.trigger(&["backend"]);
    lines.extend(bench.finish());
    lines.extend(bench.happens("load-1", Happened::Exited { code: 0 }));
    lines.extend(bench.finish());
    assert!(lines.contains(&"build backend".to_owned()), "{lines:?}");
}
