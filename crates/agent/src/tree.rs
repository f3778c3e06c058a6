//! Folders, symlinks and removal.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::io::ErrorKind::{CrossesDevices, DirectoryNotEmpty, IsADirectory, NotFound};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink as make_symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::exchange::exchange;
use crate::mounts;
use crate::owner;
use crate::place::{self, Way};
use crate::refusal::{At as _, Refusal};
use crate::terms;
use crate::tidy::{PREFIX, tidy_now};

/// Removes what is there; a folder only when nothing is left in it.
pub(crate) fn remove(root: &str, path: &[u8]) -> Result<(), Refusal> {
    let (folders, name) = place::split(path)?;
    let Some(real) = place::root(root)? else {
        return Ok(());
    };
    let Way::Folder(folder) = place::to_look(&real, &folders)? else {
        return Ok(());
    };
    let path = folder.join(name);
    let result = match fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => {
            // What a killed agent had begun is nothing that the container made.
            fs::remove_dir(&path).or_else(|_| {
                tidy_now(&path);
                fs::remove_dir(&path)
            })
        }
        Ok(_) => fs::remove_file(&path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if !matches!(error.kind(), NotFound | DirectoryNotEmpty) => {
            Err(Refusal::io(&path, &error))
        }
        _ => Ok(()),
    }
}

/// Makes a folder; one that is there keeps its mode.
pub(crate) fn mkdir(root: &str, name: &[u8], mode: u32) -> Result<(), Refusal> {
    let place = place::to_put(root, name)?;
    let path = place.path();
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(found) if found.is_symlink() => {
            place::folder_behind(&place.root, &path)?;
            folder_instead(&path)?;
        }
        Ok(_) => folder_instead(&path)?,
        Err(error) if error.kind() == NotFound => fs::create_dir(&path).at(&path)?,
        Err(error) => return Err(Refusal::io(&path, &error)),
    }
    terms::give_folder(root, name, &path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o777)).at(&path)
}

/// Makes or replaces a symlink.
pub(crate) fn symlink(root: &str, name: &[u8], target: &[u8]) -> Result<(), Refusal> {
    let place = place::to_put(root, name)?;
    let path = place.path();
    let target = OsStr::from_bytes(target);
    if fs::read_link(&path).is_ok_and(|there| there == target) {
        return Ok(());
    }
    let ((), temporary) = beside(&place.folder, |name| make_symlink(target, name)).at(&path)?;
    match terms::owner(root, name) {
        Some(owner) => terms::give(temporary.path(), &path, owner)?,
        None => owner::give(temporary.path()),
    }
    temporary.into_place(&path)
}

/// A name that goes away with this value, unless it was renamed.
#[derive(Debug)]
pub(crate) struct Temporary(PathBuf);

impl Temporary {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Renames it to `path`.
    pub(crate) fn into_place(mut self, path: &Path) -> Result<(), Refusal> {
        into_place(&self.0, path)?;
        self.0.clear();
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            // It may be gone with its folder.
            let _ = fs::remove_file(&self.0);
        }
    }
}

/// Makes something under a name in `folder` that nobody has, to be renamed into place.
pub(crate) fn beside<T>(
    folder: &Path,
    make: impl Fn(&Path) -> io::Result<T>,
) -> io::Result<(T, Temporary)> {
    loop {
        let name = unused_name(folder);
        match make(&name) {
            Ok(made) => return Ok((made, Temporary(name))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

fn unused_name(folder: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!("{PREFIX}{}-{count}", std::process::id()))
}

/// Renames `temporary` to `path`. A folder that is there changes places with it; where the file
/// system cannot do that, the path is absent for a moment.
fn into_place(temporary: &Path, path: &Path) -> Result<(), Refusal> {
    match fs::rename(temporary, path) {
        Err(error) if error.kind() == IsADirectory => {}
        result => return result.at(path),
    }
    if let Some(point) = mounts::below(path) {
        return Err(Refusal::new(format!(
            "{}: a folder is in the way, and {} is mounted in it",
            path.display(),
            point.display()
        )));
    }
    if exchange(temporary, path).is_ok() {
        return fs::remove_dir_all(temporary).at(path);
    }
    let aside = unused_name(path.parent().unwrap_or(path));
    match fs::rename(path, &aside) {
        Ok(()) => {}
        // A folder of the image cannot be renamed in a container, only emptied.
        Err(error) if error.kind() == CrossesDevices => {
            fs::remove_dir_all(path).at(path)?;
            return fs::rename(temporary, path).at(path);
        }
        Err(error) => return Err(Refusal::io(path, &error)),
    }
    if let Err(error) = fs::rename(temporary, path) {
        fs::rename(&aside, path).at(path)?;
        return Err(Refusal::io(path, &error));
    }
    fs::remove_dir_all(&aside).at(&aside)
}

/// Puts an empty folder in the place of something that is none.
pub(crate) fn folder_instead(path: &Path) -> Result<(), Refusal> {
    let folder = path.parent().unwrap_or(path);
    let ((), beside) = beside(folder, |name| fs::create_dir(name)).at(path)?;
    if exchange(beside.path(), path).is_ok() {
        // What was at the path goes with the name.
        return Ok(());
    }
    fs::remove_dir(beside.path()).at(path)?;
    fs::remove_file(path).at(path)?;
    fs::create_dir(path).at(path)
}
