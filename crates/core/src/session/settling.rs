//! `settle`: what is written in many steps, as by a generator, is sent once it is quiet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Who never stops writing is not waited for longer than so many times the pause asked for.
const AT_MOST: u32 = 10;

/// The saves that wait for quiet, by the number of the rule that says so.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Settling(BTreeMap<usize, Wait>);

#[derive(Debug, Clone, PartialEq)]
struct Wait {
    first: Duration,
    last: Duration,
    pause: Duration,
    paths: BTreeSet<PathBuf>,
}

impl Wait {
    fn over(&self) -> Duration {
        (self.last + self.pause).min(self.first + self.pause * AT_MOST)
    }
}

impl Settling {
    /// One more save that this rule is about.
    pub(super) fn saved(&mut self, rule: usize, pause: Duration, path: &Path, now: Duration) {
        let wait = self.0.entry(rule).or_insert_with(|| Wait {
            first: now,
            last: now,
            pause,
            paths: BTreeSet::new(),
        });
        wait.last = now;
        wait.pause = pause;
        wait.paths.insert(path.to_path_buf());
    }

    /// Until when a save waits.
    pub(super) fn until(&self, path: &Path) -> Option<Duration> {
        let waits = self.0.values().filter(|wait| wait.paths.contains(path));
        waits.map(Wait::over).max()
    }

    /// Forgets what was passed on.
    pub(super) fn forget(&mut self, paths: &[PathBuf]) {
        for wait in self.0.values_mut() {
            wait.paths.retain(|path| !paths.contains(path));
        }
        self.0.retain(|_, wait| !wait.paths.is_empty());
    }
}
