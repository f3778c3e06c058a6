//! Requests through the proxy while what is behind it is restarted, replaced, rolled, and falls: how
//! long they wait, and whether one is lost or doubled; `docker compose watch` beside it, and nginx
//! with the same routes written by hand where nothing changes.

mod load;
mod open;
mod stack;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::figures::{Figures, Times, milliseconds};
use super::ground::{Ground, Programs};
use super::http::answers;
use super::{Error, pause};
use crate::run::{self, say};
use crate::{Failure, debian};
use load::{CONNECTIONS, Came, Load};
use open::Open;
use stack::{ByHand, Declared, PORTS, Side};

/// Before and after what is looked at, so that it is under load all the while.
const AROUND: Duration = Duration::from_millis(1500);
/// Of each proxy in turn, where nothing changes.
const STEADY: Duration = Duration::from_secs(4);
/// One that falls again sooner is taken for one that falls at each start.
const BETWEEN_FALLS: Duration = Duration::from_secs(12);

/// How often things happen.
#[derive(Debug, Clone, Copy)]
struct Counts {
    restarts: usize,
    replacements: usize,
    rolls: usize,
    routes: usize,
    falls: usize,
    steady: usize,
}

const WHOLE: Counts = Counts {
    restarts: 20,
    replacements: 5,
    rolls: 5,
    routes: 20,
    falls: 20,
    steady: 5,
};
const QUICK: Counts = Counts {
    restarts: 3,
    replacements: 2,
    rolls: 1,
    routes: 3,
    falls: 1,
    steady: 2,
};

/// Loads so far, each with numbers of its own.
struct Bench {
    folder: PathBuf,
    loads: usize,
    figures: Figures,
    /// Of requests that nobody may lose.
    failed: f64,
    answered: Vec<String>,
}

pub(super) fn run(devrun: &Path, compose: &Path, quick: bool) -> Result<Figures, Failure> {
    generator()?;
    let programs = Programs {
        devrun: devrun.to_owned(),
        compose: compose.to_owned(),
    };
    let ground = Ground::new("proxy")?;
    let counts = if quick { QUICK } else { WHOLE };
    let mut bench = Bench {
        folder: ground.path().to_owned(),
        loads: 0,
        figures: Figures::default(),
        failed: 0.0,
        answered: Vec::new(),
    };
    let table = [
        "what happens",
        "requests",
        "failed",
        "cut off",
        "p99",
        "longest wait",
    ];
    bench.figures.table(&table);
    {
        let mut ours = Side::devrun(&programs, &ground)?;
        bench.changes(&mut ours, counts)?;
        bench.steady(&ours, counts)?;
    }
    let mut theirs = Side::compose(&programs, &ground)?;
    bench.peer(&mut theirs, counts)?;
    Ok(bench.figures)
}

/// A real one: `wrk` of Debian.
fn generator() -> Result<(), Failure> {
    match run::which("wrk") {
        Some(_) => Ok(()),
        None if debian::can_install() => Ok(debian::install(&["wrk"])?),
        None => Err(super::side("wrk", "not installed: it sends the requests").into()),
    }
}

impl Bench {
    fn changes(&mut self, ours: &mut Side, counts: Counts) -> Result<(), Error> {
        let mut open = Open::to(ours.port)?;
        let start = ours.own_start()?;
        say(&format!("  own start: {}", milliseconds(start)));
        let restarts = self.under_load(ours, "restarted by a save", |ours| {
            (0..counts.restarts).try_for_each(|round| ours.restart(&format!("word {round}")))
        })?;
        open.goes_on("restarted")?;
        let replacements = self.under_load(ours, "rebuilt and replaced", |ours| {
            (0..counts.replacements).try_for_each(|round| ours.rebuild(&format!("image {round}")))
        })?;
        open.goes_on("replaced")?;
        let mut routes = Vec::new();
        self.under_load(ours, "a route edited", |ours| {
            for round in 0..counts.routes {
                routes.push(edited(ours, round)?);
            }
            Ok(())
        })?;
        open.goes_on("routed")?;
        ours.declare(&Declared {
            rolls: true,
            route: None,
        })?;
        ours.rebuild("rolls")?;
        let rolls = self.under_load(ours, "rolled", |ours| {
            (0..counts.rolls).try_for_each(|round| ours.rebuild(&format!("roll {round}")))
        })?;
        self.under_load(ours, "rolled, and never ready", Side::rebuild_in_vain)?;
        ours.rebuild("mended")?;
        open.goes_on("rolled")?;
        self.compare(ours)?;
        self.falls(ours, counts)?;
        open.goes_on("fallen")?;
        let routes = Times::of(&routes);
        let figures = &mut self.figures;
        figures.at_most("proxy.failed", self.failed, 0.0);
        let over = |came: &Came| (came.most - start) / 1000.0;
        figures.at_most("proxy.restart.over_start_s", over(&restarts), 0.3);
        figures.at_most("proxy.replace.over_start_s", over(&replacements), 0.7);
        figures.at_most("proxy.roll.longest_s", rolls.most / 1000.0, 0.1);
        figures.at_most("proxy.route.ms", routes.median(), 150.0);
        figures.at_most("proxy.route.most_ms", routes.most(), 150.0);
        Ok(())
    }

    /// Falls that nobody has announced: only what is inside may fail.
    fn falls(&mut self, ours: &mut Side, counts: Counts) -> Result<(), Error> {
        let so_far = self.failed;
        let came = self.under_load(ours, "fallen by itself", |ours| {
            for round in 0..counts.falls {
                if round > 0 {
                    pause(BETWEEN_FALLS);
                }
                ours.crash()?;
            }
            Ok(())
        })?;
        self.failed = so_far;
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let inside = (counts.falls * CONNECTIONS) as f64;
        self.figures
            .at_most("proxy.fall.failed", came.failed + came.broken, inside);
        Ok(())
    }

    /// Requests all the while.
    fn under_load(
        &mut self,
        side: &mut Side,
        name: &str,
        work: impl FnOnce(&mut Side) -> Result<(), Error>,
    ) -> Result<Came, Error> {
        self.loads += 1;
        let load = Load::begin(side.port, &self.folder, self.loads)?;
        pause(AROUND);
        work(side)?;
        pause(AROUND);
        let mut came = load.end()?;
        self.row(name, &came);
        self.failed += came.failed + came.broken;
        self.answered.append(&mut came.answered);
        Ok(came)
    }

    fn row(&mut self, name: &str, came: &Came) {
        let (p99, most) = (milliseconds(came.p99), milliseconds(came.most));
        let [requests, failed, broken] =
            [came.requests, came.failed, came.broken].map(|count| count.to_string());
        say(&format!(
            "  {name:<32} {requests:>7} requests, {failed} failed, {broken} cut off, p99 {p99}, longest {most}"
        ));
        self.figures
            .cells(&[name, &requests, &failed, &broken, &p99, &most]);
    }

    /// What was answered was recorded, and nothing twice.
    fn compare(&mut self, ours: &Side) -> Result<(), Error> {
        let recorded = ours.recorded()?;
        let lost = self.answered.iter();
        let lost = lost
            .filter(|number| !recorded.contains_key(*number))
            .count();
        let doubled = recorded.values().filter(|count| **count > 1).count();
        say(&format!(
            "  {} answered, {} recorded; {lost} lost, {doubled} doubled",
            self.answered.len(),
            recorded.len()
        ));
        #[expect(clippy::cast_precision_loss, reason = "none is what is wanted")]
        let (lost, doubled) = (lost as f64, doubled as f64);
        self.figures.at_most("proxy.lost", lost, 0.0);
        self.figures.at_most("proxy.doubled", doubled, 0.0);
        Ok(())
    }

    /// Beside nginx whose routes are written by hand, in turns.
    fn steady(&mut self, ours: &Side, counts: Counts) -> Result<(), Error> {
        let variables = ByHand::start(ours, "variables", PORTS[2])?;
        let keepalive = ByHand::start(ours, "keepalive", PORTS[3])?;
        let all = [
            ("nothing changes: devrun", ours.port),
            ("nothing changes: by hand, variables", variables.port),
            ("nothing changes: by hand, keepalive", keepalive.port),
        ];
        let mut p99 = [Vec::new(), Vec::new(), Vec::new()];
        for round in 0..counts.steady {
            for turn in 0..all.len() {
                let index = (round + turn) % all.len();
                self.loads += 1;
                let load = Load::begin(all[index].1, &self.folder, self.loads)?;
                pause(STEADY);
                let came = load.end()?;
                self.row(all[index].0, &came);
                p99[index].push(came.p99);
            }
        }
        let [own, variables, keepalive] = p99.map(|times| Times::of(&times).median());
        self.figures
            .at_most("proxy.p99.variables_ratio", own / variables, 1.1);
        self.figures
            .at_most("proxy.p99.keepalive_ratio", own / keepalive, 1.25);
        Ok(())
    }

    /// What Compose does in the same places.
    fn peer(&mut self, theirs: &mut Side, counts: Counts) -> Result<(), Error> {
        let rounds = counts.replacements;
        self.under_load(theirs, "Compose: sync and restart", |theirs| {
            (0..rounds).try_for_each(|round| theirs.restart(&format!("word {round}")))
        })?;
        self.under_load(theirs, "Compose: rebuild", |theirs| {
            (0..rounds).try_for_each(|round| theirs.rebuild(&format!("image {round}")))
        })?;
        Ok(())
    }
}

/// Milliseconds until a new route leads where it says.
fn edited(ours: &mut Side, round: usize) -> Result<f64, Error> {
    let begin = Instant::now();
    ours.declare(&Declared {
        rolls: false,
        route: Some(format!("\"/more-{round}/*\"")),
    })?;
    answers(ours.port, &format!("/more-{round}/word"), None)?;
    let took = begin.elapsed().as_secs_f64() * 1000.0;
    pause(AROUND);
    Ok(took)
}
