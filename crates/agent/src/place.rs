//! Where a relative path lies below a root, without leaving it.
//!
//! Paths are resolved part by part. A symlink on the way is followed only while it stays below
//! the root, and not at all where something is looked at or removed.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind::{AlreadyExists, NotADirectory, NotFound};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use crate::refusal::{At as _, Refusal};
use crate::terms;
use crate::tree;

/// `ELOOP`: a symlink that leads to itself. The standard library has no stable name for it.
const TOO_MANY_LINKS: i32 = 40;

/// A name in a folder that is known to lie in the root.
#[derive(Debug)]
pub(crate) struct Place {
    /// The root, without symlinks.
    pub(crate) root: PathBuf,
    /// The folder, without symlinks.
    pub(crate) folder: PathBuf,
    /// The name in it.
    pub(crate) name: OsString,
}

impl Place {
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }
}

/// What the way to a path turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// Real folders, the last of which is this one.
    Folder(PathBuf),
    /// It ends before the path does.
    Nothing,
    /// It goes through a symlink.
    Symlink,
}

/// The folders on the way, and the name at its end.
pub(crate) fn split(path: &[u8]) -> Result<(Vec<&OsStr>, &OsStr), Refusal> {
    let path = Path::new(OsStr::from_bytes(path));
    let mut names = Vec::new();
    for part in path.components() {
        let Component::Normal(name) = part else {
            return Err(Refusal::new(format!(
                "{}: leads out of its folder",
                path.display()
            )));
        };
        names.push(name);
    }
    let name = names.pop().ok_or_else(|| Refusal::new("an empty path"))?;
    Ok((names, name))
}

/// The root as it is; `None` where there is none.
pub(crate) fn root(root: &str) -> Result<Option<PathBuf>, Refusal> {
    let root = Path::new(root);
    if !root.is_absolute() {
        return Err(Refusal::new(format!(
            "{}: not an absolute path",
            root.display()
        )));
    }
    match fs::canonicalize(root) {
        Ok(real) => Ok(Some(real)),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(None),
        Err(error) => Err(Refusal::io(root, &error)),
    }
}

/// The place where something is to be put; folders that are missing on the way are made.
pub(crate) fn to_put(root: &str, path: &[u8]) -> Result<Place, Refusal> {
    let (folders, name) = split(path)?;
    let real = match self::root(root)? {
        Some(real) => real,
        None => {
            let wanted = Path::new(root);
            fs::create_dir_all(wanted).at(wanted)?;
            terms::give_folder(root, path, wanted)?;
            fs::canonicalize(wanted).at(wanted)?
        }
    };
    let mut folder = real.clone();
    for part in folders {
        let (next, is_new) = enter(&real, &folder.join(part))?;
        if is_new {
            terms::give_folder(root, path, &next)?;
        }
        folder = next;
    }
    Ok(Place {
        root: real,
        folder,
        name: name.to_owned(),
    })
}

/// The way down from a real root; changes nothing.
pub(crate) fn to_look(root: &Path, folders: &[&OsStr]) -> Result<Way, Refusal> {
    let mut here = root.to_owned();
    for part in folders {
        here.push(part);
        match fs::symlink_metadata(&here) {
            Ok(found) if found.is_symlink() => return Ok(Way::Symlink),
            Ok(found) if !found.is_dir() => return Ok(Way::Nothing),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => {
                return Ok(Way::Nothing);
            }
            Err(error) => return Err(Refusal::io(&here, &error)),
        }
    }
    Ok(Way::Folder(here))
}

/// A folder below a real root, the root itself included; `None` where none is there, or the way
/// to it leads through a symlink.
pub(crate) fn folder(root: &Path, path: &[u8]) -> Result<Option<PathBuf>, Refusal> {
    if path.is_empty() {
        return Ok(Some(root.to_owned()));
    }
    let (mut folders, name) = split(path)?;
    folders.push(name);
    match to_look(root, &folders)? {
        Way::Folder(folder) => Ok(Some(folder)),
        Way::Nothing | Way::Symlink => Ok(None),
    }
}

/// One step down, and whether that folder was made. What is in the way of a folder is replaced by
/// one, like anything that the host has otherwise.
fn enter(root: &Path, next: &Path) -> Result<(PathBuf, bool), Refusal> {
    match fs::symlink_metadata(next) {
        Ok(found) if found.is_dir() => return Ok((next.to_owned(), false)),
        Ok(found) if found.is_symlink() => {
            if let Some(real) = folder_behind(root, next)? {
                return Ok((real, false));
            }
            return tree::folder_instead(next).map(|()| (next.to_owned(), true));
        }
        Ok(_) => return tree::folder_instead(next).map(|()| (next.to_owned(), true)),
        Err(error) if error.kind() == NotFound => {}
        Err(error) => return Err(Refusal::io(next, &error)),
    }
    match fs::create_dir(next) {
        Err(error) if error.kind() != AlreadyExists => Err(Refusal::io(next, &error)),
        made => Ok((next.to_owned(), made.is_ok())),
    }
}

/// The folder to which a symlink leads; `None` where it leads to no folder, refused where that
/// folder is not in the root.
pub(crate) fn folder_behind(root: &Path, link: &Path) -> Result<Option<PathBuf>, Refusal> {
    match fs::canonicalize(link) {
        Ok(real) if !real.is_dir() => Ok(None),
        Ok(real) if real.starts_with(root) => Ok(Some(real)),
        Ok(real) => Err(Refusal::new(format!(
            "{}: is a symlink out of {} (to {}); remove it, or ignore this path in `sync`",
            link.display(),
            root.display(),
            real.display()
        ))),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(None),
        Err(error) if error.raw_os_error() == Some(TOO_MANY_LINKS) => Ok(None),
        Err(error) => Err(Refusal::io(link, &error)),
    }
}
