//! From a save to what it needs.

use std::time::Duration;

use super::bench::{Bench, attached, image_there};
use super::stacks::APP;
use crate::event::{Outcome, Synced};
use crate::notice::NoticeEvent;
use crate::observed::Happened;

const NOTHING: [&str; 0] = [];

fn touched() -> Outcome {
    Outcome::Synced(Synced {
        unchanged: 1,
        ..Synced::default()
    })
}

#[test]
fn each_rule_does_what_it_says() {
    let cases: &[(&[&str], &[&str], &str)] = &[
        (&["page.html"], &["sync backend-1 page.html"], "synced"),
        (
            &["app.py"],
            &["sync backend-1 app.py", "restart backend-1"],
            "synced, restarted",
        ),
        (
            &["package.json"],
            &[
                "sync backend-1 package.json",
                "exec backend-1 npm ci",
                "restart backend-1",
            ],
            "synced, ran its command, restarted",
        ),
        (
            &["de.po"],
            &["sync backend-1 de.po", "exec backend-1 compile messages"],
            "synced, ran its command",
        ),
        (
            &["server.conf"],
            &["sync backend-1 server.conf", "signal backend-1 HUP"],
            "synced, signalled",
        ),
        (
            &["deploy.ini", "app.py"],
            &[
                "sync backend-1 app.py deploy.ini",
                "create backend replacing backend-1",
            ],
            "synced, recreated",
        ),
        (
            &["app.py", "package.json"],
            &[
                "sync backend-1 app.py package.json",
                "exec backend-1 npm ci",
                "restart backend-1",
            ],
            "synced, ran its command, restarted",
        ),
    ];
    for (files, steps, told) in cases {
        let mut bench = Bench::ready();
        bench.heard();
        let paths: Vec<String> = files.iter().map(|file| format!("backend/{file}")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let mut lines = bench.save(&paths);
        lines.extend(bench.finish());
        lines.retain(|line| {
            !["tell", "attach", "probe"]
                .iter()
                .any(|it| line.starts_with(it))
        });
        assert_eq!(lines, *steps);
        let heard = bench.heard();
        assert!(
            heard
                .iter()
                .any(|line| line.ends_with(&format!("→ {told}: ok"))),
            "{told}: {heard:#?}"
        );
        assert!(bench.session.view().settled);
        assert_eq!(bench.service("backend").pending, 0);
    }
}

#[test]
fn a_save_goes_over_at_once_and_what_follows_waits_for_quiet() {
    let mut bench = Bench::ready();
    assert_eq!(bench.save(&["backend/app.py"]), ["sync backend-1 app.py"]);
    let saved = bench.now;
    assert_eq!(bench.ok("sync backend-1"), NOTHING);
    assert_eq!(
        bench.session.next_deadline(),
        Some(saved + Duration::from_millis(50))
    );
    bench.after(40);
    assert_eq!(bench.save(&["backend/api.py"]), ["sync backend-1 api.py"]);
    assert_eq!(bench.ok("sync backend-1"), NOTHING);
    assert_eq!(
        bench.session.next_deadline(),
        Some(saved + Duration::from_millis(90)),
        "counted from the last save"
    );
    assert_eq!(
        bench.wake(),
        ["restart backend-1", "tell entry-1 backend=updating"],
        "once for both"
    );
    assert_eq!(bench.session.next_deadline(), None);
    bench.finish();
    assert_eq!(bench.state("backend"), "ready");
}

#[test]
fn what_an_editor_writes_beside_is_nobodys_business_unless_somebody_may_have_met_it() {
    let mut bench = Bench::ready();
    bench.heard();
    assert_eq!(bench.passes(&["backend/sedKBPnCt"]), NOTHING);
    assert_eq!(bench.heard(), NOTHING);
    assert_eq!(bench.save(&["backend/app.py"]), ["sync backend-1 app.py"]);
    assert_eq!(bench.passes(&["backend/sedKBPnCt"]), NOTHING);
    assert_eq!(
        bench.ok("sync backend-1"),
        ["sync backend-1 sedKBPnCt"],
        "whoever listed the folder may have brought it"
    );
}

#[test]
fn who_never_stops_saving_is_not_waited_for_for_ever() {
    let mut bench = Bench::ready();
    let begin = bench.now;
    let mut restarted = Vec::new();
    while restarted.is_empty() && bench.now < begin + Duration::from_secs(2) {
        // Each time another one: the same would wait a moment.
        let path = format!("backend/app{}.py", bench.now.as_millis());
        bench.save(&[&path]);
        restarted = bench.ok("sync backend-1");
        bench.after(40);
    }
    assert_eq!(restarted[0], "restart backend-1");
    assert!(bench.now - begin <= Duration::from_millis(600));
}

#[test]
fn saves_while_something_is_under_way_are_merged() {
    let mut bench = Bench::ready();
    bench.save(&["backend/page.html"]);
    assert_eq!(bench.save(&["backend/a.html"]), NOTHING);
    assert_eq!(bench.save(&["backend/b.html", "backend/a.html"]), NOTHING);
    assert_eq!(bench.service("backend").pending, 2);
    assert_eq!(
        bench.ok("sync backend-1 page.html"),
        ["sync backend-1 a.html b.html"]
    );
    assert_eq!(bench.ok("sync backend-1"), NOTHING);
    assert_eq!(bench.service("backend").pending, 0);
}

#[test]
fn of_saves_that_meet_each_is_told_with_what_led_to_it_and_their_end_once() {
    let mut bench = Bench::ready();
    bench.told.clear();
    bench.save(&["backend/page.html"]);
    bench.after(2);
    bench.save(&["backend/other.html"]);
    bench.after(3);
    bench.ok("sync backend-1");
    bench.ok("sync backend-1");
    let told = bench.told.iter().filter_map(|notice| {
        let what = match &notice.event {
            NoticeEvent::FilesChanged { paths, .. } => format!("seen {}", paths.join(" ")),
            NoticeEvent::UpdatePlanned { .. } => "planned".to_owned(),
            NoticeEvent::Synced { .. } => "synced".to_owned(),
            NoticeEvent::UpdateDone { paths, .. } => format!("done {paths}"),
            _ => return None,
        };
        let cause = notice.cause.unwrap_or_default();
        Some((notice.seq, what, cause, notice.took_ms))
    });
    let told: Vec<_> = told.collect();
    let first = told[0].0;
    let expected = [
        (0, "seen backend/page.html", None, 0.0),
        (1, "planned", Some(0), 0.0),
        (2, "seen backend/other.html", None, 0.0),
        (3, "synced", Some(1), 5.0),
        (4, "planned", Some(2), 3.0),
        (5, "synced", Some(4), 3.0),
        (6, "done other.html and 1 more", Some(4), 5.0),
    ];
    let expected = expected.map(|(seq, what, cause, took)| {
        let cause = cause.map_or(0, |cause| first + cause);
        (first + seq, what.to_owned(), cause, Some(took))
    });
    assert_eq!(told, expected);
}

#[test]
fn a_touch_is_followed_by_nothing() {
    let mut bench = Bench::ready();
    bench.heard();
    bench.save(&["backend/app.py", "backend/package.json"]);
    assert_eq!(bench.ends("sync backend-1", touched()), NOTHING);
    assert_eq!(bench.session.next_deadline(), None);
    assert!(bench.session.view().settled);
    assert_eq!(bench.service("backend").pending, 0);
}

#[test]
fn a_touch_takes_nothing_from_a_save_before_it() {
    let mut bench = Bench::ready();
    bench.save(&["backend/app.py"]);
    bench.ok("sync backend-1");
    bench.save(&["backend/page.html"]);
    assert_eq!(bench.ends("sync backend-1", touched()), NOTHING);
    assert_eq!(bench.wake()[0], "restart backend-1");
}

#[test]
fn a_command_comes_before_the_restart_whichever_was_asked_for_first() {
    let mut bench = Bench::ready();
    bench.save(&["backend/app.py"]);
    bench.ok("sync backend-1");
    bench.save(&["backend/package.json"]);
    bench.ok("sync backend-1");
    assert_eq!(bench.wake(), ["exec backend-1 npm ci"]);
    assert_eq!(bench.ok("exec backend-1")[0], "restart backend-1");
    bench.finish();
    assert!(bench.session.view().settled);
}

#[test]
fn a_command_that_the_end_of_its_container_cut_off_runs_again() {
    let mut bench = Bench::ready();
    bench.save(&["backend/package.json"]);
    bench.ok("sync backend-1");
    bench.wake();
    bench.fails("exec backend-1", "`npm ci` ended with 137");
    bench.happens("backend-1", Happened::Exited { code: 137 });
    bench.ok("explain backend-1");
    assert_eq!(
        bench.happens("backend-1", Happened::Started)[0],
        "attach backend-1"
    );
    assert_eq!(bench.ok("attach backend-1")[0], "exec backend-1 npm ci");
    assert_eq!(bench.ok("exec backend-1")[0], "restart backend-1");
}

#[test]
fn a_new_image_replaces_the_container_once_it_is_there() {
    let mut bench = Bench::ready();
    assert_eq!(
        bench.save(&["backend/requirements.txt", "backend/app.py"]),
        ["sync backend-1 app.py requirements.txt"]
    );
    assert_eq!(bench.ok("sync backend-1"), NOTHING);
    assert_eq!(
        bench.wake(),
        ["build backend"],
        "and no restart of the old one"
    );
    assert_eq!(bench.state("backend"), "ready", "what runs goes on");
    assert_eq!(
        bench.ends("build backend", image_there("app-backend:2", true)),
        [
            "create backend replacing backend-1",
            "tell entry-1 backend=updating"
        ]
    );
    bench.heard();
    let lines = bench.finish();
    assert!(
        !lines.iter().any(|line| line.starts_with("restart")),
        "{lines:?}"
    );
    assert_eq!(bench.heard().last().unwrap(), "settled, ready: true");
}

#[test]
fn a_new_container_is_made_once_although_its_image_has_the_old_files() {
    let mut bench = Bench::ready();
    bench.save(&["backend/deploy.ini"]);
    bench.finish_until("create backend replacing backend-1");
    bench.finish_until("attach backend-2");
    let changed = attached(&["backend/deploy.ini"]);
    assert_eq!(
        bench.ends("attach backend-2", changed)[0],
        "restart backend-2"
    );
    let lines = bench.finish();
    assert!(
        !lines.iter().any(|line| line.starts_with("create")),
        "{lines:?}"
    );
    assert!(bench.session.view().settled);
}

#[test]
fn what_a_build_that_changes_nothing_held_up_comes_after_it() {
    let mut bench = Bench::ready();
    bench.save(&["backend/requirements.txt", "backend/app.py"]);
    bench.ok("sync backend-1");
    assert_eq!(bench.wake(), ["build backend"]);
    assert_eq!(bench.ok("build backend")[0], "restart backend-1");
    bench.finish();
    assert!(bench.session.view().settled);
}

#[test]
fn a_newer_save_supersedes_a_build() {
    let mut bench = Bench::ready();
    bench.save(&["backend/requirements.txt"]);
    bench.ok("sync backend-1");
    bench.wake();
    bench.after(100);
    bench.save(&["backend/requirements.txt"]);
    bench.ok("sync backend-1");
    assert_eq!(bench.wake(), ["cancel build backend", "build backend"]);

    // What the build does not read disturbs none.
    bench.save(&["backend/page.html"]);
    bench.ok("sync backend-1");
    assert_eq!(bench.open(), ["build backend"]);
}

#[test]
fn a_save_of_what_is_synced_leaves_the_first_build_alone() {
    let mut bench = Bench::new(APP);
    bench.ok("prepare");
    assert_eq!(bench.save(&["backend/app.py"]), NOTHING);
    assert_eq!(
        bench.save(&["backend/requirements.txt"]),
        ["cancel build backend", "build backend"]
    );
}

#[test]
fn a_save_during_a_start_is_live_before_ready() {
    let mut bench = Bench::new(APP);
    bench.finish_until("attach backend-1");
    assert_eq!(bench.save(&["backend/app.py"]), NOTHING);
    assert_eq!(bench.ok("attach backend-1"), ["sync backend-1 app.py"]);
    bench.ok("sync backend-1");
    let lines = bench.finish();
    assert!(lines.contains(&"restart backend-1".to_owned()), "{lines:?}");
    assert_eq!(bench.state("entry"), "ready");
}

#[test]
fn what_could_not_be_brought_over_is_compared_again() {
    let mut bench = Bench::ready();
    bench.save(&["backend/app.py", "backend/requirements.txt"]);
    assert_eq!(
        bench.fails("sync backend-1", "the agent is gone")[0],
        "attach backend-1"
    );
    let changed = ["backend/app.py", "backend/requirements.txt"];
    bench.ends("attach backend-1", attached(&changed));
    let lines = bench.finish();
    assert!(lines.contains(&"build backend".to_owned()), "{lines:?}");
    assert!(lines.contains(&"restart backend-1".to_owned()), "{lines:?}");
}

#[test]
fn after_lost_events_everything_is_compared_even_what_is_under_way() {
    let mut bench = Bench::ready();
    assert_eq!(
        bench.loses_events(),
        [
            "attach db-1",
            "build backend",
            "attach backend-1",
            "attach entry-1"
        ]
    );
    assert_eq!(
        bench.loses_events(),
        [
            "cancel attach backend-1",
            "cancel build backend",
            "cancel attach db-1",
            "cancel attach entry-1",
            "attach db-1",
            "build backend",
            "attach backend-1",
            "attach entry-1"
        ]
    );
    let unsure = |bench: &Bench| {
        let services = bench.session.view().services;
        services.iter().filter(|it| it.pending > 0).count()
    };
    assert_eq!(unsure(&bench), 3, "called live before it is known to be");
    bench.finish();
    assert_eq!(unsure(&bench), 0);
    assert!(bench.session.view().settled);
    let heard = bench.heard();
    assert!(
        heard
            .iter()
            .any(|line| line.contains("dropped file events"))
    );
}

#[test]
fn what_nobody_asked_for_is_not_brought_over() {
    let mut bench = Bench::ready();
    assert_eq!(bench.save(&["README.md", "backend/.git/index"]), NOTHING);
    bench.stop(&["entry", "backend"]);
    bench.finish();
    assert_eq!(bench.save(&["backend/app.py"]), NOTHING);
    // Its files and its image are looked at when it is wanted again.
    assert_eq!(bench.up(&["backend"]), ["build backend"]);
    assert_eq!(bench.ok("build backend"), ["start backend-1"]);
}

const FOLLOWS: &str = r#"
stack app
defaults { restart unless-stopped }
service api { build "api"; sync to="/app" { on "*.py" { restart } } }
service web { image "web:1"; depends-on api follow=#true; }
service job { image "job:1"; depends-on api; }
"#;

#[test]
fn who_follows_restarts_once_the_other_is_ready_again() {
    let mut bench = Bench::new(FOLLOWS);
    let lines = bench.finish();
    assert!(
        !lines.iter().any(|line| line.starts_with("restart")),
        "not at first"
    );
    bench.save(&["api/app.py"]);
    bench.ok("sync api-1");
    assert_eq!(bench.wake(), ["restart api-1"]);
    bench.ok("restart api-1");
    assert_eq!(bench.ok("attach api-1"), ["restart web-1"]);
    bench.finish();
    assert!(bench.session.view().settled);

    bench.happens("api-1", Happened::Exited { code: 1 });
    bench.finish();
    bench.happens("api-1", Happened::Started);
    assert_eq!(
        bench.ok("attach api-1"),
        ["restart web-1"],
        "also after a crash"
    );
}
