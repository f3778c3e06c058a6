//! The newest save wins: what it makes worthless is given up, but not for ever.

use super::bench::{Bench, image_there};
use super::stacks::APP;
use crate::event::{Event, Outcome, Progress};

/// A save that asks for a new image, and all that follows it until something is built.
fn save(bench: &mut Bench) -> Vec<String> {
    bench.save(&["backend/requirements.txt"]);
    bench.ok("sync backend-1");
    bench.wake()
}

#[test]
fn a_build_that_is_given_up_is_told_so() {
    let mut bench = Bench::ready();
    save(&mut bench);
    let op = bench.op("build backend");
    let progress = Progress::Making;
    bench.feed(Event::Progress { op, progress });
    bench.heard();
    bench.after(100);
    assert_eq!(save(&mut bench), ["cancel build backend", "build backend"]);
    let heard = bench.heard();
    assert!(
        heard.contains(&"backend build superseded".to_owned()),
        "{heard:#?}"
    );
}

#[test]
fn who_saves_more_often_than_a_build_takes_sees_one_each_minute_all_the_same() {
    let mut bench = Bench::ready();
    save(&mut bench);
    let mut given_up = 0;
    loop {
        bench.after(10_000);
        match save(&mut bench).as_slice() {
            [] => break,
            lines => assert_eq!(lines, ["cancel build backend", "build backend"]),
        }
        given_up += 1;
    }
    assert_eq!(given_up, 6, "a minute");
    bench.after(10_000);
    assert!(save(&mut bench).is_empty(), "it is let finish");

    // Its image is used, and only then the newest is built, whose saves are one.
    let old = image_there("app-backend:2", true);
    assert_eq!(
        bench.ends("build backend", old)[0],
        "create backend replacing backend-1"
    );
    assert!(!bench.session.view().settled);
    let lines = bench.ok("create backend");
    assert_eq!(lines[0], "build backend");
    let newest = image_there("app-backend:3", true);
    bench.ok("attach backend-2");
    bench.ok("probe backend-2");
    assert_eq!(
        bench.ends("build backend", newest)[0],
        "create backend replacing backend-2"
    );
    bench.finish();
    assert!(bench.session.view().settled);
    for lines in [
        &["build backend"][..],
        &["cancel build backend", "build backend"],
    ] {
        bench.after(100).save(&["backend/requirements.txt"]);
        bench.ok("sync backend-3");
        assert_eq!(bench.wake(), lines, "from now on as before");
    }
}

#[test]
fn a_build_that_was_let_finish_and_fails_is_not_the_last_word() {
    let mut bench = Bench::ready();
    for _ in 0..=7 {
        save(&mut bench);
        bench.after(10_000);
    }
    assert!(save(&mut bench).is_empty());
    bench.heard();
    assert_eq!(
        bench.fails("build backend", "exit code 1"),
        ["build backend"]
    );
    bench.finish();
    assert_eq!(bench.state("backend"), "ready");
    let heard = bench.heard();
    let last = heard.iter().rfind(|line| line.contains('→')).unwrap();
    assert!(last.ends_with(": ok"), "{heard:#?}");
}

#[test]
fn the_first_build_of_all_is_not_starved_either() {
    let mut bench = Bench::new(APP);
    bench.ok("prepare");
    for _ in 0..6 {
        assert_eq!(
            bench.save(&["backend/requirements.txt"]),
            ["cancel build backend", "build backend"]
        );
        bench.after(10_000);
    }
    assert!(bench.save(&["backend/requirements.txt"]).is_empty());
    let lines = bench.finish();
    let builds = lines.iter().filter(|line| *line == "build backend");
    assert_eq!(builds.count(), 1, "{lines:?}");
    assert!(bench.session.view().settled);
}

/// A save of a file that only the image is made of.
fn dockerfile(bench: &mut Bench) -> Vec<String> {
    bench.save(&["backend/Dockerfile"])
}

#[test]
fn a_save_that_changed_nothing_of_the_image_is_over_at_once() {
    let mut bench = Bench::ready();
    bench.heard();
    assert_eq!(dockerfile(&mut bench), ["look backend"]);
    // Another one before the answer: both are looked at together, and that is what counts.
    assert_eq!(dockerfile(&mut bench), ["look backend"]);
    bench.ends("look backend", Outcome::Looked { same: true });
    assert!(!bench.session.view().settled);
    let lines = bench.ends("look backend", Outcome::Looked { same: true });
    assert!(lines.is_empty(), "{lines:?}");
    let heard = bench.heard();
    assert!(
        heard.contains(&"backend Dockerfile → unchanged: ok".to_owned()),
        "{heard:#?}"
    );
    assert!(bench.session.view().settled);
    assert_eq!(bench.session.next_deadline(), None);
}

#[test]
fn one_that_changed_it_waits_for_quiet_and_no_longer() {
    let mut bench = Bench::ready();
    dockerfile(&mut bench);
    assert!(
        bench
            .ends("look backend", Outcome::Looked { same: false })
            .is_empty()
    );
    assert_eq!(bench.wake(), ["build backend"]);

    // An answer that comes too late is not waited for.
    let mut bench = Bench::ready();
    dockerfile(&mut bench);
    assert_eq!(bench.wake(), ["build backend"]);
}

#[test]
fn older_images_go_once_the_new_one_is_live_and_not_before() {
    let mut bench = Bench::ready();
    save(&mut bench);
    let found = image_there("app-backend:2", false);
    let lines = bench.ends("build backend", found);
    assert_eq!(lines[0], "create backend replacing backend-1");
    let lines = bench.finish();
    assert!(
        !lines.iter().any(|line| line.starts_with("tidy")),
        "{lines:?}"
    );

    bench.after(100);
    bench.save(&["backend/requirements.txt"]);
    bench.ok("sync backend-2");
    bench.wake();
    let built = image_there("app-backend:3", true);
    bench.ends("build backend", built);
    bench.ok("create backend");
    assert!(
        !bench
            .ok("attach backend-3")
            .contains(&"tidy app-backend=3".to_owned())
    );
    assert!(
        bench
            .ok("probe backend-3")
            .contains(&"tidy app-backend=3".to_owned())
    );
}
