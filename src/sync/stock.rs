//! The host's side of a comparison: listed and hashed while the container's side is still awaited.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::Problem;
use super::scan::{self, Known, Tree};

/// Paths that are compared at a time; the answer has to fit a frame even if all are symlinks.
pub(super) const BATCH: usize = 512;
/// So many batches may be known before anybody asks for them, which bounds their memory.
const AHEAD: usize = 256;

/// What takes part on the host, and what each path was when it was looked at.
#[derive(Debug)]
pub(crate) struct Stock {
    listed: oneshot::Receiver<Listed>,
    known: mpsc::Receiver<Vec<Known>>,
}

/// Sorted paths, relative to the source, and folders that could not be read.
pub(super) type Listed = (Arc<Vec<PathBuf>>, Vec<Problem>);

impl Stock {
    /// Begins at once, and ends early when it is dropped. Whoever compares later has to be told of
    /// what changes from now on.
    pub(crate) fn take(tree: Tree) -> Stock {
        let (tell, listed) = oneshot::channel();
        let (sender, known) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            let (paths, problems) = scan::list(&tree, Path::new(""));
            let paths = Arc::new(paths);
            if tell.send((Arc::clone(&paths), problems)).is_err() {
                return;
            }
            for batch in paths.chunks(BATCH) {
                let known = batch.iter().map(|path| tree.know(path));
                let known = known.map(|known| known.unwrap_or(Known::Unsure));
                if sender.blocking_send(known.collect()).is_err() {
                    return;
                }
            }
        });
        Stock { listed, known }
    }

    /// All paths.
    pub(super) async fn listed(&mut self) -> io::Result<Listed> {
        (&mut self.listed).await.map_err(io::Error::other)
    }

    /// What the next [`BATCH`] paths are.
    pub(super) async fn next(&mut self) -> Vec<Known> {
        self.known.recv().await.unwrap_or_default()
    }
}

/// Sorted: what may be in the container without being among these paths of the host, by what is
/// said of earlier ones and by what is known.
pub(super) fn besides(
    found: &[PathBuf],
    extra: impl FnOnce(&[PathBuf]) -> Vec<PathBuf>,
    known: Vec<PathBuf>,
) -> Vec<PathBuf> {
    let listed: HashSet<&OsStr> = found.iter().map(|path| path.as_os_str()).collect();
    let mut others = extra(found);
    let unlisted = |path: &PathBuf| !listed.contains(path.as_os_str());
    others.extend(known.into_iter().filter(unlisted));
    others.sort();
    others.dedup();
    others
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn paths(list: &[&str]) -> Vec<PathBuf> {
        list.iter().map(PathBuf::from).collect()
    }

    #[tokio::test]
    async fn all_is_listed_in_the_order_of_paths_and_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a/x", "a/b/y", "a-b", "a.py", "ab/z"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let tree = Tree::whole(folder.path().to_owned(), "/app".to_owned());
        let mut stock = Stock::take(tree);
        let (found, problems) = stock.listed().await.unwrap();
        let mut wanted = paths(&["a", "a/b", "a/b/y", "a/x", "a-b", "a.py", "ab", "ab/z"]);
        assert_eq!((&*found, problems), (&wanted, Vec::new()));
        wanted.sort();
        assert_eq!(*found, wanted, "others search in it");
        let known = stock.next().await;
        let folders = known.iter().filter(|known| **known == Known::Folder);
        assert_eq!((known.len(), folders.count()), (8, 3));
        assert!(stock.next().await.is_empty());
    }

    #[test]
    fn what_is_listed_is_not_searched_for_again() {
        let found = paths(&["a", "b"]);
        let others = besides(&found, |_| paths(&["d", "c"]), paths(&["b", "c", "e", "a"]));
        assert_eq!(others, paths(&["c", "d", "e"]));
    }
}
