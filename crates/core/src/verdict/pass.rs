//! A run as it goes: takes in what is told, says what to do next and when it is over.

mod service;

use std::collections::BTreeMap;
use std::time::Duration;

use devrun_stack::{Check, CheckTest, Service, Source, Stack};

use super::{CheckFact, Checked, End, Facts, Reason, ServiceFact, Standing, Stop, Verdict, judge};
use crate::notice::{Notice, NoticeEvent};
pub use service::{Look, ServiceRun, Span};

/// Why a service waits while no engine answers; see [`crate::session`].
const ENGINE_AWAY: &str = "for the engine";
/// So long after the end of a process the session may tell of it, with its last lines.
const ENGINE_DELAY: Duration = Duration::from_secs(3);
/// So long after a check has failed it may come out that a service had died.
const TOGETHER: Duration = Duration::from_secs(1);
/// So long an engine may be away before the run is given up.
const ENGINE_PATIENCE: Duration = Duration::from_secs(60);

/// What is asked of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Setup {
    /// How long all must have been ready.
    pub settle: Duration,
    /// The task whose exit code is the run's.
    pub until: Option<String>,
    /// End at the first failure.
    pub fail_fast: bool,
    /// So many restarts of a service are shown and are no failure.
    pub restarts_allowed: u32,
    /// The time of the whole run.
    pub timeout: Duration,
    /// So many checks run side by side.
    pub jobs: usize,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Do {
    /// This attempt of the check at that place is to be made.
    Check {
        /// Its place in the list.
        place: usize,
        /// From 1 on.
        attempt: u32,
    },
    /// All is ready: the checks begin.
    Checks,
    /// All was ready, and still is.
    Settled,
    /// A service was started again by the engine.
    Restarted {
        /// Which.
        service: String,
        /// How often by now.
        restarts: u32,
    },
    /// All checks have come to an end: the engine is to be asked whether all services still run, as
    /// it tells of an end with some delay. The answer is [`Pass::confirm`].
    Confirm,
    /// It is over.
    End(End),
}

/// Whether all services run at the end of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sure {
    NotAsked,
    Asked,
    Yes,
    /// One does not: what the session says of it is waited for until then.
    No(Duration),
}

/// An attempt of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Since the run began.
    pub from: Duration,
    /// Likewise.
    pub to: Duration,
    /// Why it did not pass; empty if it did.
    pub why: Vec<String>,
    /// What its command printed.
    pub output: String,
}

/// A check in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRun {
    /// As it is declared.
    pub check: Check,
    /// How it stands.
    pub standing: Checked,
    /// When it was begun.
    pub began: Option<Duration>,
    /// The attempts that are over.
    pub attempts: Vec<Attempt>,
    /// Why it was skipped, where it was.
    pub skipped: Option<String>,
    /// One of these services must be there, if there are any.
    of: Vec<String>,
    /// So many of them say nothing against it: a service was not ready meanwhile, before all had
    /// settled.
    void: usize,
    /// One that is under way may become one of these.
    shaken: bool,
}

impl CheckRun {
    /// It passed, and not at the first attempt.
    #[must_use]
    pub fn is_flaky(&self) -> bool {
        self.standing == Checked::Passed && self.attempts.len() > 1
    }
}

/// The state of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    pub(super) setup: Setup,
    /// In order of declaration.
    pub services: Vec<ServiceRun>,
    /// Likewise.
    pub checks: Vec<CheckRun>,
    stop: Option<Stop>,
    rested: bool,
    fine_since: Option<Duration>,
    /// When all had been ready for long enough.
    pub settled: Option<Duration>,
    /// When the first check began.
    pub checking: Option<Duration>,
    away_since: Option<Duration>,
    restarts_told: BTreeMap<String, u32>,
    sure: Sure,
    over: bool,
}

impl Pass {
    /// Of these services and all checks of the stack; with `until` there are none.
    #[must_use]
    pub fn new(stack: &Stack, wanted: impl Fn(&Service) -> bool, setup: Setup) -> Pass {
        let service = |service: &Service| ServiceRun {
            name: service.name.clone(),
            task: service.task,
            built: matches!(service.source, Source::Build(_)),
            standing: match wanted(service) {
                true => Standing::Going,
                false => Standing::Off,
            },
            state: if wanted(service) { "waiting" } else { "off" }.to_owned(),
            depends_on: service
                .depends_on
                .iter()
                .map(|it| it.service.clone())
                .collect(),
            at: service.at.to_string(),
            limit: service.ready_timeout,
            spans: vec![Span {
                what: if wanted(service) { "waiting" } else { "off" }.to_owned(),
                reason: None,
                from: Duration::ZERO,
                to: None,
            }],
            ..ServiceRun::default()
        };
        let check = |check: &Check| CheckRun {
            check: check.clone(),
            standing: Checked::Pending,
            began: None,
            attempts: Vec::new(),
            skipped: None,
            of: asked(check, stack),
            void: 0,
            shaken: false,
        };
        let checks = match setup.until {
            Some(_) => Vec::new(),
            None => stack.checks.iter().map(check).collect(),
        };
        Pass {
            services: stack.services.iter().map(service).collect(),
            checks,
            setup,
            stop: None,
            rested: false,
            fine_since: None,
            settled: None,
            checking: None,
            away_since: None,
            restarts_told: BTreeMap::new(),
            sure: Sure::NotAsked,
            over: false,
        }
    }

    /// It is to end.
    pub fn stop(&mut self, stop: Stop) {
        self.stop.get_or_insert(stop);
    }

    /// Takes in what the session told.
    pub fn hear(&mut self, notice: &Notice, now: Duration) {
        let name = notice.service.as_deref().unwrap_or_default();
        match &notice.event {
            NoticeEvent::Settled { .. } => self.rested = true,
            NoticeEvent::SessionEnded { .. } => {
                // Whoever is not ready now will not be.
                self.rested = true;
                for service in &mut self.services {
                    if service.standing == Standing::Going {
                        service.standing = Standing::Failed;
                        service.reason.get_or_insert("the session ended".to_owned());
                    }
                }
            }
            event => {
                let found = self
                    .services
                    .iter_mut()
                    .find(|service| service.name == name);
                let Some(service) = found else { return };
                service.hear(event, now);
                self.rested &= service.standing != Standing::Going;
            }
        }
    }

    /// Takes in how a service is, as the session answers who asks.
    pub fn look(&mut self, name: &str, look: Look) {
        let mut services = self.services.iter_mut();
        let Some(service) = services.find(|service| service.name == name) else {
            return;
        };
        if service.late {
            // How it is by now does not matter; what it printed does.
            service.details = look.details;
            return;
        }
        service.restarts = service.restarts.max(look.restarts);
        if look.state == service.state {
            if look.reason.is_some() {
                if let Some(span) = service.spans.last_mut() {
                    span.reason.clone_from(&look.reason);
                }
                service.reason = look.reason;
            }
            if !look.details.is_empty() {
                service.details = look.details;
            }
        }
        service.code = look.code.or(service.code);
    }

    /// An attempt of a check is over; `why` says why it did not pass.
    pub fn attempted(&mut self, place: usize, attempt: Attempt) {
        let Some(run) = self.checks.get_mut(place) else {
            return;
        };
        let shaken = std::mem::take(&mut run.shaken);
        let counted = run.attempts.len().saturating_sub(run.void);
        run.standing = match attempt.why.is_empty() {
            true => Checked::Passed,
            false if shaken || counted < run.check.retries as usize => Checked::Pending,
            false => Checked::Failed,
        };
        run.void += usize::from(shaken && run.standing == Checked::Pending);
        run.attempts.push(attempt);
    }

    /// An attempt that was under way when the run was ended.
    pub fn cut_off(&mut self, place: usize, attempt: Attempt) {
        if let Some(run) = self.checks.get_mut(place) {
            run.attempts.push(attempt);
        }
    }

    /// What is to be done now.
    pub fn advance(&mut self, now: Duration) -> Vec<Do> {
        let mut todo = Vec::new();
        if self.over {
            return todo;
        }
        if now >= self.setup.timeout {
            self.stop(Stop::TimedOut);
        }
        let away = |it: &ServiceRun| it.reason.as_deref() == Some(ENGINE_AWAY);
        self.away_since = match self.services.iter().any(away) {
            true => self.away_since.or(Some(now)),
            false => None,
        };
        if self
            .away_since
            .is_some_and(|since| now >= since + ENGINE_PATIENCE)
        {
            self.stop(Stop::EngineGone);
        }
        for service in &mut self.services {
            service.out_of_time(now);
            let told = self.restarts_told.entry(service.name.clone()).or_default();
            if service.restarts > *told {
                *told = service.restarts;
                todo.push(Do::Restarted {
                    service: service.name.clone(),
                    restarts: service.restarts,
                });
            }
        }
        if self.settle(now) {
            todo.push(Do::Settled);
        }
        self.skip();
        if let Verdict::Over(end) = judge(&self.facts()) {
            if self.is_sure(&end, now) {
                self.over = true;
                todo.push(Do::End(end));
            } else if self.sure == Sure::NotAsked {
                self.sure = Sure::Asked;
                todo.push(Do::Confirm);
            }
            return todo;
        }
        self.sure = Sure::NotAsked;
        // That all stays ready is seen meanwhile.
        if self.settled.is_some() || self.fine_since.is_some() {
            self.begin_checks(now, &mut todo);
        }
        todo
    }

    /// The engine says whether all services run.
    pub fn confirm(&mut self, all_run: bool, now: Duration) {
        let failed = self.checks.iter().any(|it| it.standing == Checked::Failed);
        self.sure = match (all_run, failed) {
            (true, false) => Sure::Yes,
            // What a check asked may have gone away under it.
            (true, true) => Sure::No(now + TOGETHER),
            (false, _) => Sure::No(now + ENGINE_DELAY),
        };
    }

    /// Whoever died at the end of the checks is known.
    fn is_sure(&self, end: &End, now: Duration) -> bool {
        let mut of_checks = end.reasons.iter().all(|it| matches!(it, Reason::Check(_)));
        of_checks &= self.checking.is_some();
        match self.sure {
            _ if !of_checks => true,
            Sure::NotAsked | Sure::Asked => false,
            Sure::Yes => true,
            Sure::No(until) => now >= until,
        }
    }

    /// True at the moment when all was ready for long enough.
    fn settle(&mut self, now: Duration) -> bool {
        let fine = self.rested
            && self
                .services
                .iter()
                .all(|service| service.standing.is_fine());
        let shaken = self.fine_since.is_some() && self.settled.is_none() && !fine;
        self.fine_since = match fine {
            true => self.fine_since.or(Some(now)),
            false => None,
        };
        if shaken {
            self.shake();
        }
        let long = self
            .fine_since
            .is_some_and(|since| now >= since + self.setup.settle);
        let first = long && self.settled.is_none() && self.stop.is_none();
        if first {
            self.settled = Some(now);
        }
        first && self.setup.until.is_none()
    }

    /// Not all stayed ready: what failed so far may have failed for that, and is asked once more.
    fn shake(&mut self) {
        for run in &mut self.checks {
            match run.standing {
                Checked::Running => run.shaken = true,
                Checked::Failed => {
                    run.void = run.attempts.len();
                    run.standing = Checked::Pending;
                }
                Checked::Skipped => run.standing = Checked::Pending,
                Checked::Pending | Checked::Passed => {}
            }
        }
    }

    /// What waits for a check that did not pass is not run, nor what asks a service that nobody
    /// chose.
    fn skip(&mut self) {
        loop {
            let pending = |it: &(usize, &CheckRun)| it.1.standing == Checked::Pending;
            let pending = self.checks.iter().enumerate().filter(pending);
            let mut next = pending.filter_map(|(place, run)| Some((place, self.against(run)?)));
            let Some((place, why)) = next.next() else {
                return;
            };
            if let Some(run) = self.checks.get_mut(place) {
                run.standing = Checked::Skipped;
                run.skipped = Some(why);
            }
        }
    }

    /// Why a check that was not begun will not be.
    fn against(&self, run: &CheckRun) -> Option<String> {
        let off = |name: &String| {
            let mut services = self.services.iter();
            services.any(|it| it.name == *name && it.standing == Standing::Off)
        };
        // Not before others begin: who fails till then is told first.
        if let (Some(first), true) = (run.of.first(), self.fine_since.is_some())
            && run.of.iter().all(off)
        {
            return Some(format!("{first} is not chosen"));
        }
        run.check.depends_on.iter().find_map(|name| {
            let before = self.checks.iter().find(|it| it.check.name == *name)?;
            match before.standing {
                Checked::Failed => Some(format!("{name} did not pass")),
                Checked::Skipped => Some(format!("{name} was skipped")),
                _ => None,
            }
        })
    }

    fn begin_checks(&mut self, now: Duration, todo: &mut Vec<Do>) {
        let of = |standing: Checked| {
            let found = self.checks.iter().filter(move |it| it.standing == standing);
            found.map(|it| it.check.name.clone()).collect::<Vec<_>>()
        };
        let (passed, running) = (of(Checked::Passed), of(Checked::Running).len());
        let mut free = self.setup.jobs.max(1).saturating_sub(running);
        for (place, run) in self.checks.iter_mut().enumerate() {
            let due = run.standing == Checked::Pending
                && run.check.depends_on.iter().all(|it| passed.contains(it));
            if due && free > 0 {
                free -= 1;
                if self.checking.is_none() {
                    self.checking = Some(now);
                    todo.push(Do::Checks);
                }
                run.standing = Checked::Running;
                run.began.get_or_insert(now);
                let attempt = u32::try_from(run.attempts.len() + 1).unwrap_or(u32::MAX);
                todo.push(Do::Check { place, attempt });
            }
        }
    }

    /// When [`Pass::advance`] is to be asked again, if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        let settle = self.fine_since.map(|since| since + self.setup.settle);
        let settle = settle.filter(|_| self.settled.is_none());
        let away = self.away_since.map(|since| since + ENGINE_PATIENCE);
        let limits = self.services.iter().filter_map(ServiceRun::due);
        let sure = match self.sure {
            Sure::No(until) => Some(until),
            _ => None,
        };
        limits
            .chain(settle)
            .chain(away)
            .chain(sure)
            .fold(self.setup.timeout, Duration::min)
    }

    /// Nothing more comes but from those whose own time was over: they are not waited for, whatever
    /// the session does.
    fn rests(&self) -> bool {
        let mut services = self.services.iter();
        self.services.iter().any(|it| it.late)
            && services.all(|it| it.standing != Standing::Going || self.is_held(it, 0))
    }

    /// It waits for one that will not come.
    fn is_held(&self, service: &ServiceRun, depth: usize) -> bool {
        let of = |name: &String| self.services.iter().find(|it| it.name == *name);
        let gone = |it: &ServiceRun| {
            it.standing == Standing::Failed
                || (depth < self.services.len() && self.is_held(it, depth + 1))
        };
        service.state == "waiting" && service.depends_on.iter().filter_map(of).any(gone)
    }

    /// What decides.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let service = |service: &ServiceRun| ServiceFact {
            name: service.name.clone(),
            standing: service.standing,
            restarts: service.restarts,
            code: service.code,
        };
        let check = |run: &CheckRun| CheckFact {
            name: run.check.name.clone(),
            standing: run.standing,
        };
        Facts {
            stop: self.stop,
            until: self.setup.until.clone(),
            fail_fast: self.setup.fail_fast,
            restarts_allowed: self.setup.restarts_allowed,
            rested: self.rested || self.rests(),
            settled: self.settled.is_some(),
            services: self.services.iter().map(service).collect(),
            checks: self.checks.iter().map(check).collect(),
        }
    }
}

/// The services of which one must be there for a check: the one in whose container it is run, or
/// those that publish the port it asks on this machine.
fn asked(check: &Check, stack: &Stack) -> Vec<String> {
    match &check.test {
        CheckTest::Exec { service, .. } => vec![service.clone()],
        CheckTest::Http { address, .. } => {
            let here = ["http://localhost:", "http://127.0.0.1:"];
            let Some(rest) = here.iter().find_map(|it| address.strip_prefix(it)) else {
                return Vec::new();
            };
            let digits = rest.split('/').next().unwrap_or_default();
            let publishes = |it: &&Service| {
                let mut ports = it.ports.iter();
                ports.any(|port| digits.parse() == Ok(port.host))
            };
            let services = stack.services.iter().filter(publishes);
            services.map(|it| it.name.clone()).collect()
        }
        CheckTest::Run { .. } | CheckTest::Host { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
