//! A service in a run.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::notice::{NoticeEvent, Part};
use crate::session::STARTS_AGAIN;
use crate::verdict::Standing;

/// The session itself says it first, and better.
const AFTER_THE_SESSION: Duration = Duration::from_secs(5);
/// What is said of one on which nothing is under way.
pub(super) const ABOUT_TO_START: &str = "about to start";

/// For how long a service was in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// `waiting`, `building`, `starting`, …
    pub what: String,
    /// Why, as it was told.
    pub reason: Option<String>,
    /// Since the run began.
    pub from: Duration,
    /// Likewise; `None` while it is in it.
    pub to: Option<Duration>,
}

/// A service in a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServiceRun {
    /// Its name.
    pub name: String,
    /// It is a one-shot.
    pub task: bool,
    /// Its image is built.
    pub built: bool,
    /// How it stands.
    pub standing: Standing,
    /// The state in the words of `status`.
    pub state: String,
    /// Why it is in it, as far as is known now.
    pub reason: Option<String>,
    /// Last lines of its log, the probe's answer.
    pub details: Vec<String>,
    /// All states it was in.
    pub spans: Vec<Span>,
    /// How long each part of its start took.
    pub parts: Vec<Part>,
    /// How often it was started again by the engine.
    pub restarts: u32,
    /// How its process ended, where it did.
    pub code: Option<i64>,
    /// Steps of its build, and whether they were in the cache.
    pub steps: BTreeMap<String, bool>,
    /// How its build ended: `ok`, `unchanged`, `failed`.
    pub image: Option<String>,
    /// Whom it waits for.
    pub depends_on: Vec<String>,
    /// `Stackfile.kdl:12`.
    pub at: String,
    /// How long it may take to become ready, or to end.
    pub(super) limit: Duration,
    /// Its own time was over.
    pub(super) late: bool,
}

/// How a service is, as the session answers who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look {
    /// In the words of `status`.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
    /// Last lines of its log.
    pub details: Vec<String>,
    /// How often it was started again.
    pub restarts: u32,
    /// How its process ended.
    pub code: Option<i64>,
}

impl ServiceRun {
    pub(super) fn hear(&mut self, event: &NoticeEvent, now: Duration) {
        match event {
            NoticeEvent::ServiceState {
                to,
                reason,
                details,
                parts,
                ..
            } => {
                if self.late {
                    return;
                }
                self.enters(to, reason.clone(), now);
                self.details.clone_from(details);
                if !parts.is_empty() {
                    self.parts.clone_from(parts);
                }
                let again = reason.as_ref().is_some_and(|it| it.ends_with(STARTS_AGAIN));
                self.standing = match to.as_str() {
                    "failed" if again => Standing::Going,
                    "off" => Standing::Off,
                    "ready" => Standing::Ready,
                    "done" => Standing::Done,
                    "unhealthy" => Standing::Unhealthy,
                    // Somebody else stopped it: nobody starts it again.
                    "failed" | "stopped" => Standing::Failed,
                    _ => Standing::Going,
                };
            }
            // Told when it begins, and when it is over. What the engine does besides is no step of
            // the Dockerfile.
            NoticeEvent::BuildStep { name, cached } if !name.starts_with("[internal]") => {
                self.steps.insert(name.clone(), *cached);
            }
            NoticeEvent::BuildDone { outcome, .. } => self.image = Some(outcome.clone()),
            NoticeEvent::ProbeFailed { output } => {
                self.reason = Some(format!("its health check says: {output}"));
            }
            _ => {}
        }
    }

    fn enters(&mut self, state: &str, reason: Option<String>, now: Duration) {
        if let Some(last) = self.spans.last_mut() {
            if last.what == state {
                last.reason.clone_from(&reason);
                self.reason = reason;
                return;
            }
            last.to.get_or_insert(now);
        }
        state.clone_into(&mut self.state);
        self.reason.clone_from(&reason);
        self.spans.push(Span {
            what: state.to_owned(),
            reason,
            from: now,
            to: None,
        });
    }

    /// Why it is in its state, where that is worth a word.
    #[must_use]
    pub fn reason_now(&self) -> Option<&str> {
        match self.reason.as_deref() {
            Some("" | ABOUT_TO_START) | None if self.task && self.state == "starting" => {
                Some("it has not ended yet")
            }
            reason => reason.filter(|it| !it.is_empty()),
        }
    }

    /// Since when it is in its state.
    #[must_use]
    pub fn since(&self) -> Duration {
        self.spans.last().map_or(Duration::ZERO, |span| span.from)
    }

    /// When its own time is over.
    pub(super) fn due(&self) -> Option<Duration> {
        let starts = matches!(self.state.as_str(), "starting" | "updating");
        let waits = self.standing == Standing::Going && starts;
        let limit = match self.task {
            true => self.limit,
            false => self.limit + AFTER_THE_SESSION,
        };
        (waits && !self.late).then(|| self.since() + limit)
    }

    pub(super) fn out_of_time(&mut self, now: Duration) {
        if self.due().is_none_or(|due| now < due) {
            return;
        }
        let before = self.reason_now().map(str::to_owned);
        let word = if self.task { "not over" } else { "not ready" };
        let mut reason = format!("{word} after {} s", self.limit.as_secs());
        if let Some(before) = before {
            reason = format!("{reason}: {before}");
        }
        self.enters("failed", Some(reason), now);
        self.standing = Standing::Failed;
        self.late = true;
    }
}
