//! One file of 1 KB is saved: how long until a reader in the container has it.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::super::figures::{Figures, Times, milliseconds};
use super::super::ground::file;
use super::super::{Error, pause};
use super::pair::{Both, Pair, Plan, Side};
use super::tree;
use crate::run::say;

/// Saves in a round: 500 in five; Compose needs half a second for each.
const OURS: usize = 100;
const THEIRS: usize = 4;
/// Between two saves, so that each is alone.
const OUR_GAP: Duration = Duration::from_millis(30);
const THEIR_GAP: Duration = Duration::from_millis(300);

/// The idle container.
pub(super) fn idle(pair: &mut Pair, rounds: usize, figures: &mut Figures) -> Result<(), Error> {
    let both = measured(pair, rounds)?;
    told(
        figures,
        "one 1 KB save until visible, p50 / p99",
        "save",
        &both,
        [3.0, 15.0],
    );
    Ok(())
}

/// One that has half a processor, and would use two.
pub(super) const BUSY: Plan<'_> = Plan {
    name: "busy",
    image: super::IMAGE,
    command: &["sh", "-c", "while :; do :; done"],
    folders: &[("data", false)],
    cpus: Some("0.5"),
    ports: None,
};

/// The busy container.
pub(super) fn busy(pair: &mut Pair, rounds: usize, figures: &mut Figures) -> Result<(), Error> {
    let both = measured(pair, rounds)?;
    let work = "the same in a busy container limited to 0.5 CPU, p50 / p99";
    told(figures, work, "busy", &both, [3.0, 80.0]);
    Ok(())
}

fn measured(pair: &mut Pair, rounds: usize) -> Result<Both, Error> {
    for side in [&mut pair.ours, &mut pair.theirs] {
        warm_up(side)?;
    }
    pair.rounds(rounds, |side, round| {
        let (count, gap) = if side.is_devrun() {
            (OURS, OUR_GAP)
        } else {
            (THEIRS, THEIR_GAP)
        };
        saves(side, round * count, count, gap)
    })
}

/// A watcher's first save is not like the others.
pub(super) fn warm_up(side: &mut Side) -> Result<(), Error> {
    saves(side, 9_000, 2, THEIR_GAP).map(drop)
}

/// So many saves of different files; milliseconds of each.
pub(super) fn saves(
    side: &mut Side,
    from: usize,
    count: usize,
    gap: Duration,
) -> Result<Vec<f64>, Error> {
    let mut times = Vec::new();
    for number in from..from + count {
        let saved = save(side, number)?;
        times.push(side.inside.shows(&saved.path, &saved.content, saved.at)?);
        pause(gap);
    }
    Ok(times)
}

/// A file that was just saved.
pub(super) struct Saved {
    pub(super) path: PathBuf,
    pub(super) content: Vec<u8>,
    pub(super) at: Instant,
}

/// Truncates and writes, as editors do that write in place.
pub(super) fn save(side: &Side, number: usize) -> Result<Saved, Error> {
    let path = tree::data_file(number);
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    let tag = format!("{number} {}", since.unwrap_or_default().as_nanos());
    let content = tree::kilobyte(&tag);
    let absolute = side.tree.join(&path);
    fs::write(&absolute, &content).map_err(|error| file(&absolute, error))?;
    let at = Instant::now();
    Ok(Saved { path, content, at })
}

fn told(figures: &mut Figures, work: &str, name: &str, both: &Both, wanted: [f64; 2]) {
    let [ours, theirs] = [&both.ours, &both.theirs].map(|times| Times::of(times));
    let [text, peer] = [&ours, &theirs].map(|times| {
        let [half, most] = [50, 99].map(|share| milliseconds(times.percentile(share)));
        format!("{half} / {most} ({} saves)", times.count())
    });
    say(&format!("  {work}: {text}; Compose {peer}"));
    let most = format!("{} ms / {} ms", wanted[0], wanted[1]);
    figures.cells(&[work, &text, &peer, &most]);
    figures.at_most(
        &format!("sync.{name}.p50_ms"),
        ours.percentile(50),
        wanted[0],
    );
    figures.at_most(
        &format!("sync.{name}.p99_ms"),
        ours.percentile(99),
        wanted[1],
    );
}
