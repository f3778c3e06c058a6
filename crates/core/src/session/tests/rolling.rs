//! Two containers of one service: which of them serves, and what becomes of the other one.

use super::bench::Bench;
use super::stacks::{APP, loaded};
use crate::event::{Event, Outcome, Request};
use crate::observed::Happened;

const NOTHING: [&str; 0] = [];

/// [`APP`], whose backend rolls, in this edition.
fn app(edition: u32) -> String {
    let declared = "port 8000\n    route \"/api/*\"";
    let rolls = format!(
        "environment {{ EDITION \"{edition}\" }}\n    route \"/api/*\" port=8000\n    update roll"
    );
    APP.replace(declared, &rolls)
        .replace("http=\"/health\"", "http=\"http://localhost:8000/health\"")
}

fn ready() -> Bench {
    let mut bench = Bench::new(&app(1));
    bench.finish();
    assert!(bench.session.view().settled);
    bench.heard();
    bench
}

fn names(bench: &Bench) -> Vec<&str> {
    let backends = bench.containers.iter();
    let backends = backends.filter(|one| one.service() == "backend");
    backends.map(|one| one.name.as_str()).collect()
}

#[test]
fn the_old_one_serves_until_the_new_one_is_ready_and_leaves_it_its_name() {
    let mut bench = ready();
    assert_eq!(
        bench.load(&app(2)),
        ["create backend", "tell entry-1 backend=ready"]
    );
    assert_eq!(bench.ok("create backend"), ["attach backend-2"]);
    assert_eq!(names(&bench), ["app-backend", "app-backend.devrun-beside"]);
    bench.ok("attach backend-2");
    assert_eq!(
        bench.state("backend"),
        "ready: its new version starts beside it: its health check has not been answered yet"
    );
    assert!(!bench.session.view().settled);
    assert_eq!(
        bench.ok("probe backend-2"),
        ["remove backend-1", "tell entry-1 backend=ready"]
    );
    assert_eq!(bench.service("backend").container.unwrap(), "backend-2");
    assert_eq!(
        bench.ok("remove backend-1"),
        ["rename backend-2 app-backend", "tell entry-1 backend=ready"]
    );
    assert_eq!(bench.ok("rename backend-2"), NOTHING);
    assert_eq!(names(&bench), ["app-backend"]);
    assert!(bench.session.view().settled);
    assert_eq!(
        bench.heard(),
        [
            "backend plan roll: changed: environment EDITION (Stackfile.kdl:14)",
            "backend Stackfile.kdl → rolled: ok",
            "settled, ready: true"
        ]
    );
}

#[test]
fn one_that_does_not_get_ready_goes_and_is_tried_again_with_the_next_save() {
    let mut bench = ready();
    bench.load(&app(2));
    bench.finish_until("probe backend-2");
    let output = "connection refused".to_owned();
    assert_eq!(
        bench.ends("probe backend-2", Outcome::NotReady { output }),
        ["explain backend-2"]
    );
    assert_eq!(bench.ok("explain backend-2"), ["remove backend-2"]);
    assert_eq!(bench.ok("remove backend-2"), ["tell entry-1 backend=ready"]);
    let view = bench.service("backend");
    assert!(view.stale);
    assert!(view.details.contains(&"last words".to_owned()), "{view:?}");
    let reason = view.reason.unwrap();
    assert!(reason.contains("did not get ready"), "{reason}");
    assert!(reason.contains("last words"), "{reason}");
    assert!(bench.session.view().settled);
    let heard = bench.heard().join("\n");
    assert!(heard.contains("rolled back: failed; its new"), "{heard}");
    let again = bench.save(&["backend/page.html"]);
    assert_eq!(again, ["sync backend-1 page.html"]);
    assert_eq!(
        bench.ok("sync backend-1"),
        ["create backend", "tell entry-1 backend=ready"]
    );
    bench.finish();
    assert_eq!(bench.state("backend"), "ready");
    assert_eq!(names(&bench), ["app-backend"]);
}

#[test]
fn saves_go_to_both_and_what_is_not_in_the_new_one_keeps_it_waiting() {
    let mut bench = ready();
    bench.load(&app(2));
    bench.finish_until("probe backend-2");
    assert_eq!(
        bench.save(&["backend/page.html"]),
        [
            "sync backend-1 page.html",
            "cancel probe backend-2",
            "sync backend-2 page.html"
        ]
    );
    bench.ok("sync backend-1");
    assert_eq!(bench.ok("sync backend-2"), ["probe backend-2"]);
    bench.save(&["backend/app.py"]);
    bench.finish();
    assert_eq!(bench.service("backend").container.unwrap(), "backend-2");
    assert_eq!(names(&bench), ["app-backend"]);
    assert!(bench.session.view().settled);
}

#[test]
fn a_newer_declaration_takes_the_place_of_the_one_on_its_way() {
    let mut bench = ready();
    bench.load(&app(2));
    bench.finish_until("probe backend-2");
    assert_eq!(
        bench.load(&app(3)),
        ["cancel probe backend-2", "remove backend-2"]
    );
    assert_eq!(bench.ok("remove backend-2"), ["create backend"]);
    // As it was: nobody needs another one.
    assert_eq!(bench.load(&app(1)), NOTHING);
    assert_eq!(bench.ok("create backend"), ["remove backend-3"]);
    bench.finish();
    assert_eq!(bench.service("backend").container.unwrap(), "backend-1");
    assert_eq!(names(&bench), ["app-backend"]);
}

#[test]
fn where_nothing_serves_there_is_nothing_to_roll() {
    let mut bench = ready();
    bench.happens("backend-1", Happened::Exited { code: 1 });
    bench.load(&app(2));
    let lines = bench.ok("explain backend-1");
    assert!(
        lines.contains(&"create backend replacing backend-1".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn the_old_one_may_fall_or_go_meanwhile() {
    for what in [Happened::Exited { code: 1 }, Happened::Removed] {
        let mut bench = ready();
        bench.load(&app(2));
        bench.finish_until("probe backend-2");
        bench.happens("backend-1", what);
        bench.finish();
        assert_eq!(bench.service("backend").container.unwrap(), "backend-2");
        assert_eq!(names(&bench), ["app-backend"]);
        assert!(bench.session.view().settled);
    }
}

#[test]
fn what_is_stopped_or_ends_meanwhile_takes_the_new_one_along() {
    let mut bench = ready();
    bench.load(&app(2));
    bench.finish_until("probe backend-2");
    let lines = bench.stop(&["backend"]);
    assert!(lines.contains(&"stop backend-1".to_owned()), "{lines:?}");
    assert!(lines.contains(&"remove backend-2".to_owned()), "{lines:?}");
    bench.finish();
    assert_eq!(names(&bench), ["app-backend"]);
    let mut bench = ready();
    bench.load(&app(2));
    bench.finish_until("create backend");
    bench.feed(Event::Signal);
    assert!(
        bench
            .ok("create backend")
            .contains(&"remove backend-2".to_owned())
    );
    let lines = bench.finish();
    assert_eq!(lines.last().unwrap(), "exit 0");
    assert_eq!(names(&bench), ["app-backend"]);
}

#[test]
fn what_a_killed_session_left_is_sorted_out_by_the_next() {
    let mut before = ready();
    before.load(&app(2));
    before.finish_until("probe backend-2");
    // The old one has its name still: it stays, and is rolled anew.
    let mut bench = before.next_session();
    bench.load(&app(2));
    let lines = bench.connect();
    assert!(lines.contains(&"prepare".to_owned()), "{lines:?}");
    bench.finish();
    assert_eq!(names(&bench), ["app-backend"]);
    assert!(bench.session.view().settled);
    // The old one was gone already: the new one needs its name and nothing else.
    before.ok("probe backend-2");
    before.ok("remove backend-1");
    let mut bench = before.next_session();
    bench.load(&app(2));
    bench.connect();
    let lines = bench.finish();
    assert!(
        lines.contains(&"rename backend-2 app-backend".to_owned()),
        "{lines:?}"
    );
    let makes = |line: &&String| line.starts_with("create backend");
    assert_eq!(lines.iter().find(makes), None, "{lines:?}");
    assert_eq!(names(&bench), ["app-backend"]);
}

#[test]
fn it_is_foreseen() {
    let mut bench = ready();
    let foresight = bench
        .session
        .foresee(vec![loaded(&app(2))], &std::collections::BTreeMap::new());
    let steps: Vec<String> = foresight
        .steps
        .iter()
        .filter(|step| step.action != "keep")
        .map(|step| format!("{} {}: {}", step.action, step.service, step.reason))
        .collect();
    assert_eq!(
        steps,
        ["roll backend: changed: environment EDITION (Stackfile.kdl:14)"]
    );
    bench.expect_recreation();
    let lines = bench.feed(Event::Request(Request::Up {
        services: vec!["backend".to_owned()],
        profiles: Vec::new(),
        build: false,
        recreate: true,
    }));
    assert_eq!(lines, ["create backend", "tell entry-1 backend=ready"]);
    bench.finish();
    assert_eq!(bench.service("backend").container.unwrap(), "backend-2");
}

#[test]
fn a_save_that_asks_for_another_container_takes_no_command_from_the_one_on_its_way() {
    let mut bench = ready();
    bench.save(&["backend/deploy.ini"]);
    bench.finish_until("probe backend-2");
    bench.save(&["backend/deploy.ini", "backend/package.json"]);
    bench.finish_until("exec backend-2 npm ci");
}
