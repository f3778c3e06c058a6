//! Down again, and the exit code.

use super::bench::Bench;
use super::stacks::APP;
use crate::event::{Event, Request};
use crate::observed::Happened;

const NOTHING: [&str; 0] = [];

#[test]
fn ctrl_c_stops_in_reverse_order_and_is_zero_once_it_was_ready() {
    let mut bench = Bench::ready();
    assert_eq!(bench.feed(Event::Signal), ["stop entry-1"]);
    assert_eq!(bench.ok("stop entry-1"), ["stop backend-1"]);
    assert_eq!(bench.state("backend"), "updating: being stopped");
    assert_eq!(bench.ok("stop backend-1"), ["stop db-1"]);
    assert_eq!(bench.ok("stop db-1"), ["exit 0"]);
    assert_eq!(bench.feed(Event::Signal), NOTHING, "it is over");
}

#[test]
fn ctrl_c_twice_ends_at_once() {
    let mut bench = Bench::ready();
    bench.feed(Event::Signal);
    assert_eq!(bench.feed(Event::Signal), ["exit 130"]);
    assert_eq!(bench.up(&[]), NOTHING);
    assert_eq!(bench.connect(), NOTHING);
}

#[test]
fn ctrl_c_in_each_phase_of_a_start() {
    let cases: &[(&str, &[&str])] = &[
        ("prepare", &["exit 130"]),
        (
            "pull db",
            &[
                "cancel build backend",
                "cancel pull db",
                "cancel pull entry",
                "exit 130",
            ],
        ),
        ("create db", &["cancel build backend", "cancel pull entry"]),
        (
            "attach db-1",
            &[
                "cancel build backend",
                "cancel pull entry",
                "cancel attach db-1",
                "stop db-1",
            ],
        ),
        (
            "probe db-1",
            &[
                "cancel build backend",
                "cancel pull entry",
                "cancel probe db-1",
                "stop db-1",
            ],
        ),
        ("create backend", &[]),
        (
            "probe backend-1",
            &["cancel probe backend-1", "stop backend-1"],
        ),
        ("create entry", &[]),
    ];
    for (phase, first) in cases {
        let mut bench = Bench::new(APP);
        bench.finish_until(phase);
        let mut lines = bench.feed(Event::Signal);
        // Pulls and builds may have ended before.
        let ended =
            |line: &&str| !line.starts_with("cancel") || lines.contains(&(**line).to_owned());
        let expected: Vec<&str> = first.iter().copied().filter(ended).collect();
        let shown: Vec<&String> = lines
            .iter()
            .filter(|line| !line.starts_with("tell"))
            .collect();
        assert_eq!(shown, expected, "{phase}");
        lines.extend(bench.finish());
        assert_eq!(lines.last().unwrap(), "exit 130", "{phase}");
        let created = lines.iter().any(|line| line.starts_with("create"));
        assert!(!created, "{phase}: {lines:?}");
        assert!(!bench.containers.iter().any(bench_runs), "{phase}");
    }
}

fn bench_runs(container: &crate::spec::Container) -> bool {
    container.state == crate::spec::ContainerState::Running
}

#[test]
fn ctrl_c_during_an_update() {
    for phase in [
        "sync backend-1",
        "exec backend-1",
        "restart backend-1",
        "attach backend-1",
    ] {
        let mut bench = Bench::ready();
        bench.save(&["backend/package.json"]);
        bench.finish_until(phase);
        let mut lines = bench.feed(Event::Signal);
        lines.extend(bench.finish());
        assert_eq!(lines.last().unwrap(), "exit 0", "{phase}");
        let stops: Vec<&String> = lines.iter().filter(|it| it.starts_with("stop")).collect();
        assert_eq!(
            stops,
            ["stop entry-1", "stop backend-1", "stop db-1"],
            "{phase}"
        );
    }
}

#[test]
fn ctrl_c_while_one_ends_again_and_again() {
    let mut bench = Bench::ready();
    bench.happens("backend-1", Happened::Exited { code: 1 });
    bench.finish();
    bench.feed(Event::Signal);
    let lines = bench.finish();
    assert!(
        lines.contains(&"stop backend-1".to_owned()),
        "the engine would start it again: {lines:?}"
    );
    assert_eq!(lines.last().unwrap(), "exit 0");
}

#[test]
fn ctrl_c_without_an_engine() {
    let mut bench = Bench::ready();
    bench.disconnect();
    assert_eq!(bench.feed(Event::Signal), ["exit 0"]);
    let mut bench = Bench::with(crate::session::Options::default());
    bench.load(APP);
    assert_eq!(bench.feed(Event::Signal), ["exit 130"]);
}

#[test]
fn one_that_cannot_be_stopped_keeps_nobody_from_ending() {
    let mut bench = Bench::ready();
    bench.feed(Event::Signal);
    assert_eq!(
        bench.fails("stop entry-1", "it does not end"),
        ["stop backend-1"]
    );
    let lines = bench.finish();
    assert_eq!(lines.last().unwrap(), "exit 0");
    let heard = bench.heard();
    assert!(
        heard.contains(&"entry warning: it does not end".to_owned()),
        "{heard:#?}"
    );
}

#[test]
fn the_end_that_a_command_asks_for() {
    let mut bench = Bench::ready();
    let end = |stop| Event::Request(Request::End { stop });
    assert_eq!(bench.feed(end(false)), ["exit 0"], "all goes on");
    let mut bench = Bench::ready();
    assert_eq!(bench.feed(end(true)), ["stop entry-1"]);
    assert_eq!(bench.finish().last().unwrap(), "exit 0");
    let mut bench = Bench::new(APP);
    assert_eq!(
        bench.feed(end(true)),
        ["exit 130"],
        "whoever waits for it to be ready must not go on"
    );
}

#[test]
fn a_stop_goes_in_reverse_order_and_lasts_until_up() {
    let mut bench = Bench::ready();
    assert_eq!(
        bench.stop(&["db", "backend"]),
        ["stop backend-1", "tell entry-1 backend=updating"]
    );
    assert_eq!(
        bench.ok("stop backend-1"),
        ["stop db-1", "tell entry-1 backend=stopped"]
    );
    bench.ok("stop db-1");
    assert_eq!(bench.state("db"), "stopped: stopped by hand");
    assert_eq!(bench.state("entry"), "ready", "nobody asked for its end");
    assert!(bench.session.view().settled);

    // It comes back with what it depends on.
    let mut lines = bench.up(&["backend"]);
    lines.extend(bench.finish());
    let starts: Vec<&String> = lines.iter().filter(|it| it.starts_with("start")).collect();
    assert_eq!(starts, ["start db-1", "start backend-1"]);
    assert!(bench.session.view().settled);
}

#[test]
fn one_that_cannot_be_stopped_says_so_and_is_not_forgotten() {
    let mut bench = Bench::ready();
    bench.stop(&["entry"]);
    assert_eq!(bench.fails("stop entry-1", "it does not end"), NOTHING);
    assert_eq!(bench.state("entry"), "failed: it does not end");
    assert_eq!(bench.up(&["entry"]), ["probe entry-1"]);
}

#[test]
fn a_stop_of_all_keeps_the_session() {
    let mut bench = Bench::ready();
    bench.stop(&[]);
    let lines = bench.finish();
    assert!(lines.contains(&"stop db-1".to_owned()), "{lines:?}");
    assert!(bench.session.view().settled);
}
