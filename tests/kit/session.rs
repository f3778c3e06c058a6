//! A `devrun up` in the foreground, waited for by its event stream.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use serde_json::Value;

use super::{Scratch, patience};

/// The running program; ended when dropped.
pub struct Session {
    pub child: Child,
    events: Receiver<Value>,
    /// Everything so far.
    pub seen: Vec<Value>,
    /// Events up to here were taken by a wait.
    taken: usize,
    errors: std::thread::JoinHandle<String>,
}

impl Session {
    pub(super) fn start(scratch: &Scratch, arguments: &[&str]) -> Session {
        let mut all = vec!["up", "--format", "json"];
        all.extend(arguments);
        let mut child = scratch
            .command(&all)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, events) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = std::io::Read::read_to_string(&mut stderr, &mut text);
            text
        });
        Session {
            child,
            events,
            seen: Vec::new(),
            taken: 0,
            errors,
        }
    }

    /// The next event from here on for which `wanted` says yes; what comes before it is passed
    /// over. Panics with all events where it does not come in time.
    pub fn wait(&mut self, what: &str, seconds: u64, wanted: impl Fn(&Value) -> bool) -> Value {
        self.found(seconds, wanted).unwrap_or_else(|| {
            panic!(
                "{what}: did not come within {seconds} s. All events:\n{}",
                self.dump()
            )
        })
    }

    /// The same; `None` where it does not come in time, or the program has ended.
    pub fn found(&mut self, seconds: u64, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        let end = Instant::now() + patience(seconds);
        loop {
            while self.taken < self.seen.len() {
                self.taken += 1;
                if wanted(&self.seen[self.taken - 1]) {
                    return Some(self.seen[self.taken - 1].clone());
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            self.seen.push(self.events.recv_timeout(left).ok()?);
        }
    }

    /// Until everything is ready, or will not become so: whether it is ready.
    pub fn settled(&mut self) -> bool {
        self.wait("settled", 180, |event| event["event"] == "settled")["ready"] == true
    }

    /// Until everything is ready.
    pub fn ready(&mut self) {
        assert!(self.settled(), "not ready. All events:\n{}", self.dump());
    }

    /// The next event of this kind of this service.
    pub fn event(&mut self, service: &str, kind: &str, seconds: u64) -> Value {
        self.wait(&format!("{kind} of {service}"), seconds, |event| {
            event["event"] == kind && event["service"] == service
        })
    }

    /// Until a service gets into this state.
    pub fn state(&mut self, service: &str, state: &str, seconds: u64) -> Value {
        self.wait(&format!("{service} {state}"), seconds, |event| {
            event["event"] == "service-state" && event["service"] == service && event["to"] == state
        })
    }

    /// Takes in what was told so far, without a wait for more.
    pub fn catch_up(&mut self) {
        self.seen.extend(self.events.try_iter());
    }

    pub fn dump(&self) -> String {
        self.seen.iter().map(|event| format!("{event}\n")).collect()
    }

    /// Sends a signal by number: 2 is Ctrl-C, 9 cannot be caught.
    pub fn signal(&self, number: i32) {
        let status = std::process::Command::new("kill")
            .args([format!("-{number}"), self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Until the program ends: its exit code and what it wrote to stderr.
    pub fn end(mut self) -> (i32, String) {
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        let errors = std::mem::replace(&mut self.errors, std::thread::spawn(String::new));
        (code, errors.join().unwrap_or_default())
    }

    /// Ctrl-C, then until the program ends.
    pub fn interrupt(self) -> (i32, String) {
        self.signal(2);
        self.end()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
