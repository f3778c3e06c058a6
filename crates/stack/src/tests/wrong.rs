//! Wrong Stackfiles, each with what a person reads and what an editor gets.

use serde_json::json;

use super::world::World;

fn cases() -> Vec<(&'static str, &'static str)> {
    include_str!("wrong.txt")
        .split("### ")
        .skip(1)
        .filter_map(|case| case.split_once('\n'))
        .collect()
}

fn world(text: &str) -> World {
    World::new(text)
        .file("nginx.conf", "")
        .file("api/Dockerfile", "")
}

#[test]
fn for_people() {
    let mut all = String::new();
    for (name, text) in cases() {
        all += &format!("### {name}\n\n{}\n\n", world(text).told().trim());
    }
    insta::assert_snapshot!(all);
}

#[test]
fn for_editors() {
    let mut all = Vec::new();
    for (name, text) in cases() {
        let Err(rejected) = world(text).load().stack else {
            panic!("{name} is not wrong");
        };
        for problem in rejected.0 {
            let (at, end) = (problem.location(), problem.end());
            let related = problem.related().into_iter();
            let related: Vec<String> = related
                .map(|(at, label)| format!("{}:{} {label}", at.line, at.column))
                .collect();
            let object = json!({
                "case": name, "code": problem.code(), "line": at.line, "column": at.column,
                "end": [end.line, end.column], "related": related,
                "message": problem.message(), "help": problem.help(),
            });
            all.push(object.to_string());
        }
    }
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn there_are_fifty_at_least_and_each_says_what_to_do() {
    assert!(cases().len() >= 50, "{}", cases().len());
    for (name, text) in cases() {
        let Err(rejected) = world(text).load().stack else {
            panic!("{name} is not wrong");
        };
        for problem in &rejected.0 {
            let clear = problem.help().is_some() || problem.message().contains("twice");
            assert!(clear, "{name}: {} has no advice", problem.message());
        }
    }
}
