//! The way up: whom a service waits for, tasks, profiles, followers, flags.

use crate::kit::{Ran, Scratch, docker, identity, said};

fn inspect(container: &str, format: &str) -> String {
    docker(&["inspect", "-f", format, container])
        .out
        .trim()
        .to_owned()
}

/// Where in the stream a service got into a state first.
fn position(session: &crate::kit::Session, service: &str, state: &str) -> usize {
    let found = session.seen.iter().position(|event| {
        event["event"] == "service-state" && event["service"] == service && event["to"] == state
    });
    found.unwrap_or_else(|| panic!("{service} never was {state}:\n{}", session.dump()))
}

#[test]
fn each_condition_waits_for_what_it_says() {
    let text = r#"stack app
volume shared
service slow { image "redis:7"; healthcheck "test -f /data/open"; volume shared to="/data" }
service eager { image "redis:7"; depends-on slow condition=started; healthcheck "redis-cli ping" }
task unlock {
    image "redis:7"
    command "test -f /data/open || echo run >> /data/runs; touch /data/open"
    volume shared to="/data"
    depends-on eager
}
service patient { image "redis:7"; depends-on slow; healthcheck "redis-cli ping" }
service last { image "redis:7"; depends-on unlock; healthcheck "redis-cli ping" }
"#;
    let stack = Scratch::new("conditions", &[("Stackfile.kdl", text)]);
    let mut session = stack.up(&[]);
    session.ready();
    // Had `eager` waited for more than the process of `slow`, nothing would ever have been ready.
    let at = |service: &str, state: &str| position(&session, service, state);
    assert!(
        at("eager", "ready") < at("slow", "ready"),
        "{}",
        session.dump()
    );
    assert!(
        at("slow", "ready") < at("patient", "starting"),
        "{}",
        session.dump()
    );
    assert!(
        at("unlock", "done") < at("last", "starting"),
        "{}",
        session.dump()
    );
    let unlock = stack.service("unlock");
    assert_eq!(
        (&unlock["state"], &unlock["exit_code"]),
        (&"done".into(), &0.into()),
        "{unlock}"
    );
    let (code, errors) = session.interrupt();
    assert_eq!(code, 0, "{errors}");

    // What has ended well is not run again.
    let ran = identity(&stack.container("unlock"));
    let mut session = stack.up(&[]);
    session.ready();
    assert_eq!(identity(&stack.container("unlock")), ran);
    assert_eq!(stack.service("unlock")["state"], "done");
}

#[test]
fn a_task_that_fails_holds_back_who_waits_for_it() {
    let text = r#"stack app
task migrate { image "redis:7"; command "echo no such column >&2; exit 4" }
service api { image "redis:7"; depends-on migrate; healthcheck "redis-cli ping" }
"#;
    let stack = Scratch::new("task", &[("Stackfile.kdl", text)]);
    let up = stack.run(&["up", "-d"]);
    assert_eq!(up.code, 1, "{}", said(&up));
    assert!(
        said(&up).contains("task ended with 4") && said(&up).contains("no such column"),
        "{}",
        said(&up)
    );
    let api = stack.service("api");
    assert_eq!(api["state"], "waiting", "{api}");
    assert!(api["reason"].as_str().unwrap().contains("migrate"), "{api}");
}

#[test]
fn who_follows_is_restarted_after_the_one_it_follows() {
    let text = r#"stack app
service db { image "redis:7"; healthcheck "redis-cli ping" }
service follower { image "redis:7"; depends-on db follow=#true; healthcheck "redis-cli ping" }
service other { image "redis:7"; depends-on db; healthcheck "redis-cli ping" }
"#;
    let stack = Scratch::new("follows", &[("Stackfile.kdl", text)]);
    let mut session = stack.up(&[]);
    session.ready();
    let started = |service: &str| inspect(&stack.container(service), "{{.State.StartedAt}}");
    let (follower, other) = (started("follower"), started("other"));
    assert_eq!(
        docker(&["restart", "-t", "1", &stack.container("db")]).code,
        0
    );
    session.state("db", "ready", 60);
    let update = session.event("follower", "update-done", 60);
    assert_eq!(update["outcome"], "ok", "{update}");
    assert_ne!(started("follower"), follower);
    assert_eq!(started("other"), other);
}

#[test]
fn profiles_are_off_until_they_are_chosen_or_a_service_is_named() {
    let text = r#"stack app
service db { image "redis:7"; healthcheck "redis-cli ping" }
service worker { image "redis:7"; profile jobs; depends-on db; healthcheck "redis-cli ping" }
service tool { image "redis:7"; profile tools; healthcheck "redis-cli ping" }
"#;
    let stack = Scratch::new("profiles", &[("Stackfile.kdl", text)]);
    let up = stack.ok(&["up", "-d"]);
    assert!(said(&up).contains("--profile jobs"), "{}", said(&up));
    let worker = stack.service("worker");
    assert_eq!(worker["state"], "off", "{worker}");
    let before = identity(&stack.container("db"));

    // The session that runs takes them in.
    stack.ok(&["--profile", "jobs", "up", "-d"]);
    assert_eq!(stack.service("worker")["state"], "ready");
    stack.ok(&["up", "-d", "tool"]);
    assert_eq!(stack.service("tool")["state"], "ready");
    assert_eq!(identity(&stack.container("db")), before);
    stack.ok(&["down"]);

    let named = stack.ok(&["up", "-d", "worker"]);
    assert_eq!(
        stack.service("worker")["state"],
        "ready",
        "{}",
        said(&named)
    );
    assert_eq!(stack.service("db")["state"], "ready");
    assert_eq!(stack.service("tool")["state"], "off");
    stack.ok(&["down"]);

    let chosen = Ran::of(
        stack
            .command(&["up", "-d"])
            .env("DEVRUN_PROFILES", "tools")
            .output()
            .unwrap(),
    );
    assert_eq!(chosen.code, 0, "{}", said(&chosen));
    assert_eq!(stack.service("tool")["state"], "ready");
    assert_eq!(stack.service("worker")["state"], "off");
}

#[test]
fn the_flags_of_up_do_what_they_say() {
    let text = r#"stack app
service web {
    build "."
    healthcheck "true"
    sync to="/app" { on "*.txt" { restart } }
}
service cache { image "redis:7"; healthcheck "redis-cli ping" }
"#;
    let files = [
        ("Stackfile.kdl", text),
        (
            "Dockerfile",
            "FROM redis:7\nWORKDIR /app\nCOPY . .\nCMD [\"sleep\", \"infinity\"]\n",
        ),
        ("note.txt", "one\n"),
    ];
    let stack = Scratch::new("flags", &files);
    stack.ok(&["up", "-d"]);
    let (web, cache) = (
        identity(&stack.container("web")),
        identity(&stack.container("cache")),
    );

    let again = stack.ok(&["up", "-d", "--recreate", "cache"]);
    assert!(
        said(&again).contains("recreate (asked for)"),
        "{}",
        said(&again)
    );
    assert_ne!(identity(&stack.container("cache")), cache);
    assert_eq!(identity(&stack.container("web")), web);

    let built = stack.ok(&["up", "-d", "--build", "--format", "json", "web"]);
    let told = |event: &str| {
        let mut lines = built.out.lines();
        lines.find(|line| line.contains(event)).unwrap_or_default()
    };
    assert!(!told("build-started").is_empty(), "{}", said(&built));
    // It comes to the image that runs.
    let done = told("build-done");
    assert!(
        done.contains(r#""outcome":"unchanged""#),
        "{}",
        said(&built)
    );
    assert_eq!(identity(&stack.container("web")), web);
    stack.ok(&["stop"]);

    // Without watching a save stays where it is, until the next `up` brings it over.
    let mut session = stack.up(&["--no-watch"]);
    session.ready();
    let settled = session
        .seen
        .iter()
        .find(|event| event["event"] == "settled")
        .unwrap();
    assert_eq!(settled["watching"], 0, "{settled}");
    stack.write("note.txt", "two\n");
    let (code, errors) = session.interrupt();
    assert_eq!(code, 0, "{errors}");
    let mut session = stack.up(&[]);
    session.ready();
    assert_eq!(
        stack.ok(&["exec", "web", "cat", "/app/note.txt"]).out,
        "two\n"
    );
}
