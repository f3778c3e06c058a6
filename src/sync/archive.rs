//! Changes as a tar, for the engine's archive call: into containers that do not run.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tar::{Builder, EntryType, Header};

use super::scan::{OnHost, PIECE, Reading, Tree};

/// How often a file that changes while it is read is read.
const TRIES: usize = 5;

/// The target itself is no file of the host's.
const TARGET: u32 = 0o755;

/// A tar of these paths (relative to the source), to be unpacked at `/`, where they lie below the
/// target. Folders are in it only where they are named, so that owner and mode of the target and
/// of all above it stay. What is absent on the host is left out. Files belong to whom the tree
/// says, else to `owner`'s answer, else to root. Blocks; the tar lies in a file without a name, read
/// position at its start.
pub(crate) fn tar_of(
    tree: &Tree,
    paths: &[PathBuf],
    owner: impl Fn(&Path) -> Option<(u64, u64)>,
) -> io::Result<File> {
    let mut tar = Builder::new(tempfile::tempfile()?);
    let to = Path::new(tree.to.trim_start_matches('/'));
    let own = tree.owner.map(|(uid, gid)| (uid.into(), gid.into()));
    for path in paths {
        let name = to.join(OsStr::from_bytes(&tree.inside(path)));
        add(&mut tar, tree, path, &name, own.or_else(|| owner(path))).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
    }
    let mut file = tar.into_inner()?;
    file.rewind()?;
    Ok(file)
}

fn add(
    tar: &mut Builder<File>,
    tree: &Tree,
    path: &Path,
    name: &Path,
    owner: Option<(u64, u64)>,
) -> io::Result<()> {
    for _ in 0..TRIES {
        let mut header = header(owner);
        match tree.look(path)? {
            OnHost::Absent | OnHost::Special => return Ok(()),
            OnHost::Changing => {}
            OnHost::Folder { mode } => {
                header.set_entry_type(EntryType::Directory);
                let is_target = path.as_os_str().is_empty();
                header.set_mode(if is_target { TARGET } else { mode });
                return tar.append_data(&mut header, name, io::empty());
            }
            OnHost::Symlink(target) => {
                header.set_entry_type(EntryType::Symlink);
                header.set_mode(0o777);
                let target = Path::new(OsStr::from_bytes(&target));
                return tar.append_link(&mut header, name, target);
            }
            OnHost::Small { mode, content, .. } => {
                header.set_mode(mode);
                header.set_size(content.len() as u64);
                return tar.append_data(&mut header, name, content.as_slice());
            }
            OnHost::Big(reading) => {
                let start = tar.get_mut().stream_position()?;
                if add_big(tar, &mut header, reading, name)? {
                    return Ok(());
                }
                let file = tar.get_mut();
                file.set_len(start)?;
                file.seek(SeekFrom::Start(start))?;
            }
        }
    }
    Err(io::Error::other("keeps changing while it is read"))
}

fn header(owner: Option<(u64, u64)>) -> Header {
    let (uid, gid) = owner.unwrap_or_default();
    // As a file that was just written: who builds by time must see that it is new.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let mut header = Header::new_gnu();
    header.set_size(0);
    header.set_uid(uid);
    header.set_gid(gid);
    header.set_mtime(now.map_or(0, |now| now.as_secs()));
    header
}

/// Whether what went in is what one moment's file held.
fn add_big(
    tar: &mut Builder<File>,
    header: &mut Header,
    mut reading: Reading,
    name: &Path,
) -> io::Result<bool> {
    let size = reading.size();
    header.set_mode(reading.mode());
    header.set_size(size);
    tar.append_data(header, name, io::empty())?;
    let file = tar.get_mut();
    loop {
        let piece = reading.piece()?;
        file.write_all(&piece)?;
        if piece.len() < PIECE {
            break;
        }
    }
    let padding = size.next_multiple_of(512) - size;
    file.write_all(&vec![0; usize::try_from(padding).unwrap_or_default()])?;
    reading.is_whole()
}

#[cfg(test)]
mod tests;
