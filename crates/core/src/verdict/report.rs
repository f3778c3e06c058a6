//! A run as data: what `--report` writes.

use std::time::Duration;

use serde::Serialize;

use super::critical::{Link, millis};
use super::{CheckRun, Checked, Item, Pass, ServiceRun, Standing, critical};
use crate::notice::Part;

/// What is known of a run besides what went on in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Head {
    /// The stack as it is declared.
    pub stack: String,
    /// The name under which the run was.
    pub run: String,
    /// The Stackfile.
    pub file: String,
    /// RFC 3339.
    pub began: String,
    /// `passed`, `failed`, `timed-out`, `interrupted`, `no-engine`, `wrong`.
    pub outcome: String,
    /// The exit code.
    pub exit_code: u8,
    /// Why it is no good end, for people.
    pub reasons: Vec<String>,
    /// What could not be cleaned up; what is kept on purpose does not count.
    pub left: Vec<String>,
}

/// A whole run; its schema is `docs/ci-report.schema.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Of this shape; a field's meaning never changes.
    pub version: u32,
    /// What it was.
    #[serde(flatten)]
    pub head: Head,
    /// All of it, milliseconds.
    pub took_ms: u64,
    /// In order of declaration.
    pub services: Vec<ServiceEntry>,
    /// Likewise.
    pub checks: Vec<CheckEntry>,
    /// What made it as long as it was.
    pub critical_path: Vec<Link>,
    /// What had not to be done.
    pub cache: Cache,
}

/// A service or a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceEntry {
    /// Its name.
    pub name: String,
    /// `service` or `task`.
    pub kind: &'static str,
    /// In the words of `status`.
    pub state: String,
    /// Why, where it is not what is wanted.
    pub reason: Option<String>,
    /// Last lines of its log, the probe's answer.
    pub details: Vec<String>,
    /// Until it was ready, or over, for the first time.
    pub took_ms: Option<u64>,
    /// How often it was started again by the engine.
    pub restarts: u32,
    /// How its process ended.
    pub exit_code: Option<i64>,
    /// Where it is declared.
    pub at: String,
    /// All states, in order.
    pub timeline: Vec<Period>,
    /// How long each part of its start took.
    pub parts: Vec<Part>,
}

/// For how long something was in a state.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Period {
    /// `waiting`, `building`, `pulling`, `starting`, `ready`, …
    pub what: String,
    /// Why, as it was told.
    pub reason: Option<String>,
    /// Since the run began.
    pub from_ms: u64,
    /// Likewise.
    pub to_ms: u64,
}

/// A check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckEntry {
    /// Its name.
    pub name: String,
    /// `http`, `exec`, `run`, `host`.
    pub kind: &'static str,
    /// `passed`, `failed`, `skipped`, `cancelled`, `not-run`.
    pub outcome: &'static str,
    /// Why it was skipped.
    pub reason: Option<String>,
    /// It passed, and not at the first attempt.
    pub flaky: bool,
    /// All attempts together.
    pub took_ms: u64,
    /// Where it is declared.
    pub at: String,
    /// Each of them.
    pub attempts: Vec<AttemptEntry>,
}

/// An attempt of a check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttemptEntry {
    /// Since the run began.
    pub from_ms: u64,
    /// Likewise.
    pub to_ms: u64,
    /// Why it did not pass; empty if it did.
    pub why: Vec<String>,
    /// The end of what it printed.
    pub output: String,
}

/// What had not to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Cache {
    /// Services whose image was built.
    pub built: usize,
    /// Services whose image was there.
    pub unchanged: usize,
    /// Steps of builds that ran.
    pub steps_run: usize,
    /// Steps of builds that were in the cache.
    pub steps_cached: usize,
}

/// What a run came to.
#[must_use]
pub fn report(pass: &Pass, head: Head, now: Duration) -> Report {
    Report {
        version: 1,
        head,
        took_ms: millis(now),
        services: pass.services.iter().map(|it| it.entry(now)).collect(),
        checks: pass.checks.iter().map(CheckRun::entry).collect(),
        critical_path: critical(&items(pass)),
        cache: cache(pass),
    }
}

fn cache(pass: &Pass) -> Cache {
    let mut cache = Cache::default();
    for service in pass
        .services
        .iter()
        .filter(|it| it.built && it.standing != Standing::Off)
    {
        match service.was_built() {
            true => cache.built += 1,
            false => cache.unchanged += 1,
        }
        let cached = service.steps.values().filter(|cached| **cached).count();
        cache.steps_run += service.steps.len() - cached;
        cache.steps_cached += cached;
    }
    cache
}

/// All that took time, with what it waited for.
fn items(pass: &Pass) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut of_service = Vec::new();
    for service in &pass.services {
        let own = service.items(&mut items);
        of_service.push((service, own));
    }
    let place_of = |name: &str| {
        let found = of_service.iter().find(|(service, _)| service.name == name);
        found.and_then(|(_, own)| *own)
    };
    let mut all = Vec::new();
    for (service, own) in &of_service {
        let Some(place) = *own else { continue };
        all.push(place);
        let others: Vec<usize> = service
            .depends_on
            .iter()
            .filter_map(|it| place_of(it))
            .collect();
        items[place].after.extend(others);
    }
    if let Some(to) = pass.settled {
        let from = all
            .iter()
            .map(|place| items[*place].to)
            .max()
            .unwrap_or_default();
        items.push(Item {
            name: "all".to_owned(),
            what: "settle",
            from,
            to,
            after: all.clone(),
        });
    }
    let first = items.len();
    let ran: Vec<&CheckRun> = pass
        .checks
        .iter()
        .filter(|it| !it.attempts.is_empty())
        .collect();
    for run in &ran {
        let others = run.check.depends_on.iter().filter_map(|name| {
            let place = ran.iter().position(|it| it.check.name == *name)?;
            Some(first + place)
        });
        let after = others.chain(all.iter().copied()).collect();
        items.push(Item {
            name: run.check.name.clone(),
            what: "check",
            from: run.began.unwrap_or_default(),
            to: run.attempts.last().map_or(Duration::ZERO, |it| it.to),
            after,
        });
    }
    items
}

impl ServiceRun {
    fn was_built(&self) -> bool {
        self.image.as_deref() != Some("unchanged") && self.steps.values().any(|cached| !cached)
    }

    fn ready_at(&self) -> Option<Duration> {
        let done = |what: &str| matches!(what, "ready" | "done" | "failed");
        self.spans
            .iter()
            .find(|it| done(&it.what))
            .map(|it| it.from)
    }

    /// Adds what it did; answers with the place of its start.
    fn items(&self, items: &mut Vec<Item>) -> Option<usize> {
        let to = self.ready_at()?;
        let made = self
            .spans
            .iter()
            .find(|it| matches!(it.what.as_str(), "building" | "pulling"));
        let mut after = Vec::new();
        if let Some(made) = made {
            after.push(items.len());
            items.push(Item {
                name: self.name.clone(),
                what: if made.what == "pulling" {
                    "pull"
                } else {
                    "build"
                },
                from: made.from,
                to: made.to.unwrap_or(to),
                after: Vec::new(),
            });
        }
        let started = self
            .spans
            .iter()
            .rfind(|it| it.what == "starting" && it.from <= to);
        items.push(Item {
            name: self.name.clone(),
            what: if self.task { "task" } else { "start" },
            from: started.map_or(to, |it| it.from),
            to,
            after,
        });
        Some(items.len() - 1)
    }

    fn entry(&self, now: Duration) -> ServiceEntry {
        let period = |span: &super::Span| Period {
            what: span.what.clone(),
            reason: span.reason.clone(),
            from_ms: millis(span.from),
            to_ms: millis(span.to.unwrap_or(now)),
        };
        ServiceEntry {
            name: self.name.clone(),
            kind: if self.task { "task" } else { "service" },
            state: self.state.clone(),
            reason: self.reason.clone().filter(|_| !self.standing.is_fine()),
            details: match self.standing.is_fine() {
                true => Vec::new(),
                false => self.details.clone(),
            },
            took_ms: self.ready_at().map(millis),
            restarts: self.restarts,
            exit_code: self.code,
            at: self.at.clone(),
            timeline: self.spans.iter().map(period).collect(),
            parts: self.parts.clone(),
        }
    }
}

impl CheckRun {
    fn entry(&self) -> CheckEntry {
        let took: Duration = self
            .attempts
            .iter()
            .map(|it| it.to.saturating_sub(it.from))
            .sum();
        let attempt = |it: &super::Attempt| AttemptEntry {
            from_ms: millis(it.from),
            to_ms: millis(it.to),
            why: it.why.clone(),
            output: it.output.clone(),
        };
        CheckEntry {
            name: self.check.name.clone(),
            kind: self.check.test.word(),
            outcome: match self.standing {
                Checked::Passed => "passed",
                Checked::Failed => "failed",
                Checked::Skipped => "skipped",
                Checked::Running => "cancelled",
                Checked::Pending => "not-run",
            },
            reason: match self.standing {
                Checked::Skipped => self.skipped.clone(),
                _ => None,
            },
            flaky: self.is_flaky(),
            took_ms: millis(took),
            at: self.check.at.to_string(),
            attempts: self.attempts.iter().map(attempt).collect(),
        }
    }
}
