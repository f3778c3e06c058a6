//! A save until it is live: devrun beside `docker compose watch`, on trees of the same files.

mod django;
mod files;
mod image;
mod inside;
mod large;
mod pair;
mod react;
mod save;
mod spans;
mod switch;
mod tree;

use std::path::Path;

use super::figures::{Figures, Times, milliseconds};
use super::ground::{Ground, Programs};
use super::{Error, side};
use crate::run::{self, say};
use crate::{Failure, debian};
use pair::{Both, Pair, Plan};

/// What can be asked for with `--only`.
pub(super) const ROWS: [&str; 8] = [
    "save", "files", "switch", "busy", "django", "react", "large", "spans",
];

/// Of containers that only hold files.
const IMAGE: &str = "python:3.13-slim";

const TREE: Plan<'_> = Plan {
    name: "tree",
    image: IMAGE,
    command: &["sleep", "infinity"],
    folders: &[("data", false), ("code", true)],
    cpus: None,
    ports: None,
};

/// All rows, or those that are asked for. One that fails does not keep the others from running.
pub(super) fn run(
    devrun: &Path,
    compose: &Path,
    rounds: usize,
    only: &[String],
) -> Result<Figures, Failure> {
    if !debian::is_root() {
        let what = "this bench looks into containers from outside, which only root may";
        return Err(side("bench sync", what).into());
    }
    let programs = Programs {
        devrun: devrun.to_owned(),
        compose: compose.to_owned(),
    };
    let mut rows = Rows {
        only,
        figures: Figures::default(),
    };
    rows.figures.table(&["work", "devrun", "Compose", "wanted"]);
    rows.on_a_tree(&programs, rounds);
    rows.one("busy", |figures| {
        let ground = Ground::new(save::BUSY.name)?;
        let files = |tree: &Path| tree::folders(&tree.join("data"), [160, 10]);
        let mut pair = Pair::start(&programs, &ground, save::BUSY, files)?;
        save::busy(&mut pair, rounds, figures)
    });
    rows.one("django", |figures| django::run(&programs, rounds, figures));
    rows.one("react", |figures| react::run(&programs, rounds, figures));
    rows.one("large", |figures| large::run(&programs, rounds, figures));
    rows.one("spans", |figures| {
        let ground = Ground::new(TREE.name)?;
        spans::run(&programs, &ground, TREE, figures)
    });
    Ok(rows.figures)
}

/// What was asked for, and what was found.
struct Rows<'a> {
    only: &'a [String],
    figures: Figures,
}

impl Rows<'_> {
    fn has(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == name)
    }

    /// Those that share two trees of 20,000 files.
    fn on_a_tree(&mut self, programs: &Programs, rounds: usize) {
        let names = ["save", "files", "switch"];
        if !names.into_iter().any(|name| self.has(name)) {
            return;
        }
        let begun = run::step("two trees of 20,000 files", || {
            let ground = Ground::new(TREE.name)?;
            let pair = Pair::start(programs, &ground, TREE, tree::repository)?;
            Ok::<_, Error>((ground, pair))
        });
        // The ground goes last, because ending a stack needs its file.
        let (_ground, mut pair) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                for name in names {
                    self.failed(name, &error);
                }
                return;
            }
        };
        self.one("save", |figures| save::idle(&mut pair, rounds, figures));
        self.one("files", |figures| files::made(&mut pair, rounds, figures));
        self.one("switch", |figures| switch::run(&mut pair, rounds, figures));
        self.one("files", |figures| {
            files::deleted(&mut pair, rounds, figures)
        });
    }

    fn one(&mut self, name: &str, work: impl FnOnce(&mut Figures) -> Result<(), Error>) {
        if !self.has(name) {
            return;
        }
        let outcome = run::step(&format!("row {name}"), || work(&mut self.figures));
        if let Err(error) = outcome {
            self.failed(name, &error);
        }
    }

    fn failed(&mut self, name: &str, error: &Error) {
        say(&format!("  {name}: {error}"));
        self.figures
            .failed(&format!("sync.{name}"), &error.to_string());
    }
}

/// A row of times that people wait for; what is wanted is in seconds.
fn seconds(figures: &mut Figures, work: &str, name: &str, both: &Both, wanted: f64) {
    let (ours, _) = told(figures, work, both, &format!("{wanted} s"));
    figures.at_most(&format!("sync.{name}.s"), ours / 1000.0, wanted);
}

/// A row of both medians and their spreads: the medians.
fn told(figures: &mut Figures, work: &str, both: &Both, wanted: &str) -> (f64, f64) {
    let [ours, theirs] = [&both.ours, &both.theirs].map(|times| Times::of(times));
    let [text, peer] = [&ours, &theirs].map(|times| match times.count() {
        0 => String::new(),
        _ => format!("{} ({})", milliseconds(times.median()), times.spread()),
    });
    say(&format!("  {work}: {text}; Compose {peer}"));
    figures.cells(&[work, &text, &peer, wanted]);
    (ours.median(), theirs.median())
}
