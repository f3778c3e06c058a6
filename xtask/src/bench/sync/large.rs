//! A tree of 100,000 files: a start where all agree, and what watching it costs.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::super::figures::Figures;
use super::super::ground::{Ground, Programs, file};
use super::super::idle::{TICKS_PER_SECOND, resident_megabytes, ticks};
use super::super::{Error, pause};
use super::inside::milliseconds_since;
use super::pair::{Both, Plan, Side, tools};
use super::{save, seconds, tree};
use crate::run::{self, say};

const PLAN: Plan<'_> = Plan {
    name: "large",
    image: super::IMAGE,
    command: &["sleep", "infinity"],
    folders: &[("data", false)],
    cpus: None,
    ports: None,
};
/// Folders, and files in each.
const FILES: [usize; 2] = [1_000, 100];
/// What follows a start or a save is not idle yet.
const CALM: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(20);

pub(super) fn run(programs: &Programs, rounds: usize, figures: &mut Figures) -> Result<(), Error> {
    let ground = Ground::new(PLAN.name)?;
    let [ours, theirs] = tools(programs, &ground, PLAN)?;
    let trees = ["devrun", "compose"].map(|name| ground.path().join(name).join("tree"));
    let [our_tree, their_tree] = trees;
    run::step("100,000 files", || {
        tree::folders(&our_tree.join("data"), FILES)
    })?;
    let mut side = run::step("the first start, which brings all of them over", || {
        Side::devrun(ours, our_tree.clone(), None)
    })?;
    let (mut starts, mut sent) = (Both::default(), 0);
    for _ in 0..rounds {
        let (took, files) = start(&mut side)?;
        starts.ours.push(took);
        sent = sent.max(files);
    }
    let work = "session start on 100,000 warm files that agree, with the container's own";
    seconds(figures, work, "start", &starts, 2.0);
    say(&format!("  files that were sent again: {sent}"));
    figures.cells(&["files sent by that", &sent.to_string(), "", "0"]);
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    figures.at_most("sync.start.files", sent as f64, 0.0);
    let costs = Costs::of(&mut side)?;
    // Ended, before the other one watches the same tree.
    drop(side);
    fs::rename(&our_tree, &their_tree).map_err(|error| file(&our_tree, error))?;
    // What is in the container already is nothing to a watcher, and brought over in minutes.
    let mut side = Side::compose(theirs, their_tree, &[])?;
    costs.tell(&Costs::of(&mut side)?, figures);
    Ok(())
}

/// Ends the session with its container and starts both again: how long until all is ready, and how
/// many files were written although they agreed.
fn start(side: &mut Side) -> Result<(f64, usize), Error> {
    let before = files(side)?;
    side.tool.run(&["stop"])?;
    let began = Instant::now();
    side.watching = side.tool.up(None)?;
    let took = milliseconds_since(began);
    side.inside.look_again()?;
    Ok((took, files(side)?.difference(&before).count()))
}

/// What is in the container. A file that was written again is another one, with its own number.
fn files(side: &Side) -> Result<BTreeSet<(PathBuf, u64)>, Error> {
    let mut found = BTreeSet::new();
    let mut folders = vec![side.inside.seen().join("data")];
    while let Some(folder) = folders.pop() {
        let failed = |error| file(&folder, error);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let metadata = entry.metadata().map_err(failed)?;
            if metadata.is_dir() {
                folders.push(entry.path());
                continue;
            }
            // The way there names the first process, which is another after a start.
            let path = entry.path();
            let path = path.strip_prefix(side.inside.seen()).unwrap_or(&path);
            found.insert((path.to_owned(), metadata.ino()));
        }
    }
    Ok(found)
}

/// What watching costs while nothing happens.
struct Costs {
    megabytes: f64,
    /// Of a core.
    percent: f64,
}

impl Costs {
    fn of(side: &mut Side) -> Result<Self, Error> {
        save::warm_up(side)?;
        pause(CALM);
        let pid = side.watching.pid();
        let before = ticks(pid);
        pause(IDLE);
        let used = ticks(pid).saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        let seconds = used as f64 / TICKS_PER_SECOND;
        Ok(Self {
            megabytes: resident_megabytes(pid),
            percent: 100.0 * seconds / IDLE.as_secs_f64(),
        })
    }

    fn tell(&self, peer: &Self, figures: &mut Figures) {
        let [ours, theirs] =
            [self, peer].map(|side| format!("{:.1} MB, {:.2} %", side.megabytes, side.percent));
        say(&format!(
            "  watching 100,000 files: {ours}; Compose {theirs}"
        ));
        let work = "resident memory watching 100,000 files, idle CPU (20 s)";
        figures.cells(&[work, &ours, &theirs, "60 MB, 0.3 %"]);
        figures.at_most("sync.watch.resident_mb", self.megabytes, 60.0);
        figures.at_most("sync.watch.idle_cpu_percent", self.percent, 0.3);
    }
}
