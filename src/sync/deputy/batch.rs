//! What is done with one upload: files and links in a tar, folders and removals beside it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

/// So many operations at most, so that the first ones need not wait for all.
const MOST: usize = 1000;
/// So many bytes are enough for one upload.
const ENOUGH: u64 = 64 << 20;

/// What is to become of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A file of so many bytes, which is in the tar.
    File { size: u64 },
    /// A symlink, which is in the tar, or made by the shell.
    Link,
    /// A folder with this mode.
    Folder { mode: u32 },
    /// Nothing.
    Gone,
}

/// One operation, by the number of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Op {
    pub(super) number: u32,
    pub(super) path: Vec<u8>,
    pub(super) what: What,
    pub(super) owner: (u64, u64),
    /// Where a symlink leads that the shell makes: the engine takes none that leads out of the
    /// target, and nothing that comes with one.
    pub(super) leads: Vec<u8>,
    /// Where in the tar it lies.
    place: Range<u64>,
}

/// Operations on one target, in order.
pub(super) struct Batch {
    /// The target.
    pub(super) root: String,
    pub(super) ops: Vec<Op>,
    /// To whom belongs what is added next.
    pub(super) owner: (u64, u64),
    /// The host said to whom: only root can see to that.
    pub(super) as_root: bool,
    /// Where the tar's files lie until they are renamed; `None` where they are written in place.
    pub(super) stage: Option<String>,
    /// The first one of a target also removes what others, which were killed, left there.
    pub(super) tidies: bool,
    tar: Builder<File>,
    /// Where in it the first operation lies.
    begins: u64,
    bytes: u64,
}

impl Batch {
    pub(super) fn new(root: String, owner: (u64, u64), stage: Option<String>) -> io::Result<Self> {
        let mut batch = Batch {
            root,
            ops: Vec::new(),
            owner,
            as_root: false,
            stage,
            tidies: false,
            tar: Builder::new(tempfile::tempfile()?),
            begins: 0,
            bytes: 0,
        };
        if let Some(stage) = batch.stage.clone() {
            let mut header = batch.header(EntryType::Directory, 0o700, 0);
            batch.tar.append_data(&mut header, stage, io::empty())?;
        }
        batch.begins = batch.position()?;
        Ok(batch)
    }

    pub(super) fn is_full(&self) -> bool {
        self.ops.len() >= MOST || self.bytes >= ENOUGH
    }

    /// A file of that size.
    pub(super) fn file(
        &mut self,
        (number, path): (u32, Vec<u8>),
        mode: u32,
        (size, content): (u64, impl Read),
    ) -> io::Result<()> {
        let (name, start) = (self.name(number, &path), self.position()?);
        let mut header = self.header(EntryType::Regular, mode, size);
        self.tar
            .append_data(&mut header, name, content.take(size))?;
        self.bytes += size;
        self.add(number, path, What::File { size }, start)
    }

    pub(super) fn link(&mut self, (number, path): (u32, Vec<u8>), target: &[u8]) -> io::Result<()> {
        let (name, start) = (self.name(number, &path), self.position()?);
        if self.stage.is_none() {
            let mut header = self.header(EntryType::Symlink, 0o777, 0);
            let target = Path::new(OsStr::from_bytes(target));
            self.tar.append_link(&mut header, name, target)?;
        }
        self.add(number, path, What::Link, start)?;
        if self.stage.is_some()
            && let Some(op) = self.ops.last_mut()
        {
            op.leads = target.to_vec();
        }
        Ok(())
    }

    pub(super) fn folder(&mut self, number: u32, path: Vec<u8>, mode: u32) -> io::Result<()> {
        let start = self.position()?;
        if self.stage.is_none() {
            let name = self.name(number, &path);
            let mut header = self.header(EntryType::Directory, mode, 0);
            self.tar.append_data(&mut header, name, io::empty())?;
        }
        self.add(number, path, What::Folder { mode }, start)
    }

    pub(super) fn gone(&mut self, number: u32, path: Vec<u8>) -> io::Result<()> {
        let start = self.position()?;
        self.add(number, path, What::Gone, start)
    }

    /// A tar of some of it, from its beginning; `None` where nothing of it is in one. The smallest
    /// comes first: where there is not room for all, it is one that is lacking and not many.
    pub(super) fn tar_of(&mut self, ops: &[&Op]) -> io::Result<Option<File>> {
        let mut some = tempfile::tempfile()?;
        let mut all = self.tar()?;
        let mut places: Vec<_> = ops.iter().map(|op| op.place.clone()).collect();
        if self.stage.is_some() {
            // Where they are laid down comes before them.
            io::copy(&mut (&all).take(self.begins), &mut some)?;
            places.sort_by_key(|place| place.end - place.start);
        }
        for place in places.iter().filter(|place| !place.is_empty()) {
            all.seek(SeekFrom::Start(place.start))?;
            io::copy(&mut (&all).take(place.end - place.start), &mut some)?;
        }
        if places.iter().all(Range::is_empty) {
            return Ok(None);
        }
        some.write_all(&[0; 1024])?;
        some.rewind()?;
        Ok(Some(some))
    }

    fn tar(&mut self) -> io::Result<File> {
        self.tar.finish()?;
        let file = self.tar.get_mut();
        file.flush()?;
        let mut again = file.try_clone()?;
        again.rewind()?;
        Ok(again)
    }

    /// A tar of a folder and those on the way to it.
    pub(super) fn folders(&self, path: &Path) -> io::Result<File> {
        let mut tar = Builder::new(tempfile::tempfile()?);
        let mut folders: Vec<&Path> = path.ancestors().collect();
        folders.retain(|folder| !folder.as_os_str().is_empty());
        for folder in folders.into_iter().rev() {
            let mut header = self.header(EntryType::Directory, 0o755, 0);
            tar.append_data(&mut header, folder, io::empty())?;
        }
        let mut file = tar.into_inner()?;
        file.rewind()?;
        Ok(file)
    }

    fn position(&mut self) -> io::Result<u64> {
        self.tar.get_mut().stream_position()
    }

    fn add(&mut self, number: u32, path: Vec<u8>, what: What, start: u64) -> io::Result<()> {
        let place = start..self.position()?;
        self.ops.push(Op {
            number,
            path,
            what,
            owner: self.owner,
            leads: Vec::new(),
            place,
        });
        Ok(())
    }

    fn name(&self, number: u32, path: &[u8]) -> PathBuf {
        match &self.stage {
            Some(stage) => Path::new(stage).join(number.to_string()),
            None => PathBuf::from(OsStr::from_bytes(path)),
        }
    }

    fn header(&self, kind: EntryType, mode: u32, size: u64) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode & 0o777);
        header.set_size(size);
        header.set_uid(self.owner.0);
        header.set_gid(self.owner.1);
        // As a file that was just written: who builds by time must see that it is new.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        header.set_mtime(now.map_or(0, |now| now.as_secs()));
        header
    }
}
