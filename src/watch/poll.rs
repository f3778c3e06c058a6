//! Folders of which the kernel does not tell, or does not tell everything: what lies in them is
//! looked at again and again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use devrun_core::event::Polled;
use tokio::time::Instant;

use super::backend::What;

/// Between two rounds passes so many times what a round takes, so that the cost stays the same
/// however large the tree is: a thirtieth of a core at most.
const REST: u32 = 30;
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(10);
/// So many entries are looked at before the kernel's news get their turn.
const AT_ONCE: usize = 500;
/// How often a file is looked at that has just changed: whoever writes it may not be done.
const AGAIN: Duration = Duration::from_millis(10);
/// And for how long.
const RESTLESS: Duration = Duration::from_millis(60);

/// Why a folder is polled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// A person wants it so.
    Choice,
    /// The kernel's limit is reached.
    Limit,
    /// Others may change this file system without our kernel's knowledge.
    Foreign(&'static str),
    /// The kernel does not watch it.
    Refused(String),
}

impl Why {
    fn words(&self) -> String {
        match self {
            Why::Choice => "DEVRUN_WATCH=poll".into(),
            Why::Limit => "the kernel's limit of watches is reached".into(),
            Why::Foreign(kind) => format!("on {kind}, which others may change unnoticed"),
            Why::Refused(message) => message.clone(),
        }
    }
}

/// What an entry was like: kind, size, times, mode and number, as one hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    hash: u64,
    is_dir: bool,
}

#[derive(Debug)]
struct Folder {
    why: Why,
    entries: HashMap<Box<OsStr>, Stamp>,
}

/// The polled folders.
#[derive(Debug, Default)]
pub(super) struct Poll {
    folders: BTreeMap<PathBuf, Folder>,
    /// What is left of the round.
    left: VecDeque<PathBuf>,
    took: Duration,
    rest: Duration,
    next: Option<Instant>,
    /// Files that have just changed, and until when they are looked at often.
    restless: BTreeMap<PathBuf, Instant>,
    again: Option<Instant>,
    changed: bool,
}

impl Poll {
    /// Polls that folder from now on; what is in it at this moment is known.
    pub(super) fn add(&mut self, folder: &Path, why: Why) -> io::Result<()> {
        let entries = entries(folder)?;
        self.folders
            .insert(folder.to_path_buf(), Folder { why, entries });
        self.changed = true;
        if self.next.is_none() {
            self.next = Some(Instant::now() + SHORTEST);
            self.rest = SHORTEST;
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, folder: &Path) {
        self.changed |= self.folders.remove(folder).is_some();
    }

    /// Looks at a folder for the last time.
    pub(super) fn end(&mut self, folder: &Path) -> Vec<(PathBuf, What)> {
        let mut seen = Vec::new();
        self.compare(folder, &mut seen);
        self.remove(folder);
        seen
    }

    /// Drops all that `keep` says no to.
    pub(super) fn retain(&mut self, keep: impl Fn(&Path) -> bool) {
        let before = self.folders.len();
        self.folders.retain(|folder, _| keep(folder));
        self.changed |= before != self.folders.len();
    }

    /// The kernel told of that path already.
    pub(super) fn knows(&mut self, path: &Path) {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return;
        };
        if let Some(folder) = self.folders.get_mut(folder) {
            match stamp(path) {
                Some(stamp) => folder.entries.insert(name.into(), stamp),
                None => folder.entries.remove(name),
            };
        }
    }

    /// When [`step`](Self::step) is wanted next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let round = self.next.filter(|_| !self.folders.is_empty());
        round.into_iter().chain(self.again).min()
    }

    /// A piece of a round: what is different from the last time. Whether the round is over comes
    /// with it.
    pub(super) fn step(&mut self, now: Instant) -> (Vec<(PathBuf, What)>, bool) {
        let mut seen = Vec::new();
        if self.again.is_some_and(|again| again <= now) {
            self.look_at_restless(now, &mut seen);
        }
        if self.folders.is_empty() || self.next.is_none_or(|next| next > now) {
            return (seen, false);
        }
        if self.left.is_empty() {
            self.left = self.folders.keys().cloned().collect();
            self.took = Duration::ZERO;
        }
        let began = Instant::now();
        let mut looked_at = 0;
        while looked_at < AT_ONCE
            && let Some(folder) = self.left.pop_front()
        {
            looked_at += 1 + self.compare(&folder, &mut seen);
        }
        self.took += began.elapsed();
        let is_over = self.left.is_empty();
        self.next = Some(now);
        if is_over {
            self.rest = rest(self.took);
            self.next = Some(now + self.rest);
        }
        for (path, what) in &seen {
            if *what != What::Gone {
                self.restless.insert(path.clone(), now + RESTLESS);
                self.again = Some(now + AGAIN);
            }
        }
        (seen, is_over)
    }

    /// Looks at a folder, and notes what is different. Returns how much lies in it.
    fn compare(&mut self, path: &Path, seen: &mut Vec<(PathBuf, What)>) -> usize {
        let Some(folder) = self.folders.get_mut(path) else {
            return 0;
        };
        let now = match entries(path) {
            Ok(now) => now,
            Err(error) => {
                if is_absence(&error) {
                    self.remove(path);
                    seen.push((path.to_path_buf(), What::Gone));
                }
                return 0;
            }
        };
        let before = std::mem::replace(&mut folder.entries, now);
        for (name, stamp) in &folder.entries {
            let what = match before.get(name) {
                Some(before) if before == stamp => continue,
                Some(before) if before.is_dir && stamp.is_dir => What::Appeared,
                Some(before) if before.is_dir != stamp.is_dir => {
                    seen.push((path.join(&**name), What::Gone));
                    What::Appeared
                }
                None if stamp.is_dir => What::Appeared,
                _ => What::Modified,
            };
            seen.push((path.join(&**name), what));
        }
        let gone = before
            .keys()
            .filter(|name| !folder.entries.contains_key(*name));
        seen.extend(gone.map(|name| (path.join(&**name), What::Gone)));
        folder.entries.len()
    }

    fn look_at_restless(&mut self, now: Instant, seen: &mut Vec<(PathBuf, What)>) {
        for (path, until) in std::mem::take(&mut self.restless) {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                continue;
            };
            let Some(folder) = self.folders.get_mut(parent) else {
                continue;
            };
            // Its end is noticed by the next round.
            let (Some(stamp), Some(known)) = (stamp(&path), folder.entries.get_mut(name)) else {
                continue;
            };
            if !stamp.is_dir && *known != stamp {
                *known = stamp;
                seen.push((path.clone(), What::Modified));
                self.restless.insert(path, now + RESTLESS);
            } else if until > now {
                self.restless.insert(path, until);
            }
        }
        self.again = (!self.restless.is_empty()).then_some(now + AGAIN);
    }

    /// Folders that are polled only because the kernel's limit was reached.
    pub(super) fn for_want_of_watches(&self) -> Vec<PathBuf> {
        let wanting = self
            .folders
            .iter()
            .filter(|(_, folder)| folder.why == Why::Limit);
        wanting.map(|(path, _)| path.clone()).collect()
    }

    /// What to tell people, if it is different from what they were told.
    pub(super) fn news(&mut self) -> Option<Vec<Polled>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let mut all: BTreeMap<&Why, Vec<&Path>> = BTreeMap::new();
        for (path, folder) in &self.folders {
            all.entry(&folder.why).or_default().push(path);
        }
        let told = all.into_iter().map(|(why, folders)| Polled {
            folder: home_of_most(&folders),
            folders: folders.len(),
            why: why.words(),
        });
        Some(told.collect())
    }
}

/// The lowest folder that nearly all of them lie in; a few lie far from the others, that of the
/// session's own file for example.
fn home_of_most(folders: &[&Path]) -> PathBuf {
    let mut home = PathBuf::from("/");
    loop {
        let mut below: BTreeMap<&OsStr, usize> = BTreeMap::new();
        for folder in folders {
            let next = folder
                .strip_prefix(&home)
                .ok()
                .and_then(|rest| rest.iter().next());
            if let Some(next) = next {
                *below.entry(next).or_default() += 1;
            }
        }
        let most = below.into_iter().max_by_key(|(_, count)| *count);
        match most {
            Some((next, count)) if count * 4 > folders.len() * 3 => home.push(next),
            _ => return home,
        }
    }
}

/// How long to wait after a round that took so long.
fn rest(took: Duration) -> Duration {
    (took * REST).clamp(SHORTEST, LONGEST)
}

fn entries(folder: &Path) -> io::Result<HashMap<Box<OsStr>, Stamp>> {
    let mut found = HashMap::new();
    for entry in std::fs::read_dir(folder)? {
        let name: OsString = entry?.file_name();
        // Gone since it was listed is gone.
        if let Some(stamp) = stamp(&folder.join(&name)) {
            found.insert(name.into_boxed_os_str(), stamp);
        }
    }
    Ok(found)
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = path.symlink_metadata().ok()?;
    let is_dir = found.is_dir();
    let mut hasher = DefaultHasher::new();
    (found.dev(), found.ino(), found.mode()).hash(&mut hasher);
    if !is_dir {
        (found.size(), found.mtime(), found.mtime_nsec()).hash(&mut hasher);
        (found.ctime(), found.ctime_nsec()).hash(&mut hasher);
    }
    Some(Stamp {
        hash: hasher.finish(),
        is_dir,
    })
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// The name of the file system that a folder lies on, if others than our kernel may change it.
pub(crate) fn foreign(folder: &Path) -> Option<&'static str> {
    let found = rustix::fs::statfs(folder).ok()?;
    // The kernel's numbers are of 32 bits; some C libraries hand them out with a sign.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the lower 32 bits are meant, whatever they are kept in"
    )]
    let magic = found.f_type as u32;
    foreign_name(magic)
}

fn foreign_name(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "nfs",
        0x517b | 0xfe53_4d42 | 0xff53_4d42 => "cifs",
        0x0102_1997 => "9p",
        0x6573_5546 => "fuse or virtiofs",
        0x786f_4256 => "vboxsf",
        0xbacb_acbc => "vmhgfs",
        0x5346_414f | 0x6b41_4653 => "afs",
        0x00c3_6400 => "ceph",
        0x0bd0_0bd0 => "lustre",
        0x7375_7245 => "coda",
        0x0116_1970 => "gfs2",
        0x7461_636f => "ocfs2",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(poll: &mut Poll, now: Instant) -> Vec<(String, What)> {
        let (seen, is_over) = poll.step(now);
        assert!(is_over);
        let name = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        let mut seen: Vec<_> = seen
            .into_iter()
            .map(|(path, what)| (name(path), what))
            .collect();
        seen.sort_by(|one, other| one.0.cmp(&other.0));
        seen
    }

    #[test]
    fn a_round_tells_what_is_different() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        for name in ["same", "changed", "gone"] {
            std::fs::write(top.join(name), "x").unwrap();
        }
        let mut poll = Poll::default();
        poll.add(top, Why::Choice).unwrap();
        let due = poll.next_due().unwrap();
        assert!(poll.step(due - Duration::from_millis(1)).0.is_empty());
        assert_eq!(step(&mut poll, due), []);

        std::fs::write(top.join("changed"), "longer").unwrap();
        std::fs::remove_file(top.join("gone")).unwrap();
        std::fs::write(top.join("new"), "").unwrap();
        std::fs::create_dir(top.join("sub")).unwrap();
        let due = poll.next_due().unwrap();
        let wanted = [
            ("changed", What::Modified),
            ("gone", What::Gone),
            ("new", What::Modified),
            ("sub", What::Appeared),
        ];
        assert_eq!(
            step(&mut poll, due),
            wanted.map(|(name, what)| (name.to_owned(), what))
        );

        // Whoever writes it goes on.
        std::fs::write(top.join("new"), "more").unwrap();
        let due = poll.next_due().unwrap();
        let (seen, is_over) = poll.step(due);
        assert_eq!(
            (seen, is_over),
            (vec![(top.join("new"), What::Modified)], false)
        );
        // The kernel told of it first.
        std::fs::write(top.join("same"), "not any more").unwrap();
        poll.knows(&top.join("same"));
        let due = due + LONGEST;
        assert_eq!(step(&mut poll, due), []);
        std::fs::remove_dir_all(top).unwrap();
        let due = due + LONGEST;
        assert_eq!(step(&mut poll, due).len(), 1);
        assert_eq!(poll.next_due(), None);
    }

    #[test]
    fn large_trees_are_looked_at_less_often_and_small_ones_soon() {
        assert_eq!(rest(Duration::from_micros(50)), SHORTEST);
        assert_eq!(rest(Duration::from_millis(100)), Duration::from_secs(3));
        assert_eq!(rest(Duration::from_secs(5)), LONGEST);
    }

    #[test]
    fn what_is_polled_is_told_by_its_reason_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut poll = Poll::default();
        for name in ["a/b", "a/c"] {
            let folder = dir.path().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            poll.add(&folder, Why::Limit).unwrap();
        }
        let told = poll.news().unwrap();
        assert_eq!((told.len(), told[0].folders), (1, 2));
        assert_eq!(told[0].folder, dir.path().join("a"));
        let far = ["/run/a", "/p/x/1", "/p/x/2", "/p/x/3", "/p/x/4", "/p/x"].map(Path::new);
        assert_eq!(home_of_most(&far), Path::new("/p/x"));
        assert_eq!(poll.news(), None);
    }

    #[test]
    fn file_systems_that_others_change_are_known_by_their_number() {
        assert_eq!(foreign_name(0x6969), Some("nfs"));
        assert_eq!(foreign_name(0x0102_1997), Some("9p"));
        assert_eq!(foreign_name(0xef53), None, "ext4");
        assert_eq!(foreign(Path::new("/proc")), None);
    }
}
