//! `devrun logs` of a service that prints more than its reader takes.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::Value;

use crate::kit::{Scratch, docker, eventually};

/// So many lines at once: far more than a pipe and what may wait hold.
const FLOOD: u64 = 300_000;

const STACKFILE: &str = r#"stack app
service noisy {
    image "redis:7"
    command "bash" "-c" "echo begins; until [ -e /tmp/go ]; do sleep 0.1; done; seq 300000; exec sleep 1000"
    init #true
}
service calm {
    image "redis:7"
    command "sleep" "1000"
    init #true
}
"#;

/// `devrun logs -f`, read as slowly as the test wants.
struct Slow {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Slow {
    fn of(stack: &Scratch) -> Slow {
        let arguments = ["logs", "-f", "--format", "json", "--tail", "all"];
        let mut child = stack
            .command(&arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Slow { child, lines }
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_flood_is_cut_where_it_is_said_and_nobody_else_waits_for_it() {
    let stack = Scratch::new("logs-flood", &[("Stackfile.kdl", STACKFILE)]);
    stack.ok(&["up", "-d", "--no-watch"]);
    let (noisy, calm) = (stack.container("noisy"), stack.container("calm"));
    let mut reader = Slow::of(&stack);
    while reader.next()["text"] != "begins" {}

    docker(&["exec", &noisy, "touch", "/tmp/go"]);
    // Nobody reads meanwhile, and the program prints all the same.
    eventually("the whole flood is in the engine's log", 60, || {
        let last = docker(&["logs", "--tail", "1", &noisy]).out;
        (last.trim() == FLOOD.to_string()).then_some(())
    });
    docker(&["exec", &calm, "sh", "-c", "echo here > /proc/1/fd/1"]);

    let (mut last, mut heard, mut cut) = (0, false, false);
    while last < FLOOD || !heard {
        let told = reader.next();
        if told["service"] == "calm" {
            heard |= told["text"] == "here";
        } else if told["event"] == "log-dropped" {
            last += told["count"].as_u64().unwrap();
            cut = true;
        } else {
            last += 1;
            assert_eq!(told["text"], last.to_string(), "all others were counted");
        }
    }
    assert!(cut, "nobody read it");

    let all = stack.ok(&["logs", "--tail", "all", "noisy"]).out;
    let whole = u64::try_from(all.lines().count()).unwrap();
    assert_eq!(whole, FLOOD + 1, "without -f nothing is dropped");
}
