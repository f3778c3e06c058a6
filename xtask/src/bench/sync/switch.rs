//! `git switch` between two branches that are 3,000 files apart, in a folder whose changes restart.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::super::figures::Figures;
use super::super::{Error, PATIENCE, docker, pause, side as failure};
use super::pair::{Pair, Side};
use super::seconds;
use super::tree::{self, Branch};
use crate::run::say;

/// A second restart, where there is one, has come by then.
const CALM: Duration = Duration::from_secs(3);

pub(super) fn run(pair: &mut Pair, rounds: usize, figures: &mut Figures) -> Result<(), Error> {
    let (mut batches, mut restarts) = (0, [0, 0]);
    let times = pair.rounds(rounds, |side, round| {
        let branch = if round % 2 == 0 {
            Branch::Second
        } else {
            Branch::First
        };
        let one = switch(side, branch)?;
        let which = usize::from(!side.is_devrun());
        restarts[which] = one.restarts.max(restarts[which]);
        batches = one.batches.max(batches);
        Ok(vec![one.took])
    })?;
    let work =
        "`git switch`, 3,000 files apart, after git ends until all are whole and it runs again";
    seconds(figures, work, "switch", &times, 1.0);
    say(&format!(
        "  at most {batches} batches and {} restarts; Compose {} restarts",
        restarts[0], restarts[1]
    ));
    figures.cells(&[
        "that, batches and restarts (the most of a switch)",
        &format!("{batches} and {}", restarts[0]),
        &format!("? and {}", restarts[1]),
        "1 and 1",
    ]);
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    for (name, value) in [("batches", batches), ("restarts", restarts[0])] {
        figures.at_most(&format!("sync.switch.{name}"), value as f64, 1.0);
    }
    Ok(())
}

struct Switched {
    /// Until all are whole and the container runs again, milliseconds.
    took: f64,
    /// That devrun told of; Compose does not tell.
    batches: usize,
    restarts: usize,
}

fn switch(side: &mut Side, branch: Branch) -> Result<Switched, Error> {
    let before = side.watching.count();
    let began = now();
    tree::git(&side.tree, &["switch", "--quiet", branch.name()])?;
    let (ended, at) = (now(), Instant::now());
    let whole = side.inside.agrees(&tree::code(branch), at)?;
    while starts(side, began)?.is_empty() {
        if at.elapsed() > PATIENCE {
            return Err(failure(side.tool.name(), "nothing was restarted"));
        }
        pause(Duration::from_millis(20));
    }
    pause(CALM);
    let starts = starts(side, began)?;
    let last = starts.last().copied().unwrap_or(f64::NAN);
    let batches = side
        .watching
        .lines(before, &["\"event\":\"files-changed\""])
        .len();
    side.inside.look_again()?;
    Ok(Switched {
        took: whole.max((last - ended) * 1000.0),
        batches,
        restarts: starts.len(),
    })
}

/// When the engine started the container since then, in seconds of the clock.
fn starts(side: &Side, since: f64) -> Result<Vec<f64>, Error> {
    let container = format!("container={}", side.container());
    let (since, until) = (format!("{since:.6}"), format!("{:.6}", now()));
    let said = docker(&[
        "events",
        "--since",
        &since,
        "--until",
        &until,
        "--filter",
        &container,
        "--filter",
        "event=start",
        "--format",
        "{{.TimeNano}}",
    ])?;
    let time = |line: &str| line.trim().parse::<f64>().map(|nanos| nanos / 1e9);
    said.lines()
        .map(time)
        .collect::<Result<_, _>>()
        .map_err(|error| failure("docker events", &error.to_string()))
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}
