//! What has changed and is to be told, and what is to be looked at a moment later.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

/// How long after the last write a file that its writer keeps open counts as saved.
const SETTLE: Duration = Duration::from_millis(20);
/// How long a file that is written to without a pause is waited for.
const LONGEST: Duration = Duration::from_secs(1);
/// How long something must be gone: editors rename a file away and write it again.
const GONE: Duration = Duration::from_millis(50);
/// More paths than this at once are an overflow.
const MOST: usize = 100_000;

/// The changed paths that nobody was told of yet.
#[derive(Debug, Default)]
pub(super) struct Batch {
    ready: BTreeSet<PathBuf>,
    waiting: BTreeMap<PathBuf, Wait>,
    /// Those of them that were not there when anybody was told of them last.
    new: BTreeSet<PathBuf>,
    /// What was new and is gone.
    passed: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
struct Wait {
    first: Instant,
    due: Instant,
}

impl Batch {
    /// It was not there a moment ago. What is about to be told of it is of another one, which people
    /// know.
    pub(super) fn made(&mut self, path: &Path) {
        if !self.ready.contains(path) && !self.waiting.contains_key(path) {
            self.new.insert(path.to_path_buf());
        }
    }

    /// It is whole: tell it at once.
    pub(super) fn whole(&mut self, path: PathBuf) {
        self.waiting.remove(&path);
        self.ready.insert(path);
    }

    /// It is being written. Where it waits to be told, it waits on, so that nobody reads half.
    pub(super) fn writing(&mut self, path: PathBuf, now: Instant) {
        self.ready.remove(&path);
        let wait = self.waiting.entry(path).or_insert(Wait {
            first: now,
            due: now,
        });
        wait.due = (now + SETTLE).min(wait.first + LONGEST);
    }

    /// Something about it was set that is no content.
    pub(super) fn touched(&mut self, path: PathBuf, now: Instant) {
        if !self.ready.contains(&path) {
            self.waiting.entry(path).or_insert(Wait {
                first: now,
                due: now + SETTLE,
            });
        }
    }

    /// It is not there, perhaps only for a moment.
    pub(super) fn gone(&mut self, path: PathBuf, now: Instant) {
        self.ready.remove(&path);
        if self.new.remove(&path) {
            self.waiting.remove(&path);
            self.passed.push(path);
            return;
        }
        self.waiting.insert(
            path,
            Wait {
                first: now,
                due: now + GONE,
            },
        );
    }

    /// It is told no earlier than all that is known by now.
    pub(super) fn last(&mut self, path: PathBuf) {
        self.waiting.remove(&path);
        match self.waiting.values().map(|wait| wait.due).max() {
            Some(due) => {
                self.waiting.insert(path, Wait { first: due, due });
            }
            None => self.whole(path),
        }
    }

    /// What has waited long enough becomes ready.
    pub(super) fn settle(&mut self, now: Instant) {
        let due = self.waiting.extract_if(.., |_, wait| wait.due <= now);
        self.ready.extend(due.map(|(path, _)| path));
    }

    /// All that waits becomes ready: whoever wrote it has said that it is done.
    pub(super) fn settle_all(&mut self) {
        self.ready
            .extend(std::mem::take(&mut self.waiting).into_keys());
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.values().map(|wait| wait.due).min()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Whether there are so many that comparing everything is the better way.
    pub(super) fn is_too_large(&self) -> bool {
        self.ready.len() + self.waiting.len() > MOST
    }

    /// All that is ready.
    pub(super) fn take(&mut self) -> Vec<PathBuf> {
        let ready = std::mem::take(&mut self.ready);
        self.new.retain(|path| !ready.contains(path));
        ready.into_iter().collect()
    }

    /// All that came and went, and nobody was told of.
    pub(super) fn take_passed(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.passed)
    }

    /// Forgets what is ready; what is being written goes on waiting.
    pub(super) fn forget_ready(&mut self) {
        self.ready.clear();
        self.new.clear();
        self.passed.clear();
    }

    /// Forgets everything.
    pub(super) fn forget_all(&mut self) {
        self.forget_ready();
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(batch: &mut Batch, now: Instant) -> Vec<String> {
        batch.settle(now);
        batch
            .take()
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    }

    #[test]
    fn what_is_whole_is_told_at_once_and_once() {
        let now = Instant::now();
        let mut batch = Batch::default();
        batch.writing("a".into(), now);
        batch.whole("a".into());
        batch.whole("b".into());
        batch.touched("b".into(), now);
        assert_eq!(told(&mut batch, now), ["a", "b"]);
        assert_eq!(batch.next_due(), None);
    }

    #[test]
    fn what_is_written_without_a_close_is_told_after_a_pause_or_a_second() {
        let start = Instant::now();
        let mut batch = Batch::default();
        batch.writing("a".into(), start);
        assert!(told(&mut batch, start + Duration::from_millis(19)).is_empty());
        assert_eq!(told(&mut batch, start + Duration::from_millis(20)), ["a"]);
        for ms in (0..1000).step_by(10) {
            let now = start + Duration::from_millis(ms);
            batch.writing("log".into(), now);
            assert!(told(&mut batch, now).is_empty(), "{ms}");
        }
        batch.writing("log".into(), start + Duration::from_millis(999));
        assert_eq!(told(&mut batch, start + Duration::from_secs(1)), ["log"]);
    }

    #[test]
    fn a_mark_comes_after_what_is_looked_at_later() {
        let now = Instant::now();
        let mut batch = Batch::default();
        batch.last("mark".into());
        assert_eq!(told(&mut batch, now), ["mark"]);
        batch.gone("away".into(), now);
        batch.writing("torn".into(), now);
        batch.last("mark".into());
        batch.last("mark".into());
        assert_eq!(told(&mut batch, now + SETTLE), ["torn"]);
        assert_eq!(told(&mut batch, now + GONE), ["away", "mark"]);
    }

    #[test]
    fn what_was_about_to_be_told_is_held_back_while_it_is_written_again_or_away() {
        let now = Instant::now();
        let mut batch = Batch::default();
        batch.whole("torn".into());
        batch.whole("away".into());
        batch.writing("torn".into(), now);
        batch.gone("away".into(), now);
        assert!(told(&mut batch, now).is_empty());
        batch.whole("torn".into());
        assert_eq!(told(&mut batch, now), ["torn"]);
        assert_eq!(told(&mut batch, now + GONE), ["away"]);
    }

    #[test]
    fn what_comes_and_goes_untold_has_passed_and_what_people_know_has_not() {
        let now = Instant::now();
        let mut batch = Batch::default();
        let passed = |batch: &mut Batch| batch.take_passed().len();
        batch.made("draft".as_ref());
        batch.writing("draft".into(), now);
        batch.gone("draft".into(), now);
        assert_eq!(passed(&mut batch), 1);
        assert_eq!(batch.next_due(), None);

        batch.made("told".as_ref());
        batch.whole("told".into());
        assert_eq!(told(&mut batch, now), ["told"]);
        batch.gone("told".into(), now);
        assert_eq!(told(&mut batch, now + GONE), ["told"]);

        // Renamed away, written again, and removed: people know the first one.
        batch.gone("known".into(), now);
        batch.made("known".as_ref());
        batch.whole("known".into());
        batch.gone("known".into(), now);
        assert_eq!(told(&mut batch, now + GONE), ["known"]);
        assert_eq!(passed(&mut batch), 0);
    }
}
