//! Why a run is no good one, for people.

use std::time::Duration;

use super::last::counted;
use super::waits::seconds;
use super::{Pass, Reason, Standing, Stop};

/// A reason with its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Why {
    /// The service or check that it is about; empty where it is about all.
    pub name: String,
    /// In one line.
    pub text: String,
    /// `Stackfile.kdl:12`; empty where there is none.
    pub at: String,
    /// Last lines of a log, an answer.
    pub details: Vec<String>,
}

impl Pass {
    /// A reason in words.
    #[must_use]
    pub fn why(&self, reason: &Reason, now: Duration) -> Why {
        match reason {
            Reason::Stopped(Stop::Interrupted) => Why {
                text: format!("interrupted after {}", seconds(now)),
                details: self.told_in_full(now),
                ..Why::default()
            },
            Reason::Stopped(Stop::TimedOut) => Why {
                text: format!("time ran out after {}", seconds(self.setup.timeout)),
                details: self.told_in_full(now),
                ..Why::default()
            },
            Reason::Stopped(Stop::EngineGone) => Why {
                text: "no engine answers any more".to_owned(),
                details: self.told_in_full(now),
                ..Why::default()
            },
            Reason::Restarts(name, restarts) => Why {
                text: format!(
                    "{name} was started again {} by the engine, {} are allowed",
                    counted(*restarts as usize, "time"),
                    self.setup.restarts_allowed
                ),
                ..self.of_service(name, now)
            },
            Reason::Unhealthy(name) => Why {
                text: format!("{name} was unhealthy when the checks were over"),
                ..self.of_service(name, now)
            },
            Reason::Service(name) => self.of_service(name, now),
            Reason::Check(name) => self.of_check(name),
        }
    }

    fn of_service(&self, name: &str, now: Duration) -> Why {
        let Some(service) = self.services.iter().find(|it| it.name == name) else {
            return Why::default();
        };
        let reason = service.reason.as_deref().unwrap_or("failed");
        let died = service.standing == Standing::Failed
            && service.spans.iter().any(|it| it.what == "ready");
        let since = service.since();
        let text = match self.checking.filter(|began| died && since >= *began) {
            Some(began) => format!(
                "{name} died {} after the run began, {} into the checks: {reason}",
                seconds(since),
                seconds(since.saturating_sub(began))
            ),
            None if died => format!(
                "{name} died {} after the run began: {reason}",
                seconds(since)
            ),
            None => format!("{name}: {reason}"),
        };
        Why {
            name: name.to_owned(),
            text,
            at: service.at.clone(),
            details: service.told(now),
        }
    }

    fn of_check(&self, name: &str) -> Why {
        let Some(run) = self.checks.iter().find(|it| it.check.name == name) else {
            return Why::default();
        };
        let last = run.attempts.last();
        let first = last
            .and_then(|it| it.why.first())
            .cloned()
            .unwrap_or_default();
        let attempts = match run.attempts.len() {
            0 | 1 => String::new(),
            several => format!(" {several} times"),
        };
        Why {
            name: name.to_owned(),
            text: format!("check {name} failed{attempts}: {first}"),
            at: run.check.at.to_string(),
            details: last.map_or_else(Vec::new, |it| it.told()),
        }
    }
}

/// So many last lines of what a check printed are told.
const LINES: usize = 20;

impl super::Attempt {
    /// Why it did not pass, and the last that it printed.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        let mut lines = self.why.clone();
        let output: Vec<&str> = self.output.lines().collect();
        let skipped = output.len().saturating_sub(LINES);
        if skipped > 0 {
            lines.push(format!("… {skipped} more lines"));
        }
        lines.extend(output.into_iter().skip(skipped).map(str::to_owned));
        lines
    }
}
