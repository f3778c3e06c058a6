//! Which paths in a container or image came from the host, remembered across sessions: a file
//! that was deleted while nobody watched can then be told from one that the container made.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use devrun_core::spec::own_name;

use super::place::folder;
use crate::engine::Engine;
use crate::sync::memory::Memory;
use crate::sync::scan::Tree;

/// What was not used for so long is forgotten: its container or image is hardly there any more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(90 * 24 * 3600);

/// A path with this in front of it is not there any more.
const GONE: u8 = b'-';

/// The paths (absolute, on the host) of one container or image; clones share them. Lost ones do no harm beyond a
/// file that stays in a container although it is gone on the host.
#[derive(Debug, Clone, Default)]
pub(super) struct Known(Arc<Mutex<Paths>>);

#[derive(Debug, Default)]
struct Paths {
    /// Hashes of the paths: which they are is asked seldom, and then the file says it.
    hashes: HashSet<u64>,
    file: Option<(PathBuf, File)>,
}

impl Known {
    /// Of a container or image, by its id; and whether anything was remembered of it.
    pub(super) fn of(id: &str) -> (Known, bool) {
        let id = id.trim_start_matches("sha256:");
        match Self::open(&folder().join("known"), id) {
            Ok(known) => known,
            Err(error) => {
                tracing::debug!(%error, "what came from the host is not remembered");
                (Known::default(), false)
            }
        }
    }

    /// What was saved for one target of a container of that name, whichever it is by now.
    pub(super) fn of_saves(container: &str, target: &str) -> Known {
        Self::of(&format!("saved-{container}{}", target.replace('/', "+"))).0
    }

    fn open(folder: &Path, id: &str) -> io::Result<(Known, bool)> {
        fs::create_dir_all(folder)?;
        let path = folder.join(id);
        let (text, remembered) = match fs::read(&path) {
            Ok(text) => (text, true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Vec::new(), false),
            Err(error) => return Err(error),
        };
        let mut hashes = HashSet::new();
        for line in lines(&text) {
            match line.strip_prefix(&[GONE]) {
                Some(gone) => hashes.remove(&hash(path_of(gone))),
                None => hashes.insert(hash(path_of(line))),
            };
        }
        if lines(&text).count() > 2 * hashes.len() + 1_000 {
            shorten(&path, &paths_in(&text, |_| true))?;
        }
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        // Shows that it is still of use.
        file.set_modified(SystemTime::now())?;
        let file = Some((path, file));
        let known = Known(Arc::new(Mutex::new(Paths { hashes, file })));
        Ok((known, remembered))
    }

    fn lock(&self) -> MutexGuard<'_, Paths> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of another one as well.
    pub(super) fn add_all(&self, other: &Known) {
        let text = other.lock().text();
        self.add(paths_in(&text, |_| true).into_iter().map(Path::to_owned));
    }

    pub(super) fn has(&self, path: &Path) -> bool {
        self.lock().hashes.contains(&hash(path))
    }

    /// Those that take part in a tree and are not among these of its paths, which are sorted; all
    /// relative to its source. Reads them anew, and blocks.
    pub(super) fn unlisted(
        &self,
        tree: &Tree,
    ) -> impl FnOnce(&[PathBuf]) -> Vec<PathBuf> + Send + 'static {
        let (known, tree) = (self.clone(), tree.clone());
        move |listed| {
            let text = known.lock().text();
            let listed: HashSet<&[u8]> = listed.iter().map(|one| bytes(one)).collect();
            let from = bytes(&tree.from);
            // Most are listed; those take no more than a look.
            let is_listed = |path: &[u8]| {
                let below = path.strip_prefix(from.strip_suffix(b"/").unwrap_or(from));
                let below = below.and_then(|below| below.strip_prefix(b"/"));
                below.is_some_and(|below| listed.contains(below))
            };
            let paths = paths_in(&text, |path| !is_listed(path)).into_iter();
            let below = paths.filter_map(|path| path.strip_prefix(&tree.from).ok());
            let is_new = |path: &&Path| !listed.contains(bytes(path)) && (tree.filter)(path, false);
            below.filter(is_new).map(Path::to_owned).collect()
        }
    }

    /// All that take part in a tree, relative to its source. Reads them anew, and blocks.
    pub(super) fn below(&self, tree: &Tree) -> BTreeSet<PathBuf> {
        self.unlisted(tree)(&[]).into_iter().collect()
    }

    /// Remembers these as well; only what is new is written.
    pub(super) fn add(&self, paths: impl Iterator<Item = PathBuf>) {
        let mut known = self.lock();
        let mut new = Vec::new();
        for path in paths {
            if known.hashes.insert(hash(&path)) {
                new.extend_from_slice(path.as_os_str().as_bytes());
                new.push(0);
            }
        }
        known.write(&new);
    }
}

/// What came from the host, into the container or into its image; and the container's name.
pub(super) async fn of_container(engine: &Engine, container: &str) -> (Known, Option<String>) {
    let (known, remembered) = Known::of(container);
    let Ok(Some(found)) = engine.inspect(container).await else {
        return (known, None);
    };
    // Later, what went is not to be known again because the image has it.
    if !remembered {
        known.add_all(&Known::of(&found.image_id).0);
    }
    (known, Some(own_name(&found.name).to_owned()))
}

impl Memory for Known {
    fn comes(&self, path: &Path) {
        self.add(std::iter::once(path.to_owned()));
    }

    fn is_gone(&self, path: &Path) {
        let mut known = self.lock();
        if known.hashes.remove(&hash(path)) {
            known.write(&[&[GONE], path.as_os_str().as_bytes(), &[0]].concat());
        }
    }
}

impl Paths {
    /// What was written so far.
    fn text(&self) -> Vec<u8> {
        let text = self.file.as_ref().map(|(path, _)| fs::read(path));
        // What cannot be read is lost.
        text.and_then(Result::ok).unwrap_or_default()
    }

    fn write(&mut self, lines: &[u8]) {
        if let Some((_, file)) = self.file.as_mut().filter(|_| !lines.is_empty())
            && let Err(error) = file.write_all(lines)
        {
            tracing::debug!(%error, "what came from the host is not remembered");
        }
    }
}

/// Each ended by a zero byte.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == 0)
        .filter(|line| !line.is_empty())
}

/// What came, without what went after it, of the paths that are asked for.
fn paths_in(text: &[u8], wanted: impl Fn(&[u8]) -> bool) -> BTreeSet<&Path> {
    let mut paths = BTreeSet::new();
    for line in lines(text) {
        let (path, is_gone) = match line.strip_prefix(&[GONE]) {
            Some(gone) => (gone, true),
            None => (line, false),
        };
        if wanted(path) {
            match is_gone {
                true => paths.remove(path_of(path)),
                false => paths.insert(path_of(path)),
            };
        }
    }
    paths
}

fn path_of(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
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

/// Writes it anew without what came and went.
fn shorten(path: &Path, paths: &BTreeSet<&Path>) -> io::Result<()> {
    let lines = paths
        .iter()
        .flat_map(|path| [path.as_os_str().as_bytes(), &[0]]);
    let beside = path.with_extension("shorter");
    fs::write(&beside, lines.collect::<Vec<_>>().concat())?;
    fs::rename(beside, path)
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
        let (first, remembered) = Known::open(folder.path(), "c1").unwrap();
        assert!(!remembered);
        first.add(["/a/b.py", "/a/c.py"].map(PathBuf::from).into_iter());
        first.add(["/a/b.py"].map(PathBuf::from).into_iter());
        let size = fs::metadata(folder.path().join("c1")).unwrap().len();
        assert_eq!(size, 16, "each path stands once");
        let (second, remembered) = Known::open(folder.path(), "c1").unwrap();
        assert!(remembered && second.has(Path::new("/a/c.py")));
        let tree = Tree::whole("/a".into(), "/app".into());
        let unlisted = second.unlisted(&tree)(&["b.py".into()]);
        assert_eq!(unlisted, [PathBuf::from("c.py")]);
        let top = Tree::whole("/".into(), "/app".into());
        assert_eq!(
            second.unlisted(&top)(&["a/c.py".into()]),
            [PathBuf::from("a/b.py")]
        );
        let (other, _) = Known::open(folder.path(), "c2").unwrap();
        assert!(!other.has(Path::new("/a/c.py")));
        other.add_all(&second);
        assert_eq!(other.lock().text(), second.lock().text());
    }

    #[test]
    fn what_went_is_not_known_any_more_and_takes_no_room_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = Known::open(folder.path(), "c1").unwrap();
        first.comes(Path::new("/stays"));
        for _ in 0..1_000 {
            first.comes(Path::new("/comes and goes"));
            first.is_gone(Path::new("/comes and goes"));
        }
        let (second, _) = Known::open(folder.path(), "c1").unwrap();
        assert!(second.has(Path::new("/stays")) && !second.has(Path::new("/comes and goes")));
        second.comes(Path::new("/late"));
        assert_eq!(
            second.lock().text(),
            b"/stays\0/late\0",
            "what went still takes room"
        );
    }
}
