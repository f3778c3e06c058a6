//! `devrun build`, `up --dry-run` and `--remove-orphans`.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::{Found, app, app_with};
use crate::kit::{Scratch, docker, free_port, said};

fn action(stack: &Scratch, arguments: &[&str], name: &str) -> (String, String) {
    let mut all = vec!["up", "--dry-run", "--format", "json"];
    all.extend(arguments);
    let plan: Value = serde_json::from_str(&stack.ok(&all).out).unwrap();
    let steps = plan["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"] == name);
    step.map_or_else(Default::default, |step| {
        let text = |key: &str| step[key].as_str().unwrap().to_owned();
        (text("action"), text("reason"))
    })
}

#[test]
fn the_plan_says_what_up_would_do_and_nothing_is_done() {
    let stack = app("dry");
    let volume = format!("{}-data", stack.name);
    assert_eq!(action(&stack, &[], "web").0, "build");
    assert_eq!(action(&stack, &[], "cache").0, "create");
    assert_eq!(action(&stack, &[], &volume).0, "make");
    let filter = format!("label=devrun.stack={}", stack.name);
    for kind in ["container", "network", "volume"] {
        assert_eq!(docker(&[kind, "ls", "-q", "--filter", &filter]).out, "");
    }
    stack.ok(&["build"]);
    assert_eq!(action(&stack, &[], "web").0, "create");
}

#[test]
fn the_plan_is_the_same_with_a_session_without_and_after_a_killed_one() {
    for found in [Found::Session, Found::NoSession, Found::Killed] {
        let (stack, _session) = app_with("dry-found", found);
        assert_eq!(action(&stack, &[], "web").0, "keep", "{found:?}");
        assert_eq!(action(&stack, &["--recreate"], "web").0, "recreate");
        if found != Found::Session {
            // A session would do it at once.
            stack.write(".env", "WORD=other\n");
            let (what, why) = action(&stack, &[], "web");
            assert_eq!(what, "recreate");
            assert!(
                why.starts_with("changed: environment WORD (Stackfile.kdl:")
                    && why.ends_with("; WORD from .env:1)"),
                "{why}"
            );
        }
        assert_eq!(action(&stack, &[], "cache").0, "keep");
    }
}

#[test]
fn build_makes_an_image_once_and_again_without_the_cache() {
    let stack = app("build");
    let built = |arguments: &[&str]| -> Value {
        let mut all = vec!["build", "--format", "json"];
        all.extend(arguments);
        serde_json::from_str(stack.ok(&all).out.trim()).unwrap()
    };
    let first = built(&[]);
    assert_eq!(
        (&first["service"], &first["made"]),
        (&"web".into(), &true.into())
    );
    assert_eq!(built(&[])["made"], false);
    let id =
        |image: &Value| docker(&["image", "inspect", "-f", "{{.Id}}", image.as_str().unwrap()]).out;
    let before = id(&first["image"]);
    let again = built(&["--no-cache", "web"]);
    assert_eq!(again["made"], true);
    assert_ne!(id(&again["image"]), before);
    let none = stack.ok(&["build", "cache"]);
    assert!(none.err.contains("redis:7"), "{}", none.err);

    stack.edit(
        "src/Dockerfile",
        "COPY . .",
        "COPY . .\nRUN echo no >&2 && false",
    );
    let failed = stack.run(&["build"]);
    assert_eq!(failed.code, 1, "{}", said(&failed));
    assert!(failed.err.contains("Dockerfile:4"), "{}", failed.err);
}

#[test]
fn what_is_no_longer_declared_is_left_alone_until_somebody_says_otherwise() {
    let (stack, _session) = app_with("orphans", Found::Killed);
    let old = stack.container("web");
    let exists = || docker(&["container", "inspect", &old]).code == 0;
    stack.edit("Stackfile.kdl", "service web {", "service site {");
    assert_eq!(action(&stack, &[], &old).0, "leave");
    assert_eq!(action(&stack, &["--remove-orphans"], &old).0, "remove");
    stack.ok(&["up", "-d"]);
    assert!(exists());
    stack.ok(&["up", "-d", "--remove-orphans"]);
    assert!(!exists());
}

#[test]
fn down_also_removes_what_is_no_longer_declared() {
    let (stack, _session) = app_with("orphans-down", Found::Killed);
    stack.edit("Stackfile.kdl", "service web {", "service site {");
    stack.ok(&["down"]);
    let filter = format!("label=devrun.stack={}", stack.name);
    assert_eq!(docker(&["ps", "-aq", "--filter", &filter]).out, "");
}

/// A database, who follows it, what is built and synced, one that goes, and a proxy.
fn edited(port: u16) -> String {
    format!(
        r#"stack app
service db {{ image "redis:7"; init #true; environment {{ WORD one }}; healthcheck "redis-cli ping" interval="1s" }}
service worker {{ image "redis:7"; init #true; command "sleep" "infinity"; depends-on db follow=#true }}
service web {{
    build "src"
    init #true
    depends-on db
    healthcheck "redis-cli ping" interval="1s"
    route "/a/*" port=6379
    sync "src/app" to="/app" {{
        on "*.sh" {{ restart }}
    }}
}}
service old {{ image "redis:7"; init #true; command "sleep" "infinity" }}
proxy entry {{ image "nginx:1.26"; config "nginx.conf"; depends-on web; port {port} to=80 }}
"#
    )
}

fn edited_stack(test: &str) -> (Scratch, String) {
    let text = edited(free_port());
    let nginx = "events {}\nhttp { server { listen 80; include devrun-routes; } }\n";
    let stack = Scratch::new(
        test,
        &[
            ("Stackfile.kdl", text.as_str()),
            ("nginx.conf", nginx),
            (
                "src/Dockerfile",
                "FROM redis:7\nCOPY setup.txt /setup.txt\nCOPY app /app\n",
            ),
            ("src/setup.txt", "1\n"),
            ("src/same.txt", "1\n"),
            ("src/gone.txt", "1\n"),
            ("src/app/main.sh", "1\n"),
        ],
    );
    (stack, text)
}

/// All that is done, as `recreate db`.
fn foreseen(stack: &Scratch, arguments: &[&str]) -> Vec<String> {
    let mut all = arguments.to_vec();
    all.extend(["up", "--dry-run", "--format", "json"]);
    let plan: Value = serde_json::from_str(&stack.ok(&all).out).unwrap();
    let steps = plan["steps"].as_array().unwrap().iter();
    let text = |step: &Value, key: &str| step[key].as_str().unwrap().to_owned();
    let mut steps: Vec<String> = steps
        .filter(|step| !matches!(step["action"].as_str(), Some("keep" | "off")))
        .map(|step| format!("{} {}", text(step, "action"), text(step, "name")))
        .collect();
    steps.sort();
    steps
}

/// What has become of containers in between, in the same words.
fn happened(
    before: &BTreeMap<String, [String; 2]>,
    now: &BTreeMap<String, [String; 2]>,
) -> Vec<String> {
    let mut all = Vec::new();
    for (name, [id, since]) in before {
        match now.get(name) {
            None => all.push(format!("remove {name}")),
            Some([other, _]) if other != id => all.push(format!("recreate {name}")),
            Some([_, other]) if other != since => all.push(format!("restart {name}")),
            Some(_) => {}
        }
    }
    let new = now.keys().filter(|name| !before.contains_key(*name));
    all.extend(new.map(|name| format!("create {name}")));
    all.sort();
    all
}

/// Id and start of each container, by service.
fn containers(stack: &Scratch) -> BTreeMap<String, [String; 2]> {
    let label = format!("label=devrun.stack={}", stack.name);
    let ids = docker(&["ps", "-aq", "--filter", &label]).out;
    let format = "{{index .Config.Labels \"devrun.service\"}} {{.Id}} {{.State.StartedAt}}";
    let mut inspect = vec!["inspect", "-f", format];
    inspect.extend(ids.split_whitespace());
    let line = |line: &str| {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        (words[0].clone(), [words[1].clone(), words[2].clone()])
    };
    docker(&inspect).out.lines().map(line).collect()
}

#[test]
fn what_a_save_of_the_stackfile_would_do_is_what_it_then_does() {
    let (stack, text) = edited_stack("dry-edit");
    let mut session = stack.up(&[]);
    session.ready();
    let without_old: String = text
        .lines()
        .filter(|line| !line.contains("service old"))
        .fold(String::new(), |all, line| all + line + "\n");
    let more = format!(
        "{without_old}service more {{ image \"redis:7\"; init #true; command \"sleep\" \"infinity\" }}\n"
    );
    let other_word = more.replace("WORD one", "WORD two");
    let other_route = other_word.replace("\"/a/*\"", "\"/a/*\" \"/b/*\"");
    let limited = other_route.replace(
        "service worker {",
        "service worker { limits memory=\"64M\";",
    );
    let other_rule = limited.replace("\"*.sh\"", "\"*.py\"");
    for (next, expected) in [
        (without_old, vec!["remove old"]),
        (more, vec!["create more"]),
        (other_word, vec!["recreate db", "restart worker"]),
        (other_route, vec!["reload entry"]),
        (limited, vec!["update worker"]),
        (other_rule, vec!["compare web"]),
    ] {
        stack.write("Next.kdl", &next);
        let plan = foreseen(&stack, &["--file", "Next.kdl"]);
        assert_eq!(plan, expected);
        let (before, heard) = (containers(&stack), session.seen.len());
        stack.write("Stackfile.kdl", &next);
        session.wait("the edit", 30, |event| {
            event["event"] == "stackfile-changed"
        });
        session.ready();
        let mut done = happened(&before, &containers(&stack));
        let since = &session.seen[heard..];
        let event = |kind: &str| since.iter().find(|event| event["event"] == kind);
        done.extend(event("routes-applied").map(|_| "reload entry".to_owned()));
        let updated = since.iter().filter(|event| event["action"] == "update");
        done.extend(updated.map(|event| format!("update {}", event["service"].as_str().unwrap())));
        let compared = event("compared").filter(|_| done.is_empty());
        done.extend(
            compared.map(|event| format!("compare {}", event["service"].as_str().unwrap())),
        );
        assert_eq!(done, plan, "{}", session.dump());
    }
    // Variables of this terminal go with it too, and nothing of it was done.
    assert_eq!(foreseen(&stack, &[]), [""; 0]);
    assert_eq!(foreseen(&stack, &["--file", "Stackfile.kdl"]), [""; 0]);
}

#[test]
fn what_up_would_do_without_a_session_is_what_it_then_does() {
    let (stack, text) = edited_stack("dry-alone");
    let mut session = stack.up(&[]);
    session.ready();
    session.signal(9);
    session.end();
    docker(&["stop", "-t", "0", &stack.container("worker")]);
    stack.write("src/setup.txt", "2\n");
    stack.write("src/new.txt", "1\n");
    fs::remove_file(stack.path("src/gone.txt")).unwrap();
    // What is in a file counts, and not when it was saved.
    let saved = stack.path("src/setup.txt");
    let saved = fs::File::options().append(true).open(saved).unwrap();
    saved.set_modified(std::time::UNIX_EPOCH).unwrap();
    stack.write("src/same.txt", "1\n");
    let next = text
        .replace("WORD one", "WORD two")
        .replace("service old", "service fresh");
    stack.write("Stackfile.kdl", &next);
    let plan = foreseen(&stack, &[]);
    let built = action(&stack, &[], "web").1;
    assert!(
        built.starts_with(
            "differs from its image: src/gone.txt (gone), src/new.txt (new), src/setup.txt; then"
        ),
        "{built}"
    );
    let left = stack.container("old");
    assert_eq!(
        plan,
        [
            "build web",
            "create fresh",
            &format!("leave {left}"),
            "recreate db",
            "start worker"
        ]
    );
    let before = containers(&stack);
    stack.ok(&["up", "-d"]);
    let done = happened(&before, &containers(&stack));
    assert_eq!(
        done,
        [
            "create fresh",
            "recreate db",
            "recreate web",
            "restart worker"
        ]
    );
    assert_eq!(foreseen(&stack, &[]), [format!("leave {left}")]);
    stack.ok(&["stop"]);
}
