//! Pieces of files, for the way back.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use devrun_wire::frames::{MAX_FRAME, Response, Version};

use crate::list::modified_ns;
use crate::place::{self, Way};
use crate::refusal::{At as _, Refusal};

/// A piece of a regular file; empty behind its end.
pub(crate) fn read(root: &str, path: &[u8], offset: u64, length: u32) -> Result<Response, Refusal> {
    let (folders, name) = place::split(path)?;
    let gone = || Refusal::new("the file is not there any more");
    let real = place::root(root)?.ok_or_else(gone)?;
    let Way::Folder(folder) = place::to_look(&real, &folders)? else {
        return Err(gone());
    };
    let path = folder.join(name);
    // Opened, a pipe would wait for its other end.
    let before = fs::symlink_metadata(&path).at(&path)?;
    let file = File::open(&path).at(&path)?;
    let found = file.metadata().at(&path)?;
    if !before.is_file() || (before.dev(), before.ino()) != (found.dev(), found.ino()) {
        let message = format!("{}: is not a regular file", path.display());
        return Err(Refusal::new(message));
    }
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut data = vec![0; length.min(MAX_FRAME / 2)];
    let mut filled = 0;
    while let Some(room) = data.get_mut(filled..).filter(|room| !room.is_empty()) {
        match file.read_at(room, offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Refusal::io(&path, &error)),
        }
    }
    data.truncate(filled);
    Ok(Response::Content {
        version: version(&found),
        mode: found.mode() & 0o777,
        data,
    })
}

fn version(found: &Metadata) -> Version {
    Version {
        inode: found.ino(),
        size: found.size(),
        modified_ns: modified_ns(found),
    }
}
