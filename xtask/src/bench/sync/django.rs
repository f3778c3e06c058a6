//! A view of Django is saved: how long until the answer is the new one, after a restart.

use std::process::Command;
use std::time::{Duration, Instant};

use super::super::figures::{Figures, Times, milliseconds};
use super::super::ground::{Ground, Programs, write};
use super::super::http::answers;
use super::super::{Error, docker, pause, side as failure};
use super::inside::milliseconds_since;
use super::pair::{Pair, Plan, Side};
use super::{image, told};
use crate::run::{self, say};

const IMAGE: &str = "devrun-bench-django";
const PORTS: [u16; 3] = [18988, 18989, 8000];
const PLAN: Plan<'_> = Plan {
    name: "django",
    image: IMAGE,
    command: &[
        "python",
        "site_main.py",
        "runserver",
        "--noreload",
        "0.0.0.0:8000",
    ],
    folders: &[("site", true)],
    cpus: None,
    ports: Some(PORTS),
};
/// The container that is restarted by hand.
const LIMIT: &str = "devrun-bench-sync-limit";
const LIMIT_PORT: u16 = 18990;
/// Saves in a round.
const SAVES: usize = 2;
/// Until what follows a save has ended, for the one and the other.
const GAP: Duration = Duration::from_secs(2);

pub(super) fn run(programs: &Programs, rounds: usize, figures: &mut Figures) -> Result<(), Error> {
    image::derived(programs, "backend", "django", IMAGE)?;
    let ground = Ground::new(PLAN.name)?;
    let mut pair = Pair::start(programs, &ground, PLAN, |tree| {
        let from = run::root().join("benches/sync/django/site");
        let mut copy = Command::new("cp");
        run::quiet("copy", copy.arg("-r").arg(from).arg(tree))
            .map_err(|error| failure("cp", &error.to_string()))
    })?;
    let limit = ByHand::start()?;
    for side in [&pair.ours, &pair.theirs] {
        save(side, "warm")?;
    }
    let mut limits = Vec::new();
    let both = pair.rounds(rounds, |side, round| {
        // As often as each side, and in the middle of both.
        for _ in 0..SAVES * usize::from(!side.is_devrun()) {
            limits.push(limit.restart()?);
        }
        let saves = 0..SAVES;
        saves
            .map(|number| save(side, &format!("{round}-{number}")))
            .collect()
    })?;
    let limit = Times::of(&limits);
    say(&format!(
        "  docker restart until it answers: {} ({})",
        milliseconds(limit.median()),
        limit.spread()
    ));
    let work = "a Django view saved until the new answer (sync and restart)";
    let (ours, theirs) = told(figures, work, &both, "0.5 of Compose, 1.2 of the limit");
    figures.cells(&[
        "the limit of that: `docker restart` until it answers",
        &format!("{} ({})", milliseconds(limit.median()), limit.spread()),
        "",
        "",
    ]);
    figures.at_most("sync.django.ratio", ours / theirs, 0.5);
    figures.at_most("sync.django.limit_ratio", ours / limit.median(), 1.2);
    Ok(())
}

/// Milliseconds until the answer is what was saved.
fn save(side: &Side, tag: &str) -> Result<f64, Error> {
    let path = side.tree.join("site/views.py");
    let port = PORTS[usize::from(!side.is_devrun())];
    answers(port, "/", None)?;
    write(&path, &format!("VALUE = {tag:?}\n"))?;
    let saved = Instant::now();
    answers(port, "/", Some(tag))?;
    let took = milliseconds_since(saved);
    pause(GAP);
    Ok(took)
}

/// A container of the same image that nobody watches; removed when dropped.
struct ByHand;

impl ByHand {
    fn start() -> Result<Self, Error> {
        let _ = docker(&["rm", "-f", LIMIT]);
        let started = Self;
        let port = format!("127.0.0.1:{LIMIT_PORT}:8000");
        let mut arguments = vec!["run", "--detach", "--init", "--name", LIMIT, "--publish"];
        arguments.extend([port.as_str(), IMAGE]);
        docker(&arguments)?;
        answers(LIMIT_PORT, "/", None)?;
        Ok(started)
    }

    /// Milliseconds until it answers again.
    fn restart(&self) -> Result<f64, Error> {
        let begin = Instant::now();
        docker(&["restart", LIMIT])?;
        answers(LIMIT_PORT, "/", None)?;
        Ok(milliseconds_since(begin))
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        // What is not there need not be removed.
        let _ = docker(&["rm", "-f", LIMIT]);
    }
}
