//! Large files, and saves of one path that come close together.

use std::path::PathBuf;
use std::time::Duration;

use super::bench::Bench;
use crate::event::{Event, Outcome, Problem, Synced};

const NOTHING: [&str; 0] = [];

/// What a sync comes to that sent the one and left the others.
fn left(sent: &[&str], large: &[&str]) -> Outcome {
    let path = |path: &&str| PathBuf::from("/p").join(path);
    Outcome::Synced(Synced {
        files: sent.len(),
        changed: sent.iter().map(path).collect(),
        large: large.iter().map(path).collect(),
        ..Synced::default()
    })
}

#[test]
fn a_large_file_holds_nobody_up_but_what_follows() {
    let mut bench = Bench::ready();
    bench.heard();
    bench.save(&["backend/dump.sql", "backend/page.html"]);
    let begun = bench.ends(
        "sync backend-1",
        left(&["backend/page.html"], &["backend/dump.sql"]),
    );
    assert_eq!(begun, ["sync-large backend-1 dump.sql"]);
    assert!(
        bench
            .heard()
            .contains(&"backend dump.sql and 1 more → synced: ok".to_owned()),
        "the small one is live"
    );
    assert_eq!(bench.service("backend").pending, 1);
    assert!(!bench.session.view().settled);

    assert_eq!(bench.save(&["backend/app.py"]), ["sync backend-1 app.py"]);
    assert_eq!(bench.ok("sync backend-1"), NOTHING);
    assert_eq!(bench.session.next_deadline(), None, "the restart waits");
    assert_eq!(bench.save(&["backend/a.html"]), ["sync backend-1 a.html"]);
    assert_eq!(bench.ok("sync backend-1"), NOTHING);
    bench.after(100);

    let begun = bench.ok("sync-large backend-1");
    assert_eq!(begun[0], "restart backend-1");
    bench.finish();
    assert_eq!(bench.state("backend"), "ready");
    assert_eq!(bench.service("backend").pending, 0);
    assert!(bench.session.view().settled);
}

#[test]
fn one_that_fails_leaves_a_later_save_complete() {
    let mut bench = Bench::ready();
    bench.save(&["backend/dump.sql"]);
    bench.ends("sync backend-1", left(&[], &["backend/dump.sql"]));
    bench.after(1_000);
    assert_eq!(bench.save(&["backend/app.py"]), ["sync backend-1 app.py"]);
    bench.ok("sync backend-1");
    bench.heard();
    let refused = Problem {
        path: PathBuf::from("/p/backend/dump.sql"),
        message: "No space left on device".to_owned(),
    };
    bench.ends(
        "sync-large backend-1",
        Outcome::Synced(Synced {
            problems: vec![refused],
            ..Synced::default()
        }),
    );
    bench.finish();
    let told: Vec<String> = bench.heard();
    let told: Vec<&String> = told.iter().filter(|line| line.contains("→")).collect();
    assert!(
        told[0].starts_with("backend dump.sql →") && told[0].ends_with(": incomplete"),
        "{told:?}"
    );
    assert!(
        told[1].starts_with("backend app.py →") && told[1].ends_with(": ok"),
        "{told:?}"
    );
}

#[test]
fn alone_it_is_an_update_of_its_own() {
    let mut bench = Bench::ready();
    bench.heard();
    bench.save(&["backend/dump.sql"]);
    bench.ends("sync backend-1", left(&[], &["backend/dump.sql"]));
    assert!(
        !bench.heard().iter().any(|line| line.contains("→")),
        "nothing is over yet"
    );
    bench.ok("sync-large backend-1");
    assert!(
        bench
            .heard()
            .contains(&"backend dump.sql → synced: ok".to_owned())
    );
    assert!(bench.session.view().settled);
}

#[test]
fn one_that_turns_out_to_be_equal_is_unchanged() {
    let mut bench = Bench::ready();
    bench.heard();
    bench.save(&["backend/dump.sql"]);
    bench.ends("sync backend-1", left(&[], &["backend/dump.sql"]));
    bench.ends("sync-large backend-1", left(&[], &[]));
    assert!(
        bench
            .heard()
            .contains(&"backend dump.sql → unchanged: ok".to_owned())
    );
    assert!(bench.session.view().settled);
}

#[test]
fn saved_again_on_its_way_it_begins_anew_and_the_others_go_on() {
    let mut bench = Bench::ready();
    bench.save(&["backend/a.sql", "backend/b.sql"]);
    bench.ends(
        "sync backend-1",
        left(&[], &["backend/a.sql", "backend/b.sql"]),
    );
    bench.after(100);
    let begun = bench.save(&["backend/a.sql"]);
    assert!(begun[0].starts_with("cancel "), "{begun:?}");
    assert_eq!(
        begun[1..],
        ["sync backend-1 a.sql", "sync-large backend-1 b.sql"]
    );
    assert_eq!(
        bench.ends("sync backend-1", left(&[], &["backend/a.sql"])),
        NOTHING,
        "one after the other"
    );
    assert_eq!(
        bench.ok("sync-large backend-1"),
        ["sync-large backend-1 a.sql"]
    );
    assert_eq!(bench.ok("sync-large backend-1"), NOTHING);
    assert_eq!(bench.service("backend").pending, 0);
    assert!(bench.session.view().settled);
}

#[test]
fn without_its_agent_it_is_left_to_the_comparison() {
    let mut bench = Bench::ready();
    bench.save(&["backend/dump.sql"]);
    bench.ends("sync backend-1", left(&[], &["backend/dump.sql"]));
    let gone = Event::AgentGone {
        container: "backend-1".to_owned(),
    };
    let begun = bench.feed(gone);
    assert!(begun.contains(&"attach backend-1".to_owned()), "{begun:?}");
    assert!(
        begun.iter().any(|line| line.starts_with("cancel ")),
        "{begun:?}"
    );
    bench.finish();
    assert_eq!(bench.service("backend").pending, 0);
    assert!(bench.session.view().settled);
}

#[test]
fn a_second_save_of_a_path_waits_until_watchers_inside_listen_again() {
    let mut bench = Bench::ready();
    assert_eq!(
        bench.save(&["backend/page.html"]),
        ["sync backend-1 page.html"]
    );
    let first = bench.now;
    bench.ok("sync backend-1");
    bench.after(10);
    assert_eq!(
        bench.save(&["backend/page.html", "backend/other.html"]),
        ["sync backend-1 other.html"],
        "only that path waits"
    );
    assert_eq!(bench.service("backend").pending, 1);
    assert_eq!(bench.ok("sync backend-1"), NOTHING);
    assert!(!bench.session.view().settled);
    assert_eq!(
        bench.session.next_deadline(),
        Some(first + Duration::from_millis(60))
    );
    assert_eq!(bench.wake(), ["sync backend-1 page.html"]);
    bench.ok("sync backend-1");
    assert_eq!(bench.session.next_deadline(), None);
    assert!(bench.session.view().settled);
    bench.after(61);
    assert_eq!(
        bench.save(&["backend/page.html"]),
        ["sync backend-1 page.html"]
    );
}
