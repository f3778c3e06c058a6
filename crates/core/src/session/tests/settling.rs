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
