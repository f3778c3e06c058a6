//! What an image is made of besides the files that no sync covers: all of them where that is asked
//! for, and the images that it stands on.

use serde_json::Value;

use crate::kit::{Scratch, docker, eventually};
use crate::stage::{content, done};

const NOTHING: [&str; 0] = [];

/// Builds these; which of them were made.
fn built(stack: &Scratch, arguments: &[&str]) -> Vec<String> {
    let mut all = vec!["build", "--format", "json"];
    all.extend(arguments);
    let out = stack.ok(&all).out;
    let lines = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let made = lines.filter(|line| line["made"] == true);
    let mut names: Vec<String> = made
        .map(|line| line["service"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn planned(stack: &Scratch, arguments: &[&str], service: &str) -> String {
    let mut all = vec!["up", "--dry-run", "--format", "json"];
    all.extend(arguments);
    let plan: Value = serde_json::from_str(&stack.ok(&all).out).unwrap();
    let mut steps = plan["steps"].as_array().unwrap().iter();
    let step = steps.find(|step| step["name"] == service).unwrap();
    step["action"].as_str().unwrap().to_owned()
}

/// A file of the image that a service's container is made of, whatever was brought into that.
fn baked(stack: &Scratch, service: &str, path: &str) -> String {
    let image = docker(&["inspect", "-f", "{{.Image}}", &stack.container(service)]).out;
    docker(&["run", "--rm", image.trim(), "cat", path]).out
}

#[test]
fn what_is_synced_is_a_reason_to_build_only_for_who_asks_for_all_of_it() {
    let stack = crate::stage::stack("whole");
    let mut session = stack.up(&[]);
    session.ready();
    assert_eq!(
        built(&stack, &[]),
        NOTHING,
        "they come to the images that are there"
    );
    stack.write("web/app/page.html", "2\n");
    done(&mut session, "web");
    session.interrupt();
    stack.ok(&["up", "-d"]);
    assert_eq!(baked(&stack, "web", "/app/page.html"), "1\n");
    assert_eq!(planned(&stack, &[], "web"), "keep");
    assert_eq!(planned(&stack, &["--build"], "web"), "build");

    stack.ok(&["up", "-d", "--build"]);
    eventually("the new image", 60, || {
        (baked(&stack, "web", "/app/page.html") == "2\n").then_some(())
    });
    assert_eq!(planned(&stack, &["--build"], "web"), "keep");
    assert_eq!(built(&stack, &[]), NOTHING);

    // There and back: what was built of all of it is found again, and `up` takes that one.
    stack.write("web/app/page.html", "3\n");
    assert_eq!(built(&stack, &["web"]), ["web"]);
    stack.write("web/app/page.html", "2\n");
    assert_eq!(built(&stack, &["web"]), NOTHING);
    stack.ok(&["up", "-d"]);
    assert_eq!(baked(&stack, "web", "/app/page.html"), "2\n");
    assert_eq!(content(&stack, "web", "/app/page.html"), "2\n");
}

#[test]
fn a_base_image_that_became_another_one_here_makes_what_stands_on_it_stale() {
    let stack = crate::stage::stack("base");
    let (base, tool) = (
        format!("{}-is-base", stack.name),
        format!("{}-is-tool", stack.name),
    );
    let make = |name: &str, text: &str| {
        stack.write("Made", &format!("FROM redis:7\nRUN echo {text} > /made\n"));
        let (file, folder) = (stack.path("Made"), stack.path("side/app"));
        let arguments = [
            "build",
            "-q",
            "-t",
            name,
            "--label",
            &format!("devrun.stack={}", stack.name),
            "-f",
            file.to_str().unwrap(),
            folder.to_str().unwrap(),
        ];
        assert_eq!(docker(&arguments).code, 0);
    };
    make(&base, "one");
    make(&tool, "one");
    let dockerfile = format!(
        "ARG BASE\nFROM {tool} AS unused\nFROM $BASE\nCOPY --from={tool} /made /tool\nCOPY app /app\n"
    );
    stack.write("side/Dockerfile", &dockerfile);
    let build = format!("build \"side\" {{ args {{ BASE \"{base}\" }} }}");
    stack.edit("Stackfile.kdl", r#"build "side""#, &build);
    stack.ok(&["up", "-d"]);
    let inside = || content(&stack, "side", "/made") + &content(&stack, "side", "/tool");
    assert_eq!(inside(), "one\none\n");
    assert_eq!(planned(&stack, &[], "side"), "keep");
    for (name, now) in [(&base, "two\none\n"), (&tool, "two\ntwo\n")] {
        make(name, "two");
        stack.ok(&["stop"]);
        assert_eq!(planned(&stack, &[], "side"), "build", "{name}");
        assert_eq!(planned(&stack, &[], "web"), "start");
        stack.ok(&["up", "-d"]);
        assert_eq!(inside(), now);
    }

    // A session hears of it.
    make(&base, "three");
    eventually("the new base", 60, || {
        (inside() == "three\ntwo\n").then_some(())
    });
    let why = stack.ok(&["why", "side"]).out;
    assert!(why.contains(&format!("{base} is another image")), "{why}");
}

const ON_EACH_OTHER: &str = r#"stack app
service base { build "base"; profile never }
service web { build "web"; command "sleep" "infinity"; init #true }
service side { build "side"; command "sleep" "infinity"; init #true }
"#;

fn on_each_other(test: &str) -> Scratch {
    let dockerfile = "FROM redis:7\nCOPY base.txt /base.txt\nRUN head -c 9 /dev/urandom > /dice\n";
    let files = [
        ("Stackfile.kdl", ON_EACH_OTHER),
        ("base/Dockerfile", dockerfile),
        ("base/base.txt", "1\n"),
        ("web/Dockerfile", "FROM app-base:latest\nCOPY web.txt /\n"),
        ("web/web.txt", "1\n"),
        (
            "side/Dockerfile",
            "FROM redis:7\nCOPY --from=app-base /base.txt /side.txt\n",
        ),
    ];
    Scratch::new(test, &files)
}

#[test]
fn an_image_of_the_stack_is_built_first_and_what_stands_on_it_follows_it() {
    let stack = on_each_other("stands");
    let mut session = stack.up(&[]);
    session.ready();
    assert_eq!(content(&stack, "web", "/base.txt"), "1\n");
    stack.write("base/base.txt", "2\n");
    done(&mut session, "web");
    assert_eq!(content(&stack, "web", "/base.txt"), "2\n");
    eventually("the other one", 60, || {
        (content(&stack, "side", "/side.txt") == "2\n").then_some(())
    });
    // Its Dockerfile comes to stand on something else, and back.
    session.ready();
    stack.write(
        "side/Dockerfile",
        "FROM redis:7\nRUN echo none > /side.txt\n",
    );
    eventually("the Dockerfile", 60, || {
        (content(&stack, "side", "/side.txt") == "none\n").then_some(())
    });
    session.ready();
    stack.write(
        "side/Dockerfile",
        "FROM app-base\nRUN cp /base.txt /side.txt\n",
    );
    eventually("the Dockerfile", 60, || {
        (content(&stack, "side", "/side.txt") == "2\n").then_some(())
    });
}

#[test]
fn a_base_that_is_built_anew_is_one_for_all_and_who_stands_on_it_is_stale() {
    let stack = on_each_other("anew");
    assert_eq!(built(&stack, &["web"]), ["web"]);
    assert_eq!(built(&stack, &["base"]), NOTHING, "it was built for web");
    assert_eq!(built(&stack, &["web", "side"]), ["side"]);
    assert_eq!(built(&stack, &["--no-cache", "base"]), ["base"]);
    assert_eq!(planned(&stack, &[], "web"), "build");
    assert_eq!(built(&stack, &[]), ["side", "web"]);
    assert_eq!(built(&stack, &[]), NOTHING);
    assert_eq!(planned(&stack, &[], "web"), "create");
}

#[test]
fn so_many_are_built_at_once_and_what_others_stand_on_goes_first() {
    let mut stack = on_each_other("places");
    stack
        .environment
        .push(("DEVRUN_PARALLEL".into(), "1".into()));
    // Each finds the place of the others empty, in what they all see while they are built.
    let alone = "RUN --mount=type=cache,id=PLACE,target=/place mkdir /place/taken && sleep 0.3 && rmdir /place/taken\n";
    let alone = alone.replace("PLACE", &stack.name);
    for (service, from) in [
        ("base", "redis:7"),
        ("web", "redis:7"),
        ("side", "app-base"),
    ] {
        let text = format!("FROM {from}\nENV SALT={}-{service}\n{alone}", stack.name);
        stack.write(&format!("{service}/Dockerfile"), &text);
    }
    stack.edit(
        "Stackfile.kdl",
        "profile never",
        "command \"sleep\" \"infinity\"",
    );
    let mut session = stack.up(&[]);
    session.ready();
    let done = |event: &&Value| event["event"] == "build-done" && event["outcome"] == "ok";
    let mut order: Vec<&str> = session
        .seen
        .iter()
        .filter(done)
        .map(|event| event["service"].as_str().unwrap())
        .collect();
    order.retain(|service| *service != "web");
    // The base may have been built for the other one before its own turn came.
    assert_eq!(order.last(), Some(&"side"), "{}", session.dump());
}
