//! Saves that wait.

use super::bench::{Bench, owned};
use super::stacks::APP;
use crate::event::{Event, Request, WatchEvent};
use crate::observed::Happened;
use crate::session::{Held, Options};

const NOTHING: [&str; 0] = [];

impl Bench {
    pub(super) fn attach(&mut self, service: &str) -> Vec<String> {
        let service = service.to_owned();
        self.feed(Event::Request(Request::Attach { service }))
    }

    pub(super) fn detach(&mut self, service: &str) -> Vec<String> {
        let service = service.to_owned();
        self.feed(Event::Request(Request::Detach { service }))
    }

    pub(super) fn trigger(&mut self, services: &[&str]) -> Vec<String> {
        let services = owned(services);
        self.feed(Event::Request(Request::Trigger { services }))
    }
}

#[test]
fn saves_wait_while_a_terminal_is_on_the_process_and_are_one_batch_afterwards() {
    let mut bench = Bench::ready();
    assert_eq!(bench.attach("backend"), NOTHING);
    assert_eq!(bench.save(&["backend/app.py"]), NOTHING);
    assert_eq!(
        bench
            .after(900)
            .save(&["backend/page.html", "backend/Dockerfile"]),
        NOTHING
    );
    assert_eq!(bench.session.next_deadline(), None);
    assert_eq!(
        bench.state("backend"),
        "ready: 3 saves wait while a terminal is on its process"
    );
    let view = bench.service("backend");
    assert_eq!((view.pending, view.held), (3, Some(Held::Terminal)));
    assert!(!bench.session.view().settled, "not all is live");

    let mut lines = bench.detach("backend");
    assert_eq!(lines, ["sync backend-1 app.py page.html"]);
    lines.extend(bench.finish());
    assert!(bench.session.view().settled);
    assert_eq!(bench.service("backend").held, None);
}

#[test]
fn two_terminals_hold_until_both_are_gone() {
    let mut bench = Bench::ready();
    bench.attach("backend");
    bench.attach("backend");
    bench.save(&["backend/page.html"]);
    assert_eq!(bench.detach("backend"), NOTHING);
    assert_eq!(bench.detach("backend"), ["sync backend-1 page.html"]);
}

#[test]
fn others_and_what_a_person_asks_for_do_not_wait() {
    let mut bench = Bench::ready();
    bench.attach("backend");
    let lines = bench.load(&APP.replace("POSTGRES_DB main", "POSTGRES_DB other"));
    assert!(
        lines.iter().any(|line| line.starts_with("create db")),
        "{lines:?}"
    );
    bench.finish();
    let services = owned(&["backend"]);
    let lines = bench.feed(Event::Request(Request::Restart { services }));
    assert!(lines.contains(&"restart backend-1".to_owned()), "{lines:?}");
}

#[test]
fn what_is_declared_otherwise_waits_for_the_terminal_too() {
    let mut bench = Bench::ready();
    bench.attach("backend");
    bench.load(&APP.replace("port 8000", "port 8000; environment { A 1 }"));
    assert!(bench.open().is_empty(), "{:?}", bench.open());
    assert_eq!(
        bench.state("backend"),
        "ready: 1 save waits while a terminal is on its process; what is declared otherwise comes then"
    );
    assert_eq!(bench.service("backend").pending, 1);
    assert!(!bench.session.view().settled);
    bench.detach("backend");
    assert!(
        bench
            .open()
            .iter()
            .any(|open| open.starts_with("create backend replacing")),
        "{:?}",
        bench.open()
    );
}

#[test]
fn what_is_compared_again_waits_too() {
    let mut bench = Bench::ready();
    bench.attach("backend");
    bench.loses_events();
    let lines = bench.finish();
    assert!(
        !lines.iter().any(|line| line.starts_with("attach backend")),
        "{lines:?}"
    );
    assert_eq!(bench.service("backend").pending, 1);
    assert!(!bench.session.view().settled);
    assert_eq!(bench.detach("backend"), ["attach backend-1"]);
    bench.finish();
    assert!(bench.session.view().settled);
}

#[test]
fn a_process_that_ended_takes_nobodys_saves_hostage() {
    let mut bench = Bench::ready();
    bench.attach("backend");
    bench.save(&["backend/app.py"]);
    bench.happens("backend-1", Happened::Exited { code: 1 });
    bench.detach("backend");
    bench.happens("backend-1", Happened::Started);
    bench.finish();
    assert_eq!(bench.state("backend"), "ready");
    assert!(bench.session.view().settled);
}

#[test]
fn with_a_manual_trigger_saves_are_collected_until_somebody_says_so() {
    let manual = APP.replace(
        "    route \"/api/*\"",
        "    route \"/api/*\"\n    trigger manual",
    );
    let mut bench = Bench::with(Options {
        watch: true,
        ..Options::default()
    });
    bench.load(&manual);
    bench.connect();
    bench.feed(Event::Watch(WatchEvent::Ready { files: 3 }));
    bench.finish();
    assert_eq!(
        bench.save(&["backend/app.py", "backend/page.html"]),
        NOTHING
    );
    assert_eq!(
        bench.state("backend"),
        "ready: 2 saves wait for `devrun trigger backend`"
    );
    assert!(
        bench.session.view().settled,
        "nobody waits for what somebody has to ask for"
    );
    assert_eq!(bench.trigger(&["db"]), NOTHING);

    assert_eq!(
        bench.trigger(&["backend"]),
        ["sync backend-1 app.py page.html"]
    );
    assert!(!bench.session.view().settled);
    let lines = bench.finish();
    assert!(lines.contains(&"restart backend-1".to_owned()), "{lines:?}");
    assert!(bench.session.view().settled);
    assert_eq!(bench.save(&["backend/page.html"]), NOTHING);
}
