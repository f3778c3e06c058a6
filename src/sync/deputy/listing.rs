//! What a container has, from a tar of it, hashed while it streams by.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use devrun_wire::Hasher;
use devrun_wire::frames::{Entry, OTHER_OWNER};
use tar::{Archive, EntryType};

/// What each entry takes besides its content.
const HEAD: u64 = 512;

/// Something in the tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) entry: Entry,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) size: u64,
    pub(crate) modified_ns: u64,
}

/// By path, relative to what was packed.
pub(crate) type Listing = BTreeMap<Vec<u8>, Found>;

/// Reads a tar to its end. Names begin with what was packed; `prefix` takes its place. Blocks.
pub(crate) fn of(tar: impl Read, prefix: &[u8]) -> io::Result<Listing> {
    let all = of_wanted(tar, prefix, |_| true, u64::MAX)?;
    Ok(all.unwrap_or_default())
}

/// The same of what is wanted; `None` where more than so many bytes of something else are in it,
/// or what is wanted cannot be told without that. Blocks.
pub(super) fn of_wanted(
    tar: impl Read,
    prefix: &[u8],
    wanted: impl Fn(&[u8]) -> bool,
    mut surplus: u64,
) -> io::Result<Option<Listing>> {
    let mut listing = Listing::new();
    let mut buffer = vec![0; 64 << 10];
    for entry in Archive::new(tar).entries()? {
        let mut entry = entry?;
        let path = below(&entry.path_bytes(), prefix);
        // That of the header is not all of it where a file is larger than 8 GB.
        let size = entry.size();
        let header = entry.header();
        let mode = header.mode()? & 0o777;
        if !wanted(&path) {
            match surplus.checked_sub(size.saturating_add(HEAD)) {
                Some(left) => surplus = left,
                None => return Ok(None),
            }
            continue;
        }
        let owner = (header.uid()?, header.gid()?);
        let modified_ns = header.mtime()?.saturating_mul(1_000_000_000);
        let what = match header.entry_type() {
            EntryType::Directory => Entry::Folder,
            EntryType::Symlink => Entry::Symlink(target(&entry)),
            // Its content stands where it was named first.
            EntryType::Link => match listing.get(&below(&target(&entry), prefix)) {
                Some(first) => first.entry.clone(),
                None if surplus < u64::MAX => return Ok(None),
                None => Entry::Other,
            },
            EntryType::Regular | EntryType::Continuous => {
                let mut hasher = Hasher::default();
                loop {
                    match entry.read(&mut buffer)? {
                        0 => break,
                        count => hasher.update(buffer.get(..count).unwrap_or_default()),
                    }
                }
                Entry::File {
                    hash: hasher.finish(),
                    mode,
                    size,
                }
            }
            _ => Entry::Other,
        };
        let found = Found {
            entry: what,
            mode,
            owner,
            size,
            modified_ns,
        };
        listing.insert(path, found);
    }
    Ok(Some(listing))
}

fn target<R: Read>(entry: &tar::Entry<'_, R>) -> Vec<u8> {
    entry
        .link_name_bytes()
        .map_or_else(Vec::new, |target| target.into_owned())
}

/// The first part of a name is what was packed, or a dot for it.
fn below(name: &[u8], prefix: &[u8]) -> Vec<u8> {
    let mut parts = Path::new(OsStr::from_bytes(name)).components();
    parts.next();
    let rest = parts.as_path().as_os_str().as_bytes();
    let mut path = prefix.to_vec();
    if !path.is_empty() && !rest.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(rest);
    path
}

/// What lies at a path, which should belong to that owner: what is seen through a link is not
/// there.
pub(crate) fn at(listing: &Listing, path: &[u8], owner: Option<(u64, u64)>) -> Entry {
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let through_link = ends
        .filter_map(|(end, _)| listing.get(path.get(..end)?))
        .any(|found| matches!(found.entry, Entry::Symlink(_)));
    if through_link {
        return Entry::Other;
    }
    let Some(found) = listing.get(path) else {
        return Entry::Absent;
    };
    match found.entry.clone() {
        Entry::File { hash, mode, size } if owner.is_some_and(|owner| owner != found.owner) => {
            let mode = mode | OTHER_OWNER;
            Entry::File { hash, mode, size }
        }
        entry => entry,
    }
}
