//! `settle`: nothing is sent while more is written.

use std::time::Duration;

use super::bench::Bench;
use super::stacks::APP;

const NOTHING: [&str; 0] = [];

/// [`APP`], with a folder that a generator writes.
fn bench() -> Bench {
    let sync = "    sync to=\"/app\" {\n";
    let generated =
        "    sync \"generated\" to=\"/generated\" settle=\"200ms\" { on \"*.json\" { restart } }\n";
    let mut bench = Bench::new(&APP.replacen(sync, &format!("{generated}{sync}"), 1));
    bench.finish();
    assert!(bench.session.view().settled, "{:#?}", bench.session.view());
    bench
}

#[test]
fn what_asks_for_quiet_is_sent_together_once_it_is_quiet() {
    let mut bench = bench();
    assert_eq!(bench.save(&["generated/a.json"]), NOTHING);
    assert_eq!(bench.service("backend").pending, 1);
    let first = bench.session.next_deadline();
    assert_eq!(bench.after(150).save(&["generated/b.json"]), NOTHING);
    let pause = Duration::from_millis(150);
    assert_eq!(bench.session.next_deadline(), first.map(|due| due + pause));
    assert!(!bench.session.view().settled, "not all is live");
    assert_eq!(bench.wake(), ["sync backend-1 a.json b.json"]);
    let lines = bench.finish();
    assert!(lines.contains(&"restart backend-1".to_owned()), "{lines:?}");
    assert_eq!(bench.service("backend").pending, 0);
}

#[test]
fn others_of_the_same_service_do_not_wait() {
    let mut bench = bench();
    assert_eq!(bench.save(&["generated/a.json"]), NOTHING);
    assert_eq!(
        bench.save(&["backend/page.html"]),
        ["sync backend-1 page.html"]
    );
    assert_eq!(bench.ok("sync backend-1"), NOTHING);
    assert_eq!(bench.service("backend").pending, 1);
    assert_eq!(bench.after(200).wake(), ["sync backend-1 a.json"]);
}

#[test]
fn who_never_stops_is_not_waited_for_without_end() {
    let mut bench = bench();
    assert_eq!(bench.save(&["generated/a.json"]), NOTHING);
    for _ in 0..19 {
        assert_eq!(bench.after(100).save(&["generated/a.json"]), NOTHING);
    }
    assert_eq!(
        bench.after(100).save(&["generated/a.json"]),
        ["sync backend-1 a.json"]
    );
}

const ONS: &str = r#"
stack app
service web {
    image "web:1"
    on "made/*.txt" settle="300ms" { exec "read" }
    on "made/now.txt" { exec "now" }
    sync "src" to="/app" { on "*.sql" settle="1s" { restart } }
}
task load { image "load:1"; on "seeds/*" settle="500ms" { restart } }
"#;

fn ons() -> Bench {
    let mut bench = Bench::new(ONS);
    bench.finish();
    bench.happens("load-1", crate::observed::Happened::Exited { code: 0 });
    bench.finish();
    assert!(bench.session.view().settled, "{:#?}", bench.session.view());
    bench
}

#[test]
fn a_rule_that_asks_for_quiet_acts_once_it_is_quiet_and_others_do_not_wait() {
    let mut bench = ons();
    for number in 0..8 {
        bench.save(&[&format!("made/{number}.txt")]);
        assert!(bench.open().is_empty(), "{:?}", bench.open());
        bench.after(250);
    }
    // The last save is 250 ms old by now.
    bench.save(&["src/page.html"]);
    assert_eq!(bench.open(), ["sync web-1 page.html"]);
    bench.ok("sync");
    let lines = bench.finish();
    let ran = lines
        .iter()
        .filter(|line| *line == "exec web-1 read")
        .count();
    assert_eq!(ran, 1, "{lines:?}");
    assert!(bench.session.view().settled);
}

#[test]
fn a_rule_is_not_kept_from_acting_by_somebody_who_never_stops_writing() {
    let mut bench = ons();
    let mut ran = 0;
    for _ in 0..100 {
        bench.save(&["made/a.txt"]);
        while let Some(open) = bench.open().first().cloned() {
            ran += usize::from(open.starts_with("exec"));
            bench.ok(&open);
        }
        bench.after(100);
        let due = bench.session.next_deadline();
        if due.is_some_and(|due| due <= bench.now) {
            bench.wake();
        }
    }
    // Ten times 300 ms, and the pause for what follows.
    assert!((2..=4).contains(&ran), "{ran}");
}

#[test]
fn the_most_patient_rule_of_a_file_counts_and_so_does_one_of_a_synced_file() {
    let mut bench = ons();
    assert_eq!(bench.save(&["made/now.txt"]), NOTHING);
    let waits = bench.session.next_deadline().map(|due| due - bench.now);
    assert_eq!(waits, Some(Duration::from_millis(300)));
    bench.finish();
    assert_eq!(bench.save(&["src/1.sql"]), NOTHING);
    assert_eq!(bench.after(900).save(&["src/2.sql"]), NOTHING);
    assert_eq!(bench.wake(), ["sync web-1 1.sql 2.sql"]);
}

#[test]
fn a_task_that_asks_for_quiet_is_run_once_for_all_that_is_written() {
    let mut bench = ons();
    for number in 0..9 {
        assert_eq!(bench.save(&[&format!("seeds/{number}")]), NOTHING);
        assert!(!bench.session.view().settled);
        bench.after(400);
    }
    assert_eq!(bench.wake(), ["start load-1"]);
}
