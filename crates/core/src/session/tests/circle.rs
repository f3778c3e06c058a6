//! Rules that trigger themselves, and people who save fast.

use std::time::Duration;

use super::bench::{Bench, owned};
use super::random::Random;
use crate::event::{Event, Request};
use crate::notice::NoticeEvent;
use crate::observed::Happened;

const NOTHING: [&str; 0] = [];

const APP: &str = r#"
stack app
service web {
    image "web:1"
    bind "made" to="/made"
    sync "src" to="/app" { on "*.py" { restart } }
    on "made/*.txt" { exec "make" }
    on "hand.txt"   { exec "hand" }
    on "load/*.sql" { run load }
}
task load { image "load:1"; bind "load" to="/load"; on "load/seed/*" { restart } }
"#;

fn ready() -> Bench {
    let mut bench = Bench::new(APP);
    bench.finish();
    bench.happens("load-1", Happened::Exited { code: 0 });
    bench.finish();
    assert!(bench.session.view().settled, "{:#?}", bench.session.view());
    bench.heard();
    bench
}

/// What was told of rules that are paused and act again.
fn paused(bench: &Bench) -> Vec<String> {
    let told = bench.told.iter().filter_map(|notice| match &notice.event {
        NoticeEvent::RulePaused { rule, path } => Some(format!("{rule} {path}")),
        NoticeEvent::RuleResumed { rule } => Some(format!("{rule} again")),
        _ => None,
    });
    told.collect()
}

/// Wakes it until that is begun; false where nothing is waited for.
fn until(bench: &mut Bench, line: &str) -> bool {
    while !bench.open().iter().any(|open| open.starts_with(line)) {
        if bench.session.next_deadline().is_none() {
            return false;
        }
        bench.wake();
    }
    true
}

/// The command writes the file that triggers it, so many times at most; how often it ran.
fn go_round(bench: &mut Bench, most: usize) -> usize {
    bench.save(&["made/in.txt"]);
    for turn in 0..most {
        if !until(bench, "exec") {
            return turn;
        }
        bench.after(200).save(&["made/out.txt"]);
        bench.ok("exec");
    }
    most
}

#[test]
fn a_command_that_writes_what_triggers_it_is_paused_with_its_file_and_line() {
    let mut bench = ready();
    let turns = go_round(&mut bench, 100);
    assert!((6..=10).contains(&turns), "{turns} turns");
    assert_eq!(paused(&bench), ["Stackfile.kdl:7 made/out.txt"]);
    assert!(bench.session.view().settled, "nobody waits for it");
    assert_eq!(
        bench.state("web"),
        "ready: Stackfile.kdl:7 is paused, for made/out.txt is changed by what its own save \
         triggers, 1 save waits; `devrun trigger web` goes on"
    );
    let rule = ("Stackfile.kdl:7".to_owned(), "made/out.txt".to_owned());
    assert_eq!(bench.service("web").paused, [rule]);

    // Other rules act, and what this one is about only waits.
    assert_eq!(bench.after(5000).save(&["hand.txt"]), NOTHING);
    assert_eq!(bench.wake(), ["exec web-1 hand"]);
    bench.ok("exec");
    assert_eq!(bench.save(&["src/a.py"]), ["sync web-1 a.py"]);
    bench.finish();
    assert_eq!(bench.after(5000).save(&["made/in.txt"]), NOTHING);
    assert!(bench.open().is_empty() && bench.session.next_deadline().is_none());
}

#[test]
fn somebody_who_says_so_has_the_rule_act_again_and_what_was_saved_meanwhile_is_followed() {
    let mut bench = ready();
    go_round(&mut bench, 100);
    bench.after(5000).save(&["made/in.txt"]);
    let services = owned(&["web"]);
    bench.feed(Event::Request(Request::Trigger { services }));
    assert!(!bench.session.view().settled);
    assert!(until(&mut bench, "exec web-1 make"));
    bench.ok("exec");
    bench.finish();
    assert_eq!(bench.state("web"), "ready");
    assert!(bench.session.view().settled);
    assert_eq!(
        paused(&bench),
        ["Stackfile.kdl:7 made/out.txt", "Stackfile.kdl:7 again"]
    );
    let last = "web in.txt and 1 more → ran its command: ok".to_owned();
    assert_eq!(
        bench.heard().iter().filter(|line| **line == last).count(),
        2
    );
    // It still goes round.
    let turns = go_round(&mut bench, 100);
    assert!((6..=10).contains(&turns), "{turns} turns");
}

#[test]
fn a_save_of_the_stackfile_has_the_rule_act_again() {
    let mut bench = ready();
    go_round(&mut bench, 100);
    // Whoever mends it loses nothing, and has no circle any more.
    bench.load(&APP.replace("made/*.txt", "made/in.txt"));
    assert_eq!(bench.state("web"), "ready");
    assert_eq!(bench.service("web").paused, []);
    bench.finish();
    assert_eq!(bench.after(5000).save(&["made/out.txt"]), NOTHING);
    bench.save(&["made/in.txt"]);
    assert!(until(&mut bench, "exec web-1 make"));
}

/// The task writes that file each time it runs.
fn writes_until_paused(path: &str) -> Bench {
    let mut bench = ready();
    bench.save(&[path]);
    let mut turns = 0;
    while until(&mut bench, "start load-1") {
        turns += 1;
        assert!(turns < 20, "it goes on and on");
        bench.ok("start load-1");
        while !bench.open().is_empty() {
            let open = bench.open();
            bench.ok(&open[0]);
        }
        bench.after(200).save(&[path]);
        bench.happens("load-1", Happened::Exited { code: 0 });
    }
    bench
}

#[test]
fn a_task_that_writes_what_it_is_run_for_is_paused_for_its_service_or_for_itself() {
    let bench = writes_until_paused("load/a.sql");
    assert_eq!(paused(&bench), ["Stackfile.kdl:9 load/a.sql"]);

    let bench = writes_until_paused("load/seed/a");
    assert_eq!(paused(&bench), ["Stackfile.kdl:11 load/seed/a"]);
    assert!(
        bench
            .state("load")
            .starts_with("done: Stackfile.kdl:11 is paused")
    );
    assert!(bench.session.view().settled);
}

/// The command takes its time; whoever saves does so after random pauses, whatever it does.
fn saved_by_chance(seed: u64, looped: bool) -> (usize, Vec<String>) {
    let mut random = Random(seed);
    let mut bench = ready();
    let took = random.between(5, 4000);
    let longest = random.between(100, 6000);
    // Now and then they think.
    let person = |random: &mut Random, now: Duration| match random.percent(5) {
        true => now + random.millis(10_000, 60_000),
        false => now + random.millis(50, longest),
    };
    let mut next_save = (!looped).then(|| person(&mut random, bench.now));
    let mut ends: Option<Duration> = None;
    let (mut ran, mut saves) = (0, 0);
    if looped {
        bench.save(&["made/in.txt"]);
    }
    for _ in 0..3_000 {
        if ends.is_none() && bench.open().iter().any(|open| open.starts_with("exec")) {
            ran += 1;
            let runs = random.between(1, took + 1);
            ends = Some(bench.now + Duration::from_millis(runs));
            if looped {
                // It writes at any time while it runs, or just after.
                next_save = Some(bench.now + random.millis(0, runs + 900));
            }
        }
        let deadline = bench.session.next_deadline();
        let Some(next) = [next_save, ends, deadline].into_iter().flatten().min() else {
            break;
        };
        bench.now = bench.now.max(next);
        if ends.is_some_and(|at| at <= next) {
            ends = None;
            bench.ok("exec");
        } else if next_save.is_some_and(|at| at <= next) {
            saves += 1;
            bench.save(&["made/out.txt"]);
            next_save = (!looped && saves < 120).then(|| person(&mut random, bench.now));
        } else {
            bench.feed(Event::Deadline);
        }
    }
    (ran, paused(&bench))
}

#[test]
fn whatever_the_pauses_a_circle_is_found_and_a_person_is_not() {
    for seed in 1..=30 {
        let (ran, told) = saved_by_chance(seed, true);
        assert_eq!(
            told,
            ["Stackfile.kdl:7 made/out.txt"],
            "seed {seed}: ran {ran} times"
        );
        assert!(ran < 40, "seed {seed}: {ran} turns");
        let (ran, told) = saved_by_chance(seed, false);
        assert_eq!(told, NOTHING, "seed {seed}, ran {ran} times");
        assert!(ran > 20, "seed {seed}: ran {ran} times only");
    }
}
