//! Engines that have nothing yet, as machines of a CI service are: what others built is taken from a
//! folder, or its layers from a registry.

use serde_json::Value;

use super::kit::own_engine::OwnEngine;
use super::kit::{Ran, said, within};
use super::stage::Stage;

const DOCKERFILE: &str = "FROM redis:7\nRUN echo long work > /built\nCOPY v.txt /v.txt\n";

fn stackfile(cache: &str) -> String {
    format!(
        r#"
service app {{ build "app" {{ {cache} }}; healthcheck "redis-cli ping" }}
check built {{ exec app "cat /built /v.txt" }}
"#
    )
}

#[test]
fn what_one_machine_left_in_a_folder_another_one_need_not_build() {
    let text = stackfile("cache-from \"./kept\"; cache-to \"./kept\"");
    let files = [("app/Dockerfile", DOCKERFILE), ("app/v.txt", "one\n")];
    let stage = Stage::new("folder", &text, &files);
    let ran = stage.ci(&[]);
    assert!(
        ran.out.contains("0 images unchanged, 1 built"),
        "{}",
        said(&ran)
    );
    let first = archives(&stage);
    assert_eq!(first.len(), 1, "{first:?}");

    let other = OwnEngine::start(&["redis:7"]);
    let (ran, _) = run(&stage, &other);
    assert!(
        ran.out.contains("1 image unchanged, 0 built"),
        "{}",
        said(&ran)
    );
    assert_eq!(archives(&stage), first, "as it was");

    stage.stack.write("app/v.txt", "two\n");
    let (ran, cache) = run(&stage, &other);

    assert!(
        ran.out.contains("0 images unchanged, 1 built"),
        "{}",
        said(&ran)
    );
    assert_eq!(cache["steps_cached"], 1, "{cache}");
    assert_eq!(cache["steps_run"], 2, "{cache}");
    let second = archives(&stage);
    assert_eq!(second.len(), 1, "{second:?}");
    assert_ne!(second, first);

    // One that was cut off is as good as none.
    stage.stack.write("app/v.txt", "one\n");
    let kept = format!("kept/app/{}", first[0]);
    stage.stack.write(&kept, "no archive");
    let left = other.docker(&["images", "-q", "--filter", "label=devrun.stack"]);
    for id in left.out.split_whitespace() {
        other.docker(&["rmi", "-f", id]);
    }
    let (ran, _) = run(&stage, &other);
    assert!(
        ran.out.contains("0 images unchanged, 1 built"),
        "{}",
        said(&ran)
    );
    assert_eq!(archives(&stage), first);
    let now = std::fs::read(stage.stack.path(&kept)).unwrap();
    assert_ne!(now, b"no archive");
}

/// On that engine: what it says, and what the report says of the cache.
fn run(stage: &Stage, engine: &OwnEngine) -> (Ran, Value) {
    let mut command = stage.command(&["--report", "run.json"]);
    command.env("DOCKER_HOST", engine.address());
    let ran = Ran::of(command.output().unwrap());
    assert_eq!(ran.code, 0, "{}", said(&ran));
    let report: Value = serde_json::from_str(&stage.stack.read("run.json")).unwrap();
    (ran, report["cache"].clone())
}

fn archives(stage: &Stage) -> Vec<String> {
    let folder = stage.stack.path("kept/app");
    let all = std::fs::read_dir(folder).unwrap();
    let names = all.map(|item| item.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn layers_of_an_image_in_a_registry_are_not_built_again() {
    let files = [("app/Dockerfile", DOCKERFILE), ("app/v.txt", "one\n")];
    let text = stackfile("cache-from \"localhost:5000/app:main\"");
    let stage = Stage::new("registry", &text, &files);
    let engine = OwnEngine::start(&["redis:7", "registry:2"]);
    let ok = |arguments: &[&str]| {
        let ran = engine.docker(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran.out
    };
    ok(&["run", "-d", "-p", "5000:5000", "registry:2"]);
    let image = "localhost:5000/app:main";
    // As somebody's pipeline builds it.
    let inline = "args { BUILDKIT_INLINE_CACHE 1 }";
    stage.stackfile(&stackfile(inline));
    let mut build = stage.stack.command(&["build"]);
    let built = build.env("DOCKER_HOST", engine.address()).output();
    let built = Ran::of(built.unwrap());
    assert_eq!(built.code, 0, "{}", said(&built));
    let images = ok(&["images", "-q", "--filter", "label=devrun.stack"]);
    let id = images.lines().next().unwrap();
    ok(&["tag", id, image]);
    let pushed = within(30, || {
        (engine.docker(&["push", image]).code == 0).then_some(())
    });
    assert!(pushed.is_some(), "{:?}", engine.docker(&["push", image]));
    ok(&["rmi", "-f", id]);
    ok(&["builder", "prune", "-af"]);
    stage.stackfile(&text);

    stage.stack.write("app/v.txt", "two\n");
    let (ran, _) = run(&stage, &engine);
    assert!(
        ran.out.contains("1 of 3 steps from the cache"),
        "{}",
        said(&ran)
    );
}
