//! What is in folders.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use devrun_wire::frames::{Item, Kind, Response};

use crate::mounts;
use crate::place;
use crate::refusal::Refusal;

/// An answer ends after so many bytes, well below what a frame takes.
const ENOUGH: usize = 1 << 20;
/// What an item takes besides its name.
const ITEM: usize = 40;

/// What is in these folders, of the first one only what comes after a name.
pub(crate) fn list(root: &str, folders: &[Vec<u8>], after: &[u8]) -> Result<Response, Refusal> {
    up_to(ENOUGH, root, folders, after)
}

fn up_to(
    enough: usize,
    root: &str,
    folders: &[Vec<u8>],
    after: &[u8],
) -> Result<Response, Refusal> {
    let mut items = Vec::new();
    let mut whole = 0;
    let mut bytes = 0;
    let Some(root) = place::root(root)? else {
        let whole = u32::try_from(folders.len()).unwrap_or(u32::MAX);
        return Ok(Response::Listed { whole, items });
    };
    let mut mounts = mounts::all();
    mounts.retain(|point| point.starts_with(&root) && *point != root);
    for folder in folders {
        let real = place::folder(&root, folder)?;
        let foreign = |real: &PathBuf| mounts.iter().any(|point| real.starts_with(point));
        let Some(real) = real.filter(|real| !foreign(real)) else {
            whole += 1;
            continue;
        };
        let after = if whole == 0 { after } else { &[] };
        for name in names(&real, after) {
            if bytes > enough {
                return Ok(Response::Listed { whole, items });
            }
            let path = real.join(&name);
            // Gone since its name was read.
            let Ok(found) = fs::symlink_metadata(&path) else {
                continue;
            };
            let item = item(whole, name, &found, &path, &mounts);
            bytes += ITEM + item.name.len();
            items.push(item);
        }
        whole += 1;
    }
    Ok(Response::Listed { whole, items })
}

/// The names in a folder, in order; none where it cannot be read.
fn names(folder: &Path, after: &[u8]) -> Vec<OsString> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    let mut names: Vec<OsString> = names.filter(|name| name.as_bytes() > after).collect();
    names.sort_unstable();
    names
}

fn item(folder: u32, name: OsString, found: &Metadata, path: &Path, mounts: &[PathBuf]) -> Item {
    let kind = match found.file_type() {
        _ if mounts.iter().any(|point| point == path) => Kind::Mount,
        kind if kind.is_dir() => Kind::Folder,
        kind if kind.is_symlink() => Kind::Symlink,
        kind if kind.is_file() => Kind::File,
        _ => Kind::Other,
    };
    Item {
        folder,
        name: name.as_bytes().to_vec(),
        kind,
        mode: found.mode() & 0o777,
        size: found.size(),
        modified_ns: modified_ns(found),
    }
}

/// When its content changed last.
pub(crate) fn modified_ns(found: &Metadata) -> u64 {
    let ns = i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
    u64::try_from(ns).unwrap_or(0)
}

#[cfg(test)]
mod tests;
