//! What could not be brought into a container: named, counted as pending, and tried again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Session;
use super::machine::{Doing, Machine};
use crate::effect::Effect;
use crate::event::Problem;
use crate::notice::NoticeEvent;

/// The first pause before it is tried again; each one in vain is followed by one twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Somebody may have made room, or have given the right, at any time.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// So many stand in a line for people.
const TOLD: usize = 3;

/// What of a service is not in its container, and why.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Unsynced {
    paths: BTreeMap<PathBuf, Reason>,
    again: Option<Duration>,
    pause: Duration,
    /// It is being tried again, and by nothing else than that.
    pub(super) alone: bool,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Reason {
    message: String,
    /// Somebody saved it again, and wants to hear of it again.
    asked: bool,
}

impl Unsynced {
    /// Of these, even the same problem is told once more.
    pub(super) fn saved(&mut self, paths: &[PathBuf]) {
        for path in paths {
            if let Some(reason) = self.paths.get_mut(path) {
                reason.asked = true;
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Path, &str)> {
        let all = self.paths.iter();
        all.map(|(path, reason)| (path.as_path(), reason.message.as_str()))
    }

    /// These were tried (`None` is all of them), with these problems. What is new among the
    /// problems, and what is mended.
    fn tried(
        &mut self,
        asked: Option<&[PathBuf]>,
        problems: &[Problem],
        now: Duration,
    ) -> (Vec<Problem>, Vec<PathBuf>) {
        let was_asked =
            |path: &Path| asked.is_none_or(|asked| asked.iter().any(|one| path.starts_with(one)));
        self.alone = false;
        let before = std::mem::take(&mut self.paths);
        let (gone, kept): (BTreeMap<_, _>, BTreeMap<_, _>) =
            before.into_iter().partition(|(path, _)| was_asked(path));
        self.paths = kept;
        let mut new = Vec::new();
        for problem in problems {
            let told = gone
                .get(&problem.path)
                .is_some_and(|before| !before.asked && before.message == problem.message);
            if !told {
                new.push(problem.clone());
            }
            let reason = Reason {
                message: problem.message.clone(),
                asked: false,
            };
            self.paths.insert(problem.path.clone(), reason);
        }
        let mended = gone.into_keys();
        let mended = mended.filter(|path| !self.paths.contains_key(path));
        let mended: Vec<PathBuf> = mended.collect();
        let in_vain = mended.is_empty() && new.is_empty();
        self.pause = match in_vain && !self.pause.is_zero() {
            true => (self.pause * 2).min(LONGEST_PAUSE),
            false => FIRST_PAUSE,
        };
        self.again = (!self.paths.is_empty()).then_some(now + self.pause);
        (new, mended)
    }

    /// It is tried as soon as that can be.
    pub(super) fn now(&mut self, now: Duration) {
        self.again = self.again.map(|_| now);
    }

    /// All of it, to be tried along with something else.
    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.paths.keys()
    }
}

/// When what could not be brought over is tried again.
pub(super) fn due(machine: &Machine) -> Option<Duration> {
    let can_try = machine.can_follow() && machine.ready && machine.follow.is_empty();
    machine.unsynced.again.filter(|_| can_try)
}

impl Session {
    /// These were tried (`None` is all that is synced): says what is new and what is mended.
    pub(super) fn note_unsynced(
        &mut self,
        name: &str,
        asked: Option<&[PathBuf]>,
        problems: &[Problem],
    ) {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let (new, mended) = machine.unsynced.tried(asked, problems, now);
        if !new.is_empty() {
            if let Some(update) = &mut machine.update {
                update.incomplete = true;
            }
            let told = self.told_problems(new.iter().map(|it| (it.path.as_path(), &*it.message)));
            self.warn(Some(name), format!("not synced: {told}"));
        }
        if !mended.is_empty() {
            let paths = mended.iter().take(TOLD).map(|path| self.shown_path(path));
            let paths = paths.collect();
            let count = mended.len();
            self.notice(Some(name), None, NoticeEvent::SyncMended { count, paths });
        }
    }

    /// The first few, and how many more there are.
    fn told_problems<'p>(&self, problems: impl Iterator<Item = (&'p Path, &'p str)>) -> String {
        let all: Vec<_> = problems.collect();
        let first = all.iter().take(TOLD);
        let first = first.map(|(path, reason)| format!("{}: {reason}", self.shown_path(path)));
        let first = first.collect::<Vec<_>>().join("; ");
        match all.len().saturating_sub(TOLD) {
            0 => first,
            more => format!("{first}; and {more} more"),
        }
    }

    /// Why a service that serves is not up to date, if something could not be brought over.
    pub(super) fn why_unsynced(&self, machine: &Machine) -> Option<String> {
        let told = || self.told_problems(machine.unsynced.iter());
        (!machine.unsynced.is_empty()).then(|| format!("not synced: {}", told()))
    }

    /// Tries again what could not be brought over, if it is time.
    pub(super) fn step_unsynced(&mut self, name: &str) -> bool {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name) else {
            return false;
        };
        if due(machine).is_none_or(|due| due > now) {
            return false;
        }
        let (Some(container), paths) = (machine.container_id(), machine.unsynced.paths()) else {
            return false;
        };
        let paths: Vec<PathBuf> = paths.cloned().collect();
        machine.planned.clone_from(&paths);
        machine.unsynced.alone = true;
        let op = self.begin(name, Doing::Sync);
        self.emit(Effect::Sync {
            op,
            container,
            running: true,
            paths,
        });
        true
    }
}
