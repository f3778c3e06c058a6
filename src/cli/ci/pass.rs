//! The run itself: what happens is handed to the core, what it wants is done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use devrun_core::keep::shared_name;
use devrun_core::notice::NoticeEvent;
use devrun_core::session::{Options, wanted};
use devrun_core::spec::ContainerState;
use devrun_core::verdict::{Attempt, Checked, Do, End, Look, Pass, Setup, Standing, Stop};
use futures_util::StreamExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at};

use super::Stage;
use super::checks::{Asked, Asking};
use super::collect::Collected;
use super::hurry::Hurry;
use super::told::Told;
use crate::cli::Trouble;
use crate::cli::up::first_generation;
use crate::engine::{LogOptions, Tail};
use crate::report::{Feed, Stamped};
use crate::session::load::root_hash;
use crate::session::{Begin, Running, begin};

/// How often it is said what is waited for, where nobody sees anything move.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Between two attempts of a check.
const AGAIN: Duration = Duration::from_secs(1);
/// So many last lines of what is waited for.
const LINES: usize = 10;

/// What it came to.
pub(super) struct Ran {
    pub(super) pass: Pass,
    pub(super) end: End,
    pub(super) took: Duration,
    pub(super) collected: Vec<Collected>,
}

type Attempts = JoinSet<(usize, Attempt, Asked)>;

struct Run<'a> {
    stage: &'a Stage<'a>,
    began: Instant,
    pass: Pass,
    attempts: Attempts,
    /// What running checks print, and since when.
    tails: BTreeMap<usize, (Tail, Duration)>,
    asking: Arc<Asking>,
    collected: Vec<Collected>,
    /// The core wants to know whether all services run.
    confirm: bool,
}

/// Starts all, waits, asks; the session has let go of its containers at the end. Without an answer
/// where somebody does not wait for that.
pub(super) async fn run(
    stage: &Stage<'_>,
    told: &mut Told,
    hurry: &mut Hurry,
) -> Result<Option<Ran>, Trouble> {
    let (running, feed) = begin(Begin {
        engine: stage.engine.clone(),
        load: stage.context.options.clone(),
        options: Options {
            services: stage.options.services.clone(),
            profiles: stage.global.profile.clone(),
            watch: false,
            build: true,
            root: root_hash(&stage.context.stack.root),
            run: Some(stage.label.clone()),
            first_generation: first_generation(),
            ..Options::default()
        },
        parallel: stage.global.parallel,
        shared: Some(shared_name(&stage.context.stack.name)),
        listener: None,
    });
    let mut run = Run::new(stage);
    let end = run.until_over(&running, feed, told, hurry).await;
    let closing = async {
        if end.as_ref().is_ok_and(|end| end.code != 0) {
            run.last_words().await;
        }
        run.attempts.abort_all();
        running.end(false).await;
        running.ended().await;
    };
    tokio::select! {
        () = closing => {}
        () = hurry.second() => return Ok(None),
    }
    Ok(Some(Ran {
        end: end?,
        took: run.began.elapsed(),
        pass: run.pass,
        collected: run.collected,
    }))
}

impl Run<'_> {
    fn new<'a>(stage: &'a Stage<'a>) -> Run<'a> {
        let stack = &stage.context.stack;
        let options = stage.options;
        let chosen = wanted(stack, &options.services, &stage.global.profile);
        let setup = Setup {
            settle: options.settle,
            until: options.until.clone(),
            fail_fast: options.fail_fast,
            restarts_allowed: options.restarts_allowed,
            timeout: options.timeout,
            jobs: options.jobs,
        };
        Run {
            stage,
            began: Instant::now(),
            pass: Pass::new(stack, |service| chosen.contains(&service.name), setup),
            attempts: JoinSet::new(),
            tails: BTreeMap::new(),
            asking: Arc::new(Asking {
                engine: stage.engine.clone(),
                stack: stack.clone(),
                run: stage.label.clone(),
                parallel: stage.global.parallel,
            }),
            collected: Vec::new(),
            confirm: false,
        }
    }

    async fn until_over(
        &mut self,
        running: &Running,
        mut feed: Feed,
        told: &mut Told,
        hurry: &mut Hurry,
    ) -> Result<End, Trouble> {
        let mut heart = interval_at(self.began + HEARTBEAT, HEARTBEAT);
        let mut listening = true;
        told.group(Some("start"))?;
        loop {
            self.look(running).await;
            if let Some(end) = self.advance(told)? {
                told.group(None)?;
                return Ok(end);
            }
            if std::mem::take(&mut self.confirm) {
                tokio::select! {
                    all_run = self.all_run() => self.pass.confirm(all_run, self.began.elapsed()),
                    () = hurry.first() => self.pass.stop(Stop::Interrupted),
                }
                continue;
            }
            tokio::select! {
                stamped = feed.recv(), if listening => match stamped {
                    Some(stamped) => {
                        self.hear(&stamped, told)?;
                        while let Ok(stamped) = feed.try_recv() {
                            self.hear(&stamped, told)?;
                        }
                    }
                    None => {
                        listening = false;
                        self.pass.stop(Stop::EngineGone);
                    }
                },
                Some(done) = self.attempts.join_next() => if let Ok((place, attempt, asked)) = done {
                    self.attempted(place, attempt, asked, told)?;
                },
                () = tokio::time::sleep_until(self.began + self.pass.deadline()) => {}
                () = hurry.first() => self.pass.stop(Stop::Interrupted),
                _ = heart.tick() => told.heartbeat(&self.pass.waits_for(self.began.elapsed()))?,
            }
        }
    }

    /// Whether the engine says that every service runs; where it does not answer, the session knows.
    async fn all_run(&self) -> bool {
        let stack = &self.stage.context.stack;
        let Ok(containers) = self.stage.engine.snapshot(&stack.name).await else {
            return true;
        };
        let services = self.pass.services.iter();
        let mut servers = services.filter(|it| !it.task && it.standing == Standing::Ready);
        servers.all(|service| {
            let found = containers.iter().find(|it| it.service() == service.name);
            found.is_some_and(|it| it.state == ContainerState::Running)
        })
    }

    fn hear(&mut self, stamped: &Stamped, told: &mut Told) -> Result<(), Trouble> {
        told.session(stamped)?;
        self.pass.hear(&stamped.notice, self.began.elapsed());
        Ok(())
    }

    /// What notices do not tell: how often a process was started again, the last answer of a probe.
    async fn look(&mut self, running: &Running) {
        let Some(status) = running.status().await else {
            return;
        };
        for service in status.services {
            let look = Look {
                state: service.state,
                reason: service.reason,
                details: service.details,
                restarts: service.restarts,
                code: service.exit_code,
            };
            self.pass.look(&service.name, look);
        }
    }

    fn advance(&mut self, told: &mut Told) -> Result<Option<End>, Trouble> {
        let skipped = |pass: &Pass| {
            let found = pass.checks.iter().enumerate();
            let found = found.filter(|(_, it)| it.standing == Checked::Skipped);
            found.map(|(place, _)| place).collect::<Vec<_>>()
        };
        let before = skipped(&self.pass);
        let todo = self.pass.advance(self.began.elapsed());
        let mut over = None;
        for one in todo {
            match one {
                Do::Check { place, attempt } => self.begin(place, attempt),
                Do::Checks => {
                    told.group(Some("checks"))?;
                    told.text("the checks begin")?;
                }
                Do::Settled => {
                    let settle =
                        crate::report::seconds(self.stage.options.settle.as_secs_f64() * 1000.0);
                    told.text(&format!("all still ready {settle} later"))?;
                }
                Do::Restarted { service, restarts } => {
                    let allowed = self.stage.options.restarts_allowed;
                    let message = format!(
                        "its process ended and the engine started it again ({restarts} of {allowed} restarts allowed)"
                    );
                    told.warn(Some(&service), message)?;
                }
                Do::Confirm => self.confirm = true,
                Do::End(end) => over = Some(end),
            }
        }
        for place in skipped(&self.pass) {
            if !before.contains(&place) {
                let why = self.pass.checks.get(place);
                let why = why.and_then(|it| it.skipped.clone()).into_iter().collect();
                self.tell_check(place, "skipped", why, told)?;
            }
        }
        Ok(over)
    }

    fn begin(&mut self, place: usize, attempt: u32) {
        let Some(check) = self.pass.checks.get(place).map(|it| it.check.clone()) else {
            return;
        };
        let (tail, began, asking) = (Tail::default(), self.began, self.asking.clone());
        self.tails.insert(place, (tail.clone(), began.elapsed()));
        self.attempts.spawn(async move {
            if attempt > 1 {
                tokio::time::sleep_until(Instant::now() + AGAIN).await;
            }
            let from = began.elapsed();
            let asked = asking.attempt(&check, &tail).await;
            let attempt = Attempt {
                from,
                to: began.elapsed(),
                why: asked.why.clone(),
                output: crate::report::mask::printed(&tail.text()).into_owned(),
            };
            (place, attempt, asked)
        });
    }

    fn attempted(
        &mut self,
        place: usize,
        attempt: Attempt,
        asked: Asked,
        told: &mut Told,
    ) -> Result<(), Trouble> {
        self.tails.remove(&place);
        for warning in asked.warnings {
            told.warn(None, warning)?;
        }
        let details = match attempt.why.is_empty() {
            true => Vec::new(),
            false => attempt.told(),
        };
        self.pass.attempted(place, attempt);
        let Some(run) = self.pass.checks.get(place) else {
            return Ok(());
        };
        let collected = asked.collected.into_iter().map(|one| Collected {
            check: run.check.name.clone(),
            ..one
        });
        match run.standing {
            Checked::Pending => {
                let (name, retries) = (&run.check.name, run.check.retries);
                let mut message = format!(
                    "check {name}: attempt {} of {} failed",
                    run.attempts.len(),
                    retries + 1
                );
                for line in &details {
                    message.push('\n');
                    message.push_str(line);
                }
                told.warn(None, message)
            }
            Checked::Passed => {
                self.collected.extend(collected);
                self.tell_check(place, "ok", details, told)
            }
            _ => {
                self.collected.extend(collected);
                self.tell_check(place, "failed", details, told)
            }
        }
    }

    fn tell_check(
        &self,
        place: usize,
        outcome: &str,
        details: Vec<String>,
        told: &mut Told,
    ) -> Result<(), Trouble> {
        let Some(run) = self.pass.checks.get(place) else {
            return Ok(());
        };
        let took: Duration = run
            .attempts
            .iter()
            .map(|it| it.to.saturating_sub(it.from))
            .sum();
        let event = NoticeEvent::CheckDone {
            check: run.check.name.clone(),
            outcome: outcome.to_owned(),
            attempts: run.attempts.len().max(1),
            at: run.check.at.to_string(),
            details,
        };
        told.own(event, None, Some((took.as_secs_f64() * 1000.0).round()))
    }

    /// What was printed by whatever had no end yet.
    async fn last_words(&mut self) {
        let now = self.began.elapsed();
        for (place, (tail, from)) in std::mem::take(&mut self.tails) {
            let attempt = Attempt {
                from,
                to: now,
                why: vec!["cut off when the run ended".to_owned()],
                output: crate::report::mask::printed(&tail.text()).into_owned(),
            };
            self.pass.cut_off(place, attempt);
        }
        let stack = &self.stage.context.stack;
        let reading = async {
            for container in self
                .stage
                .engine
                .snapshot(&stack.name)
                .await
                .unwrap_or_default()
            {
                let name = container.service().to_owned();
                let waits = self.pass.services.iter().find(|it| it.name == name);
                let Some(service) =
                    waits.filter(|it| !it.standing.is_fine() && it.details.is_empty())
                else {
                    continue;
                };
                let options = LogOptions {
                    follow: false,
                    tail: Some(LINES),
                    since: None,
                };
                let mut lines = self.stage.engine.logs(&container.id, options);
                let mut look = Look {
                    state: service.state.clone(),
                    ..Look::default()
                };
                while let Some(Ok(line)) = lines.next().await {
                    look.details.push(line.text);
                }
                self.pass.look(&name, look);
            }
        };
        // What is gone answers nothing.
        let _ = tokio::time::timeout(Duration::from_secs(5), reading).await;
    }
}
