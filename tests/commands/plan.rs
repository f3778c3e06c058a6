//! `devrun build`, `up --dry-run` and `--remove-orphans`.

use serde_json::Value;

use super::{Found, app, app_with};
use crate::kit::{Scratch, docker, said};

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
            assert_eq!(
                (what.as_str(), why.as_str()),
                ("recreate", "changed: environment")
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
