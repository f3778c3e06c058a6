//! A person reads the document from top to bottom and types each command, as written.

mod criteria;
mod every_day;
mod trouble;

use std::collections::{BTreeSet, VecDeque};

use serde_json::Value;

use crate::kit::terminal::{CTRL_D, Terminal};
use crate::kit::{Ran, docker, eventually};
use crate::script::{Step, steps};
use crate::stack::{FIVE, Seed};

/// A row, an account and a key of this name are made, found again and removed.
fn mark() -> String {
    format!("seed-{}", std::process::id())
}

struct Walk {
    seed: Seed,
    left: VecDeque<Step>,
}

impl Walk {
    /// The next command of the document, which must read like this.
    fn step(&mut self, text: &str) -> Step {
        let step = self
            .left
            .pop_front()
            .unwrap_or_else(|| panic!("the document ends before `{text}`"));
        assert_eq!(step.text, text, "below {:?}", step.heading);
        step
    }

    /// Runs the next command to its end.
    fn run(&mut self, text: &str) -> Ran {
        let step = self.step(text);
        self.seed.run(&step.line())
    }

    /// Runs the next command, which must end well.
    fn ok(&mut self, text: &str) -> Ran {
        let ran = self.run(text);
        assert_eq!(ran.code, 0, "{text}\n{}{}", ran.out, ran.err);
        ran
    }

    /// The next command at a terminal.
    fn terminal(&mut self, text: &str) -> (Terminal, Vec<String>) {
        let step = self.step(text);
        (
            Terminal::open(&step.line(), |command| self.seed.prepare(command)),
            step.typed,
        )
    }

    /// The next command is a Python prompt: types what the document types, gives the answers.
    fn python(&mut self, text: &str) -> String {
        let (mut terminal, typed) = self.terminal(text);
        assert!(!typed.is_empty(), "{text}");
        terminal.expect(">>> ");
        let mut said = String::new();
        for line in typed {
            terminal.line(&line);
            said += &terminal.expect(">>> ");
        }
        terminal.keys(CTRL_D);
        assert_eq!(terminal.end().0, 0, "{text}");
        said
    }

    /// The next command shows the log of requests: the one with this path, once it is in it.
    fn logged(&mut self, text: &str, path: &str) -> Value {
        let step = self.step(text);
        eventually(&format!("{path} in the log of requests"), 10, || {
            let log = self.seed.ok(&step.line()).out;
            requests(&log).into_iter().find(|line| line["path"] == path)
        })
    }

    fn start(&mut self) {
        let said = self.ok("./docker-dev.sh start");
        for service in FIVE {
            assert!(
                said.out.contains(&format!("  {service:<8}  ready")),
                "{service} in:\n{}",
                said.out
            );
        }
        assert!(said.out.contains("http://localhost/"), "{}", said.out);
        assert!(said.out.contains("celery    off"), "{}", said.out);
    }

    fn stop(&mut self) {
        self.ok("./docker-dev.sh stop");
        assert_eq!(
            docker(&["ps", "-aq", "--filter", "label=devrun.stack=app"]).out,
            ""
        );
    }
}

/// The five are shown as healthy, and nothing as anything else.
fn five_healthy(table: &str) {
    for service in FIVE {
        let row = table
            .lines()
            .find(|line| line.split_whitespace().next() == Some(service));
        let words: Vec<&str> = row
            .unwrap_or_else(|| panic!("{service} in:\n{table}"))
            .split_whitespace()
            .collect();
        assert_eq!(words[1..3], ["ready", "healthy"], "{table}");
    }
}

#[test]
fn true_ports_every_command_of_the_seed_does_what_it_says() {
    let mut walk = Walk {
        seed: Seed::new(),
        left: steps(),
    };
    criteria::one_command_starts_all(&mut walk);
    criteria::frontend_reaches_backend(&mut walk);
    criteria::all_stops_cleanly(&mut walk);
    criteria::data_persists(&mut walk);
    every_day::quick_start(&mut walk);
    every_day::configuration(&mut walk);
    every_day::health(&mut walk);
    every_day::logs(&mut walk);
    trouble::will_not_start(&mut walk);
    trouble::cannot_access(&mut walk);
    trouble::cannot_reach_backend(&mut walk);
    trouble::database(&mut walk);
    trouble::port_in_use(&mut walk);
    assert_eq!(walk.left.len(), 0, "not run: {:?}", walk.left);
}

/// The lines of a log that are JSON objects.
fn requests(log: &str) -> Vec<Value> {
    let objects = log
        .lines()
        .filter_map(|line| line.find('{').map(|at| &line[at..]));
    objects
        .filter_map(|text| serde_json::from_str(text).ok())
        .collect()
}

/// Each of the five has said something, and each line says whose it is.
fn all_speak(log: &str) {
    let speakers: BTreeSet<&str> = log
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(speakers, BTreeSet::from(FIVE), "{log}");
}
