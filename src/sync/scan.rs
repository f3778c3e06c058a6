//! The host's side: what is there, and how it is read.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use devrun_wire::Hasher;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::Problem;
use super::memory::Memory;
use super::read::LookAt;
use super::writers::Writers;

/// How much of a file goes in one frame. What is small waits behind a frame at most.
pub(crate) const PIECE: usize = 256 << 10;
/// A file up to this size is read whole before it is sent.
pub(crate) const SMALL: usize = 64 << 10;

/// What somebody has open is whole if nothing was written for so long.
const AT_REST: Duration = Duration::from_millis(20);

/// Whether a path (relative to the source; true for folders) takes part. A folder that does
/// not is not entered.
pub(crate) type Filter = dyn Fn(&Path, bool) -> bool + Send + Sync;

/// Whether a folder takes part itself, and not only what is in it.
pub(crate) type FolderFilter = dyn Fn(&Path) -> bool + Send + Sync;

/// What is kept in step with what.
#[derive(Clone)]
pub(crate) struct Tree {
    /// The folder on the host, absolute.
    pub(crate) from: PathBuf,
    /// The folder in the container, absolute.
    pub(crate) to: String,
    /// What takes part.
    pub(crate) filter: Arc<Filter>,
    /// Whether a folder is more than a way to what is in it.
    pub(crate) makes: Arc<FolderFilter>,
    /// The tree is one file: its name on the host and in the container.
    pub(crate) file: Option<(OsString, String)>,
    /// To whom it belongs in the container; unless told, to the agent's user.
    pub(crate) owner: Option<(u32, u32)>,
    /// Permission bits of files; unless told, those of the host.
    pub(crate) mode: Option<u32>,
    /// Who remembers what became of it.
    pub(crate) memory: Arc<dyn Memory>,
}

impl Tree {
    /// A tree of which all is brought over as it is.
    #[cfg(test)]
    pub(crate) fn whole(from: PathBuf, to: String) -> Self {
        Self {
            from,
            to,
            filter: Arc::new(|_, _| true),
            makes: Arc::new(|_| true),
            file: None,
            owner: None,
            mode: None,
            memory: Arc::new(super::memory::Forgetful),
        }
    }

    /// Where a path of the source lies below the target.
    pub(crate) fn inside(&self, path: &Path) -> Vec<u8> {
        match &self.file {
            Some((outside, inside)) if path == Path::new(outside) => inside.clone().into_bytes(),
            _ => path.as_os_str().as_bytes().to_vec(),
        }
    }

    /// Whether both bring the same to the same place.
    pub(crate) fn is(&self, other: &Self) -> bool {
        (&self.from, &self.to, &self.file) == (&other.from, &other.to, &other.file)
    }

    /// What is at a path, as it is to be in the container; blocks.
    pub(crate) fn look(&self, path: &Path) -> io::Result<OnHost> {
        self.look_by(look, path)
    }

    /// The same, by that way of looking.
    pub(super) fn look_by(&self, look: LookAt, path: &Path) -> io::Result<OnHost> {
        let mut found = look(&self.from.join(path))?;
        match (&mut found, self.mode) {
            (OnHost::Small { mode, .. }, Some(own)) => *mode = own,
            (OnHost::Big(reading), Some(own)) => reading.told_mode = Some(own),
            // Whoever may read what is in a folder may enter it.
            (OnHost::Folder { mode }, Some(own)) => *mode = own | ((own & 0o444) >> 2),
            _ => {}
        }
        Ok(found)
    }

    /// The same, for comparison; blocks.
    pub(crate) fn know(&self, path: &Path) -> io::Result<Known> {
        let mut known = know(&self.from.join(path))?;
        if let (Known::File { mode, .. }, Some(own)) = (&mut known, self.mode) {
            *mode = own;
        }
        Ok(known)
    }
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree")
            .field("from", &self.from)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

/// Something at a path of the host, now.
#[derive(Debug)]
pub(crate) enum OnHost {
    /// Nothing.
    Absent,
    /// A folder and its mode.
    Folder { mode: u32 },
    /// A symlink and what it points to.
    Symlink(Vec<u8>),
    /// A regular file of at most [`SMALL`] bytes, read whole.
    Small {
        mode: u32,
        content: Vec<u8>,
        hash: u128,
    },
    /// A larger one, opened.
    Big(Reading),
    /// A file that changed while it was read.
    Changing,
    /// A socket, a device: nothing that can be brought over.
    Special,
}

/// What a listing or a comparison needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// A regular file.
    File {
        /// Hash of its content.
        hash: u128,
        /// Permission bits.
        mode: u32,
    },
    /// A folder.
    Folder,
    /// A symlink and what it points to.
    Symlink(Vec<u8>),
    /// Something of the host's is there; which version is not certain.
    Unsure,
}

/// A file that is being read, and what it was like when that began.
pub(crate) struct Reading {
    file: File,
    stamp: Stamp,
    /// The mode that it is to have in the container, if not its own.
    told_mode: Option<u32>,
    read: u64,
    hasher: Box<Hasher>,
}

#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    mode: u32,
}

impl Stamp {
    fn of(found: &fs::Metadata) -> Self {
        Stamp {
            file: (found.dev(), found.ino()),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            mode: found.mode(),
        }
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading")
            .field("stamp", &self.stamp)
            .field("read", &self.read)
            .finish()
    }
}

impl Reading {
    /// Opens a regular file; blocks. What is no such file any more is invalid input.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(ErrorKind::InvalidInput.into());
        }
        let stamp = Stamp::of(&found);
        Ok(Reading {
            file,
            stamp,
            told_mode: None,
            read: 0,
            hasher: Box::default(),
        })
    }

    /// Permission bits.
    pub(crate) fn mode(&self) -> u32 {
        self.told_mode.unwrap_or(self.stamp.mode & 0o777)
    }

    /// The next piece; shorter than [`PIECE`] only at the end. Blocks.
    pub(crate) fn piece(&mut self) -> io::Result<Vec<u8>> {
        let left = self.stamp.size.saturating_sub(self.read);
        // One more than is there, so that its end is seen without growing.
        let room = usize::try_from(left).unwrap_or(PIECE).saturating_add(1);
        let mut piece = Vec::with_capacity(room.min(PIECE));
        self.file
            .by_ref()
            .take(PIECE as u64)
            .read_to_end(&mut piece)?;
        self.hasher.update(&piece);
        self.read += piece.len() as u64;
        Ok(piece)
    }

    /// Hash of what was read.
    pub(crate) fn hash(&self) -> u128 {
        self.hasher.finish()
    }

    /// Bytes that it had when it was opened.
    pub(crate) fn size(&self) -> u64 {
        self.stamp.size
    }

    /// Bytes read.
    pub(crate) fn bytes(&self) -> u64 {
        self.read
    }

    /// Whether what was read is what one moment's file held, as far as can be told, and not what
    /// somebody is about to complete. Blocks.
    pub(crate) fn is_whole(&self) -> io::Result<bool> {
        // Held until the file was looked at: nobody begins to write in between.
        let writers = Writers::of(&self.file);
        let is_open = matches!(writers, Writers::Some);
        Ok(self.is_one()? && (!is_open || is_at_rest(&self.file.metadata()?)))
    }

    /// Whether what was read is what one moment's file held, as far as can be told.
    fn is_one(&self) -> io::Result<bool> {
        Ok(self.read == self.stamp.size && Stamp::of(&self.file.metadata()?) == self.stamp)
    }
}

fn open(path: &Path) -> io::Result<File> {
    // What may lie there by now is neither followed nor waited for.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(path);
    let is_link = |error: &io::Error| error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
    match opened {
        Err(error) if is_link(&error) => Err(ErrorKind::InvalidInput.into()),
        opened => opened,
    }
}

/// Who has it open and does not write any more may keep it so for days. One that is empty may be
/// so for a moment only: while it is truncated the kernel gives it the new size before the new
/// time.
fn is_at_rest(found: &fs::Metadata) -> bool {
    let age = found.modified().map(|at| at.elapsed());
    found.size() > 0 && matches!(age, Ok(Ok(age)) if age >= AT_REST)
}

/// What is at a path of the host; blocks.
pub(crate) fn look(path: &Path) -> io::Result<OnHost> {
    look_at(path, false)
}

/// As [`look`], for what was looked at often enough: who writes without an end, as to a log, is
/// not waited for.
pub(super) fn look_at_restless(path: &Path) -> io::Result<OnHost> {
    look_at(path, true)
}

fn look_at(path: &Path, restless: bool) -> io::Result<OnHost> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if is_absence(&error) => return Ok(OnHost::Absent),
        found => found?,
    };
    let result = if found.is_dir() {
        Ok(OnHost::Folder {
            mode: found.mode() & 0o777,
        })
    } else if found.is_symlink() {
        fs::read_link(path).map(|target| OnHost::Symlink(target.as_os_str().as_bytes().to_vec()))
    } else if found.is_file() {
        read(path, &found, restless)
    } else {
        Ok(OnHost::Special)
    };
    // It may have gone, or become something else, since we asked.
    match result {
        Err(error) if is_absence(&error) => Ok(OnHost::Absent),
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(OnHost::Changing),
        result => result,
    }
}

fn read(path: &Path, found: &fs::Metadata, restless: bool) -> io::Result<OnHost> {
    if found.size() > SMALL as u64 {
        return Reading::open(path).map(OnHost::Big);
    }
    // There are many of these: nothing is asked of the system twice. What has grown or shrunk
    // meanwhile has another stamp.
    let before = Stamp::of(found);
    let mut content = vec![0; usize::try_from(before.size).unwrap_or_default()];
    let mut file = open(path)?;
    match file.read_exact(&mut content) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(OnHost::Changing),
        read => read?,
    }
    // Held until the file was looked at: nobody begins to write in between.
    let asked = !restless && !is_at_rest(found);
    let writers = asked.then(|| Writers::of(&file));
    if Stamp::of(&file.metadata()?) != before || matches!(writers, Some(Writers::Some)) {
        return Ok(OnHost::Changing);
    }
    Ok(OnHost::Small {
        mode: before.mode & 0o777,
        hash: devrun_wire::hash(&content),
        content,
    })
}

/// What is at a path of the host, for comparison; a file that changes meanwhile is not certain.
/// Blocks.
fn know(path: &Path) -> io::Result<Known> {
    Ok(match look(path)? {
        OnHost::Folder { .. } => Known::Folder,
        OnHost::Symlink(target) => Known::Symlink(target),
        OnHost::Small { mode, hash, .. } => Known::File { hash, mode },
        OnHost::Big(mut reading) => {
            while reading.piece()?.len() == PIECE {}
            if reading.is_whole()? {
                Known::File {
                    hash: reading.hash(),
                    mode: reading.mode(),
                }
            } else {
                Known::Unsure
            }
        }
        OnHost::Absent | OnHost::Changing | OnHost::Special => Known::Unsure,
    })
}

/// Whether nothing is at a path of the host; blocks.
pub(crate) fn is_absent(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| is_absence(&error))
}

/// The folders on the way to these, which are gone, that the host has not either: where they took
/// part and nothing else is in them in the container, nobody needs them. Blocks.
pub(super) fn gone_with(tree: &Tree, gone: &[PathBuf]) -> BTreeSet<PathBuf> {
    let (mut folders, mut there) = (BTreeSet::new(), HashSet::new());
    for path in gone {
        let above = path.ancestors().skip(1);
        for folder in above.take_while(|folder| !folder.as_os_str().is_empty()) {
            if folders.contains(folder) || there.contains(folder) {
                break;
            }
            if !is_absent(&tree.from.join(folder)) {
                there.insert(folder);
                break;
            }
            if (tree.makes)(folder) {
                folders.insert(folder.to_owned());
            }
        }
    }
    folders
}

/// Whether a regular file is at a path of the host; blocks.
pub(super) fn is_regular(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

/// Whether a folder (relative to the source) is reached through a symlink, or is one; blocks.
pub(super) fn leads_through_link(from: &Path, folder: &Path) -> bool {
    let is_link = |path: &Path| {
        let found = fs::symlink_metadata(from.join(path));
        found.is_ok_and(|found| found.is_symlink())
    };
    let parts = folder.ancestors();
    parts
        .filter(|part| !part.as_os_str().is_empty())
        .any(is_link)
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// What takes part below a path of the source, relative to the source, sorted; folders that
/// cannot be read are problems. Blocks.
pub(crate) fn list(tree: &Tree, below: &Path) -> (Vec<PathBuf>, Vec<Problem>) {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    let mut inside = |folder: &Path| match entries(tree, folder) {
        Ok(entries) => entries.into_iter(),
        // Gone since it was seen: what is left of it is found out by who watches.
        Err(error) if is_absence(&error) && folder != below => Vec::new().into_iter(),
        Err(error) => {
            problems.push(Problem::of_host(folder, &error));
            Vec::new().into_iter()
        }
    };
    // The folders on the way down, and what is left to tell of each: in this order all is sorted.
    let mut open = vec![inside(below)];
    while let Some(entries) = open.last_mut() {
        match entries.next() {
            None => drop(open.pop()),
            Some((path, false)) => found.push(path),
            Some((path, true)) => {
                let entries = inside(&path);
                if (tree.makes)(&path) {
                    found.push(path);
                }
                open.push(entries);
            }
        }
    }
    (found, problems)
}

/// What takes part of what is in a folder, by name, and whether each is a folder.
fn entries(tree: &Tree, folder: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(tree.from.join(folder))? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let path = folder.join(entry.file_name());
        let special = !(kind.is_dir() || kind.is_file() || kind.is_symlink());
        if !special && (tree.filter)(&path, kind.is_dir()) {
            entries.push((path, kind.is_dir()));
        }
    }
    // All lie in the same folder: as text they stand in the order that they have as paths.
    entries.sort_unstable_by(|(one, _), (other, _)| one.as_os_str().cmp(other.as_os_str()));
    Ok(entries)
}

/// Does blocking work where it holds nobody up; begins at once.
pub(crate) fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> impl Future<Output = io::Result<T>> {
    let task = tokio::task::spawn_blocking(work);
    async {
        task.await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}
