//! Each word of a service: what the engine knows by it, before and after it was changed; and that a
//! change makes its own container anew and no other, or none where the engine changes it in place.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

use serde_json::Value;

use crate::kit::{Scratch, docker};

/// A word, how it is changed, where the engine's answer has it, and what it is then.
struct Case {
    name: &'static str,
    lines: [&'static str; 2],
    at: &'static str,
    values: [&'static str; 2],
}

/// What the engine changes in the container that is there.
const IN_PLACE: [&str; 4] = ["limits", "pids-limit", "reservations", "restart"];

/// `STACK` stands for the stack's name.
static WORDS: LazyLock<String> = LazyLock::new(|| {
    // By the process, and above those that the engine gives by itself.
    let first = 61_000 + std::process::id() % 4_000;
    let ports = [
        ("FIRST", first),
        ("SECOND", first + 1),
        ("THIRD", first + 2),
    ];
    let rows = include_str!("words.txt").to_owned();
    ports.iter().fold(rows, |rows, (word, port)| {
        rows.replace(word, &port.to_string())
    })
});

fn cases() -> Vec<Case> {
    let rows = WORDS.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [name, before, after, at, was, is] = cells[..] else {
            panic!("not six cells: {row}");
        };
        Case {
            name,
            lines: [before, after],
            at,
            values: [was, is],
        }
    })
    .collect()
}

/// What is declared at the top for some of them.
const TOP: [&str; 2] = [
    "stack app
volume one
volume two
network left
network right
secret key text=\"first\"
config-file conf text=\"first\"
",
    "stack app
volume one
volume two
network left
network right
secret key text=\"second\"
config-file conf text=\"second\"
",
];

/// Words that are about devrun and not about the container.
const NOT_THE_CONTAINERS: [(&str, &str); 6] = [
    ("ready-timeout \"1m\"", "ready-timeout \"2m\""),
    ("post-start \"true\"", "post-start \"true\" \"1\""),
    ("depends-on control", "depends-on control condition=started"),
    ("trigger auto", "trigger manual"),
    ("pull missing", "pull never"),
    ("on \"here/*\" { restart }", "on \"here/*.x\" { restart }"),
];

fn stackfile(cases: &[Case], changed: bool) -> String {
    let mut text = TOP[usize::from(changed)].to_owned();
    let mut service = |name: &str, line: &str| {
        let sleeps = if line.starts_with("command") {
            ""
        } else {
            "command \"sleep\" \"1000\"\n"
        };
        let init = if line.starts_with("init") {
            ""
        } else {
            "init #true\n"
        };
        let image = if line.starts_with("image") {
            ""
        } else {
            "image \"redis:7\"\n"
        };
        let _ = writeln!(text, "service {name} {{\n{image}{sleeps}{init}{line}\n}}");
    };
    service("control", "");
    for case in cases {
        service(case.name, case.lines[usize::from(changed)]);
    }
    for (number, (before, after)) in NOT_THE_CONTAINERS.iter().enumerate() {
        service(
            &format!("kept{number}"),
            if changed { after } else { before },
        );
    }
    text
}

/// All containers of the stack, by service.
fn containers(stack: &Scratch) -> BTreeMap<String, Value> {
    let label = format!("label=devrun.stack={}", stack.name);
    let ids = docker(&["ps", "-aq", "--filter", &label]).out;
    let mut arguments = vec!["inspect"];
    arguments.extend(ids.split_whitespace());
    let all: Vec<Value> = serde_json::from_str(&docker(&arguments).out).unwrap();
    let service = |it: &Value| {
        it["Config"]["Labels"]["devrun.service"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    all.into_iter().map(|it| (service(&it), it)).collect()
}

fn check(stack: &Scratch, cases: &[Case], found: &BTreeMap<String, Value>, which: usize) {
    for case in cases {
        let at = case.at.replace("STACK", &stack.name);
        let wanted = case.values[which].replace("STACK", &stack.name);
        let wanted: Value = serde_json::from_str(&wanted).unwrap();
        let seen = found[case.name].pointer(&at).unwrap_or(&Value::Null);
        assert_eq!(*seen, wanted, "{}", case.name);
    }
}

/// Which of them are another container now.
fn anew(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Vec<String> {
    let names = before
        .keys()
        .filter(|name| before[*name]["Id"] != after[*name]["Id"]);
    names.cloned().collect()
}

#[test]
fn each_word_reaches_the_engine_and_its_change_makes_that_container_anew() {
    let cases = cases();
    let first = stackfile(&cases, false);
    let stack = Scratch::new(
        "change",
        &[
            ("Stackfile.kdl", &first),
            ("here/file", ""),
            ("one.env", "B=1\n"),
            ("two.env", "B=2\n"),
        ],
    );
    stack.ok(&["up", "-d"]);
    let before = containers(&stack);
    check(&stack, &cases, &before, 0);

    // One word of one service.
    stack.edit("Stackfile.kdl", "hostname \"a\"", "hostname \"c\"");
    stack.ok(&["wait"]);
    let one = containers(&stack);
    assert_eq!(anew(&before, &one), ["hostname"]);
    let events = stack.ok(&["events"]).out;
    assert!(events.contains("changed: hostname"), "{events}");

    // All of them.
    stack.write("Stackfile.kdl", &stackfile(&cases, true));
    stack.ok(&["wait"]);
    let all = containers(&stack);
    check(&stack, &cases, &all, 1);
    let names = cases.iter().map(|case| case.name);
    let mut names: Vec<&str> = names.filter(|name| !IN_PLACE.contains(name)).collect();
    names.sort_unstable();
    assert_eq!(anew(&one, &all), names);
}
