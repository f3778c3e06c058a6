//! The files of a build context that Docker would see, in an order that never changes.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use devrun_stack::ignore::{DockerIgnore, Problem};

#[cfg(test)]
mod tests;

/// Why a context cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContextError {
    /// Something is not there, or not ours to read.
    #[error("cannot read {} for the build: {source}", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An ignore file holds something else than patterns.
    #[error("{}: {problem}", file.display())]
    Ignore {
        /// The ignore file.
        file: PathBuf,
        /// The first bad line.
        problem: Problem,
    },
    /// A name that the engine cannot be told.
    #[error("the name of {} is not UTF-8: rename it, or leave it out by `.dockerignore`", path.display())]
    Name {
        /// The file.
        path: PathBuf,
    },
}

impl ContextError {
    /// The error of a call on `path`.
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }
}

/// A folder and the rules that say what of it belongs to the build.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    root: PathBuf,
    ignore: DockerIgnore,
}

/// A file, folder or link of the context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Relative to the context, with forward slashes.
    pub(crate) path: String,
    /// Where it is.
    pub(crate) disk: PathBuf,
    /// What it is.
    pub(crate) kind: Kind,
    /// Permission bits, set-uid and sticky included.
    pub(crate) mode: u32,
    /// When it changed last, nanoseconds since 1970.
    pub(crate) modified: i64,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A folder.
    Folder,
    /// A file and its size.
    File(u64),
    /// A symbolic link and where it points.
    Link(String),
}

impl Context {
    /// Reads the rules: `DOCKERFILE.dockerignore` beside the Dockerfile, else `.dockerignore`
    /// in the context, else none.
    pub(crate) fn open(root: &Path, dockerfile: &Path) -> Result<Self, ContextError> {
        let mut own = dockerfile.as_os_str().to_owned();
        own.push(".dockerignore");
        Self::ignoring(root, &[PathBuf::from(own), root.join(".dockerignore")])
    }

    /// A folder that a build reads besides its context, with its own `.dockerignore`.
    pub(crate) fn of_folder(root: &Path) -> Result<Self, ContextError> {
        Self::ignoring(root, &[root.join(".dockerignore")])
    }

    fn ignoring(root: &Path, files: &[PathBuf]) -> Result<Self, ContextError> {
        let mut ignore = DockerIgnore::default();
        for file in files {
            match fs::read(file) {
                Ok(bytes) => {
                    ignore = DockerIgnore::parse(&String::from_utf8_lossy(&bytes));
                    if let Some(problem) = ignore.problems().first().cloned() {
                        let file = file.clone();
                        return Err(ContextError::Ignore { file, problem });
                    }
                    break;
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(ContextError::read(file)(e)),
            }
        }
        let root = root.to_owned();
        Ok(Self { root, ignore })
    }

    /// All entries, folders before what is in them, names in byte order. Sockets, pipes and
    /// devices are left out.
    pub(crate) fn walk(&self) -> Result<Walk<'_>, ContextError> {
        Ok(Walk {
            context: self,
            levels: vec![Level {
                folder: None,
                names: names(&self.root)?,
            }],
            ready: VecDeque::new(),
        })
    }
}

/// Goes through a context; made by [`Context::walk`].
pub(crate) struct Walk<'a> {
    context: &'a Context,
    levels: Vec<Level>,
    ready: VecDeque<Entry>,
}

struct Level {
    /// An ignored folder that travels only if something in it does.
    folder: Option<Entry>,
    names: std::vec::IntoIter<(PathBuf, String)>,
}

impl Walk<'_> {
    fn visit(&mut self, disk: PathBuf, path: String) -> Result<(), ContextError> {
        let ignore = &self.context.ignore;
        let ignored = ignore.ignores(&path);
        let Some(entry) = entry(disk, path, ignored)? else {
            return Ok(());
        };
        let enter =
            entry.kind == Kind::Folder && (!ignored || ignore.may_contain_exceptions(&entry.path));
        let children = enter.then(|| names_below(&entry)).transpose()?;
        let mut folder = None;
        if ignored {
            folder = Some(entry);
        } else {
            let above = self.levels.iter_mut().filter_map(|l| l.folder.take());
            self.ready.extend(above);
            self.ready.push_back(entry);
        }
        if let Some(names) = children {
            self.levels.push(Level { folder, names });
        }
        Ok(())
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Entry, ContextError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Some(Ok(entry));
            }
            match self.levels.last_mut()?.names.next() {
                Some((disk, path)) => {
                    if let Err(error) = self.visit(disk, path) {
                        self.levels.clear();
                        return Some(Err(error));
                    }
                }
                None => {
                    self.levels.pop();
                }
            }
        }
    }
}

/// The entry at a place; `None` if it is gone again, or nothing that can travel.
fn entry(disk: PathBuf, path: String, ignored: bool) -> Result<Option<Entry>, ContextError> {
    let meta = match fs::symlink_metadata(&disk) {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(ContextError::read(&disk)(e)),
    };
    let kind = if meta.is_dir() {
        Kind::Folder
    } else if meta.is_file() {
        Kind::File(meta.len())
    } else if meta.is_symlink() {
        let target = fs::read_link(&disk).map_err(ContextError::read(&disk))?;
        Kind::Link(target.to_string_lossy().into_owned())
    } else {
        return Ok(None);
    };
    if !ignored && disk.to_str().is_none() {
        return Err(ContextError::Name { path: disk });
    }
    Ok(Some(Entry {
        path,
        disk,
        kind,
        mode: meta.mode() & 0o7777,
        modified: meta.mtime() * 1_000_000_000 + meta.mtime_nsec(),
    }))
}

fn names(folder: &Path) -> Result<std::vec::IntoIter<(PathBuf, String)>, ContextError> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder).map_err(ContextError::read(folder))? {
        let item = item.map_err(ContextError::read(folder))?;
        found.push((item.path(), item.file_name().to_string_lossy().into_owned()));
    }
    found.sort();
    Ok(found.into_iter())
}

fn names_below(folder: &Entry) -> Result<std::vec::IntoIter<(PathBuf, String)>, ContextError> {
    let mut found: Vec<_> = names(&folder.disk)?.collect();
    for (_, path) in &mut found {
        path.insert_str(0, &format!("{}/", folder.path));
    }
    Ok(found.into_iter())
}
