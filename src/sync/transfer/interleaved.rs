//! Somebody works on the host's tree all the while, and at the end the container has it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tokio::sync::mpsc;

use super::apply;
use crate::sync::Sent;
use crate::sync::scan::{PIECE, SMALL};
use crate::sync::test_agent::TestAgent;

/// What somebody does. Names are few, so that they meet.
#[derive(Debug, Clone)]
pub(super) enum Work {
    Write {
        path: PathBuf,
        size: usize,
        byte: u8,
    },
    /// Truncates, then writes, so that it can be seen torn.
    Rewrite {
        path: PathBuf,
        size: usize,
        byte: u8,
    },
    Folder(PathBuf),
    Link {
        path: PathBuf,
        target: String,
    },
    Mode {
        path: PathBuf,
        mode: u32,
    },
    Remove(PathBuf),
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
}

fn path() -> impl Strategy<Value = PathBuf> + Clone {
    "[ab](/[ab]){0,2}".prop_map(PathBuf::from)
}

pub(super) fn work() -> impl Strategy<Value = Work> {
    let size = prop_oneof![
        4 => 0..200_usize,
        1 => SMALL - 1..SMALL + 2,
        1 => PIECE - 1..2 * PIECE,
    ];
    let content = (path(), size, any::<u8>());
    prop_oneof![
        4 => content.clone().prop_map(|(path, size, byte)| Work::Write { path, size, byte }),
        2 => content.prop_map(|(path, size, byte)| Work::Rewrite { path, size, byte }),
        2 => path().prop_map(Work::Folder),
        1 => (path(), "[ab]").prop_map(|(path, target)| Work::Link { path, target }),
        1 => (path(), prop_oneof![Just(0o644), Just(0o755), Just(0o600)])
            .prop_map(|(path, mode)| Work::Mode { path, mode }),
        2 => path().prop_map(Work::Remove),
        2 => (path(), path()).prop_map(|(from, to)| Work::Rename { from, to }),
    ]
}

fn remove(path: &Path) {
    let is_folder = path.is_dir() && !path.is_symlink();
    // What is not there need not be removed.
    let _ = match is_folder {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    };
}

/// The same place without links on the way, as a watcher names it.
fn real(root: &Path, path: &Path) -> Option<PathBuf> {
    let folder = root.join(path.parent()?).canonicalize().ok()?;
    let place = folder.join(path.file_name()?);
    place.strip_prefix(root).ok().map(Path::to_owned)
}

impl Work {
    pub(super) fn really(&self, root: &Path) -> Option<Work> {
        let mut work = self.clone();
        match &mut work {
            Work::Write { path, .. }
            | Work::Rewrite { path, .. }
            | Work::Folder(path)
            | Work::Link { path, .. }
            | Work::Mode { path, .. }
            | Work::Remove(path) => *path = real(root, path)?,
            Work::Rename { from, to } => (*from, *to) = (real(root, from)?, real(root, to)?),
        }
        Some(work)
    }

    /// Does it, as far as it can be done, and names what a watcher would tell of.
    pub(super) fn run(&self, root: &Path) -> Vec<PathBuf> {
        match self {
            Work::Write { path, size, byte } => {
                let (at, beside) = (root.join(path), root.join("beside"));
                fs::write(&beside, vec![*byte; *size]).unwrap();
                if at.is_dir() && !at.is_symlink() {
                    remove(&at);
                }
                if fs::rename(&beside, at).is_err() {
                    fs::remove_file(beside).unwrap();
                }
                vec![path.clone(), "beside".into()]
            }
            Work::Rewrite { path, size, byte } => {
                let at = root.join(path);
                if !at.is_symlink() && fs::write(&at, "").is_ok() {
                    let _ = fs::write(at, vec![*byte; *size]);
                }
                vec![path.clone()]
            }
            Work::Folder(path) => {
                let at = root.join(path);
                if at.is_file() || at.is_symlink() {
                    remove(&at);
                }
                let _ = fs::create_dir(at);
                vec![path.clone()]
            }
            Work::Link { path, target } => {
                let at = root.join(path);
                remove(&at);
                let _ = symlink(target, at);
                vec![path.clone()]
            }
            Work::Mode { path, mode } => {
                let at = root.join(path);
                if at.is_file() && !at.is_symlink() {
                    let _ = fs::set_permissions(at, fs::Permissions::from_mode(*mode));
                }
                vec![path.clone()]
            }
            Work::Remove(path) => {
                remove(&root.join(path));
                vec![path.clone()]
            }
            Work::Rename { from, to } => {
                let _ = fs::rename(root.join(from), root.join(to));
                vec![from.clone(), to.clone()]
            }
        }
    }
}

/// All that lies below a folder: what it is, and what is in it.
pub(super) fn picture(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let found = fs::symlink_metadata(&path).unwrap();
            let told = if found.is_symlink() {
                format!("to {:?}", fs::read_link(&path).unwrap())
            } else if found.is_dir() {
                folders.push(path.clone());
                "folder".to_owned()
            } else {
                let content = fs::read(&path).unwrap();
                let mode = found.permissions().mode() & 0o777;
                format!("{mode:o} {} of {:?}", content.len(), content.first())
            };
            all.insert(path.strip_prefix(folder).unwrap().to_owned(), told);
        }
    }
    all
}

/// Two work at once, each batch is what was told while the one before was under way.
async fn interleaved(
    works: [Vec<Work>; 2],
) -> (BTreeMap<PathBuf, String>, BTreeMap<PathBuf, String>) {
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut workers = Vec::new();
    for (number, works) in works.into_iter().enumerate() {
        let (root, tell) = (agent.from(&number.to_string()), tell.clone());
        fs::create_dir(&root).unwrap();
        let root = root.canonicalize().unwrap();
        tell.send(number.to_string().into()).unwrap();
        workers.push(std::thread::spawn(move || {
            let own = PathBuf::from(number.to_string());
            for work in works {
                let work = work.really(&root);
                for path in work.map_or_else(Vec::new, |work| work.run(&root)) {
                    tell.send(own.join(path)).unwrap();
                }
            }
        }));
    }
    drop(tell);
    while let Some(first) = told.recv().await {
        let mut batch = vec![first];
        while let Ok(next) = told.try_recv() {
            batch.push(next);
        }
        apply(&agent.connection, &agent.tree, &mut sent, batch)
            .await
            .unwrap();
    }
    for worker in workers {
        worker.join().unwrap();
    }
    (
        picture(&agent.tree.from),
        picture(Path::new(&agent.tree.to)),
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn whatever_happens_meanwhile_the_container_ends_with_the_tree_of_the_host(
        one in prop::collection::vec(work(), 1..40),
        two in prop::collection::vec(work(), 1..40),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (host, container) = runtime.block_on(interleaved([one, two]));
        prop_assert_eq!(host, container);
    }
}
