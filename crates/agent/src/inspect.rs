//! What lies at paths.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use devrun_wire::Hasher;
use devrun_wire::frames::Entry;

use crate::place::{self, Way};
use crate::refusal::Refusal;
use crate::terms;
use crate::tidy::tidy;

/// From so many paths on, a second thread takes half of them.
const MANY: usize = 64;

/// What lies at these paths, in the same order.
pub(crate) fn inspect(root: &str, paths: &[Vec<u8>]) -> Result<Vec<Entry>, Refusal> {
    // One file alone may have an owner of its own.
    let owner = match paths {
        [only] => terms::owner(root, only),
        _ => terms::owner(root, &[]),
    };
    let Some(root) = place::root(root)? else {
        return Ok(vec![Entry::Absent; paths.len()]);
    };
    let here = |paths: &[Vec<u8>]| {
        let mut looker = Looker {
            root: root.clone(),
            owner,
            last: None,
            buffer: vec![0; 64 << 10],
        };
        let looks = paths.iter().map(|path| looker.look(path));
        looks.collect::<Result<Vec<Entry>, Refusal>>()
    };
    if paths.len() < MANY || !has_second_processor() {
        return here(paths);
    }
    let (first, second) = paths.split_at(paths.len() / 2);
    thread::scope(|scope| {
        let aside = thread::Builder::new().spawn_scoped(scope, || here(second));
        let mut entries = here(first)?;
        // One that cannot be had, or that did not end well, is done without.
        let others = aside.ok().and_then(|aside| aside.join().ok());
        entries.extend(others.unwrap_or_else(|| here(second))?);
        Ok(entries)
    })
}

/// Whether this container may use more than one; it is not told of a limit that changes.
fn has_second_processor() -> bool {
    static SECOND: OnceLock<bool> = OnceLock::new();
    *SECOND.get_or_init(|| thread::available_parallelism().is_ok_and(|count| count.get() > 1))
}

/// Looks at one path after the other; neighbours mostly lie in the same folder.
struct Looker {
    root: PathBuf,
    /// To whom files should belong, if the host said.
    owner: Option<(u32, u32)>,
    last: Option<(Vec<u8>, Option<Way>)>,
    buffer: Vec<u8>,
}

impl Looker {
    fn look(&mut self, path: &[u8]) -> Result<Entry, Refusal> {
        let (folders, name) = place::split(path)?;
        let way = self.way(&folders);
        Ok(match way {
            // What is seen through a symlink is not at this path.
            Some(Way::Nothing | Way::Symlink) => Entry::Absent,
            Some(Way::Folder(folder)) => self.entry(&folder.join(name)),
            // A folder that cannot be entered is found out when something is put there.
            None => Entry::Other,
        })
    }

    fn way(&mut self, folders: &[&OsStr]) -> Option<Way> {
        let key = folders
            .iter()
            .map(|part| part.as_bytes())
            .collect::<Vec<_>>()
            .join(&b'/');
        match &self.last {
            Some((known, way)) if *known == key => way.clone(),
            _ => {
                let way = place::to_look(&self.root, folders).ok();
                if let Some(Way::Folder(folder)) = &way {
                    tidy(folder);
                }
                self.last = Some((key, way.clone()));
                way
            }
        }
    }

    fn entry(&mut self, path: &Path) -> Entry {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Entry::Absent,
            Err(_) => Entry::Other,
            Ok(found) if found.is_dir() => Entry::Folder,
            Ok(found) if found.is_symlink() => match fs::read_link(path) {
                Ok(target) => Entry::Symlink(target.as_os_str().as_bytes().to_vec()),
                Err(_) => Entry::Other,
            },
            Ok(found) if found.is_file() => match self.hash(path, found.size()) {
                Ok((hash, size)) => Entry::File {
                    hash,
                    mode: (found.permissions().mode() & 0o777)
                        | terms::difference(self.owner, &found),
                    size,
                },
                Err(_) => Entry::Other,
            },
            Ok(_) => Entry::Other,
        }
    }

    fn hash(&mut self, path: &Path, expected: u64) -> io::Result<(u128, u64)> {
        let mut file = File::open(path)?;
        let mut hasher = Hasher::default();
        let mut size = 0;
        loop {
            let room = self.buffer.len();
            match file.read(&mut self.buffer) {
                Ok(0) => return Ok((hasher.finish(), size)),
                // There are many of these: their end is not asked for where it is known.
                Ok(count) if size == 0 && count < room && count as u64 == expected => {
                    let content = self.buffer.get(..count).unwrap_or_default();
                    return Ok((devrun_wire::hash(content), expected));
                }
                Ok(count) => {
                    hasher.update(self.buffer.get(..count).unwrap_or_default());
                    size += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use devrun_wire::frames::Entry;

    use super::{MANY, inspect};

    #[test]
    fn of_many_paths_each_is_told_in_its_place() {
        let root = tempfile::tempdir().unwrap();
        let paths: Vec<Vec<u8>> = (0..2 * MANY + 1)
            .map(|number| format!("d{}/f{number}", number % 3).into_bytes())
            .collect();
        for (number, path) in paths
            .iter()
            .enumerate()
            .filter(|(number, _)| number % 5 > 0)
        {
            let path = root.path().join(std::str::from_utf8(path).unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, number.to_string()).unwrap();
        }
        let entries = inspect(root.path().to_str().unwrap(), &paths).unwrap();
        assert_eq!(entries.len(), paths.len());
        for (number, entry) in entries.into_iter().enumerate() {
            match entry {
                Entry::Absent => assert_eq!(number % 5, 0, "{number}"),
                Entry::File { hash, .. } => {
                    let content = number.to_string();
                    assert_eq!(hash, devrun_wire::hash(content.as_bytes()), "{number}");
                }
                other => panic!("{number}: {other:?}"),
            }
        }
        let mut wrong = paths;
        wrong.push(b"../out".to_vec());
        assert!(inspect(root.path().to_str().unwrap(), &wrong).is_err());
    }
}
