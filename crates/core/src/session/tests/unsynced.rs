//! What could not be brought over is not forgotten.

use std::path::PathBuf;

use super::bench::{Bench, attached};
use crate::event::{Outcome, Problem, Synced, Transport};

const NOTHING: [&str; 0] = [];

fn problem(path: &str, message: &str) -> Problem {
    Problem {
        path: PathBuf::from("/p").join(path),
        message: message.to_owned(),
    }
}

fn refused(path: &str, message: &str) -> Outcome {
    Outcome::Synced(Synced {
        problems: vec![problem(path, message)],
        ..Synced::default()
    })
}

fn brought(paths: &[&str]) -> Outcome {
    let changed = paths.iter().map(|path| PathBuf::from("/p").join(path));
    Outcome::Synced(Synced {
        files: paths.len(),
        changed: changed.collect(),
        ..Synced::default()
    })
}

const FULL: &str = "No space left on device";

#[test]
fn it_is_named_counted_and_tried_again_until_it_is_live() {
    let mut bench = Bench::ready();
    bench.heard();
    bench.save(&["backend/a.txt"]);
    bench.ends("sync backend-1", refused("backend/a.txt", FULL));
    let told = "not synced: backend/a.txt: No space left on device";
    assert_eq!(
        bench.heard(),
        [
            "backend plan sync: backend/a.txt: sync rule, Stackfile.kdl:17".to_owned(),
            format!("backend warning: {told}"),
            "backend a.txt → : incomplete".to_owned(),
            "settled, ready: true".to_owned(),
        ]
    );
    assert_eq!(bench.state("backend"), format!("ready: {told}"));
    let service = bench.service("backend");
    assert_eq!(service.pending, 1);
    assert_eq!(
        service.unsynced,
        [("backend/a.txt".to_owned(), FULL.to_owned())]
    );

    let mut before = bench.now;
    for seconds in [1, 2, 4, 8, 16, 30, 30] {
        assert_eq!(bench.wake(), ["sync backend-1 a.txt"]);
        assert_eq!((bench.now - before).as_secs(), seconds);
        before = bench.now;
        bench.ends("sync backend-1", refused("backend/a.txt", FULL));
        assert_eq!(bench.heard(), NOTHING, "said once is enough");
    }
    bench.wake();
    bench.ends("sync backend-1", brought(&["backend/a.txt"]));
    assert_eq!(
        bench.heard(),
        [
            "backend live now: backend/a.txt",
            "backend a.txt → synced: ok"
        ]
    );
    assert_eq!(bench.state("backend"), "ready");
    assert_eq!(bench.service("backend").pending, 0);
    assert_eq!(bench.session.next_deadline(), None);
}

#[test]
fn the_next_save_tries_it_as_well_and_the_same_save_is_told_again() {
    let mut bench = Bench::ready();
    bench.save(&["backend/a.txt"]);
    bench.ends("sync backend-1", refused("backend/a.txt", FULL));
    bench.heard();
    assert_eq!(
        bench.save(&["backend/b.txt"]),
        ["sync backend-1 b.txt a.txt"]
    );
    bench.ends("sync backend-1", refused("backend/a.txt", FULL));
    let heard = bench.heard();
    assert!(
        !heard.iter().any(|line| line.contains("warning")),
        "{heard:?}"
    );
    bench.after(100);
    bench.save(&["backend/a.txt"]);
    bench.ends("sync backend-1", refused("backend/a.txt", FULL));
    let heard = bench.heard();
    assert!(
        heard.iter().any(|line| line.contains("warning")),
        "{heard:?}"
    );
    assert!(heard.iter().any(|line| line.contains("incomplete")));
    // The other one is live.
    assert_eq!(bench.service("backend").unsynced.len(), 1);
}

#[test]
fn a_comparison_finds_it_and_the_next_one_mends_it() {
    let mut bench = Bench::ready();
    bench.heard();
    let gone = crate::event::Event::AgentGone {
        container: "backend-1".to_owned(),
    };
    assert_eq!(bench.feed(gone.clone()), ["attach backend-1"]);
    let problems = ["a", "b", "c", "d", "e"].map(|name| problem(&format!("backend/{name}"), FULL));
    let outcome = Outcome::Attached {
        transport: Transport::Archive,
        compared: None,
        owed: Vec::new(),
        mirrored: Vec::new(),
        changed: Vec::new(),
        problems: problems.to_vec(),
        owes_hooks: false,
    };
    bench.ends("attach backend-1", outcome);
    assert!(
        bench.state("backend").ends_with("and 2 more"),
        "{}",
        bench.state("backend")
    );
    assert_eq!(bench.service("backend").pending, 5);
    bench.feed(gone);
    bench.ends("attach backend-1", attached(&["backend/a"]));
    assert_eq!(bench.state("backend"), "ready");
    let heard = bench.heard();
    let mended = "backend live now: backend/a, backend/b, backend/c and 2 more".to_owned();
    assert!(heard.contains(&mended), "{heard:?}");
}
