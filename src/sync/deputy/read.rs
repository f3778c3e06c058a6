//! Questions about what a container has, answered from tars of it.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use devrun_wire::frames::{Entry, Item, Kind, Response, Version};
use tokio::time::Instant;
use tokio_util::io::SyncIoBridge;

use super::direct::absolute;
use super::listing::{self, Found, Listing};
use super::shell::Shell;
use super::{Facts, Output, Remote, RemoteError};
use crate::sync::scan::blocking;

/// How long what was seen answers further questions of the same comparison.
const FRESH: Duration = Duration::from_secs(5);
/// So many things right below the target are fetched one by one; for more the whole target is, as
/// long as not much else is in it.
const ONE_BY_ONE: usize = 4;
/// So many are rather fetched one by one than with a large tree beside them.
const ONE_BY_ONE_AT_MOST: usize = 64;
/// A tree beside what is wanted that is larger than this is large.
const SURPLUS: u64 = 32 << 20;
/// So many items are one answer.
const ITEMS: usize = 10_000;
/// The largest piece of a file.
const PIECE: u32 = 1 << 20;

/// What was seen of one target.
struct Seen {
    root: String,
    listing: Listing,
    /// What right below the target was fetched; `None` where all of it was.
    fetched: Option<BTreeSet<Vec<u8>>>,
    /// What was answered already: whoever asks again wants to know how it is now.
    asked: BTreeSet<Vec<u8>>,
    used: Instant,
}

/// Answers questions, with what it has seen.
#[derive(Default)]
pub(super) struct Reader {
    seen: Option<Seen>,
    /// The file that is being read in pieces.
    file: Option<Fetched>,
}

struct Fetched {
    place: (String, Vec<u8>),
    content: std::fs::File,
    version: Version,
    mode: u32,
}

impl Reader {
    /// Whatever was seen of these is no longer so.
    pub(super) fn forget(&mut self, paths: impl Iterator<Item = Vec<u8>>) {
        if let Some(seen) = &mut self.seen {
            seen.asked.extend(paths);
        }
        self.file = None;
    }

    /// What lies at these paths.
    pub(super) async fn inspect(
        &mut self,
        remote: &impl Remote,
        (facts, shell): (&Facts, Option<Shell>),
        root: String,
        paths: Vec<Vec<u8>>,
        owner: impl Fn(&[u8]) -> Option<(u64, u64)>,
    ) -> Result<Response, RemoteError> {
        let fresh = self.seen.take_if(|seen| {
            seen.root == root
                && seen.used.elapsed() < FRESH
                && !paths.iter().any(|path| seen.asked.contains(path))
        });
        let mut seen = fresh.unwrap_or_else(|| Seen::nothing(&root));
        let wanted: BTreeSet<&[u8]> = paths.iter().map(|path| first(path)).collect();
        seen.fetch(remote, (facts, shell), &wanted).await?;
        let entries: Vec<Entry> = paths
            .iter()
            .map(|path| listing::at(&seen.listing, path, owner(path)))
            .collect();
        seen.asked.extend(paths);
        seen.used = Instant::now();
        self.seen = Some(seen);
        Ok(Response::Entries(entries))
    }

    /// What is in these folders.
    pub(super) async fn list(
        &mut self,
        remote: &impl Remote,
        (facts, shell): (&Facts, Option<Shell>),
        root: String,
        (folders, after): (Vec<Vec<u8>>, Vec<u8>),
    ) -> Result<Response, RemoteError> {
        let again = |seen: &Seen| {
            folders
                .iter()
                .any(|it| seen.asked.contains(&folder_key(it)))
        };
        let fresh = self.seen.take_if(|seen| {
            let goes_on = !after.is_empty() || !again(seen);
            seen.root == root && seen.used.elapsed() < FRESH && goes_on
        });
        let mut seen = fresh.unwrap_or_else(|| Seen::nothing(&root));
        let wanted: BTreeSet<&[u8]> = folders.iter().map(|path| first(path)).collect();
        seen.fetch(remote, (facts, shell), &wanted).await?;
        let mut items = Vec::new();
        let mut whole = 0;
        for (number, folder) in (0_u32..).zip(&folders) {
            if items.len() >= ITEMS {
                break;
            }
            let after: &[u8] = if number == 0 { &after } else { &[] };
            items.extend(seen.items(facts, folder, after, number));
            seen.asked.insert(folder_key(folder));
            whole += 1;
        }
        seen.used = Instant::now();
        self.seen = Some(seen);
        Ok(Response::Listed { whole, items })
    }

    /// A piece of a file; the first one fetches all of it.
    pub(super) async fn read(
        &mut self,
        remote: &impl Remote,
        place: (String, Vec<u8>),
        offset: u64,
        length: u32,
    ) -> Result<Response, RemoteError> {
        let known = self.file.as_ref().is_some_and(|file| file.place == place);
        if offset == 0 || !known {
            let Some(tar) = remote.download(&absolute(&place.0, &place.1)).await? else {
                return Ok(super::serve::refused("the file is not there any more"));
            };
            let bridge = SyncIoBridge::new(tar);
            let fetched = blocking(move || unpacked(place, bridge)).await;
            self.file = fetched.map_err(broken)?;
        }
        let Some(file) = &mut self.file else {
            return Ok(super::serve::refused("is not a regular file"));
        };
        let mut data = Vec::new();
        let content = &mut file.content;
        let piece = content.seek(SeekFrom::Start(offset)).and_then(|_| {
            let mut piece = content.take(u64::from(length.min(PIECE)));
            piece.read_to_end(&mut data)
        });
        piece.map_err(broken)?;
        Ok(Response::Content {
            version: file.version,
            mode: file.mode,
            data,
        })
    }
}

/// The regular file that a tar begins with.
fn unpacked(place: (String, Vec<u8>), tar: impl io::Read) -> io::Result<Option<Fetched>> {
    let mut archive = tar::Archive::new(tar);
    let Some(entry) = archive.entries()?.next() else {
        return Ok(None);
    };
    let mut entry = entry?;
    if !entry.header().entry_type().is_file() {
        return Ok(None);
    }
    let mut content = tempfile::tempfile()?;
    io::copy(&mut entry, &mut content)?;
    content.flush()?;
    let header = entry.header();
    let version = Version {
        inode: 0,
        size: header.size()?,
        modified_ns: header.mtime()?.saturating_mul(1_000_000_000),
    };
    let mode = header.mode()? & 0o777;
    Ok(Some(Fetched {
        place,
        content,
        version,
        mode,
    }))
}

impl Seen {
    fn nothing(root: &str) -> Seen {
        Seen {
            root: root.to_owned(),
            listing: Listing::new(),
            fetched: Some(BTreeSet::new()),
            asked: BTreeSet::new(),
            used: Instant::now(),
        }
    }

    /// Fetches what is still missing of these, right below the target; an empty one is all of it.
    async fn fetch(
        &mut self,
        remote: &impl Remote,
        (facts, shell): (&Facts, Option<Shell>),
        wanted: &BTreeSet<&[u8]>,
    ) -> Result<(), RemoteError> {
        let Some(fetched) = &mut self.fetched else {
            return Ok(());
        };
        let missing: Vec<Vec<u8>> = wanted
            .iter()
            .filter(|name| !fetched.contains(**name))
            .map(|name| name.to_vec())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let on_tmpfs = facts.is_on_tmpfs(&self.root);
        // The engine takes paths as text only.
        let is_text = |name: &Vec<u8>| !name.is_empty() && std::str::from_utf8(name).is_ok();
        let can_choose = !on_tmpfs && missing.iter().all(is_text);
        if can_choose && missing.len() <= ONE_BY_ONE_AT_MOST {
            let together = match missing.len() > ONE_BY_ONE {
                true => among_others(remote, &self.root, &missing).await?,
                false => None,
            };
            match together {
                Some(listing) => self.listing.extend(listing),
                None => {
                    for name in &missing {
                        let tar = remote.download(&absolute(&self.root, name)).await?;
                        self.listing.extend(listed(tar, name.clone()).await?);
                    }
                }
            }
            fetched.extend(missing);
            return Ok(());
        }
        let tar = match (on_tmpfs, shell) {
            (false, _) => remote.download(&absolute(&self.root, b".")).await?,
            (true, None) => None,
            (true, Some(_)) => {
                let argv = ["tar", "-cf", "-", "-C", &self.root, "."];
                Some(remote.start(&argv, None).await?.output)
            }
        };
        self.listing = match listed(tar, Vec::new()).await {
            // The image has no tar: nothing can be said, and nothing be written.
            Err(_) if on_tmpfs => Listing::new(),
            listing => listing?,
        };
        self.fetched = None;
        Ok(())
    }

    fn items(&self, facts: &Facts, folder: &[u8], after: &[u8], number: u32) -> Vec<Item> {
        let mut prefix = folder.to_vec();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let from = self.listing.range(prefix.clone()..);
        let below = from.take_while(|(path, _)| path.starts_with(&prefix));
        let direct = below.filter_map(|(path, found)| {
            let name = path.get(prefix.len()..)?;
            let right_below = !name.is_empty() && !name.contains(&b'/');
            (right_below && name > after).then_some((path, name, found))
        });
        direct
            .map(|(path, name, found)| {
                let path = absolute(&self.root, path);
                let path = String::from_utf8_lossy(&path);
                let mount = facts.mounts.iter().any(|mount| *mount == path);
                item(number, name, found, mount)
            })
            .collect()
    }
}

fn item(folder: u32, name: &[u8], found: &Found, mount: bool) -> Item {
    let kind = match found.entry {
        _ if mount => Kind::Mount,
        Entry::File { .. } => Kind::File,
        Entry::Folder => Kind::Folder,
        Entry::Symlink(_) => Kind::Symlink,
        _ => Kind::Other,
    };
    Item {
        folder,
        name: name.to_vec(),
        kind,
        mode: found.mode,
        size: found.size,
        modified_ns: found.modified_ns,
    }
}

/// These things right below the target, from a tar of all of it; `None` where too much else is in
/// it. What was packed by then is not waited for.
async fn among_others(
    remote: &impl Remote,
    root: &str,
    names: &[Vec<u8>],
) -> Result<Option<Listing>, RemoteError> {
    let Some(tar) = remote.download(&absolute(root, b".")).await? else {
        return Ok(Some(Listing::new()));
    };
    let bridge = SyncIoBridge::new(tar);
    let names: BTreeSet<Vec<u8>> = names.iter().cloned().collect();
    let wanted = move |path: &[u8]| path.is_empty() || names.contains(first(path));
    let read = blocking(move || listing::of_wanted(bridge, b"", wanted, SURPLUS)).await;
    read.map_err(broken)
}

async fn listed(tar: Option<Output>, prefix: Vec<u8>) -> Result<Listing, RemoteError> {
    let Some(tar) = tar else {
        return Ok(Listing::new());
    };
    let bridge = SyncIoBridge::new(tar);
    let read = blocking(move || listing::of(bridge, &prefix)).await;
    read.map_err(broken)
}

fn broken(error: io::Error) -> RemoteError {
    RemoteError {
        message: format!("what the container has could not be read: {error}"),
        over: false,
    }
}

/// The name right below the target; empty for the target itself.
fn first(path: &[u8]) -> &[u8] {
    path.split(|byte| *byte == b'/').next().unwrap_or_default()
}

/// No path of a file ends so.
fn folder_key(folder: &[u8]) -> Vec<u8> {
    let mut key = folder.to_vec();
    key.push(b'/');
    key
}
