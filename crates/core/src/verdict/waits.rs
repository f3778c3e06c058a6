//! What a run waits for, for people.

use std::time::Duration;

use super::last::counted;
use super::{CheckRun, Checked, Pass, ServiceRun, Standing};

/// So many last lines stand below each.
const LINES: usize = 10;

impl Pass {
    /// One line each, without details: `db: starting for 31 s, its health check says: …`.
    #[must_use]
    pub fn waits_for(&self, now: Duration) -> Vec<String> {
        let services = self.services.iter().filter(|it| it.is_awaited());
        let mut lines: Vec<String> = services.map(|it| it.waiting(now)).collect();
        let running = self
            .checks
            .iter()
            .filter(|it| it.standing == Checked::Running);
        lines.extend(running.map(|it| it.waiting(now)));
        if lines.is_empty() && self.settled.is_none() {
            lines.push(format!(
                "all to stay ready for {}",
                seconds(self.setup.settle)
            ));
        }
        let waits = |it: &&CheckRun| it.standing == Checked::Pending && self.checking.is_some();
        let waiting = self.checks.iter().filter(waits).count();
        if waiting > 0 {
            lines.push(counted(waiting, "more check"));
        }
        lines
    }

    /// The same with the last lines of each, and how long all parts took so far.
    #[must_use]
    pub fn told_in_full(&self, now: Duration) -> Vec<String> {
        let mut lines = vec!["it was waiting for".to_owned()];
        for service in self.services.iter().filter(|it| it.is_awaited()) {
            lines.push(format!("  {}", service.waiting(now)));
            let from = service.details.len().saturating_sub(LINES);
            lines.extend(
                service
                    .details
                    .iter()
                    .skip(from)
                    .map(|line| format!("    {line}")),
            );
        }
        for run in self
            .checks
            .iter()
            .filter(|it| it.standing == Checked::Running)
        {
            lines.push(format!("  {}", run.waiting(now)));
            let output = run.attempts.last().map_or("", |it| it.output.as_str());
            let output: Vec<&str> = output.lines().collect();
            let from = output.len().saturating_sub(LINES);
            lines.extend(output.iter().skip(from).map(|line| format!("    {line}")));
        }
        if lines.len() == 1 {
            lines.extend(self.waits_for(now).iter().map(|line| format!("  {line}")));
        }
        lines.push("so far".to_owned());
        for service in self
            .services
            .iter()
            .filter(|it| it.standing != Standing::Off)
        {
            let end = match service.standing {
                Standing::Ready | Standing::Done => format!(", {}", service.state),
                _ => String::new(),
            };
            lines.push(format!("  {}: {}{end}", service.name, service.spent(now)));
        }
        for run in self.checks.iter().filter(|it| it.standing.is_over()) {
            let took = run
                .attempts
                .iter()
                .map(|it| it.to.saturating_sub(it.from))
                .sum();
            let word = match run.standing {
                Checked::Passed => "passed",
                Checked::Skipped => "skipped",
                _ => "failed",
            };
            lines.push(format!(
                "  check {}: {word} in {}",
                run.check.name,
                seconds(took)
            ));
        }
        lines
    }
}

impl ServiceRun {
    /// The last lines of one that failed, and of one that was never ready how long each part took.
    #[must_use]
    pub fn told(&self, now: Duration) -> Vec<String> {
        let mut lines = self.details.clone();
        if !self.spans.iter().any(|it| it.what == "ready") {
            lines.push(format!("so far: {}", self.spent(now)));
        }
        lines
    }

    /// `waiting 0.8 s, starting 3.1 s`.
    fn spent(&self, now: Duration) -> String {
        let mut parts: Vec<(&str, Duration)> = Vec::new();
        for span in &self.spans {
            let took = span.to.unwrap_or(now).saturating_sub(span.from);
            match parts.iter_mut().find(|it| it.0 == span.what) {
                _ if matches!(span.what.as_str(), "ready" | "done" | "failed") => {}
                Some(part) => part.1 += took,
                None => parts.push((&span.what, took)),
            }
        }
        let parts = parts.iter();
        let parts: Vec<String> = parts
            .map(|(what, took)| format!("{what} {}", seconds(*took)))
            .collect();
        parts.join(", ")
    }

    fn is_awaited(&self) -> bool {
        !self.standing.is_fine() && self.standing != Standing::Failed
    }

    fn waiting(&self, now: Duration) -> String {
        let long = seconds(now.saturating_sub(self.since()));
        let reason = self
            .reason_now()
            .map_or_else(String::new, |it| format!(", {it}"));
        format!("{}: {} for {long}{reason}", self.name, self.state)
    }
}

impl CheckRun {
    fn waiting(&self, now: Duration) -> String {
        let long = seconds(now.saturating_sub(self.began.unwrap_or(now)));
        let attempt = match self.attempts.len() {
            0 => String::new(),
            done => format!(", attempt {} of {}", done + 1, self.check.retries + 1),
        };
        format!("check {}: running for {long}{attempt}", self.check.name)
    }
}

/// `4 ms`, `0.9 s`, `31 s`.
pub(super) fn seconds(time: Duration) -> String {
    let millis = time.as_millis();
    match millis {
        0..100 => format!("{millis} ms"),
        100..10_000 => format!("{:.1} s", time.as_secs_f64()),
        _ => format!("{:.0} s", time.as_secs_f64()),
    }
}
