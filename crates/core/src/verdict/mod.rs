//! What a pass of `devrun ci` is: when it is over, with which code, and why. No clock, no engine.

mod critical;
mod failed;
mod junit;
mod last;
mod owner;
mod pass;
mod reasons;
mod report;
#[cfg(test)]
mod tests;
mod waits;

pub use critical::{Item, critical};
pub use failed::{FailedTest, failed_tests};
pub use junit::{Case, Outcome, Suite, document, suites_of};
pub use last::Last;
pub use owner::{Life, Owner};
pub use pass::{Attempt, CheckRun, Do, Look, Pass, ServiceRun, Setup, Span};
pub use reasons::Why;
pub use report::{Head, Report, report};

use crate::effect::Exit;

/// How a service stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// Not chosen: nobody waits for it.
    Off,
    /// On its way.
    #[default]
    Going,
    /// Ready, as its health check says.
    Ready,
    /// It was ready, and its health check fails.
    Unhealthy,
    /// It will not become ready, or is no longer.
    Failed,
    /// A task that ended with 0.
    Done,
}

impl Standing {
    /// Nothing more is wanted of it.
    #[must_use]
    pub fn is_fine(self) -> bool {
        matches!(self, Self::Off | Self::Ready | Self::Done)
    }
}

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checked {
    /// Not begun.
    #[default]
    Pending,
    /// Under way.
    Running,
    /// Passed, perhaps not at the first attempt.
    Passed,
    /// Did not pass, at the last attempt either.
    Failed,
    /// One that must have passed before did not.
    Skipped,
}

impl Checked {
    /// Nothing more comes of it.
    #[must_use]
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

/// What ends a run from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Ctrl-C, SIGTERM.
    Interrupted,
    /// The time of the whole run is over.
    TimedOut,
    /// No engine answers any more.
    EngineGone,
}

/// What is known of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceFact {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub standing: Standing,
    /// How often it was started again by the engine.
    pub restarts: u32,
    /// How its process ended, where it did.
    pub code: Option<i64>,
}

/// What is known of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckFact {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub standing: Checked,
}

/// All that decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// It is to end, whatever else is.
    pub stop: Option<Stop>,
    /// The task whose exit code is the run's.
    pub until: Option<String>,
    /// End at the first failure.
    pub fail_fast: bool,
    /// So many restarts of a service are shown and are no failure.
    pub restarts_allowed: u32,
    /// All that can become ready is, and what is not will not be.
    pub rested: bool,
    /// All was ready, and still was so after a while.
    pub settled: bool,
    /// The services.
    pub services: Vec<ServiceFact>,
    /// The checks.
    pub checks: Vec<CheckFact>,
}

/// Why a run is not a good one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It was ended from outside.
    Stopped(Stop),
    /// This service, or task, failed.
    Service(String),
    /// It was unhealthy when all checks were over.
    Unhealthy(String),
    /// It was started again more often than is allowed.
    Restarts(String, u32),
    /// This check did not pass.
    Check(String),
}

/// Whether it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Something is still to come.
    Open,
    /// It is.
    Over(End),
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// In the words of the contract.
    pub exit: Exit,
    /// The code of the program; the task's own with `--until`.
    pub code: u8,
    /// Why, where it is not a good end.
    pub reasons: Vec<Reason>,
}

impl End {
    fn of(exit: Exit, reasons: Vec<Reason>) -> Verdict {
        Verdict::Over(End {
            exit,
            code: exit.code(),
            reasons,
        })
    }
}

/// The definition of done.
#[must_use]
pub fn judge(facts: &Facts) -> Verdict {
    if let Some(stop) = facts.stop {
        let exit = match stop {
            Stop::Interrupted => Exit::Interrupted,
            Stop::TimedOut => Exit::TimedOut,
            Stop::EngineGone => Exit::NoEngine,
        };
        let mut reasons = vec![Reason::Stopped(stop)];
        reasons.extend(failures(facts));
        return End::of(exit, reasons);
    }
    let restless: Vec<Reason> = facts
        .services
        .iter()
        .filter(|service| service.restarts > facts.restarts_allowed)
        .map(|service| Reason::Restarts(service.name.clone(), service.restarts))
        .collect();
    if let Some(task) = &facts.until {
        return judge_until(facts, task, restless);
    }
    if !restless.is_empty() {
        let reasons = restless.into_iter().chain(failures(facts)).collect();
        return End::of(Exit::Failed, reasons);
    }
    let failed = facts
        .services
        .iter()
        .any(|it| it.standing == Standing::Failed);
    let begun = facts
        .checks
        .iter()
        .any(|check| check.standing != Checked::Pending);
    if failed && (facts.fail_fast || facts.rested || begun || facts.settled) {
        return End::of(Exit::Failed, failures(facts));
    }
    let check_failed = facts.checks.iter().any(|it| it.standing == Checked::Failed);
    let all_over = facts.checks.iter().all(|check| check.standing.is_over());
    if check_failed && (facts.fail_fast || all_over) {
        return End::of(Exit::Failed, failures(facts));
    }
    if !facts.settled || !all_over {
        return Verdict::Open;
    }
    let unhealthy = facts
        .services
        .iter()
        .filter(|it| it.standing == Standing::Unhealthy);
    let unhealthy: Vec<Reason> = unhealthy
        .map(|it| Reason::Unhealthy(it.name.clone()))
        .collect();
    if !unhealthy.is_empty() {
        return End::of(Exit::Failed, unhealthy);
    }
    // One that is being started again is waited for.
    match facts
        .services
        .iter()
        .all(|service| service.standing.is_fine())
    {
        true => End::of(Exit::Done, Vec::new()),
        false => Verdict::Open,
    }
}

fn judge_until(facts: &Facts, task: &str, restless: Vec<Reason>) -> Verdict {
    let found = facts.services.iter().find(|service| service.name == task);
    match found.map(|service| (service.standing, service.code)) {
        Some((Standing::Done, _)) => End::of(Exit::Done, Vec::new()),
        Some((Standing::Failed, code)) => Verdict::Over(End {
            exit: Exit::Failed,
            code: code
                .and_then(|code| u8::try_from(code).ok())
                .filter(|code| *code > 0)
                .unwrap_or(Exit::Failed.code()),
            reasons: vec![Reason::Service(task.to_owned())],
        }),
        _ if !restless.is_empty() => End::of(Exit::Failed, restless),
        _ => {
            let failures = failures(facts);
            match failures.is_empty() || !(facts.rested || facts.fail_fast) {
                true => Verdict::Open,
                false => End::of(Exit::Failed, failures),
            }
        }
    }
}

/// All that failed so far.
fn failures(facts: &Facts) -> Vec<Reason> {
    let services = facts.services.iter();
    let services = services.filter(|service| service.standing == Standing::Failed);
    let services = services.map(|service| Reason::Service(service.name.clone()));
    let checks = facts.checks.iter();
    let checks = checks.filter(|check| check.standing == Checked::Failed);
    services
        .chain(checks.map(|check| Reason::Check(check.name.clone())))
        .collect()
}
