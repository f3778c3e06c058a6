//! What differs in a container that does not run, and a tar of it: brought over before its process
//! starts. Only what lies where it should can be replaced so; all else is left to the comparison
//! that follows the start.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use devrun_core::early::{Doubt, Moment, OnHost, doubt};
use devrun_wire::frames::Entry;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio_util::io::SyncIoBridge;

use super::archive;
use super::deputy::listing::{self, Listing};
use super::deputy::{Remote, RemoteError};
use super::reconcile::is_equal;
use super::scan::{self, Known, Tree, blocking};

/// So many things right below a target are fetched one by one; more, and all of it is.
const ONE_BY_ONE: usize = 16;
/// So many of them at a time.
const TOGETHER: usize = 4;
/// So many folders are enough for two to look into.
const SPREAD: usize = 16;

/// Whether a path (absolute, on the host) is known to have come from there at some time.
pub(crate) type Came = dyn Fn(&Path) -> bool + Send + Sync;

/// What is known of a container's files.
pub(crate) struct Agreed {
    /// What did not change since then is in it; `None` where that is not known.
    pub(crate) at: Option<Moment>,
    /// What was brought over later, and when it had changed last; absolute.
    pub(crate) brought: HashMap<PathBuf, Moment>,
    /// Asked where the rules are others by now.
    pub(crate) came: Option<Box<Came>>,
}

/// What has to be looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Doubtful {
    /// Relative to the source, sorted.
    pub(crate) paths: Vec<PathBuf>,
    /// How large the files among them are together.
    pub(crate) bytes: u64,
}

/// When anything of it changed last.
pub(crate) fn changed(found: &Metadata) -> Moment {
    Moment::from(found.ctime()) * 1_000_000_000 + Moment::from(found.ctime_nsec())
}

/// What of a tree the container may have another version of, or none. Blocks.
pub(crate) fn doubtful(tree: &Tree, agreed: &Agreed) -> Doubtful {
    let mut walk = Walk::default();
    walk.folders.push_back((PathBuf::new(), false));
    while walk.folders.len() < SPREAD && walk.step(tree, agreed) {}
    // A start waits for this, and a look at a hundred thousand files is nearly all the system's.
    let mut other = Walk::default();
    let half = walk.folders.len() / 2;
    other.folders = walk.folders.split_off(half);
    std::thread::scope(|scope| {
        scope.spawn(|| while other.step(tree, agreed) {});
        while walk.step(tree, agreed) {}
    });
    let mut found = walk.found;
    found.paths.append(&mut other.found.paths);
    found.bytes += other.found.bytes;
    found.paths.sort();
    found
}

/// A look at a tree, or at half of it.
#[derive(Default)]
struct Walk {
    /// Folders to be looked into, and whether all that is in them is in doubt.
    folders: VecDeque<(PathBuf, bool)>,
    found: Doubtful,
}

impl Walk {
    /// Looks into the next folder; false if there is none.
    fn step(&mut self, tree: &Tree, agreed: &Agreed) -> bool {
        let Some((folder, all)) = self.folders.pop_front() else {
            return false;
        };
        // What cannot be read now is named by the comparison after the start.
        let items = fs::read_dir(tree.from.join(&folder));
        for item in items.into_iter().flatten().flatten() {
            let Ok(kind) = item.file_type() else { continue };
            if !(kind.is_dir() || kind.is_file() || kind.is_symlink()) {
                continue;
            }
            // There are many files, few of which changed: a look costs less than the rules.
            let Ok(found) = item.metadata() else { continue };
            let mut doubt = match all {
                true => Doubt::WithContent,
                false => agreed.doubt(|| item.path(), &found, kind.is_dir()),
            };
            if doubt == Doubt::None && !kind.is_dir() {
                continue;
            }
            let path = folder.join(item.file_name());
            if !(tree.filter)(&path, kind.is_dir()) {
                continue;
            }
            if kind.is_dir() {
                let all = doubt == Doubt::WithContent;
                self.folders.push_back((path.clone(), all));
                if !(tree.makes)(&path) {
                    doubt = Doubt::None;
                }
            }
            if doubt != Doubt::None {
                self.found.bytes += if kind.is_file() { found.len() } else { 0 };
                self.found.paths.push(path);
            }
        }
        true
    }
}

impl Agreed {
    fn doubt(&self, path: impl Fn() -> PathBuf, found: &Metadata, is_folder: bool) -> Doubt {
        let Some(at) = self.at else {
            return Doubt::WithContent;
        };
        let changed = changed(found);
        let content =
            Moment::from(found.mtime()) * 1_000_000_000 + Moment::from(found.mtime_nsec());
        let brought = match changed < at {
            true => None,
            false => self.brought.get(&path()).copied(),
        };
        let lies = OnHost {
            changed,
            content,
            is_folder,
            is_new: self.came.as_ref().is_some_and(|came| !came(&path())),
        };
        doubt(at, lies, brought)
    }
}

/// What a container has below a target, as far as it was asked for.
pub(crate) async fn inside(
    remote: &impl Remote,
    tree: &Tree,
    paths: &[PathBuf],
) -> Result<Listing, RemoteError> {
    let names: BTreeSet<Vec<u8>> = paths.iter().map(|path| first(tree, path)).collect();
    let as_text = |name: &Vec<u8>| !name.is_empty() && std::str::from_utf8(name).is_ok();
    if names.len() > ONE_BY_ONE || !names.iter().all(as_text) {
        return fetched(remote, tree, b".".to_vec(), Vec::new()).await;
    }
    let fetches = names.into_iter();
    let fetches = fetches.map(|name| fetched(remote, tree, name.clone(), name));
    let listings = stream::iter(fetches).buffer_unordered(TOGETHER);
    let all: Vec<Listing> = listings.try_collect().await?;
    Ok(all.into_iter().flatten().collect())
}

async fn fetched(
    remote: &impl Remote,
    tree: &Tree,
    name: Vec<u8>,
    prefix: Vec<u8>,
) -> Result<Listing, RemoteError> {
    let path = [tree.to.trim_end_matches('/').as_bytes(), b"/", &name].concat();
    let Some(tar) = remote.download(&path).await? else {
        return Ok(Listing::new());
    };
    let bridge = SyncIoBridge::new(tar);
    let read = blocking(move || listing::of(bridge, &prefix)).await;
    read.map_err(|error| RemoteError {
        message: format!("what the container has could not be read: {error}"),
        over: false,
    })
}

/// Where a path of the source lies in the container.
pub(crate) fn place(tree: &Tree, path: &Path) -> Vec<u8> {
    let to = tree.to.trim_end_matches('/').as_bytes();
    [to, b"/", &tree.inside(path)].concat()
}

/// The name right below the target.
fn first(tree: &Tree, path: &Path) -> Vec<u8> {
    let inside = tree.inside(path);
    let name = inside.split(|byte| *byte == b'/').next();
    name.unwrap_or_default().to_vec()
}

/// Those of the paths that the container has otherwise, or not at all, and that can be put there as
/// they are: nothing of another kind is in their place, nor a link on the way. Blocks.
pub(crate) fn differing(tree: &Tree, paths: &[PathBuf], inside: &Listing) -> Vec<PathBuf> {
    let owner = tree.owner.map(|(uid, gid)| (uid.into(), gid.into()));
    let there = |path: &Path| listing::at(inside, &tree.inside(path), owner);
    let differs = |path: &&PathBuf| {
        let Ok(host) = tree.know(path) else {
            return false;
        };
        let entry = there(path);
        let replaceable = matches!(
            (&host, &entry),
            (
                Known::File { .. } | Known::Symlink(_),
                Entry::File { .. } | Entry::Symlink(_)
            ) | (
                Known::File { .. } | Known::Symlink(_) | Known::Folder,
                Entry::Absent
            )
        );
        replaceable && !is_equal(&host, &entry)
    };
    paths.iter().filter(differs).cloned().collect()
}

/// These, and the folders on the way to them that the container does not have, the target among
/// them unless it is `rooted`. Sorted.
pub(crate) fn with_folders(
    tree: &Tree,
    paths: &[PathBuf],
    inside: &Listing,
    rooted: bool,
) -> Vec<PathBuf> {
    let mut all: BTreeSet<PathBuf> = paths.iter().cloned().collect();
    for path in paths {
        for folder in path.ancestors().skip(1) {
            let absent = match folder.as_os_str().is_empty() {
                true => !rooted && tree.file.is_none(),
                false => !inside.contains_key(folder.as_os_str().as_bytes()),
            };
            if absent {
                all.insert(folder.to_owned());
            }
        }
    }
    all.into_iter().collect()
}

/// A tar of these, to be unpacked in a folder at or above the target. What replaces a file belongs
/// to that one's owner, what is new to this one. Blocks.
pub(crate) fn packed(
    tree: &Tree,
    paths: &[PathBuf],
    inside: &Listing,
    (below, owner): (&str, Option<(u64, u64)>),
) -> io::Result<File> {
    let to = Path::new(&tree.to)
        .strip_prefix(below)
        .unwrap_or(Path::new(""));
    let mut at = tree.clone();
    at.to = to.to_string_lossy().into_owned();
    archive::tar_of(&at, paths, |path| {
        let before = inside.get(&tree.inside(path));
        before.map(|found| found.owner).or(owner)
    })
}

/// Some files of a tree by which an image is judged: the first, the last and one between.
pub(crate) fn sample(tree: &Tree, paths: &[PathBuf]) -> Vec<PathBuf> {
    let is_file = |path: &&PathBuf| scan::is_regular(&tree.from.join(path));
    let mut some: Vec<PathBuf> = paths.iter().find(is_file).into_iter().cloned().collect();
    let half = paths.get(paths.len() / 2..).unwrap_or_default();
    some.extend(half.iter().find(is_file).cloned());
    some.extend(paths.iter().rev().find(is_file).cloned());
    some.dedup();
    some
}

#[cfg(test)]
mod tests;
