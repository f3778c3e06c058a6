//! Which images stay: the newest, those in use, and all that somebody else made.

use serde_json::Value;

use crate::kit::{Scratch, docker, eventually};
use crate::stage::{done, stack};

/// The names of a service's images that devrun gave them, sorted.
fn names(stack: &Scratch, service: &str) -> Vec<String> {
    let reference = format!("reference={}-{service}", stack.name);
    let format = "{{.Repository}}:{{.Tag}}";
    let all = docker(&["images", "--filter", &reference, "--format", format]).out;
    let mut names: Vec<String> = all.lines().map(str::to_owned).collect();
    names.sort();
    names
}

fn image_of(stack: &Scratch, service: &str) -> String {
    stack.service(service)["image"].as_str().unwrap().to_owned()
}

fn prune(stack: &Scratch, arguments: &[&str]) -> Vec<String> {
    let mut all = vec!["prune", "--format", "json"];
    all.extend(arguments);
    let answer: Value = serde_json::from_str(&stack.ok(&all).out).unwrap();
    let images = answer["images"].as_array().unwrap().iter();
    let names = images.flat_map(|image| image["names"].as_array().unwrap().clone());
    let mut names: Vec<String> = names
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn older_images_go_once_the_new_one_is_live_and_what_a_container_has_stays() {
    let stack = stack("keep");
    stack.edit("Stackfile.kdl", r#"build "web""#, r#"build "web" keep=1"#);
    let mut session = stack.up(&[]);
    session.ready();
    let first = image_of(&stack, "web");
    let side = names(&stack, "side");
    stack.write("web/setup.txt", "2\n");
    done(&mut session, "web");
    eventually("the first one to go", 20, || {
        (!names(&stack, "web").contains(&first)).then_some(())
    });
    let second = image_of(&stack, "web");
    // A container that somebody made of it, and that never runs.
    let own = format!("{}-own", stack.name);
    assert_eq!(docker(&["create", "--name", &own, &second]).code, 0);
    stack.write("web/setup.txt", "3\n");
    done(&mut session, "web");
    stack.write("web/setup.txt", "4\n");
    done(&mut session, "web");
    let fourth = image_of(&stack, "web");
    let mut left = vec![second.clone(), fourth.clone()];
    left.sort();
    eventually("the third one to go", 20, || {
        (names(&stack, "web") == left).then_some(())
    });
    assert_eq!(names(&stack, "side"), side);

    docker(&["rm", &own]);
    assert_eq!(prune(&stack, &["--dry-run"]), [second.as_str()]);
    assert_eq!(names(&stack, "web"), left, "it was to be listed alone");
    assert_eq!(prune(&stack, &[]), [second]);
    assert_eq!(names(&stack, "web"), [fourth]);
    assert_eq!(stack.ok(&["prune"]).err.trim(), "nothing to remove");
}

#[test]
fn prune_removes_what_nothing_is_built_into_and_nothing_of_somebody_elses() {
    let stack = stack("prune");
    let other = crate::stage::stack("prune-other");
    stack.edit("Stackfile.kdl", r#"build "web""#, r#"build "web" keep=1"#);
    let built = |arguments: &[&str]| {
        let ran = stack.ok(arguments).out;
        ran.lines().count()
    };
    assert_eq!(built(&["build"]), 2);
    other.ok(&["build", "web"]);
    let before = names(&stack, "web");
    // Its files are those of before, and it is another image all the same.
    stack.ok(&["build", "--no-cache", "web"]);
    let former: Vec<String> = names(&stack, "web")
        .into_iter()
        .filter(|name| !before.contains(name))
        .collect();
    assert_eq!(former.len(), 1, "{former:?}");
    // What somebody built on ours has its labels, and what somebody named is somebody's.
    let mine = format!("{}-mine", stack.name);
    let from = format!("FROM {}\nENV MINE=1\n", before[0]);
    stack.write("Mine", &from);
    let file = stack.path("Mine");
    let folder = stack.path("side/app");
    let (file, folder) = (file.to_str().unwrap(), folder.to_str().unwrap());
    assert_eq!(
        docker(&["build", "-q", "-t", &mine, "-f", file, folder]).code,
        0
    );
    let kept = format!("{}-side:mine", stack.name);
    let side = names(&stack, "side");
    assert_eq!(docker(&["tag", &side[0], &kept]).code, 0);
    stack.edit("Stackfile.kdl", "service side", "service aside");

    let mut expected = [former, side].concat();
    expected.sort();
    assert_eq!(prune(&stack, &[]), expected);
    assert_eq!(names(&stack, "web"), before);
    assert_eq!(names(&stack, "side"), [kept]);
    assert!(!names(&other, "web").is_empty());
    assert_eq!(docker(&["image", "inspect", &mine]).code, 0);
}
