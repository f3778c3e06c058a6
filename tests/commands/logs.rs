//! `devrun logs`: followed across restarts and replacements.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use serde_json::Value;

use super::{Found, app_with};
use crate::kit::{Scratch, docker, patience};

/// `devrun logs -f` while it runs.
struct Following {
    child: Child,
    lines: Receiver<Value>,
    seen: Vec<String>,
}

impl Following {
    fn of(stack: &Scratch, arguments: &[&str]) -> Following {
        let mut all = vec!["logs", "--format", "json", "-f"];
        all.extend(arguments);
        let mut child = stack.command(&all).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        Following {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// Reads on until this was told so many times in all.
    fn until(&mut self, text: &str, times: usize) {
        let end = Instant::now() + patience(60);
        let told = |seen: &[String]| seen.iter().filter(|line| *line == text).count();
        while told(&self.seen) < times {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push(match line["event"].as_str() {
                    Some("log-begins") => format!("-- {}", line["reason"].as_str().unwrap()),
                    _ => line["text"].as_str().unwrap().to_owned(),
                }),
                Err(_) => panic!("{text:?} was not told {times} times: {:?}", self.seen),
            }
        }
    }

    /// Between two beginnings, the program counts without a gap and without a number twice.
    fn assert_whole(&self) {
        let mut last = None;
        for line in &self.seen {
            if line == "begins" {
                last = Some(0);
            }
            if let Some(number) = line.strip_prefix("tick ") {
                let number: u32 = number.parse().unwrap();
                if let Some(last) = last {
                    assert_eq!(number, last + 1, "{:?}", self.seen);
                }
                last = Some(number);
            }
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn goes_on(found: Found, test: &str) {
    let (stack, _session) = app_with(test, found);
    let mut following = Following::of(&stack, &["--tail", "all", "web"]);
    following.until("tick 5", 1);
    stack.ok(&["restart", "web"]);
    following.until("-- restarted", 1);
    following.again("tick 3");
    docker(&["restart", &stack.container("web")]);
    following.until("-- restarted", 2);
    following.again("tick 3");
    if found == Found::Session {
        stack.ok(&["up", "-d", "--recreate", "web"]);
        following.until("-- replaced", 1);
        following.again("tick 3");
    }
    following.assert_whole();
}

impl Following {
    /// Reads on until this is told once more.
    fn again(&mut self, text: &str) {
        let told = self.seen.iter().filter(|line| *line == text).count();
        self.until(text, told + 1);
    }
}

#[test]
fn restarts_and_replacements_leave_neither_gap_nor_doubling() {
    goes_on(Found::Session, "logs-follow");
}

#[test]
fn without_a_session_logs_go_on_as_well() {
    goes_on(Found::NoSession, "logs-alone");
}

#[test]
fn grep_counts_the_lines_that_hold_the_text() {
    let (stack, _session) = app_with("logs-grep", Found::Session);
    let mut following = Following::of(&stack, &["--tail", "all", "web"]);
    following.until("tick 12", 1);
    let text = stack
        .ok(&["logs", "--grep", "begins", "--tail", "1", "web"])
        .out;
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.trim_end().ends_with("begins"), "{text}");
}

#[test]
fn what_is_asked_for_and_nothing_else() {
    let (stack, session) = app_with("logs-some", Found::Session);
    let mut following = Following::of(&stack, &["--tail", "all", "web"]);
    following.until("tick 12", 1);
    let told = |arguments: &[&str]| -> Vec<Value> {
        let mut all = vec!["logs", "--format", "json"];
        all.extend(arguments);
        let text = stack.ok(&all).out;
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let all = told(&["--tail", "all"]);
    let times: Vec<&str> = all
        .iter()
        .filter_map(|line| line["time"].as_str())
        .collect();
    assert!(times.is_sorted(), "{all:#?}");
    assert!(
        all.iter().any(|line| line["service"] == "cache"),
        "{all:#?}"
    );
    assert_eq!(told(&["--tail", "3", "web"]).len(), 3);
    assert!(told(&["--tail", "0"]).is_empty());
    assert!(told(&["--grep", "nobody says this"]).is_empty());
    assert!(told(&["--since", "2099-01-01T00:00:00Z"]).is_empty());
    let tick = all.iter().find(|line| line["text"] == "tick 5").unwrap();
    let since = told(&[
        "--tail",
        "all",
        "--since",
        tick["time"].as_str().unwrap(),
        "web",
    ]);
    assert_eq!(since.first().unwrap()["text"], "tick 5", "{since:#?}");

    // Of a container that was replaced, only what is there can be told.
    stack.ok(&["up", "-d", "--recreate", "web"]);
    following.until("-- replaced", 1);
    following.again("tick 3");
    let new = told(&[
        "--tail",
        "all",
        "--since",
        tick["time"].as_str().unwrap(),
        "web",
    ]);
    assert_eq!(new.first().unwrap()["text"], "begins", "{new:#?}");

    // Without a Stackfile nobody knows what is secret; no container at all is no failure.
    let right = stack.read("Stackfile.kdl");
    stack.write("Stackfile.kdl", "stack app\nservice web { imagine; }\n");
    let ran = stack.run(&["logs", "--tail", "1", "web"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
    stack.write("Stackfile.kdl", &right);
    session.unwrap().interrupt();
    stack.ok(&["down"]);
    assert!(told(&[]).is_empty());
    assert_eq!(stack.run(&["logs", "nobody"]).code, 2);
}
