//! To whom belongs what is put below a root, where the host says so.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use devrun_wire::frames::OTHER_OWNER;

use crate::hello;
use crate::owner;
use crate::refusal::Refusal;

/// A user and a group.
pub(crate) type Owner = (u32, u32);

/// A root and a path below it, as the host names them; an empty path is all below the root.
type Place = (String, Vec<u8>);

static OWNERS: Mutex<Option<HashMap<Place, Owner>>> = Mutex::new(None);

/// From now on, what is put there belongs to them.
pub(crate) fn set(root: String, path: Vec<u8>, owner: Owner) {
    let mut owners = OWNERS.lock().unwrap_or_else(PoisonError::into_inner);
    owners
        .get_or_insert_with(HashMap::new)
        .insert((root, path), owner);
}

/// The user and group, if the host named some.
pub(crate) fn owner(root: &str, path: &[u8]) -> Option<Owner> {
    let owners = OWNERS.lock().unwrap_or_else(PoisonError::into_inner);
    let owners = owners.as_ref()?;
    let of = |path: &[u8]| owners.get(&(root.to_owned(), path.to_vec())).copied();
    of(path).or_else(|| of(&[]))
}

/// Gives what was just made to that owner.
pub(crate) fn give(made: &Path, path: &Path, (uid, gid): Owner) -> Result<(), Refusal> {
    let found = fs::symlink_metadata(made);
    if found.is_ok_and(|found| (found.uid(), found.gid()) == (uid, gid)) {
        return Ok(());
    }
    lchown(made, Some(uid), Some(gid)).map_err(|error| {
        let message = format!(
            "{}: cannot be given to {uid}:{gid}: {error}",
            path.display()
        );
        match hello::user() {
            // Where root is not allowed to, nobody is.
            0 => Refusal::new(message),
            _ => Refusal::permission(message),
        }
    })
}

/// The same for a folder that was made on the way to that path, or for it.
pub(crate) fn give_folder(root: &str, path: &[u8], folder: &Path) -> Result<(), Refusal> {
    let Some(owner) = owner(root, path) else {
        owner::give(folder);
        return Ok(());
    };
    give(folder, folder, owner).inspect_err(|_| {
        // Left there, it would pass for one that was there before.
        let _ = fs::remove_dir(folder);
    })
}

/// What to add to the mode of a file, so that the host sees that it is not as it should be.
pub(crate) fn difference(owner: Option<Owner>, found: &Metadata) -> u32 {
    match owner {
        Some(owner) if owner != (found.uid(), found.gid()) => OTHER_OWNER,
        _ => 0,
    }
}
