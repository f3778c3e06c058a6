//! Constant requests by `wrk`, which go on until they are told to end.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::super::ground::file;
use super::super::{Error, side};
use crate::run;

/// Connections at a time, from two threads.
pub(super) const CONNECTIONS: usize = 16;
const THREADS: usize = 2;
/// Far longer than anything here takes; it ends by itself where nobody ends it.
const LONGEST: &str = "900s";

/// Requests that are on their way.
#[derive(Debug)]
pub(super) struct Load {
    /// Until it is ended.
    child: Option<Child>,
    answers: PathBuf,
}

/// What they came to.
#[derive(Debug, Default, Clone)]
pub(super) struct Came {
    /// Of all that was answered.
    pub(super) requests: f64,
    /// Of what was answered otherwise than it should be.
    pub(super) failed: f64,
    /// Of connections that ended before the answer.
    pub(super) broken: f64,
    /// Milliseconds.
    pub(super) p99: f64,
    pub(super) most: f64,
    /// Numbers that were answered well.
    pub(super) answered: Vec<String>,
}

impl Load {
    /// Each run of one bench has a number of its own.
    pub(super) fn begin(port: u16, folder: &Path, number: usize) -> Result<Self, Error> {
        let answers = folder.join(format!("answers-{number}"));
        let child = Command::new("wrk")
            .arg(format!("-t{THREADS}"))
            .arg(format!("-c{CONNECTIONS}"))
            .args(["-d", LONGEST, "--timeout", LONGEST, "-s"])
            .arg(run::root().join("benches/proxy/load.lua"))
            .arg(format!("http://127.0.0.1:{port}"))
            .arg("--")
            .arg(&answers)
            .arg(number.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| side("wrk", &error.to_string()))?;
        Ok(Self {
            child: Some(child),
            answers,
        })
    }

    pub(super) fn end(mut self) -> Result<Came, Error> {
        let child = self.child.take();
        let child = child.ok_or_else(|| side("wrk", "it has ended"))?;
        let pid = child.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        let output = child.wait_with_output();
        let output = output.map_err(|error| side("wrk", &error.to_string()))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = said.lines().find_map(|line| line.strip_prefix("figures "));
        let Some(line) = line else {
            let all = [said.into_bytes(), output.stderr].concat();
            return Err(side("wrk", &String::from_utf8_lossy(&all)));
        };
        let pairs = line.split(' ').filter_map(|pair| pair.split_once('='));
        let figures: BTreeMap<&str, f64> = pairs
            .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
            .collect();
        let figure = |name: &str| figures.get(name).copied().unwrap_or(f64::NAN);
        Ok(Came {
            requests: figure("requests"),
            failed: figure("status"),
            broken: figure("broken"),
            p99: figure("p99"),
            most: figure("most"),
            answered: self.answered()?,
        })
    }

    fn answered(&self) -> Result<Vec<String>, Error> {
        let mut numbers = Vec::new();
        for thread in 0..THREADS {
            let path = PathBuf::from(format!("{}.{thread}", self.answers.display()));
            let text = fs::read_to_string(&path).map_err(|error| file(&path, error))?;
            let good = text.lines().filter_map(|line| line.strip_suffix(" 200"));
            numbers.extend(good.map(str::to_owned));
        }
        Ok(numbers)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // One that has ended by itself cannot be killed, and need not be.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
