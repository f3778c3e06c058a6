//! While Git holds its index, it is changing the tree: what happens then is told as one batch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

/// A lock that is older was left behind by a Git that was killed.
const LONGEST: Duration = Duration::from_secs(30);

/// Git's own folders of the watched checkouts, and since when their index is locked.
#[derive(Debug, Default)]
pub(super) struct Locks {
    folders: BTreeMap<PathBuf, Option<Instant>>,
}

impl Locks {
    /// Finds the checkouts that these folders lie in.
    pub(super) fn find<'a>(folders: impl Iterator<Item = &'a Path>) -> Self {
        let found = folders.filter_map(|folder| folder.ancestors().find_map(git_folder));
        Self {
            folders: found.map(|folder| (folder, None)).collect(),
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

    /// Takes note of what happened in one of the folders. Returns whether Git has just finished.
    /// What counts is the order of events, not what is there by now: the files that Git changed
    /// were told of between the two.
    pub(super) fn note(&mut self, path: &Path, is_gone: bool, now: Instant) -> bool {
        let Some(since) = path
            .parent()
            .and_then(|parent| self.folders.get_mut(parent))
        else {
            return false;
        };
        if path.file_name().is_none_or(|name| name != "index.lock") {
            return false;
        }
        let was_locked = since.is_some();
        *since = (!is_gone).then(|| since.unwrap_or(now));
        was_locked && is_gone
    }

    /// Looks at all locks: events were lost, or there were none yet.
    pub(super) fn look(&mut self, now: Instant) {
        for (folder, since) in &mut self.folders {
            let locked = folder.join("index.lock").exists();
            *since = locked.then(|| since.unwrap_or(now));
        }
    }

    /// Whether changes are to be kept for later.
    pub(super) fn are_held(&self, now: Instant) -> bool {
        self.until().any(|until| until > now)
    }

    /// When the next lock that is held now stops to count.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        self.until().filter(|until| *until > now).min()
    }

    fn until(&self) -> impl Iterator<Item = Instant> {
        self.folders
            .values()
            .flatten()
            .map(|since| *since + LONGEST)
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

    #[test]
    fn a_lock_holds_until_it_is_gone_or_too_old() {
        let folder = tempfile::tempdir().unwrap();
        let git = folder.path().join(".git");
        std::fs::create_dir_all(folder.path().join("sub/deep")).unwrap();
        std::fs::create_dir(&git).unwrap();
        let mut locks = Locks::find([folder.path().join("sub/deep").as_path()].into_iter());
        assert_eq!(locks.folders().collect::<Vec<_>>(), [git.as_path()]);

        let now = Instant::now();
        let lock = git.join("index.lock");
        assert!(locks.owns(&lock) && locks.owns(&git.join("HEAD")) && !locks.owns(&git));
        assert!(!locks.note(&git.join("HEAD"), false, now));
        assert!(!locks.are_held(now));
        assert!(!locks.note(&lock, false, now));
        assert!(locks.are_held(now));
        assert!(!locks.are_held(now + LONGEST));
        assert_eq!(locks.next_due(now), Some(now + LONGEST));

        assert!(locks.note(&lock, true, now));
        assert!(!locks.are_held(now));
        assert_eq!(locks.next_due(now), None);

        std::fs::write(&lock, "").unwrap();
        locks.look(now);
        assert!(locks.are_held(now));
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
