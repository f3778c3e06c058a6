//! A Stackfile that is saved while its stack runs.

use super::bench::Bench;
use super::stacks::APP;
use crate::event::{Event, Stackfile};
use crate::session::Options;

const NOTHING: [&str; 0] = [];
const WORKER: &str = "\nservice worker { image \"worker:1\"; restart no; depends-on db; }";

#[test]
fn what_is_declared_otherwise_is_made_anew_and_nothing_else() {
    let mut bench = Bench::ready();
    bench.heard();
    assert_eq!(
        bench.load(&APP.replace("POSTGRES_DB main", "POSTGRES_DB other")),
        ["create db replacing db-1"]
    );
    let lines = bench.finish();
    assert!(
        !lines.iter().any(|line| line.contains("backend-1")),
        "{lines:?}"
    );
    let heard = bench.heard();
    assert!(heard.contains(&"db plan recreate: changed: environment".to_owned()));
    assert!(bench.session.view().settled);
    assert_eq!(
        bench.load(&APP.replace("POSTGRES_DB main", "POSTGRES_DB other")),
        NOTHING
    );
}

#[test]
fn an_edit_while_the_container_is_made_is_not_lost() {
    let mut bench = Bench::new(APP);
    bench.finish_until("create db");
    assert_eq!(
        bench.load(&APP.replace("POSTGRES_DB main", "POSTGRES_DB other")),
        NOTHING
    );
    assert_eq!(bench.ok("create db"), ["create db replacing db-1"]);
}

#[test]
fn an_edit_while_the_image_is_built_supersedes_it() {
    let mut bench = Bench::new(APP);
    bench.finish_until("build backend");
    assert_eq!(
        bench.load(&APP.replace("build \"backend\"", "build \"backend\" target=dev")),
        ["cancel build backend", "build backend"]
    );
}

#[test]
fn a_service_more_is_started() {
    let mut bench = Bench::ready();
    assert_eq!(bench.load(&format!("{APP}{WORKER}")), ["pull worker"]);
    bench.finish();
    assert_eq!(bench.state("worker"), "ready");
}

#[test]
fn a_service_less_is_left_alone_and_known_when_it_comes_back() {
    let mut bench = Bench::new(&format!("{APP}{WORKER}"));
    bench.finish();
    bench.heard();
    assert_eq!(bench.load(APP), NOTHING);
    let heard = bench.heard();
    assert!(
        heard
            .iter()
            .any(|line| line.contains("left alone: app-worker; `devrun down` removes")),
        "{heard:#?}"
    );
    assert!(bench.session.view().settled);
    assert_eq!(bench.session.view().services.len(), 3);

    assert_eq!(bench.load(&format!("{APP}{WORKER}")), ["pull worker"]);
    assert_eq!(
        bench.ok("pull worker"),
        ["attach worker-1"],
        "it is the same one"
    );
    bench.load(APP);
    bench.feed(Event::Signal);
    let lines = bench.finish();
    assert!(
        !lines.iter().any(|line| line.contains("worker")),
        "{lines:?}"
    );
    assert_eq!(lines.last().unwrap(), "exit 0");
}

#[test]
fn a_container_of_a_service_that_is_not_declared_is_known_when_it_is() {
    let mut first = Bench::new(&format!("{APP}{WORKER}"));
    first.finish();
    let mut bench = Bench::with(Options::default());
    bench.containers.clone_from(&first.containers);
    bench.load(APP);
    bench.connect();
    bench.finish();
    let heard = bench.heard();
    assert!(
        heard
            .iter()
            .any(|line| line.contains("left alone: app-worker")),
        "{heard:#?}"
    );
    bench.load(&format!("{APP}{WORKER}"));
    assert_eq!(bench.ok("pull worker"), ["attach worker-1"]);
}

#[test]
fn a_stackfile_that_is_wrong_changes_nothing() {
    let mut bench = Bench::ready();
    let before = bench.session.view();
    let message = "Stackfile.kdl:7: unknown word".to_owned();
    assert_eq!(
        bench.feed(Event::Stackfile(Stackfile::Rejected { message })),
        NOTHING
    );
    assert_eq!(bench.session.view(), before);
    let heard = bench.heard();
    let last = heard.last().unwrap();
    assert!(last.contains("goes on as it was") && last.contains("Stackfile.kdl:7"));
}

#[test]
fn what_failed_gets_another_chance_when_it_is_declared_otherwise() {
    let mut bench = Bench::new(APP);
    bench.finish_until("create db");
    bench.fails("create db", "port 5432 is taken");
    bench.finish();
    assert_eq!(bench.state("db"), "failed: port 5432 is taken");
    assert_eq!(
        bench.load(&APP.replace("POSTGRES_DB main", "POSTGRES_DB other")),
        ["create db"]
    );
    bench.finish();
    assert!(bench.session.view().settled);
}

#[test]
fn networks_and_volumes_are_made_when_they_are_declared_later() {
    let mut bench = Bench::ready();
    let more = APP.replace("volume data\n", "volume data\nvolume more\n");
    assert_eq!(bench.load(&more), ["prepare"]);
    let again = more.replace("volume more\n", "volume more\nvolume most\n");
    assert_eq!(bench.load(&again), ["cancel prepare", "prepare"]);
    bench.finish();
    assert!(bench.session.view().settled);
}

#[test]
fn other_rules_and_another_question_are_looked_at_again() {
    let mut bench = Bench::ready();
    let rules = APP.replace("on \"*.po\"", "ignore \"*.tmp\"\n        on \"*.po\"");
    assert_eq!(bench.load(&rules), ["attach backend-1"]);
    bench.finish();
    let question = rules.replace("http=\"/health\"", "http=\"/healthz\"");
    assert_eq!(
        bench.load(&question)[0],
        "create backend replacing backend-1",
        "the engine asks it too"
    );
}
