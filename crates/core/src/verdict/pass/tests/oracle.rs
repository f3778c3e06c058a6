//! The definition of done as it was asked for, in other words than the program's: when what comes
//! to pass is reckoned from the plot alone, and the first thing that ends a run says how.
//!
//! > Servers are ready by their health check, still so 2 s later, and stay up through all checks;
//! > tasks end with 0; checks pass; without checks, ready and settled is success. `--until TASK`
//! > makes one task's exit code the run's. A restart that the service's policy allows is counted
//! > and not fatal, up to `restarts-allowed`. Services of profiles not chosen do not block.

use super::plot::{AGAIN, Fate, Plot, SETTLE};

pub(super) struct Expected {
    pub(super) code: u8,
    /// Who is among the reasons.
    pub(super) must: Vec<String>,
    /// And nobody else than these is.
    pub(super) may: Vec<String>,
    /// The last line, where it is the same whatever the reason.
    pub(super) last: Option<String>,
}

/// How a part of the start comes out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Came {
    /// Nobody waits for it.
    Off,
    /// One that it waits for never came.
    Never,
    Well(u64),
    Badly(u64),
}

/// Something that can end a run: when, with which code, because of whom.
type Ends = (u64, u8, Vec<String>);

fn starts(plot: &Plot) -> Vec<(u64, Came)> {
    let mut all: Vec<(u64, Came)> = Vec::new();
    for (place, part) in plot.parts.iter().enumerate() {
        let mut from = 0;
        let mut held = false;
        for before in &part.after {
            match all[*before].1 {
                Came::Well(at) => from = from.max(at),
                _ => held = true,
            }
        }
        let to = from + AGAIN * u64::from(part.stumbles) + part.takes;
        all.push((
            from,
            match part.fate {
                _ if part.off => Came::Off,
                _ if held => Came::Never,
                Fate::Broken | Fate::Code(_) => Came::Badly(to),
                Fate::Endless => Came::Badly(from + Plot::limit(place)),
                _ => Came::Well(to),
            },
        ));
    }
    all
}

/// Who was started again more often than is allowed, and when.
fn restless(plot: &Plot, starts: &[(u64, Came)], settled: Option<u64>) -> Vec<Ends> {
    let mut all = Vec::new();
    for (place, part) in plot.parts.iter().enumerate() {
        let (from, came) = starts[place];
        let mut times = Vec::new();
        if !matches!(came, Came::Off | Came::Never) {
            let first = from + AGAIN / 2;
            times.extend((0..part.stumbles).map(|it| first + AGAIN * u64::from(it)));
        }
        if let (Fate::Restarts(count), Came::Well(_), Some(settled)) = (part.fate, came, settled) {
            let first = settled + Plot::late(place);
            times.extend((0..count).map(|it| first + 2 * AGAIN * u64::from(it)));
        }
        if let Some(time) = times.get(plot.restarts_allowed as usize) {
            all.push((*time, 1, vec![service(place)]));
        }
    }
    all
}

fn service(place: usize) -> String {
    format!("s{place}")
}

/// When each check is over and whether it passed; those that are skipped have neither.
fn checks(plot: &Plot, begin: u64) -> Vec<Option<(u64, bool)>> {
    let mut all: Vec<Option<(u64, bool)>> = Vec::new();
    for ask in &plot.asks {
        let mut from = Some(begin);
        for before in &ask.after {
            from = match (from, all[*before]) {
                (Some(from), Some((at, true))) => Some(from.max(at)),
                _ => None,
            };
        }
        let passes = ask.fails <= ask.retries;
        let attempts = if passes { ask.fails } else { ask.retries } + 1;
        all.push(from.map(|from| (from + ask.takes * u64::from(attempts), passes)));
    }
    all
}

pub(super) fn expected(plot: &Plot) -> Expected {
    let starts = starts(plot);
    let mut ends: Vec<Ends> = Vec::new();
    let bad: Vec<(u64, String)> = starts
        .iter()
        .enumerate()
        .filter_map(|(place, it)| match it.1 {
            Came::Badly(at) => Some((at, service(place))),
            _ => None,
        })
        .collect();
    let all_bad: Vec<String> = bad.iter().map(|it| it.1.clone()).collect();
    // The one whose code is the run's has an end of its own.
    let asked = plot.until.map(service);
    let first_bad = bad.iter().filter(|it| asked.as_ref() != Some(&it.1)).min();
    if let (true, Some((at, name))) = (plot.fail_fast, first_bad) {
        ends.push((*at, 1, vec![name.clone()]));
    }
    let rest = starts.iter().filter_map(|it| match it.1 {
        Came::Well(at) | Came::Badly(at) => Some(at),
        _ => None,
    });
    let rest = rest.max().unwrap_or(0);

    if let Some(task) = plot.until {
        let code = match (plot.parts[task].fate, starts[task].1) {
            (Fate::Code(code), Came::Badly(at)) => Some((at, u8::try_from(code).unwrap_or(1))),
            (_, Came::Badly(at)) => Some((at, 1)),
            (_, Came::Well(at)) => Some((at, 0)),
            _ => None,
        };
        match code {
            Some((at, 0)) => ends.push((at, 0, Vec::new())),
            Some((at, code)) => ends.push((at, code, vec![service(task)])),
            // It will never begin.
            None => ends.push((rest, 1, Vec::new())),
        }
        ends.extend(restless(plot, &starts, None));
        return first(plot, &starts, ends, all_bad);
    }

    if !bad.is_empty() {
        ends.push((rest, 1, all_bad.clone()));
        ends.extend(restless(plot, &starts, None));
        return first(plot, &starts, ends, all_bad);
    }

    let settled = rest + SETTLE;
    let checks = checks(plot, rest);
    let over = checks.iter().flatten().map(|it| it.0).max().unwrap_or(rest);
    let failed: Vec<String> = checks
        .iter()
        .enumerate()
        .filter_map(|(place, it)| match it {
            Some((_, false)) => Some(format!("c{place}")),
            _ => None,
        })
        .collect();
    let mut may = all_bad;
    may.extend(failed.iter().cloned());
    may.extend((0..plot.parts.len()).map(service));
    if !failed.is_empty() {
        let bad = checks.iter().flatten().filter(|it| !it.1).map(|it| it.0);
        // Which of them it is does not matter: all end with 1.
        match plot.fail_fast {
            true => ends.push((bad.min().unwrap_or(over), 1, Vec::new())),
            false => ends.push((over, 1, failed)),
        }
    }
    ends.extend(restless(plot, &starts, Some(settled)));
    let mut end = over.max(settled);
    for (place, part) in plot.parts.iter().enumerate().filter(|it| !it.1.off) {
        let at = settled + Plot::late(place);
        match part.fate {
            Fate::Dies => ends.push((at, 1, vec![service(place)])),
            Fate::Sick(time) if (at..at + time).contains(&over.max(settled)) => {
                ends.push((over.max(settled), 1, vec![service(place)]));
            }
            _ => {}
        }
    }
    // One that is being started again is waited for.
    loop {
        let on = plot.parts.iter().enumerate().filter(|it| !it.1.off);
        let up = on.filter_map(|(place, part)| {
            let Fate::Restarts(times) = part.fate else {
                return None;
            };
            let first = settled + Plot::late(place);
            let mut downs = (0..u64::from(times)).map(|it| first + 2 * AGAIN * it);
            downs
                .find(|down| (*down..*down + AGAIN).contains(&end))
                .map(|down| down + AGAIN)
        });
        match up.max() {
            Some(later) => end = later,
            None => break,
        }
    }
    ends.push((end, 0, Vec::new()));
    first(plot, &starts, ends, may)
}

/// What comes first; of what comes at once, what is bad.
fn first(plot: &Plot, starts: &[(u64, Came)], mut ends: Vec<Ends>, may: Vec<String>) -> Expected {
    let mut may = may;
    may.extend(restless(plot, starts, None).into_iter().flat_map(|it| it.2));
    ends.sort_by_key(|it| (it.0, it.1 == 0));
    let (at, code, must) = ends.first().cloned().unwrap();
    let last = (code == 0).then(|| {
        let there = |task: bool| {
            let here = starts.iter().zip(&plot.parts);
            let here = here.filter(|((_, came), part)| {
                part.task == task && matches!(came, Came::Well(when) if *when <= at)
            });
            here.count()
        };
        let plural = |count: usize, word: &str| match count {
            1 => format!("1 {word}"),
            _ => format!("{count} {word}s"),
        };
        let mut text = format!("{} ready", plural(there(false), "service"));
        if there(true) > 0 {
            text += &format!(", {} done", plural(there(true), "task"));
        }
        if plot.until.is_none() && !plot.asks.is_empty() {
            text += &format!(", {}", plural(plot.asks.len(), "check"));
        }
        format!("{text} in 7 s: passed (exit code 0)")
    });
    Expected {
        code,
        must,
        may,
        last,
    }
}
