//! Starting, starting again, asking and ending: the five services of `benches/start`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::figures::Figures;
use super::{Error, limit, side};
use crate::{Failure, run};

const IMAGE: &str = "devrun-bench-fat";

/// Times of one kind of work, milliseconds.
#[derive(Debug, Default)]
struct Times {
    first: Vec<f64>,
    again: Vec<f64>,
    down: Vec<f64>,
}

/// Both sides, alternating.
pub(super) fn run(devrun: &Path, compose: &Path, rounds: usize) -> Result<Figures, Failure> {
    let folder = run::root().join("benches/start");
    run::step("the image of both sides", || {
        // The classic builder: this client may have no other, and both sides use the image alike.
        run::quiet(
            "bench-image",
            Command::new("docker")
                .env("DOCKER_BUILDKIT", "0")
                .args(["build", "--quiet", "--tag", IMAGE])
                .arg(&folder),
        )
    })?;
    let sides = Sides {
        devrun: devrun.to_owned(),
        compose: compose.to_owned(),
        folder,
    };
    sides.clear();
    let mut ours = Times::default();
    let (mut theirs, mut tuned, mut inits) = (Times::default(), Times::default(), Times::default());
    let (mut limits, mut status, mut check) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        run::say(&format!("  round {} of {rounds}", round + 1));
        // The order alternates, so that neither side always comes after the other.
        if round % 2 == 0 {
            sides.ours(&mut ours, &mut status, &mut check)?;
        }
        sides.theirs(&[], &mut theirs)?;
        sides.theirs(&[("INTERVAL", "500ms")], &mut tuned)?;
        sides.theirs(&[("INTERVAL", "500ms"), ("INIT", "true")], &mut inits)?;
        limits.push(limit::start()?);
        if round % 2 == 1 {
            sides.ours(&mut ours, &mut status, &mut check)?;
        }
    }
    Ok(figures(
        &ours,
        [&theirs, &tuned, &inits],
        &limits,
        &status,
        &check,
        devrun,
    ))
}

fn figures(
    ours: &Times,
    [theirs, tuned, inits]: [&Times; 3],
    limits: &[f64],
    status: &[f64],
    check: &[f64],
    devrun: &Path,
) -> Figures {
    let mut figures = Figures::default();
    figures.table(&["five services", "median", "spread"]);
    let mut row = |name: &str, times: &[f64]| figures.row(name, times);
    let first = row("devrun up -d, images present", &ours.first);
    let peer = row("compose up -d --wait, interval 5 s", &theirs.first);
    let by_hand = row("compose up -d --wait, interval 500 ms", &tuned.first);
    let limit = row("limit: the engine's client, asked every 10 ms", limits);
    let again = row("devrun up -d, nothing to do", &ours.again);
    let peer_again = row("compose up -d --wait, nothing to do", &theirs.again);
    let down = row("devrun down", &ours.down);
    let peer_down = row("compose down", &theirs.down);
    let init_down = row("compose down, init everywhere", &inits.down);
    let status = row("devrun status", status);
    let check = row("devrun check", check);
    figures.at_most("start.first.ratio", first / peer, 0.25);
    figures.at_most("start.first.tuned_ratio", first / by_hand, 0.6);
    figures.at_most("start.first.limit_ratio", first / limit, 1.15);
    figures.at_most("start.again.ratio", again / peer_again, 0.2);
    figures.at_most("start.again.ms", again, 400.0);
    figures.at_most("start.down.ratio", down / peer_down, 0.25);
    figures.at_most("start.down.init_ratio", down / init_down, 1.0);
    figures.at_most("start.status.ms", status, 60.0);
    figures.at_most("start.check.ms", check, 50.0);
    let size = std::fs::metadata(devrun).map_or(0, |metadata| metadata.len());
    #[expect(clippy::cast_precision_loss, reason = "a size for people")]
    figures.at_most("start.binary.mb", size as f64 / 1_000_000.0, 15.0);
    figures
}

struct Sides {
    devrun: PathBuf,
    compose: PathBuf,
    folder: PathBuf,
}

impl Sides {
    fn ours(
        &self,
        times: &mut Times,
        status: &mut Vec<f64>,
        check: &mut Vec<f64>,
    ) -> Result<(), Error> {
        times.first.push(self.devrun(&["up", "-d"])?);
        times.again.push(self.devrun(&["up", "-d"])?);
        status.push(self.devrun(&["status"])?);
        check.push(self.devrun(&["check"])?);
        times.down.push(self.devrun(&["down", "--volumes"])?);
        Ok(())
    }

    fn theirs(&self, environment: &[(&str, &str)], times: &mut Times) -> Result<(), Error> {
        times
            .first
            .push(self.compose(environment, &["up", "-d", "--wait"])?);
        times
            .again
            .push(self.compose(environment, &["up", "-d", "--wait"])?);
        times
            .down
            .push(self.compose(environment, &["down", "--volumes"])?);
        Ok(())
    }

    fn devrun(&self, arguments: &[&str]) -> Result<f64, Error> {
        timed(
            "devrun",
            Command::new(&self.devrun)
                .args(arguments)
                .current_dir(&self.folder),
        )
    }

    fn compose(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Result<f64, Error> {
        let mut command = Command::new(&self.compose);
        command
            .args(["-f", "compose.yml"])
            .args(arguments)
            .current_dir(&self.folder);
        command.envs(environment.iter().copied());
        timed("compose", &mut command)
    }

    /// What an interrupted run left.
    fn clear(&self) {
        let _ = self.devrun(&["down", "--volumes"]);
        let _ = self.compose(&[], &["down", "--volumes"]);
    }
}

/// Milliseconds until a program ends well.
pub(super) fn timed(name: &str, command: &mut Command) -> Result<f64, Error> {
    let began = Instant::now();
    let output = command
        .output()
        .map_err(|error| side(name, &error.to_string()))?;
    let took = began.elapsed().as_secs_f64() * 1000.0;
    if output.status.success() {
        return Ok(took);
    }
    let said = [output.stdout, output.stderr].concat();
    Err(side(name, &String::from_utf8_lossy(&said)))
}
