//! What BuildKit tells while it builds, as steps for people.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bollard_buildkit_proto::google::protobuf::Timestamp;
use bollard_buildkit_proto::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog};

use super::dockerfile::Dockerfile;

#[cfg(test)]
mod tests;

/// How many of a step's last lines are kept, for the case that it fails.
const KEPT_LINES: usize = 40;

/// News of one step of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// `[2/5] RUN pip install -r requirements.txt`.
    pub(crate) name: String,
    /// Its line in the Dockerfile; `None` for what the engine does besides.
    pub(crate) line: Option<usize>,
    /// Taken from an earlier build.
    pub(crate) cached: bool,
    /// What happened.
    pub(crate) state: StepState,
}

/// What happened to a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StepState {
    /// It began.
    Started,
    /// It wrote a line.
    Output(String),
    /// It ended well.
    Done {
        /// How long it took.
        took: Duration,
    },
    /// It ended badly.
    Failed {
        /// What the engine says.
        message: String,
    },
}

/// All that is known of a build under way.
pub(super) struct Progress {
    dockerfile: Dockerfile,
    known: BTreeMap<String, Known>,
    failed: Option<String>,
}

#[derive(Default)]
struct Known {
    name: String,
    line: Option<usize>,
    started: bool,
    ended: bool,
    error: String,
    /// The beginning of a line whose end has not come yet, for stdout and stderr each.
    partial: BTreeMap<i64, Vec<u8>>,
    last_lines: VecDeque<String>,
}

/// The step that made a build fail.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FailedStep {
    pub(super) name: String,
    pub(super) line: Option<usize>,
    pub(super) output: Vec<String>,
    pub(super) message: String,
}

impl Progress {
    pub(super) fn new(dockerfile: Dockerfile) -> Self {
        Self {
            dockerfile,
            known: BTreeMap::new(),
            failed: None,
        }
    }

    /// Takes a report; returns what is new in it.
    pub(super) fn absorb(&mut self, report: StatusResponse) -> Vec<Step> {
        let mut news = Vec::new();
        for vertex in &report.vertexes {
            self.begin(vertex, &mut news);
        }
        for log in &report.logs {
            self.output(log, &mut news);
        }
        // Last, so that what a step wrote comes before its end.
        for vertex in &report.vertexes {
            if vertex.completed.is_some() {
                self.end(vertex, &mut news);
            }
        }
        news
    }

    /// The step that failed first, other than for being cancelled.
    pub(super) fn failed_step(&self) -> Option<FailedStep> {
        let step = self.known.get(self.failed.as_ref()?)?;
        // Its last words may come after the news of its end.
        let unended = step.partial.values().map(|text| written(text));
        Some(FailedStep {
            name: step.name.clone(),
            line: step.line,
            output: step.last_lines.iter().cloned().chain(unended).collect(),
            message: step.error.clone(),
        })
    }

    fn begin(&mut self, vertex: &Vertex, news: &mut Vec<Step>) {
        let step = self.known.entry(vertex.digest.clone()).or_default();
        if step.name != vertex.name {
            step.line = self.dockerfile.line_of(&vertex.name);
            step.name.clone_from(&vertex.name);
        }
        if vertex.started.is_some() && !step.started && !vertex.cached {
            step.started = true;
            news.push(step.news(false, StepState::Started));
        }
    }

    fn output(&mut self, log: &VertexLog, news: &mut Vec<Step>) {
        if let Some(step) = self.known.get_mut(&log.vertex) {
            let mut text = step.partial.remove(&log.stream).unwrap_or_default();
            text.extend_from_slice(&log.msg);
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                step.line_written(&line, news);
            }
            if !text.is_empty() {
                step.partial.insert(log.stream, text);
            }
        }
    }

    fn end(&mut self, vertex: &Vertex, news: &mut Vec<Step>) {
        let Some(step) = self.known.get_mut(&vertex.digest) else {
            return;
        };
        if step.ended {
            return;
        }
        step.ended = true;
        for (_, rest) in std::mem::take(&mut step.partial) {
            step.line_written(&rest, news);
        }
        if vertex.error.is_empty() {
            let took = took(vertex);
            news.push(step.news(vertex.cached, StepState::Done { took }));
            return;
        }
        step.error.clone_from(&vertex.error);
        let message = vertex.error.clone();
        news.push(step.news(false, StepState::Failed { message }));
        if !is_cancelled(&vertex.error) {
            self.failed.get_or_insert_with(|| vertex.digest.clone());
        }
    }
}

impl Known {
    fn news(&self, cached: bool, state: StepState) -> Step {
        Step {
            name: self.name.clone(),
            line: self.line,
            cached,
            state,
        }
    }

    fn line_written(&mut self, bytes: &[u8], news: &mut Vec<Step>) {
        let text = written(bytes);
        if self.last_lines.len() == KEPT_LINES {
            self.last_lines.pop_front();
        }
        self.last_lines.push_back(text.clone());
        news.push(self.news(false, StepState::Output(text)));
    }
}

/// A line as a terminal would show it: progress bars overwrite theirs.
fn written(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches(['\n', '\r']);
    text.rsplit('\r').next().unwrap_or(text).to_owned()
}

/// Whether an error only says that something else ended the build.
pub(super) fn is_cancelled(error: &str) -> bool {
    error.ends_with("context canceled") || error.ends_with("Canceled")
}

fn took(vertex: &Vertex) -> Duration {
    let nanos = |at: &Timestamp| i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos);
    match (&vertex.started, &vertex.completed) {
        (Some(from), Some(to)) => {
            let nanos = u64::try_from(nanos(to) - nanos(from)).unwrap_or_default();
            Duration::from_nanos(nanos)
        }
        _ => Duration::ZERO,
    }
}
