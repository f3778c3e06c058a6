//! What the engine tells, and what others do to it.

use super::bench::Bench;
use super::stacks::APP;
use crate::event::{Event, Failure, Outcome, Request, Transport};
use crate::observed::Happened;
use crate::session::Options;
use crate::spec::{ContainerState, Health};

const NOTHING: [&str; 0] = [];
const DIED: Happened = Happened::Exited { code: 137 };

#[test]
fn one_removed_by_hand_is_made_anew() {
    let mut bench = Bench::ready();
    bench.happens("backend-1", DIED);
    let seen = bench.happens("backend-1", Happened::Removed);
    assert_eq!(seen[..2], ["cancel explain backend-1", "create backend"]);
    bench.finish();
    assert_eq!(bench.state("backend"), "ready");
}

#[test]
fn one_stopped_by_hand_stays_stopped_until_somebody_starts_it() {
    for by_engine in [true, false] {
        let mut bench = Bench::ready();
        bench.happens("backend-1", Happened::Exited { code: 143 });
        bench.happens("backend-1", Happened::StoppedByHand);
        bench.finish();
        assert_eq!(bench.state("backend"), "stopped: stopped by hand");
        assert!(bench.session.view().settled);
        if by_engine {
            let seen = bench.happens("backend-1", Happened::Started);
            assert_eq!(seen[..2], ["build backend", "attach backend-1"]);
        } else {
            assert_eq!(bench.up(&["backend"])[0], "build backend");
        }
        bench.finish();
        assert_eq!(bench.state("backend"), "ready");
    }
}

#[test]
fn one_that_the_engine_starts_again_is_looked_after_again() {
    let mut bench = Bench::ready();
    assert_eq!(
        bench.happens("db-1", DIED),
        ["explain db-1"],
        "nobody else starts it as well"
    );
    bench.ok("explain db-1");
    assert_eq!(
        bench.state("db"),
        "failed: exited with 137, the engine starts it again"
    );
    assert_eq!(bench.happens("db-1", Happened::Started), ["attach db-1"]);
    assert_eq!(bench.ok("attach db-1")[0], "probe db-1");
    bench.ok("probe db-1");
    assert_eq!(bench.state("db"), "ready");
    assert_eq!(bench.service("db").restarts, 1);
}

#[test]
fn what_was_meant_for_an_earlier_start_is_ignored() {
    let mut bench = Bench::ready();
    let late = i128::from(bench.engine_time()) - 60_000_000_000;
    for what in [DIED, Happened::Started, Happened::StoppedByHand] {
        assert_eq!(bench.happens_at("db-1", what, late), NOTHING, "{what:?}");
    }
    assert_eq!(bench.state("db"), "ready");
    // Nor is what happens to a container that is no longer there.
    bench.happens("backend-9", DIED);
    assert_eq!(bench.state("backend"), "ready");
}

#[test]
fn the_echo_of_a_stop_of_ours_is_nobodys_stop() {
    let mut bench = Bench::ready();
    bench.stop(&["entry"]);
    bench.happens("entry-1", Happened::Exited { code: 143 });
    bench.ok("stop entry-1");
    assert_eq!(bench.up(&["entry"]), ["start entry-1"]);
    bench.happens("entry-1", Happened::StoppedByHand);
    bench.finish();
    assert_eq!(bench.state("entry"), "ready");
}

#[test]
fn an_end_that_was_told_before_the_start_it_belongs_to() {
    let mut bench = Bench::new(APP);
    for step in ["prepare", "pull db"] {
        bench.ok(step);
    }
    let at = i128::from(bench.engine_time()) + 60_000_000_000;
    bench.happens_at("db-1", DIED, at);
    let seen = bench.ok("create db");
    assert_eq!(seen, ["explain db-1"], "it has ended already");
}

#[test]
fn answers_to_what_was_given_up_are_ignored() {
    let mut bench = Bench::new(APP);
    bench.finish_until("probe db-1");
    let old = bench.op("probe db-1");
    bench.happens("db-1", DIED);
    bench.ok("explain db-1");
    let late = Event::Done {
        op: old,
        outcome: Outcome::Ready,
    };
    assert_eq!(bench.feed(late), NOTHING);
    assert!(bench.state("db").starts_with("failed"));
}

#[test]
fn an_unhealthy_one_is_told_and_healthy_again() {
    let mut bench = Bench::ready();
    bench.heard();
    bench.happens("backend-1", Happened::Health(Health::Unhealthy));
    assert_eq!(bench.state("backend"), "unhealthy: its health check fails");
    assert_eq!(bench.service("backend").health, Some("unhealthy"));
    bench.happens("backend-1", Happened::Health(Health::Healthy));
    assert_eq!(bench.state("backend"), "ready");
    bench.happens("backend-1", Happened::OutOfMemory);
    let heard = bench.heard();
    assert!(heard.last().unwrap().contains("memory limit"), "{heard:#?}");
}

#[test]
fn without_an_agent_it_is_attached_again() {
    let mut bench = Bench::ready();
    let gone = |container: &str| Event::AgentGone {
        container: container.to_owned(),
    };
    assert_eq!(bench.feed(gone("backend-1")), ["attach backend-1"]);
    assert_eq!(
        bench.feed(gone("backend-1")),
        NOTHING,
        "that is the old one"
    );
    assert_eq!(bench.feed(gone("backend-7")), NOTHING);
    let archive = Outcome::Attached {
        transport: Transport::Archive,
        compared: Some(0),
        owed: Vec::new(),
        mirrored: Vec::new(),
        changed: vec![],
        problems: vec![],
        owes_hooks: false,
    };
    bench.ends("attach backend-1", archive);
    assert_eq!(bench.service("backend").transport, Some(Transport::Archive));
    assert_eq!(bench.state("backend"), "ready");
}

#[test]
fn while_the_engine_is_away_nothing_is_begun_and_afterwards_all_is_as_before() {
    let phases = [
        "prepare",
        "pull db",
        "build backend",
        "create db",
        "attach db-1",
        "probe db-1",
        "create backend",
        "probe backend-1",
        "create entry",
        "attach entry-1",
    ];
    for phase in phases {
        let mut bench = Bench::new(APP);
        bench.finish_until(phase);
        let open = bench.open().len();
        let given_up = bench.disconnect();
        let cancelled = given_up.iter().filter(|it| it.starts_with("cancel"));
        assert_eq!(cancelled.count(), open, "{phase}: {given_up:?}");
        assert_eq!(bench.save(&["backend/app.py"]), NOTHING, "{phase}");
        assert_eq!(bench.state("db"), "waiting: for the engine", "{phase}");
        bench.connect();
        bench.finish();
        assert!(bench.session.view().settled, "{phase}");
        assert_eq!(bench.state("entry"), "ready", "{phase}");
        let warned = bench.heard();
        let warned = warned.iter().filter(|it| it.contains("does not answer"));
        assert_eq!(warned.count(), 1);
    }
}

#[test]
fn what_was_under_way_when_the_engine_went_is_done_when_it_is_back() {
    let steps = [
        "sync backend-1 package.json",
        "exec backend-1 npm ci",
        "restart backend-1",
    ];
    for step in steps {
        let mut bench = Bench::ready();
        bench.save(&["backend/package.json"]);
        bench.finish_until(step);
        bench.disconnect();
        bench.connect();
        let lines = bench.finish();
        let left = steps.iter().skip_while(|it| **it != step);
        let missing: Vec<_> = left
            .filter(|it| !lines.contains(&(**it).to_owned()))
            .collect();
        assert!(missing.is_empty(), "{step}: {missing:?} of {lines:?}");
        assert!(bench.session.view().settled);
    }
}

#[test]
fn one_that_the_engine_is_about_to_start_is_left_to_it() {
    let first = Bench::ready();
    let mut bench = Bench::with(Options::default());
    bench.takes_over(&first);
    bench.containers[0].state = ContainerState::Restarting;
    bench.load(APP);
    bench.connect();
    let lines = bench.finish();
    assert!(!lines.contains(&"start db-1".to_owned()), "{lines:?}");
    assert_eq!(
        bench.state("db"),
        "starting: it ended, the engine starts it again"
    );
    assert_eq!(bench.happens("db-1", Happened::Started), ["attach db-1"]);
    // Unless somebody asks: its pause may be long.
    bench.happens("db-1", DIED);
    bench.finish();
    assert_eq!(bench.up(&["db"]), ["restart db-1"]);
}

#[test]
fn one_that_was_stopped_and_started_by_hand_while_the_engine_could_not_tell() {
    let mut bench = Bench::ready();
    bench.happens("backend-1", Happened::Exited { code: 143 });
    bench.happens("backend-1", Happened::StoppedByHand);
    bench.disconnect();
    bench.containers[1].state = ContainerState::Running;
    bench.connect();
    bench.finish();
    assert_eq!(bench.state("backend"), "ready");
    // What a command of ours stopped stays so, whatever the engine did meanwhile.
    bench.stop(&["entry"]);
    bench.finish();
    bench.disconnect();
    bench.containers[2].state = ContainerState::Running;
    let lines = bench.connect();
    assert!(lines.contains(&"stop entry-1".to_owned()), "{lines:?}");
}

#[test]
fn an_engine_that_ends_stops_all_and_all_of_it_comes_back_but_what_somebody_stopped_before() {
    for by_hand_before in [false, true] {
        let mut bench = Bench::ready();
        let stopped = |bench: &mut Bench, id: &str| {
            bench.happens(id, Happened::Exited { code: 143 });
            bench.happens(id, Happened::StoppedByHand);
        };
        if by_hand_before {
            stopped(&mut bench, "entry-1");
            bench.after(60_000);
        }
        for id in ["backend-1", "db-1", "entry-1"] {
            if id != "entry-1" || !by_hand_before {
                stopped(&mut bench, id);
            }
        }
        bench.disconnect();
        bench.connect();
        bench.finish();
        assert_eq!(bench.state("db"), "ready");
        assert_eq!(bench.state("backend"), "ready");
        let entry = match by_hand_before {
            true => "stopped: stopped by hand",
            false => "ready",
        };
        assert_eq!(bench.state("entry"), entry);
    }
}

#[test]
fn what_somebody_stopped_stays_so_where_the_connection_breaks_and_others_run() {
    let mut bench = Bench::ready();
    bench.happens("backend-1", Happened::Exited { code: 143 });
    bench.happens("backend-1", Happened::StoppedByHand);
    bench.disconnect();
    bench.connect();
    bench.finish();
    assert_eq!(bench.state("backend"), "stopped: stopped by hand");
}

#[test]
fn what_an_engine_stopped_that_ended_while_another_one_was_restarted_comes_back() {
    let mut bench = Bench::ready();
    let services = vec!["db".to_owned()];
    bench.feed(Event::Request(Request::Restart { services }));
    bench.finish_until("restart db-1");
    for id in ["db-1", "entry-1", "backend-1"] {
        bench.happens(id, Happened::Exited { code: 143 });
        bench.happens(id, Happened::StoppedByHand);
    }
    // Nobody is asked whether this has anything to do with what was stopped.
    bench.save(&["backend/requirements.txt"]);
    bench.disconnect();
    let lines = [bench.connect(), bench.finish()].concat();
    for service in ["db", "backend", "entry"] {
        assert_eq!(bench.state(service), "ready", "{lines:?}");
    }
    assert!(lines.contains(&"build backend".to_owned()), "{lines:?}");
}

#[test]
fn what_was_being_replaced_while_the_connection_broke_was_stopped_by_nobody_else() {
    let mut bench = Bench::ready();
    let services = vec!["db".to_owned()];
    bench.feed(Event::Request(Request::Restart { services }));
    bench.finish_until("restart db-1");
    bench.disconnect();
    bench.connect();
    bench.happens("db-1", Happened::Exited { code: 143 });
    bench.happens("db-1", Happened::StoppedByHand);
    bench.finish();
    assert_eq!(bench.state("db"), "ready");
}

#[test]
fn one_that_had_ended_before_anybody_looked_was_stopped_by_nobody_of_now() {
    let mut bench = Bench::ready();
    bench.disconnect();
    bench.containers[1].state = ContainerState::Exited;
    bench.connect();
    bench.happens("backend-1", Happened::StoppedByHand);
    bench.finish();
    assert_eq!(bench.state("backend"), "ready");
}

#[test]
fn what_it_told_last_may_be_lost() {
    let mut bench = Bench::ready();
    bench.happens("db-1", Happened::Exited { code: 143 });
    bench.happens("db-1", Happened::StoppedByHand);
    bench.disconnect();
    for container in &mut bench.containers {
        container.state = ContainerState::Exited;
    }
    bench.connect();
    bench.finish();
    assert_eq!(bench.state("db"), "ready");
    assert_eq!(bench.state("backend"), "ready");
}

#[test]
fn a_command_that_an_engine_about_to_end_did_not_run_is_run_once_it_is_back() {
    let mut bench = Bench::ready();
    bench.save(&["backend/messages.po"]);
    bench.finish_until("exec backend-1");
    away(&mut bench, "exec backend-1");
    bench.after(5000).disconnect();
    bench.connect();
    let lines = bench.finish();
    assert!(
        lines.iter().any(|line| line.starts_with("exec backend-1")),
        "{lines:?}"
    );
}

#[test]
fn networks_that_an_engine_about_to_end_did_not_make_are_made_by_the_next() {
    let mut bench = Bench::new(APP);
    for _ in 0..3 {
        away(&mut bench, "prepare");
        assert!(bench.open().is_empty());
        assert_eq!(bench.wake(), ["prepare"]);
    }
    away(&mut bench, "prepare");
    bench.disconnect();
    assert_eq!(bench.connect(), ["prepare"]);
    bench.finish();
    assert_eq!(bench.state("entry"), "ready");
    // One that goes on and still does not do it is waited for no longer.
    let mut bench = Bench::new(APP);
    away(&mut bench, "prepare");
    bench.after(60_000);
    bench.feed(Event::Deadline);
    away(&mut bench, "prepare");
    assert_eq!(bench.heard().last().unwrap(), "ended 1");
}

#[test]
fn one_that_cannot_be_stopped_while_it_is_not_known_whether_it_failed_is_not_looked_at_for_ever() {
    let mut bench = Bench::ready();
    bench.feed(Event::AgentGone {
        container: "backend-1".to_owned(),
    });
    away(&mut bench, "attach backend-1");
    bench.stop(&["backend", "entry"]);
    bench.ok("stop entry-1");
    away(&mut bench, "stop backend-1");
    assert_eq!(bench.state("backend"), "failed: transport is closing");
    assert_eq!(bench.session.next_deadline(), None);
}

fn away(bench: &mut Bench, line: &str) {
    let failure = Failure {
        message: "transport is closing".to_owned(),
        away: true,
        ..Failure::default()
    };
    bench.ends(line, Outcome::Failed(failure));
}
