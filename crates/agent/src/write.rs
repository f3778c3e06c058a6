//! Files that arrive in pieces: written beside, renamed when whole, so that a reader sees the
//! old one or the new one.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::Path;

use devrun_wire::frames::Response;

use crate::hello;
use crate::owner;
use crate::place::{self, Place};
use crate::refusal::{At as _, Refusal};
use crate::terms;
use crate::tree::{self, Temporary};

/// More half-written files at a time than the host ever sends.
const MOST: usize = 256;

/// Files that are not whole yet, by the number of their request.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    open: HashMap<u32, Unfinished>,
    /// Already answered; the rest of their pieces is dropped.
    refused: HashSet<u32>,
}

/// One piece of a file.
pub(crate) struct Piece<'a> {
    pub(crate) root: &'a str,
    pub(crate) path: &'a [u8],
    pub(crate) mode: u32,
    pub(crate) data: &'a [u8],
    pub(crate) last: bool,
}

#[derive(Debug)]
struct Unfinished {
    place: Place,
    file: File,
    // Removes the name, if it is still there, whatever happens.
    temporary: Temporary,
}

impl Writes {
    /// Takes a piece; the answer comes once for all pieces of a request.
    pub(crate) fn piece(&mut self, number: u32, piece: &Piece<'_>) -> Option<Response> {
        if self.refused.contains(&number) {
            if piece.last {
                self.refused.remove(&number);
            }
            return None;
        }
        match self.take(number, piece) {
            Ok(()) => piece.last.then_some(Response::Done),
            Err(refusal) => {
                if !piece.last {
                    self.refused.insert(number);
                }
                Some(refusal.into())
            }
        }
    }

    fn take(&mut self, number: u32, piece: &Piece<'_>) -> Result<(), Refusal> {
        let begun = self.open.remove(&number);
        if piece.path.is_empty() && piece.last && begun.is_some() {
            return Ok(());
        }
        let mut unfinished = match begun {
            Some(unfinished) => unfinished,
            None if self.open.len() >= MOST => {
                return Err(Refusal::new("too many unfinished files at a time"));
            }
            None => begin(piece)?,
        };
        unfinished
            .file
            .write_all(piece.data)
            .at(&unfinished.place.path())?;
        if piece.last {
            return finish(unfinished, piece);
        }
        self.open.insert(number, unfinished);
        Ok(())
    }
}

fn begin(piece: &Piece<'_>) -> Result<Unfinished, Refusal> {
    let place = place::to_put(piece.root, piece.path)?;
    let (file, temporary) = tree::beside(&place.folder, |name| {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(name)
    })
    .at(&place.path())?;
    Ok(Unfinished {
        place,
        file,
        temporary,
    })
}

fn finish(unfinished: Unfinished, piece: &Piece<'_>) -> Result<(), Refusal> {
    let path = unfinished.place.path();
    match terms::owner(piece.root, piece.path) {
        Some(owner) => terms::give(unfinished.temporary.path(), &path, owner)?,
        None => keep_owner(&unfinished.file, unfinished.temporary.path(), &path)?,
    }
    // After the owner, which takes bits away.
    unfinished
        .file
        .set_permissions(fs::Permissions::from_mode(piece.mode & 0o777))
        .at(&path)?;
    unfinished.temporary.into_place(&path)
}

/// Gives the new file to the owner of the one that it replaces.
fn keep_owner(new: &File, temporary: &Path, path: &Path) -> Result<(), Refusal> {
    let old = fs::symlink_metadata(path).ok();
    let Some(old) = old.filter(fs::Metadata::is_file) else {
        owner::give(temporary);
        return Ok(());
    };
    let ours = new.metadata().at(path)?;
    if (old.uid(), old.gid()) == (ours.uid(), ours.gid()) {
        return Ok(());
    }
    match chown(temporary, Some(old.uid()), Some(old.gid())) {
        // A group that we cannot give away is a lesser harm than a file that stays old; and
        // where root is not allowed to, nobody is.
        Err(_) if old.uid() != ours.uid() && hello::user() != 0 => {
            Err(Refusal::permission(format!(
                "{}: belongs to user {}, and we are user {}",
                path.display(),
                old.uid(),
                ours.uid()
            )))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
