//! How long each part of an update took.

use super::bench::{Bench, image_there};
use crate::event::{Event, MakingPart, Progress};
use crate::notice::{NoticeEvent, Part};

/// `waited for quiet 50`, one a part.
fn shown(parts: &[Part]) -> Vec<String> {
    let one = |part: &Part| {
        let of = part.of.as_deref();
        let of = of.map_or_else(String::new, |of| format!(" for {of}"));
        let slowest = part.slowest.as_ref();
        let slowest =
            slowest.map_or_else(String::new, |it| format!(", {} {}", it.name, it.took_ms));
        format!("{}{of} {}{slowest}", part.what, part.took_ms)
    };
    parts.iter().map(one).collect()
}

/// The parts of the last update of a service that is over, and how long it took as a whole.
fn last_update(bench: &Bench, service: &str) -> (Vec<String>, f64) {
    let mut told = bench.told.iter().rev();
    let found = told.find_map(|notice| match &notice.event {
        NoticeEvent::UpdateDone { parts, .. } if notice.service.as_deref() == Some(service) => {
            Some((shown(parts), notice.took_ms.unwrap()))
        }
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no update of {service}"))
}

fn progress(bench: &mut Bench, line: &str, progress: Progress) {
    let op = bench.op(line);
    bench.feed(Event::Progress { op, progress });
}

#[test]
fn a_restart_is_waited_for_synced_restarted_compared_and_probed() {
    let mut bench = Bench::ready();
    bench.save(&["backend/app.py"]);
    bench.after(3);
    bench.ok("sync backend-1");
    bench.wake();
    bench.after(400);
    bench.ok("restart backend-1");
    bench.after(5);
    bench.ok("attach backend-1");
    bench.after(90);
    bench.ok("probe backend-1");
    let (parts, took) = last_update(&bench, "backend");
    assert_eq!(
        parts,
        [
            "synced 3",
            "waited for quiet 47",
            "restarted 401",
            "compared 5",
            "probed 90"
        ]
    );
    assert_eq!(took, 546.0, "nothing is missing and nothing counted twice");
}

#[test]
fn a_rebuild_names_the_slowest_step_and_what_became_of_the_container() {
    let mut bench = Bench::ready();
    bench.save(&["backend/Dockerfile"]);
    bench.wake();
    bench.after(10);
    progress(&mut bench, "build", Progress::Making);
    for (name, took_ms) in [
        ("[2/3] COPY", 20),
        ("[3/3] RUN make", 700),
        ("[1/3] FROM", 5),
    ] {
        let name = name.to_owned();
        let step = Progress::Step {
            name,
            cached: false,
            took_ms: Some(took_ms),
        };
        progress(&mut bench, "build", step);
    }
    bench.after(990);
    bench.ends("build", image_there("app-backend:2", true));
    bench.after(200);
    progress(
        &mut bench,
        "create backend",
        Progress::Part(MakingPart::Stopped),
    );
    bench.after(40);
    progress(
        &mut bench,
        "create backend",
        Progress::Part(MakingPart::Created),
    );
    bench.after(60);
    bench.ok("create backend");
    bench.ok("attach backend-2");
    bench.after(300);
    bench.ok("probe backend-2");
    let (parts, took) = last_update(&bench, "backend");
    assert_eq!(
        parts,
        [
            "waited for quiet 20",
            "built 1000, [3/3] RUN make 700",
            "stopped 200",
            "created 40",
            "started 61",
            "compared 0",
            "probed 300",
        ]
    );
    assert_eq!(took, 1621.0);
}

#[test]
fn what_was_under_way_before_the_save_is_waiting() {
    let mut bench = Bench::ready();
    bench.save(&["backend/page.html"]);
    bench.after(7);
    bench.ok("sync backend-1");
    let (parts, _) = last_update(&bench, "backend");
    assert_eq!(parts, ["synced 7"]);
    // What follows a start that nobody saved for is no part of what is saved meanwhile.
    bench.happens("backend-1", crate::observed::Happened::Exited { code: 1 });
    bench.ok("explain backend-1");
    bench.happens("backend-1", crate::observed::Happened::Started);
    bench.after(10);
    bench.save(&["backend/page.html"]);
    bench.after(20);
    bench.ok("attach backend-1");
    bench.finish();
    let (parts, _) = last_update(&bench, "backend");
    assert_eq!(parts[0], "waited for what was under way 20", "{parts:?}");
}

#[test]
fn a_first_start_tells_for_whom_it_waited() {
    let mut bench = Bench::new(super::stacks::APP);
    bench.finish();
    let mut told = bench.told.iter();
    let ready = told.find_map(|notice| match &notice.event {
        NoticeEvent::ServiceState { to, parts, .. }
            if to == "ready" && notice.service.as_deref() == Some("backend") =>
        {
            Some(shown(parts))
        }
        _ => None,
    });
    let ready = ready.unwrap();
    assert!(
        ready.iter().any(|part| part.starts_with("waited for db")),
        "{ready:?}"
    );
    assert!(
        ready.iter().any(|part| part.starts_with("started")),
        "{ready:?}"
    );
}
