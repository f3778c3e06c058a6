//! Reads the host ahead of whoever sends: several files at once, in the order asked for.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::scan::{self, OnHost, Tree};

/// Paths that are read in one go. At most [`scan::SMALL`] bytes of each are held, so that all
/// that is read ahead stays below some megabytes.
const TOGETHER: usize = 32;
/// So many threads read; more would only wait for the same disk.
const READERS: usize = 2;

/// A path (relative to the source) and what lies there.
pub(super) type Look = (PathBuf, io::Result<OnHost>);

/// How it is looked at.
pub(super) type LookAt = fn(&Path) -> io::Result<OnHost>;

/// Looks that come one portion after the other.
pub(super) struct Ahead {
    /// One a reader; portions come from them in turn.
    readers: Vec<mpsc::Receiver<Vec<Look>>>,
    turn: usize,
}

impl Ahead {
    /// Begins to read at once, by that way of looking at a path.
    pub(super) fn of(tree: Tree, paths: Vec<PathBuf>, look: LookAt) -> Ahead {
        let count = if paths.len() > TOGETHER { READERS } else { 1 };
        let shared = Arc::new((tree, paths));
        let reader = |number: usize| {
            // Room for one: each reader is at most two portions ahead.
            let (sender, receiver) = mpsc::channel(1);
            let shared = Arc::clone(&shared);
            tokio::task::spawn_blocking(move || {
                let (tree, paths) = &*shared;
                for portion in paths.chunks(TOGETHER).skip(number).step_by(count) {
                    // Nobody may want to know any more.
                    let looks = look_at_all(tree, portion, look);
                    if sender.blocking_send(looks).is_err() {
                        return;
                    }
                }
            });
            receiver
        };
        Ahead {
            readers: (0..count).map(reader).collect(),
            turn: 0,
        }
    }

    /// The next portion; `None` after the last.
    pub(super) async fn next(&mut self) -> Option<Vec<Look>> {
        let reader = self.readers.get_mut(self.turn)?;
        let looks = reader.recv().await?;
        self.turn = (self.turn + 1) % self.readers.len();
        Some(looks)
    }
}

/// What is seen through a symlink is not at that path: sent there, it would take the place of the
/// link in the container.
fn look_at_all(tree: &Tree, paths: &[PathBuf], look: LookAt) -> Vec<Look> {
    // Neighbours lie in the same folder.
    let mut last: Option<(&Path, bool)> = None;
    let mut looks = Vec::with_capacity(paths.len());
    for path in paths {
        let folder = path.parent().unwrap_or(path);
        let through_link = match last {
            Some((known, through_link)) if known == folder => through_link,
            _ => scan::leads_through_link(&tree.from, folder),
        };
        last = Some((folder, through_link));
        let found = match through_link {
            true => Ok(OnHost::Absent),
            false => tree.look_by(look, path),
        };
        looks.push((path.clone(), found));
    }
    looks
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn what_several_readers_read_comes_in_the_order_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..500).map(|n| format!("f{n:03}").into()).collect();
        for path in &paths {
            fs::write(
                folder.path().join(path),
                path.as_os_str().as_encoded_bytes(),
            )
            .unwrap();
        }
        let mut ahead = Ahead::of(
            Tree::whole(folder.path().to_owned(), "/app".to_owned()),
            paths.clone(),
            crate::sync::scan::look,
        );
        let mut came = Vec::new();
        while let Some(looks) = ahead.next().await {
            for (path, look) in looks {
                let OnHost::Small { content, .. } = look.unwrap() else {
                    unreachable!("{path:?} is a small file");
                };
                assert_eq!(content, path.as_os_str().as_encoded_bytes());
                came.push(path);
            }
        }
        assert_eq!(came, paths);
    }
}
