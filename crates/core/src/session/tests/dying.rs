//! Processes that die, again and again, and of what.

use super::bench::Bench;
use super::stacks::APP;
use crate::notice::NoticeEvent;
use crate::observed::Happened;

const DIED: Happened = Happened::Exited { code: 1 };

/// A worker that nobody asks whether it is well: it is ready as soon as it runs.
const WORKER: &str = r#"
stack app
service worker {
    image "worker:1"
    restart unless-stopped
    sync "worker" to="/app" { on "*.py" { restart } }
}
"#;

fn worker(restart: &str) -> Bench {
    let mut bench = Bench::new(&WORKER.replace("unless-stopped", restart));
    bench.finish();
    bench
}

/// It dies, and the engine starts it again.
fn dies_and_comes_back(bench: &mut Bench) {
    bench.happens("worker-1", DIED);
    bench.finish();
    bench.happens("worker-1", Happened::Started);
    bench.finish();
}

#[test]
fn one_that_dies_of_a_save_says_of_which_until_the_next_save() {
    let mut bench = worker("unless-stopped");
    bench.save(&["worker/jobs/mail.py"]);
    bench.finish();
    bench.told.clear();
    bench.after(400);
    bench.happens("worker-1", DIED);
    bench.finish();
    let after = " after worker/jobs/mail.py was saved";
    assert_eq!(
        bench.state("worker"),
        format!("failed: exited with 1{after}, the engine starts it again")
    );
    let told = bench.told.iter().find(
        |notice| matches!(&notice.event, NoticeEvent::ServiceState { to, .. } if to == "failed"),
    );
    assert!(told.unwrap().cause.is_some(), "the plan for that save");
    for _ in 0..3 {
        bench.happens("worker-1", Happened::Started);
        bench.finish();
        bench.after(3000);
        bench.happens("worker-1", DIED);
        bench.finish();
    }
    assert_eq!(
        bench.state("worker"),
        format!("failed: crash-looping{after}, 4 exits, the last with 1")
    );
    assert!(bench.session.view().settled);

    assert!(bench.save(&["worker/jobs/mail.py"])[0].starts_with("sync worker-1"));
    let lines = bench.finish();
    assert!(lines.contains(&"restart worker-1".to_owned()), "{lines:?}");
    assert_eq!(bench.state("worker"), "ready");
    bench.after(60_000);
    bench.happens("worker-1", DIED);
    bench.finish();
    assert_eq!(
        bench.state("worker"),
        "failed: exited with 1, the engine starts it again",
        "no save is to blame after a minute"
    );
}

#[test]
fn what_one_said_last_is_known_also_where_the_engine_is_quicker() {
    let mut bench = worker("unless-stopped");
    bench.happens("worker-1", DIED);
    assert_eq!(bench.happens("worker-1", Happened::Started), [""; 0]);
    assert_eq!(bench.ok("explain worker-1"), ["attach worker-1"]);
    assert_eq!(bench.service("worker").details, ["last words"]);
    bench.finish();
    assert_eq!(bench.state("worker"), "ready");
}

#[test]
fn one_that_dies_while_it_is_updated_says_so_too() {
    let mut bench = Bench::ready();
    bench.save(&["backend/app.py"]);
    bench.finish_until("probe backend-1");
    bench.happens("backend-1", DIED);
    bench.finish();
    assert_eq!(
        bench.state("backend"),
        "failed: exited with 1 after backend/app.py was saved, the engine starts it again"
    );
    assert_eq!(bench.state("db"), "ready");
}

#[test]
fn one_that_nobody_asks_is_crash_looping_all_the_same() {
    let mut bench = worker("unless-stopped");
    for _ in 0..2 {
        dies_and_comes_back(&mut bench);
    }
    bench.happens("worker-1", DIED);
    bench.finish();
    assert_eq!(
        bench.state("worker"),
        "failed: crash-looping, 3 exits, the last with 1"
    );
    bench.happens("worker-1", Happened::Started);
    bench.finish();
    bench.after(20_000);
    bench.happens("worker-1", DIED);
    bench.finish();
    assert_eq!(
        bench.state("worker"),
        "failed: exited with 1, the engine starts it again",
        "it has run for a while"
    );
}

#[test]
fn a_save_between_two_deaths_does_not_wait_for_the_engine() {
    let mut bench = worker("unless-stopped");
    dies_and_comes_back(&mut bench);
    // Nothing follows this one; what runs has not read it.
    bench.save(&["worker/settings.toml"]);
    bench.finish();
    let lines = bench.happens("worker-1", DIED);
    assert!(lines.contains(&"restart worker-1".to_owned()), "{lines:?}");
    bench.finish();
    assert_eq!(bench.state("worker"), "ready");
    // Once: it is left to the engine again.
    let lines = bench.happens("worker-1", DIED);
    assert!(!lines.contains(&"restart worker-1".to_owned()), "{lines:?}");
}

#[test]
fn the_engine_s_own_count_says_whether_it_starts_one_again() {
    let mut bench = worker("on-failure retries=2");
    for _ in 0..2 {
        bench.after(60_000);
        dies_and_comes_back(&mut bench);
        assert_eq!(bench.state("worker"), "ready");
    }
    bench.after(60_000);
    bench.happens("worker-1", DIED);
    bench.finish();
    assert_eq!(bench.state("worker"), "failed: exited with 1");
    assert!(bench.session.view().settled);
}

#[test]
fn of_what_nobody_saved_nobody_is_told() {
    let mut bench = Bench::new(APP);
    bench.finish();
    bench.happens("backend-1", DIED);
    bench.finish();
    assert_eq!(
        bench.state("backend"),
        "failed: exited with 1, the engine starts it again"
    );
}
