//! What does not work, and what it does to the others.

use std::path::PathBuf;

use super::bench::Bench;
use super::stacks::APP;
use crate::event::{Event, Failure, Outcome, Progress, Synced};
use crate::observed::Happened;
use crate::spec::Health;

const NOTHING: [&str; 0] = [];

/// Everything up to the probe of the database.
fn db_probed(text: &str) -> Bench {
    let mut bench = Bench::new(text);
    for step in ["prepare", "pull db", "create db", "attach db-1"] {
        bench.ok(step);
    }
    bench
}

#[test]
fn a_failed_build_without_a_container_holds_up_those_who_need_it() {
    let mut bench = Bench::new(APP);
    bench.ok("prepare");
    assert_eq!(bench.fails("build backend", "exit code 1"), NOTHING);
    bench.finish();
    assert_eq!(bench.state("db"), "ready");
    assert_eq!(bench.state("backend"), "failed: exit code 1");
    assert_eq!(
        bench.state("entry"),
        "waiting: for backend, which is failed"
    );
    let heard = bench.heard();
    assert_eq!(heard.last().unwrap(), "settled, ready: false");

    assert_eq!(bench.save(&["backend/app.py"]), ["build backend"]);
    bench.finish();
    assert_eq!(bench.state("entry"), "ready");
}

#[test]
fn a_container_that_was_made_and_does_not_start_is_known_and_started_by_the_next_try() {
    let mut bench = db_made_in_vain();
    assert_eq!(bench.state("db"), "failed: port 5432 of the host is taken");
    let view = bench.session.view();
    let db = view.services.iter().find(|view| view.name == "db").unwrap();
    assert_eq!(db.container.as_deref(), Some("db-1"));
    assert_eq!(bench.up(&[]), ["start db-1"]);
    bench.ok("start db-1");
    assert_eq!(bench.state("db"), "starting: its files are being compared");
}

fn db_made_in_vain() -> Bench {
    let mut bench = Bench::new(APP);
    bench.ok("prepare");
    bench.ok("pull db");
    let failure = Failure {
        message: "port 5432 of the host is taken".to_owned(),
        created: Some("db-1".to_owned()),
        ..Failure::default()
    };
    bench.ends("create db", Outcome::Failed(failure));
    bench
}

#[test]
fn a_failed_build_leaves_what_runs() {
    let mut bench = Bench::ready();
    bench.save(&["backend/Dockerfile"]);
    bench.finish_until("build backend");
    bench.heard();
    assert_eq!(bench.fails("build backend", "exit code 1"), NOTHING);
    assert_eq!(
        bench.state("backend"),
        "ready: its build failed; serving the version before"
    );
    assert_eq!(
        bench.heard(),
        [
            "backend build failed",
            "backend Dockerfile → build failed: failed; exit code 1",
            "settled, ready: true"
        ]
    );
    // It is looked after as before.
    let exited = Happened::Exited { code: 1 };
    bench.happens("backend-1", exited);
    bench.ok("explain backend-1");
    assert_eq!(
        bench.happens("backend-1", Happened::Started),
        ["attach backend-1"]
    );
    bench.finish();
    assert!(bench.state("backend").starts_with("ready"));
}

#[test]
fn a_failed_build_beside_a_running_container_of_an_earlier_session() {
    let first = Bench::ready();
    let mut bench = Bench::with(crate::session::Options::default());
    bench.takes_over(&first);
    bench.load(APP);
    bench.connect();
    bench.ok("prepare");
    bench.fails("build backend", "exit code 1");
    bench.finish();
    assert!(
        bench.state("backend").starts_with("ready"),
        "{}",
        bench.state("backend")
    );
    assert_eq!(bench.state("entry"), "ready");
}

#[test]
fn who_is_not_ready_in_time_fails_with_the_answer_and_its_last_words() {
    let mut bench = db_probed(APP);
    let op = bench.op("probe db-1");
    let output = "no response\n".to_owned();
    bench.feed(Event::Progress {
        op,
        progress: Progress::ProbeFailed {
            output: output.clone(),
        },
    });
    assert_eq!(
        bench.state("db"),
        "starting: its health check says: no response"
    );
    assert_eq!(
        bench.ends("probe db-1", Outcome::NotReady { output }),
        ["explain db-1"]
    );
    bench.ok("explain db-1");
    assert_eq!(bench.state("db"), "failed: not ready in time: no response");
    assert_eq!(bench.service("db").details, ["no response", "last words"]);
    bench.finish();
    assert_eq!(bench.state("backend"), "waiting: for db, which is failed");
    assert!(bench.session.view().settled);

    // The engine goes on asking: late is better than never.
    let healthy = Happened::Health(Health::Healthy);
    assert_eq!(bench.happens("db-1", healthy), ["create backend"]);
    bench.finish();
    assert_eq!(bench.state("entry"), "ready");
}

#[test]
fn an_end_before_ready_under_each_restart_policy() {
    let starts_again = "failed: exited with 3, the engine starts it again";
    let cases = [
        ("no", 3, "failed: exited with 3"),
        ("no", 0, "failed: exited with 0"),
        ("always", 3, starts_again),
        ("unless-stopped", 3, starts_again),
        ("on-failure", 3, starts_again),
        ("on-failure", 0, "failed: exited with 0"),
        ("on-failure retries=1", 3, starts_again),
    ];
    for (policy, code, state) in cases {
        let mut bench =
            db_probed(&APP.replace("restart unless-stopped", &format!("restart {policy}")));
        let seen = bench.happens("db-1", Happened::Exited { code });
        assert_eq!(
            seen,
            ["cancel probe db-1", "explain db-1"],
            "{policy} {code}"
        );
        bench.finish();
        assert_eq!(bench.state("db"), state, "{policy} {code}");
        assert_eq!(bench.state("backend"), "waiting: for db, which is failed");
        assert_eq!(bench.service("db").details, ["last words"]);
    }
}

#[test]
fn one_that_ends_again_and_again_is_given_up_and_healed_by_a_save() {
    let mut bench = Bench::ready();
    let exit = |bench: &mut Bench| bench.happens("backend-1", Happened::Exited { code: 1 });
    for exits in 1..=3 {
        exit(&mut bench);
        bench.finish();
        assert_eq!(
            bench.session.view().settled,
            exits == 3,
            "after {exits} exits"
        );
        if exits < 3 {
            bench.happens("backend-1", Happened::Started);
            bench.ok("attach backend-1");
        }
    }
    assert_eq!(
        bench.state("backend"),
        "failed: crash-looping, 3 exits, the last with 1"
    );
    assert_eq!(
        bench.save(&["backend/app.py"]),
        ["sync backend-1 app.py", "tell entry-1 backend=starting"]
    );
    assert_eq!(
        bench.ok("sync backend-1"),
        ["restart backend-1"],
        "the engine's pause is not waited for"
    );
    bench.finish();
    assert_eq!(bench.state("backend"), "ready");
}

#[test]
fn one_that_ends_before_an_agent_is_in_it_gets_the_hosts_files_by_the_archive_call() {
    let mut bench = Bench::new(APP);
    bench.finish_until("attach backend-1");
    assert_eq!(
        bench.happens("backend-1", Happened::Exited { code: 1 }),
        ["cancel attach backend-1", "push backend-1"]
    );
    bench.ok("push backend-1");
    bench.happens("backend-1", Happened::Started);
    assert_eq!(
        bench.happens("backend-1", Happened::Exited { code: 1 }),
        ["cancel attach backend-1", "explain backend-1"],
        "once"
    );
}

const TASK: &str = r#"
stack app
service db { image "db:1"; restart unless-stopped; }
task seed { image "seed:1"; depends-on db; }
service web { image "web:1"; depends-on seed; }
"#;

#[test]
fn a_task_is_done_once() {
    let mut bench = Bench::new(TASK);
    bench.finish();
    assert_eq!(bench.state("web"), "waiting: for seed, which is starting");
    assert_eq!(
        bench.happens("seed-1", Happened::Exited { code: 0 }),
        ["create web"]
    );
    bench.finish();
    assert_eq!(bench.state("seed"), "done");
    assert!(bench.session.view().settled);
    assert_eq!(bench.up(&[]), NOTHING, "not again in this session");

    let mut next = Bench::with(crate::session::Options::default());
    next.takes_over(&bench);
    next.load(TASK);
    next.connect();
    let lines = next.finish();
    assert!(
        !lines.iter().any(|line| line.contains("seed-1")),
        "{lines:?}"
    );
    assert_eq!(next.state("seed"), "done", "nor in the next");
}

#[test]
fn a_task_that_fails_holds_up_those_who_need_it() {
    let mut bench = Bench::new(TASK);
    bench.finish();
    assert_eq!(
        bench.happens("seed-1", Happened::Exited { code: 4 }),
        ["explain seed-1"]
    );
    bench.finish();
    assert_eq!(bench.state("seed"), "failed: task ended with 4");
    assert_eq!(bench.state("web"), "waiting: for seed, which is failed");
    assert!(bench.session.view().settled);
    assert_eq!(bench.up(&[]), ["start seed-1"], "until somebody asks again");
}

#[test]
fn health_that_was_told_of_an_earlier_process_is_not_that_of_this_one() {
    let mut bench = Bench::ready();
    bench.happens("backend-1", Happened::Exited { code: 1 });
    bench.ok("explain backend-1");
    bench.save(&["backend/app.py"]);
    bench.ok("sync backend-1");
    let told = i128::from(bench.engine_time());
    let healthy = Happened::Health(Health::Healthy);
    bench.happens_at("backend-1", healthy, told);
    assert_ne!(bench.state("backend"), "ready", "while it is restarted");
    bench.ok("restart backend-1");
    bench.happens_at("backend-1", healthy, told);
    assert_ne!(bench.state("backend"), "ready", "nor afterwards");
}

#[test]
fn an_agent_that_ends_with_its_process_is_not_the_reason() {
    let mut bench = Bench::new(&APP.replace("restart unless-stopped", "restart no"));
    bench.finish_until("attach backend-1");
    assert_eq!(
        bench.fails("attach backend-1", "the agent is gone"),
        NOTHING
    );
    assert_eq!(bench.state("backend"), "starting: the agent is gone");
    assert_eq!(
        bench.happens("backend-1", Happened::Exited { code: 1 }),
        ["push backend-1"]
    );
    assert_eq!(bench.ok("push backend-1"), ["start backend-1"]);
    bench.ok("start backend-1");
    bench.fails("attach backend-1", "the agent is gone");
    bench.happens("backend-1", Happened::Exited { code: 1 });
    bench.finish();
    assert_eq!(bench.state("backend"), "failed: exited with 1");
    assert_eq!(bench.service("backend").details, ["last words"]);
}

#[test]
fn what_the_archive_call_brought_over_is_followed_by_its_commands() {
    let mut bench = Bench::new(APP);
    bench.finish_until("attach backend-1");
    bench.happens("backend-1", Happened::Exited { code: 1 });
    let changed = ["backend/app.py", "backend/package.json"];
    let synced = Synced {
        files: 2,
        changed: changed
            .iter()
            .map(|path| PathBuf::from("/p").join(path))
            .collect(),
        ..Synced::default()
    };
    bench.ends("push backend-1", Outcome::Synced(synced));
    bench.happens("backend-1", Happened::Started);
    assert_eq!(bench.ok("attach backend-1"), ["exec backend-1 npm ci"]);
    assert_eq!(bench.ok("exec backend-1"), ["restart backend-1"]);
    bench.finish();
    assert!(bench.session.view().settled);
}

#[test]
fn an_agent_that_ends_although_its_process_goes_on_gets_more_tries_and_is_the_reason() {
    let mut bench = Bench::new(APP);
    bench.finish_until("attach backend-1");
    for _ in 0..2 {
        bench.fails("attach backend-1", "the agent is gone");
        assert_eq!(bench.wake(), ["attach backend-1"]);
    }
    bench.fails("attach backend-1", "the agent is gone");
    assert_eq!(bench.wake(), ["explain backend-1"]);
    bench.finish();
    assert_eq!(bench.state("backend"), "failed: the agent is gone");
    assert!(bench.session.view().settled);
}

#[test]
fn a_new_container_that_the_engine_was_taken_away_from_is_made_all_the_same() {
    let mut bench = Bench::ready();
    bench.save(&["backend/deploy.ini"]);
    bench.finish_until("create backend");
    bench.disconnect();
    bench.connect();
    bench.finish_until("create backend");
    bench.finish();
    assert!(bench.session.view().settled);
    // One that is there already is not made a second time.
    bench.disconnect();
    bench.connect();
    let lines = bench.finish();
    assert!(
        !lines.iter().any(|line| line.starts_with("create")),
        "{lines:?}"
    );
}

#[test]
fn a_restart_in_between_does_not_stand_for_the_new_container_that_was_asked_for() {
    let mut bench = Bench::ready();
    // Until its image is found again, there is nothing to make it of.
    bench.loses_events();
    bench.ok("attach backend-1");
    for (file, follows) in [("deploy.ini", false), ("app.py", true)] {
        bench.save(&[&format!("backend/{file}")]);
        bench.ok("sync backend-1");
        let restarts = bench.wake().contains(&"restart backend-1".to_owned());
        assert_eq!(restarts, follows);
    }
    for step in ["restart backend-1", "attach backend-1", "probe backend-1"] {
        bench.ok(step);
    }
    let built = bench.ok("build backend");
    assert_eq!(built[0], "create backend replacing backend-1");
}
