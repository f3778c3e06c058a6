//! A Stackfile that is saved while its stack runs.

use super::bench::{Bench, image_there};
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
    assert!(heard.contains(
        &"db plan recreate: changed: environment POSTGRES_DB (Stackfile.kdl:7)".to_owned()
    ));
    let over = "db Stackfile.kdl → recreated: ok".to_owned();
    assert!(heard.contains(&over), "{heard:#?}");
    assert!(bench.session.view().settled);
    assert_eq!(
        bench.load(&APP.replace("POSTGRES_DB main", "POSTGRES_DB other")),
        NOTHING
    );
}

#[test]
fn an_update_that_waits_for_another_service_is_not_over() {
    let mut bench = Bench::ready();
    bench.load(&APP.replace("POSTGRES_DB main", "POSTGRES_DB other"));
    bench.save(&["backend/requirements.txt"]);
    bench.ok("sync backend-1");
    bench.wake();
    bench.heard();
    bench.ends("build backend", image_there("app-backend:2", true));
    let heard = bench.heard();
    assert!(!heard.iter().any(|line| line.contains('→')), "{heard:#?}");
    bench.finish();
    let over = "backend requirements.txt → synced, rebuilt, recreated: ok".to_owned();
    let heard = bench.heard();
    assert!(heard.contains(&over), "{heard:#?}");
}

#[test]
fn a_line_more_above_it_all_is_followed_by_nothing() {
    let mut bench = Bench::ready();
    let below = format!("// A comment.\n\n{}", APP.trim_start());
    assert_eq!(bench.load(&below), NOTHING);
    assert_eq!(bench.load(APP), NOTHING);
    assert!(bench.session.view().settled);
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
fn a_service_less_is_stopped_and_its_container_removed() {
    let mut bench = Bench::new(&format!("{APP}{WORKER}"));
    bench.finish();
    bench.heard();
    assert_eq!(bench.load(APP), ["remove worker-1"]);
    assert!(!bench.session.view().settled, "it is on its way");
    assert_eq!(bench.session.view().services.len(), 3);
    assert_eq!(bench.ok("remove worker-1"), NOTHING);
    assert!(bench.session.view().settled);
    assert_eq!(
        bench.heard(),
        [
            "worker plan remove: no longer in the Stackfile",
            "worker Stackfile.kdl → removed: ok",
            "settled, ready: true"
        ]
    );

    assert_eq!(bench.load(&format!("{APP}{WORKER}")), ["pull worker"]);
    assert_eq!(bench.ok("pull worker"), ["create worker"]);
    bench.finish();
    assert!(bench.session.view().settled);
}

#[test]
fn a_service_that_comes_back_while_it_goes_is_made_anew() {
    let mut bench = Bench::new(&format!("{APP}{WORKER}"));
    bench.finish();
    bench.load(APP);
    assert_eq!(bench.load(&format!("{APP}{WORKER}")), ["pull worker"]);
    assert_eq!(bench.ok("pull worker"), NOTHING, "it is still going");
    assert_eq!(bench.ok("remove worker-1"), ["create worker"]);
    bench.finish();
    assert_eq!(bench.state("worker"), "ready");
}

const CACHE: &str = "\nservice cache { image \"cache:1\"; port 6379; }
service worker { image \"worker:1\"; depends-on cache; }";

#[test]
fn of_services_less_those_that_depend_on_another_go_first() {
    let mut bench = Bench::new(&format!("{APP}{CACHE}"));
    bench.finish();
    assert_eq!(bench.load(APP), ["remove worker-1"]);
    assert_eq!(bench.ok("remove worker-1"), ["remove cache-1"]);
    bench.ok("remove cache-1");
    assert!(bench.session.view().settled);
}

#[test]
fn what_is_made_anew_without_a_service_lets_go_of_it_first() {
    let mut bench = Bench::new(&format!("{APP}{CACHE}"));
    bench.finish();
    let alone = "\nservice worker { image \"worker:1\"; environment { CACHE none } }";
    assert_eq!(
        bench.load(&format!("{APP}{alone}")),
        ["create worker replacing worker-1"],
        "whose process still works with the cache"
    );
    let lines = bench.finish();
    assert!(lines.contains(&"remove cache-1".to_owned()), "{lines:?}");
    assert!(bench.session.view().settled);
}

#[test]
fn who_takes_the_place_of_a_service_less_waits_until_it_is_gone() {
    let mut bench = Bench::new(&format!("{APP}{CACHE}"));
    bench.finish();
    let renamed = CACHE
        .replace("cache {", "store {")
        .replace("on cache", "on store");
    bench.load(&format!("{APP}{renamed}"));
    bench.ok("pull store");
    assert_eq!(
        bench.state("store"),
        "waiting: for cache, which is being removed",
        "both publish the same port"
    );
    let lines = bench.finish();
    let place = |line: &str| lines.iter().position(|it| it == line);
    assert!(place("remove cache-1") < place("create store"), "{lines:?}");
    assert!(bench.session.view().settled);
}

#[test]
fn what_cannot_be_removed_is_said_and_left_to_down() {
    let mut bench = Bench::new(&format!("{APP}{WORKER}"));
    bench.finish();
    bench.load(APP);
    bench.heard();
    assert_eq!(bench.fails("remove worker-1", "it does not end"), NOTHING);
    let heard = bench.heard();
    assert!(
        heard.contains(&"worker warning: it does not end; `devrun down` removes it".to_owned()),
        "{heard:#?}"
    );
    assert!(bench.session.view().settled);
    bench.feed(Event::Signal);
    assert_eq!(bench.finish().last().unwrap(), "exit 0");
}

#[test]
fn what_this_session_never_started_is_left_alone_when_it_is_declared_no_more() {
    let first = Bench::new(&format!("{APP}{WORKER}"));
    let mut first = first;
    first.finish();
    let services = super::bench::owned(&["entry"]);
    let mut bench = Bench::with(Options {
        services,
        ..Options::default()
    });
    bench.takes_over(&first);
    bench.load(&format!("{APP}{WORKER}"));
    bench.connect();
    bench.finish();
    assert_eq!(bench.load(APP), NOTHING);
    let heard = bench.heard();
    assert!(
        heard
            .iter()
            .any(|line| line.contains("left alone: app-worker; `devrun down` removes")),
        "{heard:#?}"
    );
    bench.feed(Event::Signal);
    let lines = bench.finish();
    assert!(
        !lines.iter().any(|line| line.contains("worker")),
        "{lines:?}"
    );
    assert_eq!(lines.last().unwrap(), "exit 0");
}

#[test]
fn an_end_while_a_service_goes_waits_for_that() {
    let mut bench = Bench::new(&format!("{APP}{CACHE}"));
    bench.finish();
    bench.load(APP);
    bench.feed(Event::Signal);
    let lines = bench.finish();
    assert!(lines.contains(&"remove cache-1".to_owned()), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "exit 0");
}

#[test]
fn a_container_of_a_service_that_is_not_declared_is_known_when_it_is() {
    let mut first = Bench::new(&format!("{APP}{WORKER}"));
    first.finish();
    let mut bench = Bench::with(Options::default());
    bench.takes_over(&first);
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
        bench.feed(Event::Stackfile(Stackfile::Rejected {
            message: message.clone()
        })),
        NOTHING
    );
    let after = bench.session.view();
    assert_eq!(after.wrong, Some(message));
    assert_eq!(after.services, before.services);
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

#[test]
fn what_is_wrong_is_shown_until_the_next_good_one() {
    let mut bench = Bench::ready();
    let message = "web.env:2: no `=`".to_owned();
    bench.feed(Event::Stackfile(Stackfile::Rejected {
        message: message.clone(),
    }));
    assert!(bench.open().is_empty());
    bench.save(&["backend/page.html"]);
    bench.finish();
    assert_eq!(bench.session.view().wrong, Some(message));
    bench.load(APP);
    assert_eq!(bench.session.view().wrong, None);
}
