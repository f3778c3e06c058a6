//! A case: what is done, by whom, and what goes wrong meanwhile; it is run, and made smaller.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::dice::Dice;
use crate::faults::{CHEAP, DEAR, Fault};
use crate::host::Writer;
use crate::kit::said;
use crate::ops::{Op, steady};
use crate::stage::{Shared, Stage, TREES};
use crate::tree;

/// Of so many seeds one is looked at by devrun itself as well, which takes its time.
const VERIFIED: u64 = 4;

/// Rounds follow each other; in each of them all writers write at the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    pub seed: u64,
    writers: usize,
    rounds: Vec<Round>,
}

#[derive(Debug, Clone, PartialEq)]
struct Round {
    /// Of each writer.
    ops: Vec<Vec<Op>>,
    fault: Option<Fault>,
    /// What is done in the small tree, where its disk is full.
    cramped: Vec<Op>,
    /// All is live before the next one begins.
    live: bool,
}

impl Case {
    pub fn of(seed: u64) -> Case {
        let mut dice = Dice::new(seed);
        let writers = 1 + dice.below(3);
        let rounds = 1 + dice.below(3);
        let rounds = (0..rounds).map(|_| {
            let fault = match dice.below(32) {
                0..=11 => Some(CHEAP[dice.below(CHEAP.len())]),
                12..=14 => Some(DEAR[dice.below(DEAR.len())]),
                _ => None,
            };
            let mut ops = |writer| {
                let count = 2 + dice.below(14);
                (0..count).map(|_| Op::any(&mut dice, writer)).collect()
            };
            let by_writers = (0..writers).map(&mut ops).collect();
            let is_full = fault == Some(Fault::Full);
            let cramped = if is_full { ops(0) } else { Vec::new() };
            Round {
                ops: by_writers,
                fault,
                cramped,
                live: dice.one_in(3),
            }
        });
        Case {
            seed,
            writers,
            rounds: rounds.collect(),
        }
    }

    /// How many things it has that can be left out.
    pub fn len(&self) -> usize {
        let of_round = |round: &Round| {
            let ops = round.ops.iter().chain([&round.cramped]);
            ops.map(Vec::len).sum::<usize>() + usize::from(round.fault.is_some())
        };
        self.rounds.iter().map(of_round).sum()
    }

    /// Without those things from one number to another.
    pub fn without(&self, from: usize, to: usize) -> Case {
        let mut number = 0;
        let mut stays = || {
            number += 1;
            !(from..to).contains(&(number - 1))
        };
        let mut case = self.clone();
        for round in &mut case.rounds {
            for ops in round.ops.iter_mut().chain([&mut round.cramped]) {
                ops.retain(|_| stays());
            }
            round.fault = round.fault.filter(|_| stays());
        }
        let last = case.rounds.len() - 1;
        let mut number = 0;
        case.rounds.retain(|round| {
            number += 1;
            number - 1 == last
                || round.fault.is_some()
                || round.ops.iter().any(|ops| !ops.is_empty())
        });
        case
    }

    pub fn faults(&self) -> impl Iterator<Item = Fault> {
        self.rounds.iter().filter_map(|round| round.fault)
    }

    /// Runs it in a folder of its own. What is wrong afterwards; empty where nothing is.
    pub fn run(&self, stage: &mut Stage, folder: &Path) -> String {
        let top = stage.shared.top().join(folder);
        std::fs::create_dir(&top).unwrap();
        let writer = |top: &Path, number: usize| Writer {
            top: top.to_owned(),
            number: (self.seed << 20) + ((number as u64) << 16),
            slow: Vec::new(),
            linked: false,
        };
        let writers = (0..self.writers).map(|number| writer(&top, number));
        let mut writers: Vec<Writer> = writers.collect();
        for (number, writer) in writers.iter_mut().enumerate() {
            writer.perform(&Op::Write(steady(number), 100));
        }
        let small = stage.shared.stack.path(TREES[1]).join(folder);
        writers.push(writer(&small, self.writers));
        let mut told = String::new();
        for round in &self.rounds {
            if round.live || round == &self.rounds[0] {
                told += &live(stage);
            }
            self.watch(&stage.shared, folder);
            told += &self.round(stage, folder, round, &mut writers);
            // Before a helper that is gone is replaced: its readers saw nothing.
            let away = round.fault == Some(Fault::Away);
            told += &self.seen(&stage.shared, folder, &writers, away);
            if !told.is_empty() {
                return told;
            }
        }
        told += &live(stage);
        self.watch(&stage.shared, folder);
        let linked = writers.iter().any(|writer| writer.linked);
        told += &self.compared(&stage.shared, folder, linked);
        told
    }

    /// What is wrong already.
    fn round(
        &self,
        stage: &mut Stage,
        folder: &Path,
        round: &Round,
        writers: &mut [Writer],
    ) -> String {
        let (writers, cramped) = writers.split_at_mut(self.writers);
        let shared = Arc::clone(&stage.shared);
        let shared = &*shared;
        std::thread::scope(|scope| {
            for (writer, ops) in writers.iter_mut().zip(&round.ops) {
                scope.spawn(move || {
                    for op in ops {
                        match op {
                            Op::Look => {
                                shared.try_ask(|inside| inside.list());
                            }
                            Op::Own(path) => shared.own(&folder.join(path)),
                            op => writer.perform(op),
                        }
                    }
                });
            }
            match round.fault {
                Some(Fault::Full) => stage.full(folder, &mut cramped[0], &round.cramped),
                Some(fault) => {
                    stage.befall(fault);
                    String::new()
                }
                None => String::new(),
            }
        })
    }

    fn watch(&self, shared: &Shared, folder: &Path) {
        let here = (0..self.writers).map(|number| folder.join(steady(number)));
        let there = Path::new("..").join(TREES[1]).join(folder).join(steady(0));
        let steady: Vec<PathBuf> = here.chain([there]).collect();
        shared.ask(|inside| inside.watch(folder, &steady));
    }

    fn seen(&self, shared: &Shared, folder: &Path, writers: &[Writer], away: bool) -> String {
        let seen = shared.try_ask(|inside| inside.seen()).unwrap_or_default();
        let slow = |path: &Path| {
            writers
                .iter()
                .flat_map(|writer| &writer.slow)
                .any(|slow| path == slow)
        };
        let any_slow = writers.iter().any(|writer| !writer.slow.is_empty());
        let counts = |seen: &Path| {
            let small = || Path::new("..").join(TREES[1]).join(folder);
            let path = seen.strip_prefix(folder);
            let path = path.or_else(|_| seen.strip_prefix(small())).unwrap_or(seen);
            // Where several write to one file, it may be torn on the host as well.
            if path.starts_with("steady") {
                !slow(path)
            } else {
                self.writers == 1 && !any_slow
            }
        };
        // Who writes below a folder that is away makes another one, in which all is missing.
        let wrong = seen
            .iter()
            .filter(|(path, why)| counts(path) && !(away && why == "missing"));
        wrong
            .map(|(path, why)| format!("a reader saw {}: {why}\n", path.display()))
            .collect()
    }

    /// What is wrong in the end. Where a file was `linked`, a comparison may be asked for first.
    fn compared(&self, shared: &Shared, folder: &Path, linked: bool) -> String {
        let stays = |path: &Path| {
            let way = path
                .strip_prefix(folder)
                .unwrap_or(path)
                .parent()
                .unwrap_or(path);
            way.iter().all(|name| name == "keep" && self.writers == 1)
        };
        let own = shared.own_that_stay(stays);
        let mut told = String::new();
        for (tree, own) in TREES.iter().zip([own, BTreeSet::new()]) {
            let leftovers = shared.was_interrupted.load(Ordering::Relaxed);
            let differences = || {
                let inside = shared.ask(|inside| inside.list_of(tree));
                tree::differences(&shared.stack.path(tree), &inside, &own, leftovers)
            };
            let mut first = differences();
            if linked && !first.is_empty() {
                shared.stack.run(&["sync"]);
                first = differences();
            }
            if first.is_empty() {
                continue;
            }
            let mut last = String::new();
            let healed = crate::kit::within(3, || {
                last = differences();
                last.is_empty().then_some(())
            });
            let then = match healed {
                Some(()) => {
                    "a moment later all was well: it was called live too early\n".to_owned()
                }
                None => format!("and 3 s later\n{last}"),
            };
            told += &format!("in {tree}:\n{first}{then}");
        }
        if told.is_empty() && self.seed.is_multiple_of(VERIFIED) {
            let verified = shared.stack.run(&["sync", "--verify"]);
            if verified.code != 0 {
                told += &format!("all is equal, and sync --verify says: {}", said(&verified));
            }
        }
        let outside = shared.ask(|inside| inside.list_of("outside"));
        let expected = ["a", "b", "file"];
        let is_ours = |(path, thing): (&PathBuf, &tree::Thing)| {
            let content =
                matches!(thing, tree::Thing::File { content, .. } if content.starts_with("8 "));
            content && expected.iter().any(|name| path == Path::new(name))
        };
        if outside.len() != expected.len() || !outside.iter().all(is_ours) {
            told += &format!("outside of the target: {outside:?}\n");
        }
        told
    }
}

fn live(stage: &Stage) -> String {
    stage.shared.live().err().unwrap_or_default()
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, round) in self.rounds.iter().enumerate() {
            let after = if round.live && number > 0 {
                ", after all is live"
            } else {
                ""
            };
            writeln!(f, "round {number}{after}")?;
            for (writer, ops) in round.ops.iter().enumerate() {
                for op in ops {
                    writeln!(f, "  writer {writer}: {op}")?;
                }
            }
            if let Some(fault) = round.fault {
                writeln!(f, "  meanwhile {fault}")?;
            }
            for op in &round.cramped {
                writeln!(f, "    there: {op}")?;
            }
        }
        Ok(())
    }
}
