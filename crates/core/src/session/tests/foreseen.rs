//! What is foreseen is what happens.

use std::collections::BTreeMap;

use super::bench::{Bench, image_there};
use super::stacks::{APP, loaded};
use crate::event::{Event, Outcome, Request};
use crate::observed::Observed;
use crate::session::{Foresight, Options, Session};
use crate::spec::Image;

const WORKER: &str =
    "\nservice worker { image \"worker:1\"; restart no; depends-on db follow=#true; }";

/// The images that the bench answers with, where they are there already.
fn images() -> BTreeMap<String, Image> {
    let of = |(service, name): (&str, &str)| match image_there(name, false) {
        Outcome::Image { image, .. } => (service.to_owned(), image),
        other => panic!("{other:?}"),
    };
    [
        ("db", "postgres:17"),
        ("backend", "app-backend:1"),
        ("entry", "nginx:1.26"),
        ("worker", "worker:1"),
    ]
    .map(of)
    .into()
}

/// `recreate db`, without those for which nothing is done.
fn steps(foresight: &Foresight) -> Vec<String> {
    let done = foresight.steps.iter();
    let done = done.filter(|step| !matches!(step.action, "keep" | "off" | "leave"));
    done.map(|step| format!("{} {}", step.action, step.service))
        .collect()
}

/// The same of what is really begun.
fn begun(lines: &[String]) -> Vec<String> {
    let mut anew: Vec<String> = Vec::new();
    let mut steps = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (word, what) = (words[0], words[1]);
        let service = what.split('-').next().unwrap().to_owned();
        let action = match word {
            "create" if line.contains(" replacing ") => "recreate",
            "attach" => "compare",
            "apply" => "reload",
            "create" | "update" | "start" | "restart" | "remove" | "stop" | "sync" => word,
            _ => continue,
        };
        if matches!(action, "create" | "recreate" | "start" | "restart") {
            anew.push(service.clone());
        } else if matches!(action, "compare" | "reload") && anew.contains(&service) {
            continue;
        }
        steps.push(format!("{action} {service}"));
    }
    steps
}

#[test]
fn an_edit_beside_a_session_is_foreseen_as_it_then_happens() {
    let edits: &[(String, &[&str])] = &[
        (APP.to_owned(), &[]),
        (
            APP.replace("POSTGRES_DB main", "POSTGRES_DB other"),
            &["recreate db"],
        ),
        (
            APP.replace("port 8000", "port 8001 to=8000"),
            &["recreate backend"],
        ),
        (
            APP.replace("\"/api/*\"", "\"/api/*\" \"/more/*\""),
            &["reload entry"],
        ),
        (APP.replace("\"*.po\" ", "\"*.mo\" "), &["compare backend"]),
        (format!("{APP}{WORKER}"), &["create worker"]),
        (
            APP.replace(
                "    port 8000\n",
                "    port 8000\n    limits memory=\"64M\"\n",
            ),
            &["update backend"],
        ),
        (APP.replace("    depends-on backend\n", ""), &[]),
    ];
    for (text, expected) in edits {
        let mut bench = Bench::ready();
        let foresight = bench.session.foresee(vec![loaded(text)], &images());
        assert_eq!(steps(&foresight), *expected);
        let mut lines = bench.load(text);
        lines.extend(bench.finish());
        assert_eq!(begun(&lines), *expected, "{lines:?}");
    }
}

#[test]
fn a_service_less_and_who_follows_another_are_foreseen() {
    let with = format!("{APP}{WORKER}");
    let mut bench = Bench::new(&with);
    bench.finish();
    let foresight = bench.session.foresee(vec![loaded(APP)], &images());
    assert_eq!(steps(&foresight), ["remove worker"]);
    let removed = foresight.steps.iter().find(|step| step.service == "worker");
    assert_eq!(removed.unwrap().reason, "no longer in the Stackfile");
    let other = with.replace("POSTGRES_DB main", "POSTGRES_DB other");
    let foresight = bench.session.foresee(vec![loaded(&other)], &images());
    assert_eq!(steps(&foresight), ["recreate db", "restart worker"]);
    assert_eq!(
        foresight.steps[0].reason,
        "changed: environment POSTGRES_DB (Stackfile.kdl:7)"
    );
    assert_eq!(foresight.steps[1].reason, "db was replaced");
    let mut lines = bench.load(&other);
    lines.extend(bench.finish());
    assert_eq!(begun(&lines), ["recreate db", "restart worker"]);
}

#[test]
fn a_session_that_is_begun_now_is_foreseen_too() {
    let options = || Options {
        root: super::bench::ROOT.into(),
        ..Options::default()
    };
    let mut bench = Bench::ready();
    let found = |bench: &Bench, images: &BTreeMap<String, Image>| {
        let containers = bench.containers.clone();
        let events = vec![
            loaded(APP),
            Event::Engine(Observed::Connected {
                containers,
                capacity: crate::live::Capacity::default(),
            }),
        ];
        Session::new(options()).foresee(events, images)
    };
    let first = found(&Bench::new(APP), &images());
    assert_eq!(
        steps(&first),
        ["create db", "create backend", "create entry"]
    );
    let again = found(&bench, &images());
    assert_eq!(steps(&again), [""; 0]);
    // Neither image is there.
    let built = found(&bench, &BTreeMap::new());
    assert_eq!(
        steps(&built),
        [
            "pull db",
            "build backend",
            "pull entry",
            "recreate db",
            "recreate entry",
            "recreate backend"
        ]
    );
    bench.stop(&["backend"]);
    bench.finish();
    let stopped = found(&bench, &images());
    assert_eq!(steps(&stopped), ["start backend"]);
    let start = stopped.steps.iter().find(|step| step.action == "start");
    assert_eq!(start.unwrap().reason, "exited with 137");
}

#[test]
fn nothing_of_what_is_foreseen_happens() {
    let mut bench = Bench::ready();
    let before = format!("{:?}", bench.session);
    let up = Event::Request(Request::Up {
        services: Vec::new(),
        profiles: Vec::new(),
        build: true,
        recreate: true,
    });
    let foresight = bench.session.foresee(vec![up], &images());
    let steps = steps(&foresight);
    assert_eq!(
        steps
            .iter()
            .filter(|step| step.starts_with("recreate"))
            .count(),
        3,
        "{steps:?}"
    );
    assert_eq!(format!("{:?}", bench.session), before);
    assert!(bench.finish().is_empty());
}
