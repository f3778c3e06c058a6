//! A Stackfile that is wrong, at the start and while its stack runs.

use crate::kit::{Ran, Scratch, docker, eventually, free_port, get, identity, said};

const WRONG: &str = r#"stack app
service cache { imag "redis:7" }
service user { image "redis:7"; depends-on cach }
"#;

#[test]
fn a_wrong_stackfile_is_shown_whole_and_touches_nothing() {
    let stack = Scratch::new("wrong", &[("Stackfile.kdl", WRONG)]);
    for verb in [
        vec!["up"],
        vec!["up", "-d"],
        vec!["check"],
        vec!["status"],
        vec!["down"],
    ] {
        let ran = stack.run(&verb);
        assert_eq!(ran.code, 2, "{verb:?}: {}", said(&ran));
        for part in [
            "Stackfile.kdl:2",
            "imag",
            "image",
            "Stackfile.kdl:3",
            "cach",
        ] {
            assert!(
                ran.err.contains(part),
                "{verb:?} does not say {part:?}:\n{}",
                ran.err
            );
        }
    }
    let label = format!("label=devrun.stack={}", stack.name);
    for kind in ["container", "network", "volume"] {
        assert_eq!(
            docker(&[kind, "ls", "-q", "--filter", &label]).out,
            "",
            "a {kind} was made"
        );
    }
}

#[test]
fn check_needs_no_engine_and_speaks_json() {
    let stack = Scratch::new("check", &[("Stackfile.kdl", WRONG)]);
    let check = |arguments: &[&str]| {
        Ran::of(
            stack
                .command(arguments)
                .env("DOCKER_HOST", "unix:///nowhere")
                .output()
                .unwrap(),
        )
    };
    let text = check(&["check"]);
    assert_eq!(text.code, 2);
    assert!(
        text.err.contains("imag \"redis:7\"") && text.err.contains("did you mean"),
        "{}",
        text.err
    );
    assert_eq!(text.out, "");

    let json = check(&["check", "--format", "json"]);
    assert_eq!(json.code, 2);
    let objects: Vec<serde_json::Value> = json
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(objects.len() >= 2, "{}", json.out);
    let lines: Vec<u64> = objects
        .iter()
        .map(|object| object["line"].as_u64().unwrap())
        .collect();
    assert!(lines.contains(&2) && lines.contains(&3), "{}", json.out);
    for object in &objects {
        assert!(
            object["file"].as_str().unwrap().ends_with("Stackfile.kdl"),
            "{object}"
        );
        assert!(
            object["column"].as_u64().unwrap() > 0
                && !object["message"].as_str().unwrap().is_empty(),
            "{object}"
        );
    }

    stack.write(
        "Stackfile.kdl",
        "stack app\nservice cache { image \"redis:7\" }\n",
    );
    let fine = check(&["check"]);
    assert_eq!(fine.code, 0, "{}", said(&fine));
    assert!(fine.err.contains("fine, 1 services"), "{}", fine.err);
}

#[test]
fn a_wrong_edit_is_a_warning_and_the_mended_one_is_applied() {
    let port = free_port();
    let text = format!(
        r#"stack app
service one {{
    image "python:3.13-slim"
    init #true
    command "python" "-m" "http.server" "8000"
    environment {{ GREETING "old" }}
    port "" to=8000
    route "/one/*"
}}
service two {{ image "redis:7"; healthcheck "redis-cli ping" }}
proxy entry {{
    image "nginx:1.26"
    config "nginx.conf"
    depends-on one
    port {port} to=80
}}
"#
    );
    let text = text.replace(
        "    port \"\" to=8000\n    route \"/one/*\"\n",
        "    port \"${NONE:-}\" to=8000\n    route \"/one/*\"\n",
    );
    let nginx = "events {}\nhttp { server { listen 80; include devrun-routes; } }\n";
    let stack = Scratch::new("edit", &[("Stackfile.kdl", &text), ("nginx.conf", nginx)]);
    let mut session = stack.up(&[]);
    session.ready();
    let all = ["one", "two", "entry"].map(|service| identity(&stack.container(service)));

    stack.edit("Stackfile.kdl", "image \"redis:7\"", "imaeg \"redis:7\"");
    let warning = session.wait("the warning", 30, |event| event["event"] == "warning");
    let message = warning["message"].as_str().unwrap();
    assert!(
        message.contains("everything goes on as it was") && message.contains("imaeg"),
        "{message}"
    );
    assert_eq!(stack.run(&["check"]).code, 2);
    assert_eq!(
        ["one", "two", "entry"].map(|service| identity(&stack.container(service))),
        all
    );
    assert_eq!(
        get(&format!("http://localhost:{port}/one/"))
            .unwrap()
            .status,
        404,
        "python knows no /one/"
    );

    // Mended, and a variable of one service changed: that one alone is made anew, and it is said why.
    stack.edit("Stackfile.kdl", "imaeg", "image");
    stack.edit("Stackfile.kdl", "\"old\"", "\"new\"");
    let planned = session.event("one", "update-planned", 30);
    assert_eq!(planned["action"], "recreate", "{planned}");
    assert!(
        planned["reason"].as_str().unwrap().contains("environment"),
        "{planned}"
    );
    session.state("one", "ready", 60);
    let now = ["one", "two", "entry"].map(|service| identity(&stack.container(service)));
    assert_ne!(now[0], all[0]);
    assert_eq!(now[1..], all[1..]);
    assert_eq!(
        stack.ok(&["exec", "one", "sh", "-c", "echo $GREETING"]).out,
        "new\n"
    );

    // A new route is a new configuration in the same nginx.
    stack.edit(
        "Stackfile.kdl",
        "route \"/one/*\"",
        "route \"/one/*\" \"/two/*\"",
    );
    session.wait("new routes", 30, |event| event["event"] == "routes-applied");
    eventually("the new route", 20, || {
        get(&format!("http://localhost:{port}/two/")).filter(|answer| {
            answer.head.contains("SimpleHTTP") || answer.body.contains("File not found")
        })
    });
    assert_eq!(
        identity(&stack.container("entry")),
        all[2],
        "nginx was restarted"
    );

    // A new service is started beside the others.
    let more = format!(
        "{}service three {{ image \"redis:7\"; healthcheck \"redis-cli ping\" }}\n",
        stack.read("Stackfile.kdl")
    );
    stack.write("Stackfile.kdl", &more);
    session.state("three", "ready", 60);
    assert_eq!(identity(&stack.container("two")), all[1]);
    let (code, errors) = session.interrupt();
    assert_eq!(code, 0, "{errors}");
}

const CACHE: &str = "service cache { image \"redis:7\"; healthcheck \"redis-cli ping\" }\n";

#[test]
fn a_service_less_is_stopped_dependents_first_and_keeps_its_data() {
    let spare = "service spare { image \"redis:7\"; volume data to=\"/kept\"; healthcheck \"redis-cli ping\" }\n";
    let user = "service user { image \"redis:7\"; depends-on spare }\n";
    let both = format!("stack app\nvolume data\n{CACHE}");
    let stack = Scratch::new(
        "less",
        &[("Stackfile.kdl", &format!("{both}{spare}{user}"))],
    );
    let mut session = stack.up(&[]);
    session.ready();
    let cache = identity(&stack.container("cache"));
    stack.ok(&["exec", "spare", "sh", "-c", "echo mine > /kept/file"]);

    stack.write("Stackfile.kdl", &both);
    for service in ["user", "spare"] {
        let planned = session.event(service, "update-planned", 30);
        assert_eq!(planned["action"], "remove", "{planned}");
        let done = session.event(service, "update-done", 30);
        assert_eq!(done["action"], "removed", "{done}");
    }
    session.ready();
    let label = format!("label=devrun.stack={}", stack.name);
    let names = docker(&["ps", "-a", "--format", "{{.Names}}", "--filter", &label]).out;
    assert_eq!(names.trim(), stack.container("cache"));
    assert_eq!(identity(&stack.container("cache")), cache);

    // Declared again, it has its data.
    stack.write("Stackfile.kdl", &format!("{both}{spare}"));
    session.state("spare", "ready", 60);
    assert_eq!(
        stack.ok(&["exec", "spare", "cat", "/kept/file"]).out,
        "mine\n"
    );
    let (code, errors) = session.interrupt();
    assert_eq!(code, 0, "{errors}");
}

#[test]
fn what_was_not_declared_when_the_session_began_is_named_and_left_to_down() {
    let text = format!("stack app\n{CACHE}{}", CACHE.replace("cache", "spare"));
    let stack = Scratch::new("orphan", &[("Stackfile.kdl", &text)]);
    stack.ok(&["up", "-d"]);
    stack.ok(&["stop"]);
    stack.write("Stackfile.kdl", &format!("stack app\n{CACHE}"));
    let before = identity(&stack.container("spare"));
    let mut session = stack.up(&[]);
    let warning = session.wait("the warning", 30, |event| event["event"] == "warning");
    let message = warning["message"].as_str().unwrap();
    assert!(
        message.contains(&stack.container("spare")) && message.contains("devrun down"),
        "{message}"
    );
    session.ready();
    assert_eq!(identity(&stack.container("spare")), before);
    let (code, errors) = session.interrupt();
    assert_eq!(code, 0, "{errors}");
    stack.ok(&["down"]);
    let label = format!("label=devrun.stack={}", stack.name);
    assert_eq!(docker(&["ps", "-aq", "--filter", &label]).out, "");
}

#[test]
fn what_runs_is_shown_and_ended_though_its_stackfile_is_wrong_or_gone() {
    let good = "stack app\nservice a { image \"redis:7\"; }\nservice b { image \"redis:7\"; depends-on a condition=started; }\n";
    let stack = Scratch::new("unread", &[("Stackfile.kdl", good)]);
    stack.ok(&["up", "-d"]);

    stack.write("Stackfile.kdl", WRONG);
    let shown = stack.ok(&["exec", "a", "echo", "there"]);
    assert_eq!(shown.out, "there\n");
    assert!(
        shown.err.contains("Stackfile.kdl is wrong"),
        "{}",
        shown.err
    );
    let stopped = stack.ok(&["stop"]);
    assert!(stopped.err.contains("devrun check"), "{}", stopped.err);
    let shown = stack.ok(&["status"]);
    assert_eq!(shown.out.matches("stopped").count(), 2, "{}", shown.out);
    let refused = stack.run(&["up", "-d"]);
    assert_eq!(refused.code, 2, "{}", said(&refused));

    std::fs::remove_file(stack.path("Stackfile.kdl")).unwrap();
    let ended = stack.ok(&["down"]);
    assert!(
        ended.err.contains("there is no Stackfile.kdl"),
        "{}",
        ended.err
    );
    let label = format!("label=devrun.stack={}", stack.name);
    for kind in ["container", "network"] {
        let left = docker(&[kind, "ls", "-q", "--filter", &label]).out;
        assert_eq!(left, "", "a {kind} was left");
    }
    assert_eq!(stack.run(&["down"]).code, 2);
}
