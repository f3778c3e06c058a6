//! A change that needs a new image until it answers, what needs nothing, and an edited route: devrun
//! beside `docker compose watch`, with the same Dockerfile and the same program.

mod stack;

use std::path::Path;
use std::time::{Duration, Instant};

use super::figures::{Figures, Times, milliseconds};
use super::ground::{Ground, Programs, write};
use super::http::{answers, answers_within};
use super::{Error, pause};
use crate::Failure;
use crate::run::say;
use stack::{PROXY, SERVICES, Side};

/// Saves of a kind in a round.
const SAVES: usize = 2;
/// Who asks while the engine makes the network of a container whose address another one had is
/// answered a second later by the kernel, for what it sent is lost; who does not wait so long asks
/// anew.
const IMPATIENT: Duration = Duration::from_millis(100);
/// Until what follows a save has ended, for the one and the other.
const GAP: Duration = Duration::from_secs(2);

/// Both sides, alternating.
pub(super) fn run(devrun: &Path, compose: &Path, rounds: usize) -> Result<Figures, Failure> {
    let programs = Programs {
        devrun: devrun.to_owned(),
        compose: compose.to_owned(),
    };
    let ground = Ground::new("update")?;
    let mut ours = Side::devrun(&programs, &ground)?;
    let theirs = Side::compose(&programs, &ground)?;
    for side in [&ours, &theirs] {
        side.save_all("warm")?;
        pause(GAP);
    }
    let (mut one, mut one_peer) = (Singles::default(), Singles::default());
    let (mut all, mut all_peer) = (Vec::new(), Vec::new());
    let mut slowest = Vec::new();
    let mut nothing = Nothing::default();
    let mut routes = Vec::new();
    for round in 0..rounds {
        say(&format!("  round {} of {rounds}", round + 1));
        if round % 2 == 1 {
            one_peer.measure(&theirs, round)?;
            all_peer.push(together(&theirs, round)?.0);
        }
        one.measure(&ours, round)?;
        let said = ours.said();
        let (took, answered) = together(&ours, round)?;
        all.push(took);
        slowest.push(longest(&ours.begun(said)?, &answered));
        nothing.measure(&mut ours)?;
        routes.push(route(&ours, round)?);
        if round % 2 == 0 {
            one_peer.measure(&theirs, round)?;
            all_peer.push(together(&theirs, round)?.0);
        }
    }
    Ok(figures(
        [&one, &one_peer],
        [&all, &slowest, &all_peer],
        &nothing,
        &routes,
    ))
}

fn figures(
    [one, one_peer]: [&Singles; 2],
    [all, slowest, all_peer]: [&[f64]; 3],
    nothing: &Nothing,
    routes: &[f64],
) -> Figures {
    let mut figures = Figures::default();
    figures.table(&["work", "devrun", "Compose", "wanted"]);
    let mut row = |work: &str, times: &[f64], peer: Option<&[f64]>, wanted: &str| {
        let ours = Times::of(times);
        let text = format!("{} ({})", milliseconds(ours.median()), ours.spread());
        let peer = peer.map(Times::of);
        let their_text = peer.as_ref().map_or_else(String::new, |times| {
            format!("{} ({})", milliseconds(times.median()), times.spread())
        });
        say(&format!("  {work}: {text}; Compose {their_text}"));
        figures.cells(&[work, &text, &their_text, wanted]);
        (ours.median(), peer.map_or(f64::NAN, |times| times.median()))
    };
    let work =
        "one line of a service saved that its image is built of, until the new container answers";
    let (ours, theirs) = row(work, &one.all(), Some(&one_peer.all()), "0.4 of Compose");
    let work = "the same, asked anew where no answer came within 100 ms";
    let (anew, anew_peer) = row(work, &one.anew, Some(&one_peer.anew), "");
    let work = "three of them at once, until all answer";
    let (three, _) = row(work, all, Some(all_peer), "1.3 of the slowest");
    let work = "the slowest of these three, from the beginning of its build until it answers";
    let (slowest, _) = row(work, slowest, None, "");
    let work = "the same content saved, a file of a build: until it is known that nothing follows";
    let (build, _) = row(work, &nothing.build, None, "5 ms");
    let work = "the same content saved, a synced file: until it is known that nothing follows";
    let (sync, _) = row(work, &nothing.sync, None, "5 ms");
    let work = "a route added to the Stackfile, until the proxy answers by it";
    let (route, _) = row(work, routes, None, "150 ms");
    figures.at_most("update.rebuild.ratio", ours / theirs, 0.4);
    figures.at_most("update.rebuild.anew.ratio", anew / anew_peer, 0.4);
    figures.at_most("update.three.ratio", three / slowest, 1.3);
    figures.at_most("update.three.alone_ratio", three / one.slowest(), 1.3);
    figures.at_most("update.nothing.build_ms", build, 5.0);
    figures.at_most("update.nothing.sync_ms", sync, 5.0);
    figures.at_most("update.route.ms", route, 150.0);
    figures
}

/// Saves of one service alone.
#[derive(Debug, Default)]
struct Singles {
    by_service: [Vec<f64>; SERVICES.len()],
    /// Of all of them, by a client that asks anew.
    anew: Vec<f64>,
}

impl Singles {
    fn measure(&mut self, side: &Side, round: usize) -> Result<(), Error> {
        for index in 0..SERVICES.len() {
            for number in 0..SAVES {
                let tag = format!("alone-{round}-{number}");
                let begin = Instant::now();
                side.save(index, &tag)?;
                answers(side.port(index), "/v.txt", Some(&tag))?;
                self.by_service[index].push(milliseconds_since(begin));
                pause(GAP);
            }
            let tag = format!("anew-{round}");
            let begin = Instant::now();
            side.save(index, &tag)?;
            answers_within(IMPATIENT, side.port(index), "/v.txt", Some(&tag))?;
            self.anew.push(milliseconds_since(begin));
            pause(GAP);
        }
        Ok(())
    }

    fn all(&self) -> Vec<f64> {
        self.by_service.concat()
    }

    /// The median of the slowest of them.
    fn slowest(&self) -> f64 {
        let medians = self.by_service.iter();
        let medians = medians.map(|times| Times::of(times).median());
        medians.fold(f64::NAN, f64::max)
    }
}

/// Milliseconds until all three answer with what was saved in the same moment, and when each did.
fn together(side: &Side, round: usize) -> Result<(f64, Vec<Instant>), Error> {
    let tag = format!("together-{round}");
    let begin = Instant::now();
    let answered = side.save_all(&tag)?;
    let took = milliseconds_since(begin);
    pause(GAP);
    Ok((took, answered))
}

/// Milliseconds of the one that took longest.
fn longest(begun: &[Instant], ended: &[Instant]) -> f64 {
    let each = begun.iter().zip(ended);
    let each = each.map(|(begun, ended)| ended.saturating_duration_since(*begun));
    each.map(|took| took.as_secs_f64() * 1000.0)
        .fold(f64::NAN, f64::max)
}

/// Saves of what is there already.
#[derive(Debug, Default)]
struct Nothing {
    build: Vec<f64>,
    sync: Vec<f64>,
}

impl Nothing {
    fn measure(&mut self, side: &mut Side) -> Result<(), Error> {
        for _ in 0..SAVES {
            self.build.push(side.save_again("app/v.txt")?);
            self.sync.push(side.save_again("live/text.txt")?);
        }
        Ok(())
    }
}

/// Milliseconds until a new route leads where it says.
fn route(side: &Side, round: usize) -> Result<f64, Error> {
    let path = format!("/route-{round}.txt");
    let text = stack::stackfile(Some(&path));
    let begin = Instant::now();
    write(&side.folder().join("Stackfile.kdl"), &text)?;
    answers(PROXY, &path, None)?;
    let took = milliseconds_since(begin);
    pause(GAP);
    Ok(took)
}

fn milliseconds_since(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1000.0
}
