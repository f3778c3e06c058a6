//! While Git changes the tree, nothing is told: what happens then becomes one batch. Git holds its
//! index meanwhile; some of its commands do so several times, one right after another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Nothing is held longer than this.
const LONGEST: Duration = Duration::from_secs(30);
/// A lock under which nothing happens for so long says nothing: Git waits for a person's message,
/// or was killed.
const QUIET: Duration = Duration::from_secs(1);
/// After a lock another one may follow so soon: `git stash` takes several.
const NEXT: Duration = Duration::from_millis(50);
/// In the middle of a rebase and the like it takes longer. A person who mends a conflict saves
/// later than that.
const NEXT_STEP: Duration = Duration::from_millis(300);
/// Where these are, Git is in the middle of something.
const IN_PROGRESS: [&str; 6] = [
    "rebase-merge",
    "rebase-apply",
    "sequencer",
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
];

/// Git's own folders of the watched checkouts.
#[derive(Debug, Default)]
pub(super) struct Locks {
    folders: BTreeMap<PathBuf, Lock>,
}

/// What is known of one index.
#[derive(Debug, Clone, Copy, Default)]
struct Lock {
    is_held: bool,
    /// When the first of the locks that follow each other was taken.
    began: Option<Instant>,
    /// Until when it counts, if nothing else happens.
    until: Option<Instant>,
}

impl Lock {
    /// Something happened that makes it count on, `more` from now.
    fn extend(&mut self, now: Instant, more: Duration) {
        if self.until.is_none_or(|until| until <= now) && !self.is_held {
            self.began = None;
        }
        let began = *self.began.get_or_insert(now);
        self.until = Some((now + more).min(began + LONGEST));
    }

    fn counts(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until > now)
    }
}

impl Locks {
    /// Finds the checkouts that these folders lie in.
    pub(super) fn find<'a>(folders: impl Iterator<Item = &'a Path>) -> Self {
        let found = folders.filter_map(|folder| folder.ancestors().find_map(git_folder));
        Self {
            folders: found.map(|folder| (folder, Lock::default())).collect(),
        }
    }

    /// The folders to watch.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.keys().map(PathBuf::as_path)
    }

    /// Whether what happens to that path is Git's own business.
    pub(super) fn owns(&self, path: &Path) -> bool {
        path.parent()
            .is_some_and(|parent| self.folders.contains_key(parent))
    }

    /// Takes note of what happened in one of the folders. Returns whether Git has just let go of
    /// its index. What counts is the order of events, not what is there by now: the files that Git
    /// changed were told of between the two.
    pub(super) fn note(&mut self, path: &Path, is_gone: bool, now: Instant) -> bool {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return false;
        };
        let Some(lock) = self.folders.get_mut(folder) else {
            return false;
        };
        if name != "index.lock" {
            if !lock.is_held && lock.counts(now) {
                lock.extend(now, next(folder));
            }
            return false;
        }
        let was_held = lock.is_held;
        if is_gone && was_held {
            lock.extend(now, next(folder));
        } else if !is_gone {
            lock.extend(now, QUIET);
        }
        lock.is_held = !is_gone;
        was_held && is_gone
    }

    /// Something happened somewhere: who holds an index is at work.
    pub(super) fn stir(&mut self, now: Instant) {
        for lock in self.folders.values_mut().filter(|lock| lock.is_held) {
            lock.extend(now, QUIET);
        }
    }

    /// Looks at all locks: events were lost, or there were none yet.
    pub(super) fn look(&mut self, now: Instant) {
        for (folder, lock) in &mut self.folders {
            let found = folder.join("index.lock").symlink_metadata();
            let age = found.as_ref().ok().map(|found| {
                let made = found.modified().unwrap_or_else(|_| SystemTime::now());
                made.elapsed().unwrap_or_default().min(LONGEST)
            });
            *lock = Lock::default();
            if let Some(age) = age {
                lock.is_held = true;
                // One that is old was left behind by a Git that was killed.
                lock.began = now.checked_sub(age);
                lock.until = lock.began.map(|began| began + QUIET);
            }
        }
    }

    /// Whether changes are to be kept for later.
    pub(super) fn are_held(&self, now: Instant) -> bool {
        self.folders.values().any(|lock| lock.counts(now))
    }

    /// When the next lock that counts now stops to.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let counting = self.folders.values().filter(|lock| lock.counts(now));
        counting.filter_map(|lock| lock.until).min()
    }
}

/// For how long another step may follow.
fn next(folder: &Path) -> Duration {
    match IN_PROGRESS.iter().any(|name| folder.join(name).exists()) {
        true => NEXT_STEP,
        false => NEXT,
    }
}

/// Git's folder of the checkout at `top`, if there is one; in a second worktree, and in a
/// submodule, `.git` is a file that names it.
fn git_folder(top: &Path) -> Option<PathBuf> {
    let git = top.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = std::fs::read_to_string(&git).ok()?;
    top.join(text.strip_prefix("gitdir:")?.trim())
        .canonicalize()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout() -> (tempfile::TempDir, PathBuf, Locks) {
        let folder = tempfile::tempdir().unwrap();
        let git = folder.path().join(".git");
        std::fs::create_dir_all(folder.path().join("sub/deep")).unwrap();
        std::fs::create_dir(&git).unwrap();
        let locks = Locks::find([folder.path().join("sub/deep").as_path()].into_iter());
        assert_eq!(locks.folders().collect::<Vec<_>>(), [git.as_path()]);
        (folder, git, locks)
    }

    #[test]
    fn a_lock_holds_until_it_is_gone_and_none_follows() {
        let (_folder, git, mut locks) = checkout();
        let now = Instant::now();
        let lock = git.join("index.lock");
        assert!(locks.owns(&lock) && locks.owns(&git.join("HEAD")) && !locks.owns(&git));
        assert!(!locks.note(&git.join("HEAD"), false, now));
        assert!(!locks.are_held(now));
        assert!(!locks.note(&lock, false, now));
        assert!(locks.are_held(now));

        assert!(locks.note(&lock, true, now));
        assert_eq!(locks.next_due(now), Some(now + NEXT));
        let then = now + NEXT / 2;
        assert!(!locks.note(&lock, false, then));
        assert!(locks.note(&lock, true, then));
        assert!(locks.are_held(now + NEXT));
        assert!(!locks.are_held(then + NEXT));
        assert_eq!(locks.next_due(then + NEXT), None);
    }

    #[test]
    fn a_lock_under_which_nothing_happens_counts_for_a_second_and_never_for_ever() {
        let (_folder, git, mut locks) = checkout();
        let start = Instant::now();
        locks.note(&git.join("index.lock"), false, start);
        assert!(!locks.are_held(start + QUIET));
        let mut now = start;
        while now < start + LONGEST {
            locks.stir(now);
            assert!(locks.are_held(now));
            now += QUIET / 2;
        }
        locks.stir(now);
        assert!(!locks.are_held(now));
    }

    #[test]
    fn between_the_steps_of_a_rebase_more_time_passes() {
        let (_folder, git, mut locks) = checkout();
        std::fs::create_dir(git.join("rebase-merge")).unwrap();
        let now = Instant::now();
        locks.note(&git.join("index.lock"), false, now);
        locks.note(&git.join("index.lock"), true, now);
        assert_eq!(locks.next_due(now), Some(now + NEXT_STEP));
        let then = now + NEXT;
        locks.note(&git.join("HEAD"), false, then);
        assert_eq!(locks.next_due(then), Some(then + NEXT_STEP));
        // A person mends a conflict: nothing of Git's happens, and saves flow.
        assert!(!locks.are_held(then + NEXT_STEP));
        locks.note(&git.join("MERGE_MSG"), false, then + NEXT_STEP);
        assert!(!locks.are_held(then + NEXT_STEP));
    }

    #[test]
    fn a_lock_that_was_left_behind_holds_nothing() {
        let (_folder, git, mut locks) = checkout();
        let now = Instant::now();
        let lock = git.join("index.lock");
        let file = std::fs::File::create(&lock).unwrap();
        locks.look(now);
        assert!(locks.are_held(now));
        let hour = Duration::from_secs(3600);
        file.set_modified(SystemTime::now() - hour).unwrap();
        locks.look(now);
        assert!(!locks.are_held(now));
        assert!(locks.note(&lock, true, now), "its end is seen all the same");
        std::fs::remove_file(&lock).unwrap();
        locks.look(now);
        assert!(!locks.are_held(now));
    }

    #[test]
    fn a_worktree_names_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("main/.git/worktrees/other");
        let other = folder.path().join("other");
        std::fs::create_dir_all(&main).unwrap();
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join(".git"), "gitdir: ../main/.git/worktrees/other\n").unwrap();
        assert_eq!(git_folder(&other), main.canonicalize().ok());
        assert_eq!(git_folder(folder.path()), None);
    }
}
