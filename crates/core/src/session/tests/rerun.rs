//! Tasks that run again, and who waits for them.

use super::bench::{Bench, image_there};
use crate::event::{Event, Outcome, Request, Synced};
use crate::observed::Happened;
use crate::session::Options;

const NOTHING: [&str; 0] = [];

const APP: &str = r#"
stack app
service web {
    image "web:1"
    depends-on migrate
    sync "src" to="/app" { on "*.sql" { restart } }
    on "schema/*.sql" { run seed; restart }
}
service page { image "page:1"; depends-on migrate; sync "page" to="/page" { on "*.js" { restart } } }
task migrate { image "migrate:1"; sync "src" to="/app" }
task seed { image "seed:1"; profile seeds }
"#;

/// All of it is ready, and the task is done.
fn ready() -> Bench {
    let mut bench = Bench::new(APP);
    bench.finish();
    bench.happens("migrate-1", Happened::Exited { code: 0 });
    bench.finish();
    assert!(bench.session.view().settled, "{:#?}", bench.session.view());
    bench.heard();
    bench
}

fn unchanged() -> Outcome {
    Outcome::Synced(Synced::default())
}

#[test]
fn a_task_runs_again_with_its_files_and_what_is_due_for_others_waits() {
    let mut bench = ready();
    assert_eq!(
        bench.save(&["src/1.sql"]),
        ["sync web-1 1.sql", "sync migrate-1 1.sql"]
    );
    bench.ok("sync web-1");
    assert_eq!(bench.ok("sync migrate-1"), ["start migrate-1"]);
    bench.ok("start migrate-1");
    bench.finish();
    assert_eq!(
        bench.state("web"),
        "ready: what follows waits for migrate, which runs first"
    );
    assert_eq!(bench.state("page"), "ready", "nothing is due for it");
    assert_eq!(
        bench
            .after(100)
            .happens("migrate-1", Happened::Exited { code: 0 }),
        ["restart web-1"]
    );
    bench.finish();
    assert!(bench.session.view().settled);
    let heard = bench.heard();
    let done: Vec<_> = heard.iter().filter(|line| line.contains("→")).collect();
    assert_eq!(
        done,
        [
            "migrate 1.sql → synced, ran again: ok",
            "web 1.sql → synced, restarted: ok"
        ]
    );
}

#[test]
fn a_task_whose_files_are_equal_is_not_run_again_and_nobody_waits_for_it() {
    let mut bench = ready();
    bench.save(&["src/1.sql"]);
    bench.ok("sync web-1");
    bench.ends("sync migrate-1", unchanged());
    assert_eq!(bench.finish().first().unwrap(), "restart web-1");
    assert_eq!(bench.state("migrate"), "done");
    assert!(bench.session.view().settled);
}

#[test]
fn a_task_that_fails_holds_up_what_is_due_and_is_tried_again_with_the_next_save() {
    let mut bench = ready();
    bench.save(&["src/1.sql"]);
    bench.ok("sync migrate-1");
    bench.ok("start migrate-1");
    bench.ok("sync web-1");
    bench.happens("migrate-1", Happened::Exited { code: 1 });
    bench.finish();
    assert_eq!(
        bench.state("migrate"),
        "failed: task ended with 1 after src/1.sql was saved"
    );
    assert_eq!(
        bench.state("web"),
        "ready: what follows waits for migrate, which failed"
    );
    assert_eq!(bench.service("web").pending, 1);
    assert!(bench.session.view().settled, "nothing goes on by itself");

    bench.after(100).save(&["src/1.sql"]);
    bench.ok("sync migrate-1");
    bench.ok("start migrate-1");
    bench.ok("sync web-1");
    bench.finish();
    assert_eq!(
        bench
            .after(100)
            .happens("migrate-1", Happened::Exited { code: 0 }),
        ["restart web-1"]
    );
    bench.finish();
    assert_eq!(
        (bench.state("web"), bench.state("migrate")),
        ("ready".into(), "done".into())
    );
}

#[test]
fn what_is_saved_while_a_task_runs_is_run_as_well() {
    let mut bench = ready();
    bench.save(&["src/1.sql"]);
    bench.ok("sync web-1");
    bench.ok("sync migrate-1");
    bench.save(&["src/2.sql"]);
    bench.ok("sync web-1");
    bench.ok("start migrate-1");
    bench.finish();
    assert_eq!(
        bench.happens("migrate-1", Happened::Exited { code: 0 }),
        ["start migrate-1"],
        "nobody knows whether it has read 2.sql"
    );
    bench.ok("start migrate-1");
    bench.finish();
    assert_eq!(
        bench
            .after(100)
            .happens("migrate-1", Happened::Exited { code: 0 }),
        ["restart web-1"]
    );
    bench.finish();
    assert!(bench.session.view().settled);
}

#[test]
fn the_next_session_looks_whether_a_task_has_run_with_what_is_there() {
    for differs in [false, true] {
        let bench = ready();
        let mut next = Bench::with(Options::default());
        next.takes_over(&bench);
        next.load(APP);
        next.connect();
        next.finish_until("push migrate-1");
        assert_ne!(next.state("migrate"), "done");
        let synced = Synced {
            files: usize::from(differs),
            ..Synced::default()
        };
        let lines = next.ends("push migrate-1", Outcome::Synced(synced));
        assert_eq!(
            lines.contains(&"start migrate-1".to_owned()),
            differs,
            "{lines:?}"
        );
        next.finish();
        if differs {
            next.happens("migrate-1", Happened::Exited { code: 0 });
            next.finish();
        }
        assert!(next.session.view().settled);
    }
}

#[test]
fn a_rule_runs_a_task_before_what_comes_after_it() {
    let mut bench = ready();
    assert_eq!(bench.state("seed"), "off: --profile seeds");
    bench.save(&["schema/1.sql"]);
    bench.finish_until("create seed");
    bench.ok("create seed");
    bench.finish();
    assert_eq!(
        bench.state("web"),
        "ready: what follows waits for seed, which runs first"
    );
    assert_eq!(
        bench.happens("seed-1", Happened::Exited { code: 0 }),
        ["restart web-1"]
    );
    bench.finish();
    assert!(bench.session.view().settled);
    assert!(
        bench
            .heard()
            .contains(&"web 1.sql → ran seed, restarted: ok".to_owned()),
        "{:?}",
        bench.told
    );

    // Again, and it fails: what would have come after it does not.
    bench.save(&["schema/1.sql"]);
    bench.finish_until("start seed-1");
    bench.ok("start seed-1");
    bench.finish();
    bench.happens("seed-1", Happened::Exited { code: 3 });
    let lines = bench.finish();
    assert_eq!(bench.state("seed"), "failed: task ended with 3");
    assert!(!lines.iter().any(|line| line.contains("web")), "{lines:?}");
    let heard = bench.heard();
    assert!(
        heard
            .iter()
            .any(|line| line.starts_with("web 1.sql → : failed; seed: task ended with 3")),
        "{heard:?}"
    );
    assert!(bench.session.view().settled);
}

#[test]
fn a_task_of_a_new_image_runs_again_and_of_the_same_one_does_not() {
    let text = "stack app\ntask migrate { build \"src\" }\nservice web { build \"src\"; depends-on migrate }\n";
    let mut bench = Bench::new(text);
    bench.finish();
    bench.happens("migrate-1", Happened::Exited { code: 0 });
    bench.finish();
    bench.save(&["src/1.sql"]);
    bench.finish_until("build web");
    bench.ok("build web");
    assert_eq!(bench.finish(), NOTHING, "the same image");
    assert_eq!(bench.state("migrate"), "done");
    assert!(bench.session.view().settled);

    bench.after(100).save(&["src/1.sql"]);
    bench.wake();
    assert_eq!(
        bench.ends("build web", image_there("web:2", true)),
        NOTHING,
        "it waits"
    );
    assert_eq!(
        bench.ends("build migrate", image_there("migrate:2", true)),
        ["create migrate replacing migrate-1"]
    );
    bench.finish();
    assert_eq!(
        bench.happens("migrate-2", Happened::Exited { code: 0 }),
        ["tidy app-migrate=3", "create web replacing web-1"]
    );
    bench.finish();
    assert!(bench.session.view().settled);
}

#[test]
fn what_is_saved_while_a_task_runs_by_a_rule_runs_it_once_more() {
    let mut bench = ready();
    bench.happens("seed-1", Happened::Exited { code: 0 });
    bench.save(&["schema/a.sql"]);
    bench.wake();
    bench.finish_until("create seed");
    bench.ok("create seed");
    while let Some(open) = bench.open().first().cloned() {
        bench.ok(&open);
    }
    bench.after(100).save(&["schema/b.sql"]);
    bench.after(100);
    let lines = bench.happens("seed-1", Happened::Exited { code: 1 });
    assert!(!lines.contains(&"restart web-1".to_owned()), "{lines:?}");
    bench.finish_until("start seed");
    bench.ok("start seed");
    while let Some(open) = bench.open().first().cloned() {
        bench.ok(&open);
    }
    let lines = bench
        .after(100)
        .happens("seed-1", Happened::Exited { code: 0 });
    assert_eq!(lines, ["restart web-1"]);
}

#[test]
fn a_trigger_of_who_waits_for_a_task_that_failed_runs_the_task_again() {
    let mut bench = ready();
    bench.save(&["src/1.sql"]);
    bench.ok("sync migrate-1");
    bench.ok("start migrate-1");
    bench.ok("sync web-1");
    bench.happens("migrate-1", Happened::Exited { code: 1 });
    bench.finish();
    assert_eq!(
        bench.state("migrate"),
        "failed: task ended with 1 after src/1.sql was saved"
    );
    let services = vec!["web".to_owned()];
    let lines = bench.feed(Event::Request(Request::Trigger { services }));
    assert_eq!(lines, ["start migrate-1"]);
    bench.ok("start migrate-1");
    bench.finish();
    let lines = bench
        .after(100)
        .happens("migrate-1", Happened::Exited { code: 0 });
    assert_eq!(lines, ["restart web-1"]);
}

#[test]
fn a_task_that_a_save_asks_for_while_its_service_is_stopped_runs_when_that_is_started_again() {
    let mut bench = ready();
    bench.stop(&["web"]);
    bench.finish();
    assert_eq!(bench.save(&["schema/1.sql"]), NOTHING);
    assert!(bench.session.view().settled);
    bench.up(&["web"]);
    bench.finish();
    let seed = bench.open().into_iter().chain(bench.heard());
    let seed: Vec<String> = seed.filter(|line| line.contains("seed")).collect();
    assert!(!seed.is_empty(), "{:#?}", bench.session.view());
}
