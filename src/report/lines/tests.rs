//! A session as it is told, compared with what a person reads.

use devrun_core::notice::{Notice, NoticeEvent};
use devrun_stack::{Host, Options, PathKind};
use time::macros::datetime;

use super::*;

const STACKFILE: &str = r#"
stack app
service db { image "postgres:17"; port 5432 }
service backend {
    build "backend"
    depends-on db
    port 8000
    route "/api/*"
}
service frontend { build "frontend"; depends-on backend; port 5173; route "/*" }
service celery { build "backend"; depends-on db; profile with-celery }
proxy proxy {
    image "nginx:1.26"
    config "nginx.conf"
    depends-on frontend backend
    port 80
}
"#;

/// Every file is there.
struct Everything;

impl Host for Everything {
    fn read(&self, path: &std::path::Path) -> std::io::Result<String> {
        match path.extension() {
            Some(_) => Ok("include devrun-routes;".to_owned()),
            None => Ok(String::new()),
        }
    }

    fn kind(&self, path: &std::path::Path) -> Option<PathKind> {
        let file = path.extension().is_some() || path.ends_with("Dockerfile");
        Some(if file {
            PathKind::File
        } else {
            PathKind::Folder
        })
    }
}

fn sheet() -> Sheet {
    let options = Options {
        file: "/work/Stackfile.kdl".into(),
        shown: "Stackfile.kdl".to_owned(),
        text: STACKFILE.to_owned(),
        project_name: None,
        shell: BTreeMap::new(),
        env_file: None,
        ports: std::collections::BTreeMap::new(),
    };
    Sheet::of(&devrun_stack::load(&options, &Everything).stack.unwrap())
}

/// A stream of notices, and what was printed of it.
struct Told {
    lines: Lines,
    seq: u64,
    printed: String,
}

impl Told {
    fn to(reader: Reader, volume: Volume) -> Told {
        Told {
            lines: Lines::new(sheet(), Clock::utc(), reader, volume),
            seq: 0,
            printed: String::new(),
        }
    }

    fn to_owner() -> Told {
        Told::to(Reader::Owner, Volume::Normal)
    }

    /// So many milliseconds after noon.
    fn at(&mut self, millis: i64, service: &str, took_ms: Option<f64>, event: NoticeEvent) {
        self.seq += 1;
        let time = datetime!(2025-01-31 12:00 UTC) + time::Duration::milliseconds(millis);
        let stamped = Stamped {
            time: Clock::rfc3339(time),
            notice: Notice {
                seq: self.seq,
                cause: None,
                event,
                service: (!service.is_empty()).then(|| service.to_owned()),
                took_ms,
            },
        };
        for line in self.lines.of(&stamped) {
            self.printed
                .push_str(&anstream::adapter::strip_str(&line).to_string());
            self.printed.push('\n');
        }
    }

    fn begins(&mut self) {
        let event = NoticeEvent::SessionStarted {
            stack: "app".to_owned(),
            file: "Stackfile.kdl".to_owned(),
            services: 4,
        };
        self.at(0, "", None, event);
    }

    fn state(&mut self, millis: i64, service: &str, from: &str, to: &str) {
        self.at(millis, service, None, state(from, to, None, &[]));
    }

    fn ready(&mut self, millis: i64, service: &str, took_ms: f64) {
        let event = state("starting", "ready", None, &[]);
        self.at(millis, service, Some(took_ms), event);
    }

    fn settles(&mut self, millis: i64, ready: bool) {
        let watching = 214;
        self.at(millis, "", None, NoticeEvent::Settled { ready, watching });
    }

    fn planned(&mut self, millis: i64, action: &str, reason: &str) {
        let (action, reason) = (action.to_owned(), reason.to_owned());
        let event = NoticeEvent::UpdatePlanned {
            action,
            reason,
            ruled_out: Vec::new(),
        };
        self.at(millis, "backend", None, event);
    }

    fn updated(&mut self, millis: i64, paths: &str, action: &str, took_ms: f64) {
        let event = NoticeEvent::UpdateDone {
            outcome: "ok".to_owned(),
            action: action.to_owned(),
            paths: paths.to_owned(),
            details: Vec::new(),
            parts: Vec::new(),
        };
        self.at(millis, "backend", Some(took_ms), event);
    }

    fn update_fails(&mut self, millis: i64, paths: &str, action: &str, details: &[&str]) {
        let event = NoticeEvent::UpdateDone {
            outcome: "failed".to_owned(),
            action: action.to_owned(),
            paths: paths.to_owned(),
            details: details.iter().map(|line| (*line).to_owned()).collect(),
            parts: Vec::new(),
        };
        self.at(millis, "backend", None, event);
    }

    fn builds(&mut self, millis: i64, reason: &str) {
        let reason = reason.to_owned();
        self.at(
            millis,
            "backend",
            None,
            NoticeEvent::BuildStarted { reason },
        );
    }

    fn built(&mut self, millis: i64, outcome: &str) {
        let (outcome, image) = (outcome.to_owned(), String::new());
        let event = NoticeEvent::BuildDone { outcome, image };
        self.at(millis, "backend", None, event);
    }

    fn step(&mut self, millis: i64, name: &str, cached: bool, took_ms: Option<f64>) {
        let name = name.to_owned();
        let event = NoticeEvent::BuildStep { name, cached };
        self.at(millis, "backend", took_ms, event);
    }

    fn warns(&mut self, millis: i64, service: &str, message: &str) {
        let message = message.to_owned();
        self.at(millis, service, None, NoticeEvent::Warning { message });
    }

    /// The first start: everything is there already but the backend's image.
    fn starts(&mut self) {
        self.begins();
        for service in ["backend", "db", "frontend", "proxy"] {
            self.state(1, service, "off", "waiting");
        }
        self.at(
            2,
            "db",
            None,
            state("waiting", "pulling", Some("pulling postgres:17"), &[]),
        );
        self.builds(3, "first start");
        self.step(20, "[dev 1/3] FROM python:3.13-slim", false, Some(0.0));
        self.step(30, "[dev 2/3] WORKDIR /app", true, Some(0.0));
        let pip = "[dev 3/3] RUN --mount=type=cache,target=/root/.cache     pip install -r requirements.txt";
        self.step(40, pip, false, None);
        self.ready(1900, "db", 1898.0);
        self.step(2540, pip, false, Some(2500.0));
        self.ready(3000, "backend", 1100.0);
        self.ready(3800, "frontend", 800.0);
        self.ready(4150, "proxy", 120.0);
        self.settles(4200, true);
    }
}

fn state(from: &str, to: &str, reason: Option<&str>, details: &[&str]) -> NoticeEvent {
    NoticeEvent::ServiceState {
        from: from.to_owned(),
        to: to.to_owned(),
        reason: reason.map(str::to_owned),
        details: details.iter().map(|line| (*line).to_owned()).collect(),
        parts: Vec::new(),
    }
}

#[test]
fn a_first_start() {
    let mut told = Told::to_owner();
    told.starts();
    insta::assert_snapshot!(told.printed);
}

#[test]
fn a_start_with_each_step() {
    let mut told = Told::to(Reader::Owner, Volume::Verbose);
    told.starts();
    insta::assert_snapshot!(told.printed);
}

#[test]
fn a_quiet_start_says_nothing() {
    let mut told = Told::to(Reader::Owner, Volume::Quiet);
    told.starts();
    assert_eq!(told.printed, "");
    told.warns(5000, "db", "its disk is nearly full");
    assert_eq!(
        told.printed,
        "12:00:05 db        warning  its disk is nearly full\n"
    );
}

#[test]
fn a_service_that_fails_at_the_start() {
    let mut told = Told::to_owner();
    told.begins();
    for service in ["backend", "db", "frontend", "proxy"] {
        told.state(1, service, "off", "waiting");
    }
    told.ready(900, "db", 880.0);
    let log = [
        "Traceback (most recent call last):",
        "ModuleNotFoundError: No module named 'djnago'",
    ];
    let event = state(
        "starting",
        "failed",
        Some("exited with 1, 3 times in 4 s"),
        &log,
    );
    told.at(5000, "backend", None, event);
    told.settles(5001, false);
    insta::assert_snapshot!(told.printed);
}

#[test]
fn long_output_keeps_its_place_and_its_end() {
    let mut told = Told::to_owner();
    told.starts();
    told.printed.clear();
    let mut details = vec!["its build failed at Dockerfile:9", "Dockerfile:9  RUN make"];
    let output: Vec<String> = (1..=40).map(|line| format!("line {line}")).collect();
    details.extend(output.iter().map(String::as_str));
    told.update_fails(60_000, "Makefile", "build failed", &details);
    insta::assert_snapshot!(told.printed);
}

#[test]
fn a_day_of_saves() {
    let mut told = Told::to_owner();
    told.starts();
    told.printed.clear();
    told.planned(
        67_000,
        "sync+restart",
        "backend/views.py: sync rule, Stackfile.kdl:31",
    );
    told.updated(67_900, "views.py", "synced, restarted", 900.0);
    told.planned(
        68_000,
        "sync",
        "backend/a.html: sync rule, Stackfile.kdl:31",
    );
    told.updated(68_001, "a.html and 2 more", "synced", 3.4);

    let rule = "backend/requirements.txt: on rule, Stackfile.kdl:74";
    told.planned(224_000, "sync+rebuild", rule);
    told.builds(224_060, "requirements.txt");
    told.update_fails(
        238_000,
        "requirements.txt",
        "synced, build failed",
        &[
            "its build failed at Dockerfile:9",
            "Dockerfile:9  RUN     pip install -r requirements.txt",
            "ERROR: No matching distribution found for djnago==5.1",
            "exit code: 1",
        ],
    );

    told.planned(300_000, "sync+rebuild", rule);
    told.builds(300_060, "requirements.txt");
    told.step(
        300_100,
        "[dev 3/3] RUN pip install -r requirements.txt",
        false,
        None,
    );
    told.step(
        312_000,
        "[dev 3/3] RUN pip install -r requirements.txt",
        false,
        Some(11_900.0),
    );
    told.planned(312_010, "recreate", "changed: image");
    told.updated(
        314_000,
        "requirements.txt",
        "synced, rebuilt, recreated",
        14_000.0,
    );

    told.update_fails(
        320_000,
        "package.json",
        "synced",
        &["`npm ci` ended with 1", "npm error"],
    );
    insta::assert_snapshot!(told.printed);
}

#[test]
fn that_a_failed_build_is_mended_by_taking_it_back_is_told() {
    let mut told = Told::to_owner();
    told.starts();
    told.printed.clear();
    let rule = "backend/Dockerfile: read by the build, Stackfile.kdl:5";
    let wrong = ["its build failed at Dockerfile:9", "Dockerfile:9  RUN mak"];
    told.planned(60_000, "rebuild", rule);
    told.builds(60_060, "Dockerfile");
    told.built(61_000, "failed");
    told.update_fails(61_001, "Dockerfile", "build failed", &wrong);
    // Another save is brought over, or equal: that is no better news of the build.
    told.updated(62_000, "views.py", "synced", 3.0);
    told.updated(63_000, "views.py", "unchanged", 2.0);
    told.planned(64_000, "rebuild", rule);
    told.builds(64_060, "Dockerfile");
    told.built(64_200, "unchanged");
    told.updated(64_201, "Dockerfile", "unchanged", 140.0);
    // Once.
    told.updated(65_000, "Dockerfile", "unchanged", 20.0);
    // What is synced as well, and one that is built.
    told.built(66_000, "failed");
    told.update_fails(66_001, "requirements.txt", "synced, build failed", &wrong);
    told.built(67_000, "unchanged");
    told.updated(67_001, "requirements.txt", "synced", 150.0);
    told.built(68_000, "failed");
    told.update_fails(68_001, "Dockerfile", "build failed", &wrong);
    told.built(70_000, "ok");
    told.updated(71_000, "Dockerfile", "rebuilt, recreated", 3_000.0);
    told.updated(72_000, "Dockerfile", "unchanged", 20.0);
    insta::assert_snapshot!(told.printed);
}

#[test]
fn what_goes_away_and_comes_back() {
    let mut told = Told::to_owner();
    told.starts();
    told.printed.clear();
    let event = state(
        "ready",
        "unhealthy",
        Some("its health check fails: timed out"),
        &[],
    );
    told.at(10_000, "db", None, event);
    told.at(12_000, "db", None, state("unhealthy", "ready", None, &[]));
    told.state(20_000, "backend", "ready", "updating");
    told.ready(21_100, "backend", 1100.0);
    told.at(
        30_000,
        "backend",
        None,
        state("ready", "stopped", Some("stopped by hand"), &[]),
    );
    told.planned(40_000, "recreate", "changed: environment, ports");
    told.ready(41_000, "celery", 700.0);
    insta::assert_snapshot!(told.printed);
}

#[test]
fn warnings_before_and_after_all_is_ready() {
    let mut told = Told::to_owner();
    told.begins();
    told.warns(10, "", "uses volumes that were there before: app-data");
    told.warns(
        20,
        "db",
        "its first process cannot receive the signal to end",
    );
    told.settles(4000, true);
    told.warns(5000, "", "the Stackfile is wrong, everything goes on as it was\n  × unknown word\n  help: say `service`");
    insta::assert_snapshot!(told.printed);
}

#[test]
fn ctrl_c_stops_in_reverse() {
    let mut told = Told::to_owner();
    told.starts();
    told.printed.clear();
    for (millis, service) in [
        (90_000, "proxy"),
        (90_300, "frontend"),
        (90_900, "backend"),
        (91_000, "db"),
    ] {
        let event = state("ready", "stopped", Some("the session ends"), &[]);
        told.at(millis, service, None, event);
    }
    told.at(91_001, "", None, NoticeEvent::SessionEnded { code: 0 });
    insta::assert_snapshot!(told.printed);
}

#[test]
fn a_guest_is_told_what_its_up_leads_to() {
    let mut told = Told::to(Reader::Guest, Volume::Normal);
    let head = told.lines.head("app").unwrap();
    told.printed = format!("{}\n", anstream::adapter::strip_str(&head));
    told.state(0, "celery", "off", "waiting");
    told.ready(3000, "celery", 2900.0);
    told.settles(3100, true);
    told.updated(67_900, "views.py", "synced, restarted", 900.0);
    insta::assert_snapshot!(told.printed);
}

#[test]
fn checks_pass_or_say_why_not() {
    let mut told = Told::to(Reader::Pass, Volume::Normal);
    for (check, outcome, details) in [
        ("entry", "ok", vec![]),
        (
            "api",
            "failed",
            vec!["http://localhost/api/ answered 500", "oops"],
        ),
    ] {
        let event = NoticeEvent::CheckDone {
            check: check.to_owned(),
            outcome: outcome.to_owned(),
            attempts: 1,
            at: "Stackfile.kdl:142".to_owned(),
            details: details.into_iter().map(str::to_owned).collect(),
        };
        told.at(5000, "", Some(23.0), event);
    }
    insta::assert_snapshot!(told.printed);
}

#[test]
fn each_reader_learns_how_it_ends() {
    let last = |reader| {
        let mut told = Told::to(reader, Volume::Normal);
        told.settles(0, true);
        told.printed.lines().last().unwrap_or_default().to_owned()
    };
    let all = [
        Reader::Owner,
        Reader::Starter,
        Reader::Guest,
        Reader::Caller,
        Reader::Pass,
    ]
    .map(last);
    insta::assert_snapshot!(all.join("\n"));
}
