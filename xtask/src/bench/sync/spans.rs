//! Where the milliseconds of a lone save go, as devrun's own log tells it.

use std::time::{Duration, Instant};

use super::super::figures::{Figures, Times, milliseconds};
use super::super::ground::{Ground, Programs};
use super::super::{Error, pause, side as failure};
use super::inside::milliseconds_since;
use super::pair::{Plan, Side, tools};
use super::{save, tree};
use crate::run::say;

/// The level at which a session tells of the stations of a save.
const LOG: &str = "devrun=debug";
/// Saves that are looked at.
const SAVES: usize = 100;
/// Between two, so that each is alone.
const GAP: Duration = Duration::from_millis(100);

/// A station of a save, in their order.
struct Station {
    /// What its line says.
    word: &'static str,
    what: &'static str,
}

const STATIONS: [Station; 5] = [
    Station {
        word: "save.seen",
        what: "event: from the writer's close until devrun has heard of it",
    },
    Station {
        word: "save.decided",
        what: "decide: which services it is for, and what follows",
    },
    Station {
        word: "save.read",
        what: "read: the file's content and its hash",
    },
    Station {
        word: "save.sent",
        what: "frame: encoded and queued for the agent",
    },
    Station {
        word: "save.acknowledged",
        what: "write and acknowledge: through the engine to the agent, beside, renamed, answered",
    },
];

/// A session that tells of what it does, which takes time as well: not the one that is compared.
pub(super) fn run(
    programs: &Programs,
    ground: &Ground,
    plan: Plan<'_>,
    figures: &mut Figures,
) -> Result<(), Error> {
    let [tool, _] = tools(programs, ground, plan)?;
    let path = ground.path().join("devrun").join("tree");
    tree::twenty_thousand(&path)?;
    let side = &mut Side::devrun(tool, path, Some(LOG))?;
    save::warm_up(side)?;
    let mut stations: [Vec<f64>; STATIONS.len()] = Default::default();
    let (mut visible, mut between) = (Vec::new(), Vec::new());
    for number in 0..SAVES {
        let one = one(side, number)?;
        for (times, time) in stations.iter_mut().zip(one.stations) {
            times.push(time);
        }
        visible.push(one.visible);
        between.push(one.acknowledged - one.stations.iter().sum::<f64>());
    }
    figures.table(&["where the time of a lone save goes", "p50", "p99"]);
    for (station, times) in STATIONS.iter().zip(&stations) {
        row(figures, station.what, times);
    }
    row(
        figures,
        "on the way between these: tasks and channels",
        &between,
    );
    row(
        figures,
        "visible in the container, while all that is told",
        &visible,
    );
    Ok(())
}

fn row(figures: &mut Figures, what: &str, times: &[f64]) {
    let times = Times::of(times);
    let [half, most] = [50, 99].map(|share| milliseconds(times.percentile(share)));
    say(&format!("  {what}: {half} / {most}"));
    figures.cells(&[what, &half, &most]);
}

struct One {
    stations: [f64; STATIONS.len()],
    /// From the save on.
    acknowledged: f64,
    visible: f64,
}

fn one(side: &mut Side, number: usize) -> Result<One, Error> {
    let before = side.watching.count();
    let saved = save::save(side, number)?;
    let visible = side.inside.shows(&saved.path, &saved.content, saved.at)?;
    let [first, .., last] = STATIONS;
    let (acknowledged, _) = side.watching.says(before, &[last.word], GAP * 10)?;
    let (seen, _) = side.watching.says(before, &[first.word], GAP)?;
    let mut stations = [0.0; STATIONS.len()];
    for (time, station) in stations.iter_mut().zip(&STATIONS) {
        let (_, line) = side.watching.says(before, &[station.word], GAP)?;
        *time = told(&line).ok_or_else(|| failure("devrun", &format!("no time in: {line}")))?;
    }
    // The first one is ours to say: devrun does not know when the writer was done.
    stations[0] = between(saved.at, seen);
    let acknowledged = between(saved.at, acknowledged);
    let rest = GAP.as_secs_f64() * 1000.0 - milliseconds_since(saved.at);
    pause(Duration::from_secs_f64(rest.max(0.0) / 1000.0));
    Ok(One {
        stations,
        acknowledged,
        visible,
    })
}

/// The writer may be told of its own close after devrun was.
fn between(saved: Instant, told: Instant) -> f64 {
    told.saturating_duration_since(saved).as_secs_f64() * 1000.0
}

/// The microseconds that a line names, as milliseconds.
fn told(line: &str) -> Option<f64> {
    let micros = line.split(' ').find_map(|word| word.strip_prefix("us="))?;
    Some(micros.parse::<f64>().ok()? / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn a_line_names_its_time() {
        let line =
            "2026-01-31T12:01:06.101234Z DEBUG devrun::watch::run: save.seen count=1 bytes=0 us=87";
        assert_eq!(told(line), Some(0.087));
        assert_eq!(told("save.seen count=1"), None);
    }
}
