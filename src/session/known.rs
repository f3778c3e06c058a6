//! Which paths in a container or image came from the host, remembered across sessions: a file
//! that was deleted while nobody watched can then be told from one that the container made.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::place::folder;
use crate::sync::scan::Tree;

/// What was not used for so long is forgotten: its container or image is hardly there any more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(90 * 24 * 3600);

/// The paths (absolute, on the host) of one container or image. Lost ones do no harm beyond a
/// file that stays in a container although it is gone on the host.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Hashes of the paths: which they are is asked seldom, and then the file says it.
    hashes: HashSet<u64>,
    file: Option<(PathBuf, File)>,
}

impl Known {
    /// Of a container or image, by its id.
    pub(super) fn of(id: &str) -> Known {
        let id = id.trim_start_matches("sha256:");
        match Self::open(&folder().join("known"), id) {
            Ok(known) => known,
            Err(error) => {
                tracing::debug!(%error, "what came from the host is not remembered");
                Known::default()
            }
        }
    }

    /// What was saved for one target of a container of that name, whichever it is by now.
    pub(super) fn of_saves(container: &str, target: &str) -> Known {
        Self::of(&format!("saved-{container}{}", target.replace('/', "+")))
    }

    fn open(folder: &Path, id: &str) -> io::Result<Known> {
        fs::create_dir_all(folder)?;
        let path = folder.join(id);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let hashes = paths_in(&text).map(hash).collect();
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        // Shows that it is still of use.
        file.set_modified(SystemTime::now())?;
        Ok(Known {
            hashes,
            file: Some((path, file)),
        })
    }

    /// All of them, each ended by a zero byte.
    fn text(&self) -> Vec<u8> {
        let text = self.file.as_ref().map(|(path, _)| fs::read(path));
        // What cannot be read is lost.
        text.and_then(Result::ok).unwrap_or_default()
    }

    /// Those of another one as well.
    pub(super) fn add_all(&mut self, other: &Known) {
        self.add(paths_in(&other.text()).map(Path::to_owned));
    }

    pub(super) fn has(&self, path: &Path) -> bool {
        self.hashes.contains(&hash(path))
    }

    /// Those that take part in a tree and are not among these of its paths, which are sorted; all
    /// relative to its source. Reads them anew, and blocks.
    pub(super) fn unlisted(
        &self,
        tree: &Tree,
    ) -> impl FnOnce(&[PathBuf]) -> Vec<PathBuf> + Send + 'static {
        let file = self.file.as_ref().map(|(path, _)| path.clone());
        let tree = tree.clone();
        move |listed| {
            // What cannot be read is lost.
            let text = file.and_then(|file| fs::read(file).ok());
            let text = text.unwrap_or_default();
            let below = paths_in(&text).filter_map(|path| path.strip_prefix(&tree.from).ok());
            let is_new = |path: &&Path| {
                let found = listed.binary_search_by(|one| one.as_path().cmp(path));
                found.is_err() && (tree.filter)(path, false)
            };
            below.filter(is_new).map(Path::to_owned).collect()
        }
    }

    /// All that take part in a tree, relative to its source. Reads them anew, and blocks.
    pub(super) fn below(&self, tree: &Tree) -> BTreeSet<PathBuf> {
        self.unlisted(tree)(&[]).into_iter().collect()
    }

    /// Remembers these as well; only what is new is written.
    pub(super) fn add(&mut self, paths: impl Iterator<Item = PathBuf>) {
        let mut new = Vec::new();
        for path in paths {
            if self.hashes.insert(hash(&path)) {
                new.extend_from_slice(path.as_os_str().as_bytes());
                new.push(0);
            }
        }
        if let Some((_, file)) = self.file.as_mut().filter(|_| !new.is_empty())
            && let Err(error) = file.write_all(&new)
        {
            tracing::debug!(%error, "what came from the host is not remembered");
        }
    }
}

fn paths_in(text: &[u8]) -> impl Iterator<Item = &Path> {
    let paths = text
        .split(|byte| *byte == 0)
        .filter(|path| !path.is_empty());
    paths.map(|path| Path::new(OsStr::from_bytes(path)))
}

fn hash(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(path.as_os_str().as_bytes());
    hasher.finish()
}

/// Forgets what was saved for containers of these names: whoever takes them down begins anew.
pub(crate) fn forget_saves(containers: &[String]) {
    let Ok(items) = fs::read_dir(folder().join("known")) else {
        return;
    };
    for item in items.flatten() {
        let name = item.file_name();
        let of = name.to_str().and_then(|name| name.strip_prefix("saved-"));
        let of = of.and_then(|rest| rest.split('+').next());
        if of.is_some_and(|of| containers.iter().any(|name| name == of)) {
            // A session that still ends may have it open; it is not read again.
            let _ = fs::remove_file(item.path());
        }
    }
}

/// Forgets what has not been used for long.
pub(super) fn forget_old() {
    let Ok(items) = fs::read_dir(folder().join("known")) else {
        return;
    };
    for item in items.flatten() {
        let used = item.metadata().and_then(|metadata| metadata.modified());
        let old = used.is_ok_and(|used| used.elapsed().is_ok_and(|age| age > FORGOTTEN_AFTER));
        if old {
            // Another session may have done it just now.
            let _ = fs::remove_file(item.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_session_remembers_the_next_one_knows() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Known::open(folder.path(), "c1").unwrap();
        first.add(["/a/b.py", "/a/c.py"].map(PathBuf::from).into_iter());
        first.add(["/a/b.py"].map(PathBuf::from).into_iter());
        let size = fs::metadata(folder.path().join("c1")).unwrap().len();
        assert_eq!(size, 16, "each path stands once");
        let second = Known::open(folder.path(), "c1").unwrap();
        assert_eq!(paths_in(&second.text()).count(), 2);
        assert_eq!(second.hashes, first.hashes);
        let tree = Tree::whole("/a".into(), "/app".into());
        let unlisted = second.unlisted(&tree)(&["b.py".into()]);
        assert_eq!(unlisted, [PathBuf::from("c.py")]);
        let mut other = Known::open(folder.path(), "c2").unwrap();
        assert!(other.text().is_empty());
        other.add_all(&second);
        assert_eq!(other.text(), second.text());
    }
}
