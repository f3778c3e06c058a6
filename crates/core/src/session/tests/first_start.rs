//! From nothing, or from what an earlier session left, to ready.

use super::bench::{Bench, attached, image_there};
use super::stacks::APP;
use crate::effect::Effect;
use crate::event::{Event, Failure, Outcome, Progress, WatchEvent};
use crate::notice::NoticeEvent;
use crate::session::Options;
use crate::spec::{ContainerState, label};

const NOTHING: [&str; 0] = [];

#[test]
fn services_start_in_the_order_in_which_they_need_each_other() {
    let mut bench = Bench::with(Options::default());
    assert_eq!(bench.load(APP), NOTHING);
    assert_eq!(bench.connect(), ["prepare"]);
    let steps: &[(&str, &[&str])] = &[
        ("prepare", &["pull db", "build backend", "pull entry"]),
        ("build backend", &[]),
        ("pull db", &["create db"]),
        ("pull entry", &[]),
        ("create db", &["attach db-1"]),
        ("attach db-1", &["probe db-1"]),
        ("probe db-1", &["create backend"]),
        ("create backend", &["attach backend-1"]),
        ("attach backend-1", &["probe backend-1"]),
        ("probe backend-1", &["create entry"]),
        ("create entry", &["attach entry-1"]),
        (
            "attach entry-1",
            &["probe entry-1", "tell entry-1 backend=ready"],
        ),
        ("probe entry-1", &["read entry-1 1"]),
        ("read entry-1 1", &[]),
    ];
    for (end, begins) in steps {
        assert_eq!(bench.ok(end), *begins, "after {end}");
    }
    assert!(bench.session.view().settled);
}

#[test]
fn a_wait_is_told_with_its_reason() {
    let mut bench = Bench::new(APP);
    bench.ok("prepare");
    let looked_for = "waiting: its image is being looked for";
    assert_eq!(bench.state("db"), looked_for, "it may be there");
    bench.heard();
    let op = bench.op("build backend");
    let reason = "2 other images are being built".to_owned();
    let progress = Progress::Waits { reason };
    bench.feed(Event::Progress { op, progress });
    assert_eq!(
        bench.state("backend"),
        "waiting: 2 other images are being built"
    );
    for line in ["pull db", "build backend"] {
        let progress = Progress::Making;
        let op = bench.op(line);
        bench.feed(Event::Progress { op, progress });
    }
    let begun = bench.told.iter().filter_map(|notice| match &notice.event {
        NoticeEvent::BuildStarted { .. } => notice.service.as_deref(),
        _ => None,
    });
    assert_eq!(begun.collect::<Vec<_>>(), ["backend"]);
    assert_eq!(bench.state("db"), "pulling: pulling postgres:17");
    assert_eq!(bench.state("backend"), "building: its image is being built");
    bench.ok("build backend");
    assert_eq!(bench.state("backend"), "waiting: for db, which is pulling");
    bench.ok("pull db");
    bench.ok("create db");
    bench.ok("attach db-1");
    assert_eq!(
        bench.state("db"),
        "starting: its health check has not been answered yet"
    );
    assert_eq!(bench.state("backend"), "waiting: for db, which is starting");
}

#[test]
fn a_probe_has_the_patience_of_the_health_check() {
    let cases: &[(&str, u64)] = &[
        // start-period + retries × interval, as the engine would wait.
        (r#"healthcheck "x" start-period="10s""#, 40),
        (r#"healthcheck "x" interval="2s" retries=5"#, 10),
        (r#"healthcheck "x"; ready-timeout "5s""#, 5),
        ("", 60),
    ];
    for (words, seconds) in cases {
        let text = format!(
            r#"
            stack app
            service web {{ image "web:1"; port 80; route "/*"; {words}; }}
            proxy entry {{ image "nginx:1.26"; config "nginx.conf"; port 8080 to=80; }}
            "#
        );
        let mut bench = Bench::new(&text.replace("; ;", ";"));
        bench.finish_until("probe web-1");
        let Effect::Probe { give_up, .. } = bench.effect("probe web-1") else {
            panic!("no probe");
        };
        assert_eq!(give_up.as_secs(), *seconds, "{words}");
    }
}

#[test]
fn what_is_neither_asked_nor_routed_to_is_ready_once_it_runs() {
    let mut bench = Bench::new("stack app\nservice worker { image \"worker:1\"; }");
    for step in ["prepare", "pull worker", "create worker"] {
        bench.ok(step);
    }
    assert_eq!(bench.ok("attach worker-1"), NOTHING);
    assert_eq!(bench.state("worker"), "ready");
}

#[test]
fn what_is_there_and_equal_is_taken_as_it_is() {
    let mut first = Bench::ready();
    for (state, steps) in [
        (
            ContainerState::Running,
            vec!["attach db-1", "attach backend-1", "attach entry-1"],
        ),
        (ContainerState::Exited, vec!["start db-1"]),
        (ContainerState::Created, vec!["start db-1"]),
    ] {
        let mut bench = Bench::with(Options::default());
        bench.takes_over(&first);
        for container in &mut bench.containers {
            container.state = state;
        }
        bench.load(APP);
        bench.connect();
        let mut seen = bench.ok("prepare");
        for image in ["pull db", "build backend", "pull entry"] {
            seen.extend(bench.ok(image));
        }
        seen.retain(|line| !line.starts_with("pull") && !line.starts_with("build"));
        assert_eq!(seen, steps, "{state:?}");
        bench.finish();
        assert!(bench.session.view().settled);
        assert_eq!(
            bench.containers.len(),
            3,
            "{state:?}: nothing was made anew"
        );
    }
    // A second `up` in the same session does nothing at all.
    assert_eq!(first.up(&[]), NOTHING);
}

#[test]
fn what_differs_is_replaced_and_the_difference_is_told() {
    let mut first = Bench::ready();
    let mut bench = Bench::with(Options::default());
    bench.containers = std::mem::take(&mut first.containers);
    bench.load(&APP.replace("POSTGRES_DB main", "POSTGRES_DB other"));
    bench.connect();
    for step in ["prepare", "pull db"] {
        bench.ok(step);
    }
    assert_eq!(
        bench.open(),
        ["build backend", "pull entry", "create db replacing db-1"]
    );
    let heard = bench.heard();
    assert!(
        heard.contains(
            &"db plan recreate: changed: environment POSTGRES_DB (Stackfile.kdl:7)".to_owned()
        ),
        "{heard:#?}"
    );
    let lines = bench.finish();
    assert!(!lines.iter().any(|line| line.contains("create backend")));
}

#[test]
fn asked_for_anew_everything_is_made_anew() {
    let first = Bench::ready();
    let mut bench = Bench::with(Options {
        recreate: true,
        build: true,
        ..Options::default()
    });
    bench.expect_recreation();
    bench.takes_over(&first);
    bench.load(APP);
    bench.connect();
    let lines = bench.finish();
    for line in [
        "build backend whole",
        "create db replacing db-1",
        "create backend replacing backend-1",
        "create entry replacing entry-1",
    ] {
        assert!(lines.contains(&line.to_owned()), "{line}: {lines:#?}");
    }
}

#[test]
fn what_was_brought_over_at_the_start_counts_before_ready() {
    let mut bench = Bench::new(APP);
    for step in [
        "prepare",
        "pull db",
        "build backend",
        "create db",
        "attach db-1",
        "probe db-1",
        "create backend",
    ] {
        bench.ok(step);
    }
    let changed = ["backend/package.json", "backend/requirements.txt"];
    assert_eq!(
        bench.ends("attach backend-1", attached(&changed)),
        ["exec backend-1 npm ci"],
        "the image was made of these inputs, so only the command runs"
    );
    assert_eq!(bench.ok("exec backend-1"), ["restart backend-1"]);
    assert_eq!(bench.ok("restart backend-1"), ["attach backend-1"]);
    assert_eq!(bench.ok("attach backend-1"), ["probe backend-1"]);
    assert_eq!(bench.ok("probe backend-1"), NOTHING);
    assert_eq!(bench.state("backend"), "ready");
}

#[test]
fn only_what_is_named_starts_and_what_it_depends_on() {
    let text =
        format!("{APP}\nservice worker {{ image \"worker:1\"; profile extra; depends-on db; }}");
    let cases: &[(&[&str], &[&str], &[&str])] = &[
        (&[], &[], &["db", "backend", "entry"]),
        (&["db"], &[], &["db"]),
        (&["backend"], &[], &["db", "backend"]),
        (&["worker"], &[], &["db", "worker"]),
        (&[], &["extra"], &["db", "backend", "worker", "entry"]),
        (&[], &["other"], &["db", "backend", "entry"]),
    ];
    for (named, profiles, started) in cases {
        let mut bench = Bench::with(Options {
            services: named.iter().map(|name| (*name).to_owned()).collect(),
            profiles: profiles.iter().map(|name| (*name).to_owned()).collect(),
            ..Options::default()
        });
        bench.load(&text);
        bench.connect();
        bench.finish();
        let names: Vec<&str> = bench
            .containers
            .iter()
            .map(|one| one.label(label::SERVICE))
            .collect();
        assert_eq!(names, *started, "{named:?} {profiles:?}");
        assert!(bench.session.view().settled);
    }
    let mut bench = Bench::new(&text);
    bench.finish();
    assert_eq!(bench.state("worker"), "off: --profile extra");
    assert_eq!(bench.up(&["worker"]), ["pull worker"]);
    bench.finish();
    assert_eq!(bench.state("worker"), "ready");
}

#[test]
fn nothing_settles_before_the_watches_are_armed() {
    let mut bench = Bench::with(Options {
        watch: true,
        ..Options::default()
    });
    bench.load(APP);
    bench.connect();
    bench.finish();
    assert!(!bench.session.view().settled);
    bench.feed(Event::Watch(WatchEvent::Ready { files: 7 }));
    assert!(bench.session.view().settled);
    assert_eq!(bench.session.view().watching, 7);
}

#[test]
fn without_network_and_volumes_the_session_ends() {
    let mut bench = Bench::new(APP);
    let failure = Failure {
        message: "the volume app-data is in use by other-db".into(),
        hint: Some("stop other-db".into()),
        ..Failure::default()
    };
    assert_eq!(bench.ends("prepare", Outcome::Failed(failure)), ["exit 1"]);
    let heard = bench.heard();
    assert_eq!(
        heard[heard.len() - 2..],
        [
            "warning: the volume app-data is in use by other-db; stop other-db",
            "ended 1"
        ]
    );
}

#[test]
fn containers_of_another_checkout_are_left_alone_and_named() {
    let first = Bench::ready();
    let mut bench = Bench::with(Options::default());
    bench.takes_over(&first);
    for container in &mut bench.containers {
        container.labels.insert(label::ROOT.into(), "other".into());
        container
            .labels
            .insert(label::ROOT_PATH.into(), "/elsewhere".into());
    }
    bench.load(APP);
    assert_eq!(bench.connect(), ["exit 1"]);
    let heard = bench.heard();
    let told = heard.iter().find(|line| line.starts_with("warning"));
    assert!(told.is_some_and(|it| it.contains("/elsewhere") && it.contains("-p OTHER-NAME")));
    assert_eq!(bench.up(&[]), NOTHING);
}

#[test]
fn an_image_that_is_the_same_after_a_build_asked_for_replaces_nothing() {
    let mut bench = Bench::ready();
    assert_eq!(bench.build(&["backend"]), ["build backend whole"]);
    let same = image_there("app-backend:1", true);
    assert_eq!(bench.ends("build backend", same), NOTHING);
    assert!(bench.session.view().settled);
}
