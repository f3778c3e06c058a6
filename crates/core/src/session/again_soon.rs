//! Saves that are held back. What watches files inside a container is deaf for a moment after
//! each change, so the second save of a path is passed on once it listens again; and a rule may
//! ask for quiet.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::machine::Machine;
use super::settling::Settling;

/// Watchers take changes of one file within 50 ms for one (chokidar, which Vite has), or forget
/// the second one.
const DEAF: Duration = Duration::from_millis(60);
/// Nobody edits so many files by hand, and tools that write more do not count on it.
const MOST: usize = 1_000;

/// When paths were passed on.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Passed(BTreeMap<PathBuf, Duration>);

impl Passed {
    /// These are passed on now.
    pub(super) fn note(&mut self, paths: &[PathBuf], now: Duration) {
        self.0.retain(|_, at| *at + DEAF > now);
        if paths.len() <= MOST {
            self.0.extend(paths.iter().map(|path| (path.clone(), now)));
        }
    }

    /// This one has not arrived, so nobody is deaf to it.
    pub(super) fn forget(&mut self, path: &PathBuf) {
        self.0.remove(path);
    }

    fn heard_again(&self, path: &PathBuf) -> Option<Duration> {
        self.0.get(path).map(|at| *at + DEAF)
    }
}

impl Machine {
    /// Takes the saves that may be passed on now; the others stay pending.
    pub(super) fn take_due(&mut self, now: Duration) -> Vec<PathBuf> {
        let (passed, settling) = (&self.passed, &self.settling);
        let is_due = |path: &PathBuf| held_until(passed, settling, path).is_none_or(|at| at <= now);
        let due: Vec<PathBuf> = self.pending.extract_if(.., is_due).collect();
        self.settling.forget(&due);
        due
    }
}

fn held_until(passed: &Passed, settling: &Settling, path: &PathBuf) -> Option<Duration> {
    passed.heard_again(path).max(settling.until(path))
}

/// When the first of the saves that are held back may be passed on.
pub(super) fn due(machine: &Machine) -> Option<Duration> {
    let can_pass = machine.busy.is_none()
        && machine.wanted == super::machine::Wanted::Run
        && !machine.holds_saves()
        && match machine.running() {
            true => machine.attached.is_some(),
            false => machine.container.is_some(),
        };
    let held = machine.pending.iter().filter(|_| can_pass);
    let first = held
        .filter_map(|path| held_until(&machine.passed, &machine.settling, path))
        .min();
    first.max(super::task::due(machine).filter(|_| first.is_some()))
}
