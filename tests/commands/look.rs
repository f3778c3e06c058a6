//! `devrun config`, `why` and `doctor`: they look, and change nothing.

use std::net::TcpListener;

use serde_json::Value;

use super::{Found, app, app_with};
use crate::kit::{Scratch, said};

fn json(stack: &Scratch, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.extend(["--format", "json"]);
    serde_json::from_str(&stack.ok(&all).out).unwrap()
}

#[test]
fn config_says_where_values_come_from_and_no_secret() {
    let stack = app("config");
    stack.write(".env", "WORD=from-env\n");
    let text = stack.ok(&["config"]).out;
    let line = text.lines().find(|line| line.contains("WORD ")).unwrap();
    assert!(line.contains("from-env") && line.contains(".env"), "{line}");
    assert!(
        text.contains("reservations") && text.contains("64M"),
        "{text}"
    );
    assert!(text.contains("http://user:***@cache/"), "{text}");
    // What is printed is a Stackfile, of which the same is printed.
    stack.write("Printed.kdl", &text);
    let again = stack.ok(&["config", "--file", "Printed.kdl"]).out;
    let code = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.split(" // ").next().unwrap());
        lines.map(|line| line.trim_end().to_owned()).collect()
    };
    assert_eq!(code(&text), code(&again));
    let object = json(&stack, &["config"]);
    let origin = &object["origins"]["var WORD"]["declaration"]["variables"][0];
    assert_eq!(origin["from"], ".env:1", "{object}");
    assert_eq!(object["services"][1]["environment"]["WORD"], "from-env");
    assert_eq!(object["resources"]["reservations"]["memory"], 64 << 20);
    for shown in [text, object.to_string()] {
        assert!(!shown.contains("s3cret-word"), "{shown}");
    }
}

#[test]
fn why_tells_of_a_save_with_its_rule() {
    let (stack, mut session) = app_with("why", Found::Session);
    stack.edit("src/main.sh", "echo begins", "echo begins again");
    session.as_mut().unwrap().event("web", "update-done", 60);
    let told = stack.ok(&["why", "web"]).out;
    assert!(told.contains("main.sh → synced, restarted"), "{told}");
    assert!(told.contains("saved: src/main.sh"), "{told}");
    assert!(told.contains("Stackfile.kdl:21"), "{told}");
    let object = json(&stack, &["why", "web"]);
    let happened = object["services"][0]["happened"].as_array().unwrap();
    assert!(
        happened
            .iter()
            .any(|one| one["because"][1]["event"] == "files-changed"),
        "{object}"
    );
}

#[test]
fn why_works_without_a_session_and_after_a_killed_one() {
    for found in [Found::NoSession, Found::Killed] {
        let (stack, _session) = app_with("why-alone", found);
        let ran = stack.ok(&["why", "web"]);
        assert!(ran.err.contains("not watching"), "{}", said(&ran));
        assert!(ran.out.starts_with("web is "), "{}", ran.out);
    }
}

#[test]
fn why_says_what_a_save_would_do() {
    let stack = app("why-path");
    let does = |path: &str| -> String {
        let answer = json(&stack, &["why", path]);
        let service = answer["services"].get(0);
        service.map_or_else(String::new, |service| service["does"].to_string())
    };
    assert_eq!(does("src/main.sh"), r#"["sync to /app/main.sh","restart"]"#);
    assert_eq!(does("src/new.txt"), r#"["sync to /app/new.txt"]"#);
    assert!(does("src/Dockerfile").contains("rebuild"));
    assert_eq!(does("README"), "");
    let nothing = stack.ok(&["why", "README"]).out;
    assert!(nothing.contains("does nothing"), "{nothing}");
    let file = stack.ok(&["why", "Stackfile.kdl"]).out;
    assert!(file.contains("read again"), "{file}");
}

#[test]
fn the_doctor_says_who_has_a_port_and_which_line_wants_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let text =
        format!("stack app\nservice web {{\n    image \"redis:7\"\n    port {port} to=80\n}}\n");
    let stack = Scratch::new("doctor", &[("Stackfile.kdl", text.as_str())]);
    let ran = stack.run(&["doctor"]);
    assert_eq!(ran.code, 1, "{}", said(&ran));
    assert!(
        ran.out.contains(&format!("process {}", std::process::id())),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("Stackfile.kdl:4"), "{}", ran.out);
    drop(listener);
    let object = json(&stack, &["doctor"]);
    let checks = object["checks"].as_array().unwrap();
    let named = |name: &str| {
        let check = checks.iter().find(|check| check["name"] == name);
        check.unwrap()["verdict"].clone()
    };
    assert_eq!(named(&format!("port {port}")), "ok");
    assert_eq!(named("BuildKit"), "ok");
}

#[test]
fn a_shell_is_told_verbs_and_the_services_of_this_folder() {
    let stack = app("complete");
    let words = |typed: &[&str]| {
        let output = stack
            .command(&["--", "devrun"])
            .args(typed)
            .env("DEVRUN_COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", typed.len().to_string())
            .env("_CLAP_IFS", "\n")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(words(&["resta"]), ["restart"]);
    let services = words(&["logs", ""]);
    assert!(
        services.starts_with(&["cache".to_owned(), "web".to_owned()]),
        "{services:?}"
    );
    let script = stack.ok(&["completions", "bash"]).out;
    assert!(script.contains("DEVRUN_COMPLETE"), "{script}");
    let page = stack.ok(&["man", "logs"]).out;
    assert!(page.contains(".TH devrun-logs 1"), "{page}");
    assert_eq!(stack.run(&["man", "nothing"]).code, 2);
}
