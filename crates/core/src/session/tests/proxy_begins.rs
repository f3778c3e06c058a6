//! What a proxy's process begins with counts once it has said so itself.

use super::bench::Bench;
use super::stacks::APP;
use crate::effect::Effect;
use crate::event::{Event, Failure, Outcome, Transport};
use crate::observed::Happened;

const NOTHING: [&str; 0] = [];

/// The proxy's process runs and answers its probe.
fn answers() -> Bench {
    let mut bench = Bench::new(APP);
    bench.finish_until("probe entry-1");
    assert_eq!(bench.ok("probe entry-1"), ["read entry-1 1"]);
    bench.heard();
    bench
}

fn other() -> Outcome {
    Outcome::ProxyOther {
        answer: "HTTP/1.1 404 Not Found".to_owned(),
    }
}

#[test]
fn it_is_asked_where_nginx_listens() {
    let bench = answers();
    let Effect::ProxyRead { url, .. } = bench.effect("read entry-1 1") else {
        panic!("nothing is read");
    };
    assert_eq!(url, "http://127.0.0.1:80/.devrun/generation");
    assert_eq!(
        bench.state("entry"),
        "starting: nginx is asked whether it has its routes"
    );
}

#[test]
fn each_new_process_is_asked() {
    let mut bench = Bench::ready();
    bench.happens("entry-1", Happened::Exited { code: 137 });
    bench.finish();
    bench.happens("entry-1", Happened::Started);
    assert_eq!(bench.ok("attach entry-1")[0], "probe entry-1");
    assert_eq!(bench.ok("probe entry-1"), ["read entry-1 1"]);
    bench.heard();
    bench.ok("read entry-1 1");
    let told = bench.heard().iter().any(|line| line.contains("routes"));
    assert!(!told, "they are in force as before");
    bench.stop(&["entry"]);
    bench.finish();
    bench.up(&["entry"]);
    bench.finish_until("read entry-1 2");
}

#[test]
fn one_that_works_with_something_else_serves_and_is_given_what_it_should_have() {
    let mut bench = answers();
    let seen = bench.ends("read entry-1 1", other());
    assert_eq!(seen, ["apply entry-1 2"]);
    assert_eq!(bench.service("entry").state.word(), "ready");
    assert!(!bench.session.view().settled, "it is not over");
    let heard = bench.heard();
    let told = heard
        .iter()
        .find(|line| line.starts_with("entry warning: nginx has not begun"));
    let told = told.unwrap_or_else(|| panic!("{heard:#?}"));
    assert!(told.contains("HTTP/1.1 404 Not Found"), "{told}");
    assert_eq!(bench.ok("apply entry-1 2"), NOTHING);
    assert!(bench.heard().contains(&"entry routes 2".to_owned()));
    assert_eq!(bench.state("entry"), "ready");
}

#[test]
fn where_nothing_helps_everybody_can_see_what_to_do() {
    let mut bench = answers();
    bench.ends("read entry-1 1", other());
    bench.fails("apply entry-1 2", "it did not take it");
    bench.wake();
    assert_eq!(
        bench.fails("apply entry-1 3", "it did not take it"),
        NOTHING
    );
    assert!(bench.session.view().settled);
    assert_eq!(
        bench.state("entry"),
        "ready: nginx does not say that it has its routes: it did not take it"
    );
    let heard = bench.heard();
    let last = heard.iter().rfind(|line| line.contains("warning")).unwrap();
    assert!(last.contains("without `-c` in `command`"), "{last}");
    assert_eq!(bench.up(&[]), ["apply entry-1 4"], "somebody says so");
}

#[test]
fn what_it_was_given_meanwhile_need_not_be_asked_for() {
    let mut bench = Bench::new(APP);
    bench.finish_until("attach entry-1");
    bench.load(&APP.replace("/api/*", "/v2/*"));
    assert_eq!(bench.ok("attach entry-1")[0], "apply entry-1 2");
    bench.ok("apply entry-1 2");
    assert_eq!(bench.ok("probe entry-1"), NOTHING);
    assert_eq!(bench.state("entry"), "ready");
}

#[test]
fn a_mistake_that_was_saved_meanwhile_leaves_what_it_began_with() {
    let mut bench = Bench::new(APP);
    bench.finish_until("attach entry-1");
    bench.load(&APP.replace("/api/*", "/v2/*"));
    bench.ok("attach entry-1");
    let failure = Failure {
        message: "unknown directive".to_owned(),
        impossible: true,
        ..Failure::default()
    };
    bench.ends("apply entry-1 2", Outcome::Failed(failure));
    assert_eq!(bench.ok("probe entry-1"), ["read entry-1 1"]);
    bench.ok("read entry-1 1");
    let state = bench.state("entry");
    assert!(state.starts_with("ready: its routes are those of before"));
}

#[test]
fn one_that_cannot_be_asked_is_compared_and_probed_again() {
    let mut bench = answers();
    let container = "entry-1".to_owned();
    bench.feed(Event::AgentGone { container });
    assert_eq!(bench.fails("read entry-1 1", "it is gone"), NOTHING);
    assert_eq!(bench.wake(), ["attach entry-1"]);
    assert_eq!(bench.ok("attach entry-1")[0], "probe entry-1");
    assert_eq!(bench.ok("probe entry-1"), ["read entry-1 1"]);
    bench.ok("read entry-1 1");
    assert_eq!(bench.state("entry"), "ready");
}

#[test]
fn whose_agent_goes_while_it_is_probed_is_asked_all_the_same() {
    let mut bench = Bench::new(APP);
    bench.finish_until("probe entry-1");
    let container = "entry-1".to_owned();
    bench.feed(Event::AgentGone { container });
    assert_eq!(bench.ok("probe entry-1"), ["attach entry-1"]);
    bench.finish_until("read entry-1 1");
    bench.ok("read entry-1 1");
    assert_eq!(bench.state("entry"), "ready");
}

#[test]
fn without_an_agent_nobody_can_ask() {
    let mut bench = Bench::new(APP);
    bench.finish_until("attach entry-1");
    let mut outcome = super::bench::attached(&[]);
    if let Outcome::Attached { transport, .. } = &mut outcome {
        *transport = Transport::Archive;
    }
    bench.ends("attach entry-1", outcome);
    assert_eq!(bench.ok("probe entry-1"), NOTHING);
    assert_eq!(bench.state("entry"), "ready");
    assert!(bench.heard().contains(&"entry routes 1".to_owned()));
}
