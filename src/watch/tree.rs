//! The folders that are watched, and what is known to lie in them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use devrun_core::event::WatchEvent;
use tokio::time::Instant;

use super::backend::{Backend, WatchError, What};
use super::batch::Batch;
use super::names::Names;
use super::places::Places;
use super::poll::{Poll, Why, foreign};

/// How folders are to be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Choice {
    /// By the kernel's news, and by polling where these are not all.
    #[default]
    Auto,
    /// By polling alone.
    Poll,
}

impl Choice {
    /// As `DEVRUN_WATCH` says it; what it cannot say is an error for people.
    pub(crate) fn of(word: Option<&OsStr>) -> Result<Self, String> {
        match word.map_or("auto".into(), OsStr::to_string_lossy).as_ref() {
            "auto" | "" => Ok(Self::Auto),
            "poll" => Ok(Self::Poll),
            other => Err(format!(
                "DEVRUN_WATCH is `{other}`, which means nothing: files are watched as with `auto`; \
                 the other word is `poll`"
            )),
        }
    }
}

/// The watched folders.
#[derive(Debug)]
pub(super) struct Tree {
    places: Places,
    choice: Choice,
    /// Without one, all is polled.
    backend: Option<Backend>,
    /// By real path: names of the files in it that matter.
    folders: BTreeMap<PathBuf, Names>,
    poll: Poll,
    lost: Vec<WatchEvent>,
    /// Folders that cannot be watched or read; told once.
    failed: BTreeSet<PathBuf>,
    /// The kernel watches no more; told once.
    is_full: bool,
    /// Folders below the places that are the top of a checkout of their own.
    checkouts: BTreeSet<PathBuf>,
}

impl Tree {
    pub(super) fn new(places: Places, choice: Choice, backend: Option<Backend>) -> Self {
        Self {
            places,
            choice,
            backend,
            folders: BTreeMap::new(),
            poll: Poll::default(),
            lost: Vec::new(),
            failed: BTreeSet::new(),
            is_full: false,
            checkouts: BTreeSet::new(),
        }
    }

    /// Watches for something else from now on.
    pub(super) fn replace(&mut self, places: Places) {
        self.places = places;
        self.folders.clear();
        self.failed.clear();
        self.is_full = false;
        self.checkouts.clear();
        self.arm_all();
        let folders = &self.folders;
        self.poll.retain(|folder| folders.contains_key(folder));
        if let Some(backend) = &mut self.backend {
            backend.retain(|folder| folders.contains_key(folder));
        }
    }

    /// Watches all there is.
    pub(super) fn arm_all(&mut self) {
        let mut found = Vec::new();
        self.arm_places(&mut found);
    }

    /// Files that matter.
    pub(super) fn count(&self) -> usize {
        self.folders.values().map(Names::len).sum()
    }

    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    pub(super) fn choice(&self) -> Choice {
        self.choice
    }

    /// The tops of other checkouts that were met, submodules for example.
    pub(super) fn checkouts(&self) -> impl Iterator<Item = &Path> {
        self.checkouts.iter().map(PathBuf::as_path)
    }

    /// What could not be watched since the last time, and what is polled if that is different.
    pub(super) fn take_lost(&mut self) -> Vec<WatchEvent> {
        let mut lost = std::mem::take(&mut self.lost);
        lost.extend(self.poll.news().map(|polled| WatchEvent::Polled { polled }));
        lost
    }

    /// When [`poll`](Self::poll) is wanted next.
    pub(super) fn poll_due(&self) -> Option<Instant> {
        self.poll.next_due()
    }

    /// Looks at a piece of what is polled; what happened there goes into the batch. Whether
    /// anything did, and whether everything was looked at by now.
    pub(super) fn poll(&mut self, now: Instant, batch: &mut Batch) -> (bool, bool) {
        let (seen, is_over) = self.poll.step(now);
        for (path, what) in &seen {
            self.see(path, *what, now, batch);
        }
        if is_over && self.is_full {
            self.try_again(now, batch);
        }
        (!seen.is_empty(), is_over)
    }

    /// Everything is polled because the kernel gave us no place to watch from.
    pub(super) fn wants_backend(&self) -> bool {
        self.backend.is_none() && self.choice == Choice::Auto
    }

    /// Now it did.
    pub(super) fn adopt(&mut self, backend: Backend, now: Instant, batch: &mut Batch) {
        self.backend = Some(backend);
        self.is_full = true;
        self.try_again(now, batch);
    }

    /// Something was mounted there, or what was mounted is not any more.
    pub(super) fn remounted(&mut self, at: &Path, now: Instant, batch: &mut Batch) {
        let above = |place: &Path| place.starts_with(at) && place != at;
        let covered: Vec<PathBuf> = self.places.all().iter().map(|it| it.real.clone()).collect();
        for place in covered.into_iter().filter(|place| above(place)) {
            self.remounted(&place, now, batch);
        }
        let is_ours = |folder: &Path| self.folders.contains_key(folder);
        if is_ours(at) || at.parent().is_some_and(is_ours) {
            self.appeared(at, now, batch);
        }
    }

    /// The kernel may watch more by now: somebody raised the limit, or others ended.
    fn try_again(&mut self, now: Instant, batch: &mut Batch) {
        for folder in self.poll.for_want_of_watches() {
            match self.backend.as_mut().map(|backend| backend.watch(&folder)) {
                // Looked at once more, so that nothing falls between the last round and the watch.
                Some(Ok(())) => {
                    for (path, what) in self.poll.end(&folder) {
                        self.see(&path, what, now, batch);
                    }
                }
                _ => return,
            }
        }
        self.is_full = false;
    }

    /// Watches a folder whose content does not matter by itself.
    pub(super) fn guard(&mut self, folder: &Path) {
        if !self.folders.contains_key(folder) && self.watch(folder) {
            self.folders.insert(folder.to_path_buf(), Names::default());
        }
    }

    /// What happened to a path goes into the batch.
    pub(super) fn see(&mut self, path: &Path, what: What, now: Instant, batch: &mut Batch) {
        self.poll.knows(path);
        match what {
            What::Gone => return self.gone(path, now, batch),
            What::Written => return self.file(path, batch, Batch::whole),
            _ => {}
        }
        // If it is gone again, that is told too.
        let Ok(found) = path.symlink_metadata() else {
            if what == What::Made && !self.knows(path, true) && !self.knows(path, false) {
                let told = self.places.told_as(path, false);
                told.iter().for_each(|name| batch.made(name));
            }
            return;
        };
        match what {
            // Now it may be readable.
            What::Attributes if self.failed.remove(path) => self.appeared(path, now, batch),
            What::Attributes => {
                for name in self.places.told_as(path, found.is_dir()) {
                    batch.touched(name, now);
                }
            }
            _ if found.is_dir() => self.appeared(path, now, batch),
            // A link is whole from the start, and nobody closes it.
            What::Made if found.is_symlink() || found.nlink() > 1 => {
                self.file(path, batch, Batch::whole);
            }
            What::Made | What::Modified => {
                self.file(path, batch, |batch, name| batch.writing(name, now));
            }
            _ => self.file(path, batch, Batch::whole),
        }
    }

    /// Places that were missing may be there by now, and the other way round.
    pub(super) fn restore(&mut self, batch: &mut Batch) {
        let is_there =
            |folder: &Path| self.folders.contains_key(folder) || self.failed.contains(folder);
        if self.places.all().iter().all(|place| is_there(&place.real)) {
            return;
        }
        self.places.locate();
        let mut found = Vec::new();
        self.arm_places(&mut found);
        found.into_iter().for_each(|path| batch.whole(path));
    }

    fn arm_places(&mut self, found: &mut Vec<PathBuf>) {
        for place in self.places.all().to_vec() {
            if self.folders.contains_key(&place.real) {
                continue;
            }
            // Something may be made while the watch above it is added.
            let mut nearest = PathBuf::new();
            while let Some(above) = place.real.ancestors().find(|above| above.is_dir()) {
                if above == place.real {
                    self.arm(above, found);
                }
                if above == place.real || above == nearest {
                    break;
                }
                self.guard(above);
                nearest = above.to_path_buf();
            }
        }
    }

    /// Watches a folder and what is below it. A folder is listed only once its watch is there:
    /// what is made before is found, and what is made after is told.
    fn arm(&mut self, top: &Path, found: &mut Vec<PathBuf>) {
        let mut left = vec![top.to_path_buf()];
        while let Some(folder) = left.pop() {
            if self.folders.contains_key(&folder) || !self.watch(&folder) {
                continue;
            }
            found.extend(self.places.told_as(&folder, true));
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    self.give_up(&folder, &error);
                    continue;
                }
            };
            let mut names: Vec<OsString> = Vec::new();
            for entry in entries.flatten() {
                let path = entry.path();
                if entry.file_name() == ".git" {
                    self.checkouts.insert(folder.clone());
                }
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    if !self.places.prune(&path) {
                        left.push(path);
                    }
                    continue;
                }
                let told = self.places.told_as(&path, false);
                if !told.is_empty() {
                    names.push(entry.file_name());
                    found.extend(told);
                }
            }
            self.folders.insert(folder, names.into_iter().collect());
        }
    }

    /// Whether what happens in the folder will be noticed, one way or the other.
    fn watch(&mut self, folder: &Path) -> bool {
        let why = match (&mut self.backend, self.choice) {
            (_, Choice::Poll) => Some(Why::Choice),
            (None, _) => Some(Why::Limit),
            (Some(backend), _) => match backend.watch(folder) {
                Ok(()) => foreign(folder).map(Why::Foreign),
                Err(WatchError::Missing) => return false,
                Err(WatchError::Limit(message)) => {
                    if !std::mem::replace(&mut self.is_full, true) {
                        self.lost.push(WatchEvent::Lost {
                            root: folder.to_path_buf(),
                            message,
                        });
                    }
                    Some(Why::Limit)
                }
                Err(WatchError::Other(message)) => Some(Why::Refused(message)),
            },
        };
        let Some(why) = why else {
            return true;
        };
        // What cannot be listed will be given up by whoever lists it.
        match self.poll.add(folder, why) {
            Err(error) if is_absence(&error) => {
                self.unwatch(folder);
                false
            }
            _ => true,
        }
    }

    fn unwatch(&mut self, folder: &Path) {
        self.poll.remove(folder);
        if let Some(backend) = &mut self.backend {
            backend.unwatch(folder);
        }
    }

    /// A folder that was watched but cannot be listed: gone again, or not ours to read.
    fn give_up(&mut self, folder: &Path, error: &std::io::Error) {
        self.unwatch(folder);
        if !is_absence(error) {
            self.lose(folder, &error.to_string());
        }
    }

    fn lose(&mut self, folder: &Path, why: &str) {
        if self.failed.insert(folder.to_path_buf()) {
            self.lost.push(WatchEvent::Lost {
                root: folder.to_path_buf(),
                message: format!(
                    "saves below it go unnoticed: {why}; let your user read it, or let `ignore` \
                     or `.gitignore` name it"
                ),
            });
        }
    }

    fn appeared(&mut self, folder: &Path, now: Instant, batch: &mut Batch) {
        let mut found = self.places.told_as(folder, true);
        if !self.places.prune(folder) {
            let known = self.forget(folder);
            self.arm(folder, &mut found);
            // What the old watch has not told yet will not be told any more.
            for (path, is_dir) in known {
                if !self.knows(&path, is_dir) {
                    for name in self.places.told_as(&path, is_dir) {
                        batch.gone(name, now);
                    }
                }
            }
        }
        found.into_iter().for_each(|path| batch.whole(path));
    }

    fn knows(&self, path: &Path, is_dir: bool) -> bool {
        match (path.parent(), path.file_name()) {
            _ if is_dir => self.folders.contains_key(path),
            (Some(parent), Some(name)) => self
                .folders
                .get(parent)
                .is_some_and(|names| names.contains(name)),
            _ => false,
        }
    }

    fn file(&mut self, path: &Path, batch: &mut Batch, mut put: impl FnMut(&mut Batch, PathBuf)) {
        let told = self.places.told_as(path, false);
        if told.is_empty() {
            return;
        }
        let mut is_new = false;
        if let (Some(parent), Some(name)) = (path.parent(), path.file_name())
            && let Some(names) = self.folders.get_mut(parent)
        {
            is_new = names.insert(name);
        }
        for name in told {
            if self.places.is_mark(&name) {
                batch.last(name);
                continue;
            }
            if is_new {
                batch.made(&name);
            }
            put(batch, name);
        }
    }

    fn gone(&mut self, path: &Path, now: Instant, batch: &mut Batch) {
        if self.folders.contains_key(path) {
            for (gone, is_dir) in self.forget(path) {
                for name in self.places.told_as(&gone, is_dir) {
                    batch.gone(name, now);
                }
            }
            // Another may have taken its place before we heard of the end of this one.
            if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
                self.appeared(path, now, batch);
            }
            return;
        }
        let known = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => self
                .folders
                .get_mut(parent)
                .is_some_and(|names| names.remove(name)),
            _ => false,
        };
        // What is not known may have been a folder that the rules ignore.
        if known || !self.places.told_as(path, true).is_empty() {
            for name in self.places.told_as(path, false) {
                batch.gone(name, now);
            }
        }
    }

    /// Ends the watches on a folder and all below it. Returns what was known there, and whether
    /// each is a folder.
    fn forget(&mut self, top: &Path) -> Vec<(PathBuf, bool)> {
        let below = self.folders.range(top.to_path_buf()..);
        let folders: Vec<PathBuf> = below
            .map(|(folder, _)| folder)
            .take_while(|folder| folder.starts_with(top))
            .cloned()
            .collect();
        let mut known = Vec::new();
        for folder in folders {
            self.unwatch(&folder);
            self.checkouts.remove(&folder);
            let names = self.folders.remove(&folder).unwrap_or_default();
            known.extend(names.iter().map(|name| (folder.join(name), false)));
            known.push((folder, true));
        }
        known
    }
}

fn is_absence(error: &std::io::Error) -> bool {
    [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind())
}
