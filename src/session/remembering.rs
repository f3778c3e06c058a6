//! What is in the files that `on` rules outside of sync name. Nothing else is compared to find out
//! whether a save of one changed anything, or what became of them while events were lost.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use devrun_core::event::WatchEvent;
use devrun_core::plan::Rules;
use tokio::sync::watch;

use crate::image::content_of;

/// A larger file is not read for this; when it was changed says whether it was.
const LARGE: u64 = 64 << 20;

/// By which rules is watched, and since when, in nanoseconds since 1970.
#[derive(Debug, Clone, Default)]
pub(super) struct Watched {
    rules: Option<Arc<Rules>>,
    since: i128,
}

impl Watched {
    /// From now on.
    pub(super) fn by(rules: Arc<Rules>) -> Watched {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let since = since.map_or(0, |since| since.as_nanos());
        Watched {
            rules: Some(rules),
            since: i128::try_from(since).unwrap_or(i128::MAX),
        }
    }
}

/// What was there when it was looked at last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Nothing,
    Content(u64),
    Large {
        changed: i128,
        size: u64,
    },
    /// Equal to nothing, not even to itself: see [`Mark::is`].
    Unsure,
}

impl Mark {
    fn of(path: &Path) -> Mark {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Mark::Nothing,
            Ok(meta) if meta.len() > LARGE && meta.is_file() => Mark::Large {
                changed: changed_at(&meta),
                size: meta.len(),
            },
            _ => content_of(path).map_or(Mark::Unsure, Mark::Content),
        }
    }

    fn is(self, other: Mark) -> bool {
        self == other && self != Mark::Unsure
    }
}

fn changed_at(meta: &Metadata) -> i128 {
    i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec())
}

/// Of all these files.
#[derive(Debug)]
pub(super) struct Memory {
    watched: watch::Receiver<Watched>,
    /// Those that are there.
    known: HashMap<PathBuf, Mark>,
    /// By which rules all were looked for; what is unknown does not exist.
    complete: Option<Arc<Rules>>,
}

impl Memory {
    pub(super) fn new(watched: watch::Receiver<Watched>) -> Memory {
        Memory {
            watched,
            known: HashMap::new(),
            complete: None,
        }
    }

    /// Says what of these news changed nothing, or what changed without any. Files are read only if
    /// they are among those.
    pub(super) async fn compare(&mut self, event: WatchEvent) -> WatchEvent {
        let Some(rules) = self.watched.borrow().rules.clone() else {
            return event;
        };
        match event {
            WatchEvent::Changed { paths, age, .. } => {
                let about = paths.iter().filter(|path| rules.remembers(path));
                let about: BTreeSet<PathBuf> = about.cloned().collect();
                let complete = self.is_complete(&rules);
                let differ = self.look(about.clone()).await;
                let same = about.into_iter();
                let same = same.filter(|path| complete && !differ.contains(path));
                let same = same.collect();
                WatchEvent::Changed { paths, same, age }
            }
            WatchEvent::Overflow { .. } if self.is_complete(&rules) => {
                let mut all = self.found(rules).await;
                all.extend(self.known.keys().cloned());
                let changed = self.look(all).await;
                WatchEvent::Overflow { changed }
            }
            event => event,
        }
    }

    /// Everything is watched from now on: what is there is looked at.
    pub(super) async fn take_in(&mut self) {
        let Watched { rules, since } = self.watched.borrow().clone();
        let Some(rules) = rules.filter(|rules| !self.is_complete(rules)) else {
            return;
        };
        self.known.retain(|path, _| rules.remembers(path));
        let mut new = self.found(rules.clone()).await;
        new.retain(|path| !self.known.contains_key(path));
        self.look(new.clone()).await;
        // What was saved meanwhile will be told, and was perhaps not followed by anything yet.
        for path in new {
            let late = fs::symlink_metadata(&path).map(|meta| changed_at(&meta) >= since);
            if late.unwrap_or(true) {
                self.known.insert(path, Mark::Unsure);
            }
        }
        self.complete = Some(rules);
    }

    fn is_complete(&self, rules: &Arc<Rules>) -> bool {
        let by = self.complete.as_ref();
        by.is_some_and(|by| Arc::ptr_eq(by, rules))
    }

    /// Those of these that are something else than before.
    async fn look(&mut self, paths: BTreeSet<PathBuf>) -> Vec<PathBuf> {
        if paths.is_empty() {
            return Vec::new();
        }
        let look = move || -> Vec<(PathBuf, Mark)> {
            let marks = paths.into_iter().map(|path| {
                let mark = Mark::of(&path);
                (path, mark)
            });
            marks.collect()
        };
        let marks = tokio::task::spawn_blocking(look).await.unwrap_or_default();
        let mut differ = Vec::new();
        for (path, mark) in marks {
            let before = match mark {
                Mark::Nothing => self.known.remove(&path),
                mark => self.known.insert(path.clone(), mark),
            };
            if !mark.is(before.unwrap_or(Mark::Nothing)) {
                differ.push(path);
            }
        }
        differ
    }

    /// All of these files that there are.
    async fn found(&self, rules: Arc<Rules>) -> BTreeSet<PathBuf> {
        let find = move || {
            let mut found = BTreeSet::new();
            let mut folders = rules.remembered_folders();
            while let Some(folder) = folders.pop_first() {
                let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
                for entry in entries {
                    let path = entry.path();
                    match entry.file_type() {
                        Ok(kind) if kind.is_dir() && rules.remembers_below(&path) => {
                            folders.insert(path);
                        }
                        Ok(kind) if !kind.is_dir() && rules.remembers(&path) => {
                            found.insert(path);
                        }
                        _ => {}
                    }
                }
            }
            found
        };
        tokio::task::spawn_blocking(find).await.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
