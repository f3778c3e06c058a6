//! What of the host's is in a container, held so that a hundred thousand files cost little.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::scan::Known;

/// What of the host's is in a container, below one target.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent {
    /// Names by the folder that they lie in: a path is stored once for all that share it. The
    /// target itself has no folder, and is not in here.
    folders: BTreeMap<PathBuf, BTreeMap<Box<OsStr>, Held>>,
}

/// A [`Known`] in half the room.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    File { hash: [u8; 16], mode: u16 },
    Folder,
    Symlink(Box<[u8]>),
    Unsure,
}

impl From<Known> for Held {
    fn from(known: Known) -> Held {
        match known {
            Known::File { hash, mode } => Held::File {
                hash: hash.to_le_bytes(),
                // Permission bits are nine.
                mode: u16::try_from(mode).unwrap_or_default(),
            },
            Known::Folder => Held::Folder,
            Known::Symlink(target) => Held::Symlink(target.into()),
            Known::Unsure => Held::Unsure,
        }
    }
}

impl From<&Held> for Known {
    fn from(held: &Held) -> Known {
        match held {
            Held::File { hash, mode } => Known::File {
                hash: u128::from_le_bytes(*hash),
                mode: u32::from(*mode),
            },
            Held::Folder => Known::Folder,
            Held::Symlink(target) => Known::Symlink(target.to_vec()),
            Held::Unsure => Known::Unsure,
        }
    }
}

impl Sent {
    /// What is at a path, if it came from the host.
    pub(crate) fn get(&self, path: &Path) -> Option<Known> {
        let (folder, name) = split(path)?;
        self.folders.get(folder)?.get(name).map(Known::from)
    }

    /// Notes what is at a path; true where something was noted before.
    pub(crate) fn insert(&mut self, path: &Path, known: Known) -> bool {
        let Some((folder, name)) = split(path) else {
            return false;
        };
        let names = match self.folders.get_mut(folder) {
            Some(names) => names,
            None => self.folders.entry(folder.to_owned()).or_default(),
        };
        match names.get_mut(name) {
            Some(held) => {
                *held = known.into();
                true
            }
            None => {
                let name = OsString::from(name).into_boxed_os_str();
                names.insert(name, known.into());
                false
            }
        }
    }

    /// Forgets a path; true where something was noted.
    pub(crate) fn remove(&mut self, path: &Path) -> bool {
        let Some((folder, name)) = split(path) else {
            return false;
        };
        let Some(names) = self.folders.get_mut(folder) else {
            return false;
        };
        let was_there = names.remove(name).is_some();
        if names.is_empty() {
            self.folders.remove(folder);
        }
        was_there
    }

    /// All paths, parents first.
    pub(crate) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.folders
            .iter()
            .flat_map(|(folder, names)| names.keys().map(|name| folder.join(&**name)))
    }

    /// The path itself, if it is there, and all below it, parents first.
    pub(crate) fn at_and_below(&self, path: &Path) -> Vec<PathBuf> {
        let own = self.get(path).map(|_| path.to_owned());
        let from_here = self.folders.range(path.to_owned()..);
        let below = from_here
            .take_while(|(folder, _)| folder.starts_with(path))
            .flat_map(|(folder, names)| names.keys().map(|name| folder.join(&**name)));
        own.into_iter().chain(below).collect()
    }
}

fn split(path: &Path) -> Option<(&Path, &OsStr)> {
    Some((path.parent()?, path.file_name()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(number: u128) -> Known {
        Known::File {
            hash: number << 64 | number,
            mode: 0o755,
        }
    }

    fn told(paths: Vec<PathBuf>) -> Vec<String> {
        let told = paths.iter().map(|path| path.display().to_string());
        told.collect()
    }

    #[test]
    fn what_was_noted_is_found_until_it_is_forgotten() {
        let mut sent = Sent::default();
        let notes = [
            ("a", Known::Folder),
            ("a/b.py", file(7)),
            ("a/link", Known::Symlink(b"b.py".to_vec())),
            ("z", Known::Unsure),
        ];
        for (path, known) in &notes {
            assert!(!sent.insert(Path::new(path), known.clone()));
        }
        for (path, known) in &notes {
            assert_eq!(sent.get(Path::new(path)).as_ref(), Some(known));
        }
        assert!(sent.insert(Path::new("a/b.py"), file(8)));
        assert_eq!(sent.get(Path::new("a/b.py")), Some(file(8)));
        assert!(sent.remove(Path::new("z")) && !sent.remove(Path::new("z")));
        assert_eq!(sent.paths().count(), 3);
    }

    #[test]
    fn a_folder_comes_with_what_is_below_it_and_with_nothing_beside_it() {
        let mut sent = Sent::default();
        for path in ["a", "a/x", "a/b", "a/b/y", "a.py", "ab", "ab/z", "a-b"] {
            sent.insert(Path::new(path), Known::Unsure);
        }
        let found = told(sent.at_and_below(Path::new("a")));
        assert_eq!(found, ["a", "a/b", "a/x", "a/b/y"]);
        assert_eq!(told(sent.at_and_below(Path::new("a.py"))), ["a.py"]);
        assert_eq!(sent.at_and_below(Path::new("")).len(), 8);
        assert!(sent.at_and_below(Path::new("none")).is_empty());
    }
}
