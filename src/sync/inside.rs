//! What the container has: folders listed, files read.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use devrun_wire::Hasher;
use devrun_wire::frames::{Item, Kind, Request, Response, Version};

use super::Problem;
use super::connection::{AgentConnection, SyncError};
use super::scan::{PIECE, blocking};
use super::transfer::{bytes_of, problem_of};

/// Folders that are asked for at a time.
const FOLDERS: usize = 512;

/// Something below a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inside {
    /// Relative to the target.
    pub(crate) path: PathBuf,
    /// What it is.
    pub(crate) kind: Kind,
    /// Bytes.
    pub(crate) size: u64,
    /// When its content changed last, nanoseconds since 1970, by the container's clock.
    pub(crate) modified_ns: u64,
}

/// All that is in these folders, and in those below them that are to be entered; what is mounted
/// there is told, and not entered. Parents come before what is in them.
pub(crate) async fn list(
    connection: &AgentConnection,
    to: &str,
    folders: Vec<PathBuf>,
    enters: impl Fn(&Path) -> bool,
) -> Result<(Vec<Inside>, Vec<Problem>), SyncError> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    let (mut level, mut after) = (folders, Vec::new());
    let mut below = Vec::new();
    while !level.is_empty() {
        let batch = level.get(..FOLDERS).unwrap_or(&level);
        let request = Request::List {
            root: to.to_owned(),
            folders: batch.iter().map(|folder| bytes_of(folder)).collect(),
            after: std::mem::take(&mut after),
        };
        let (whole, items) = match connection.request(request).await? {
            Response::Listed { whole, items } => (whole, items),
            refused => {
                problems.push(problem_of(Path::new(""), refused));
                break;
            }
        };
        let asked = batch.len();
        let last = items.last().filter(|item| item.folder == whole);
        after = last.map_or_else(Vec::new, |item| item.name.clone());
        if whole == 0 && after.is_empty() {
            problems.push(Problem::new(Path::new(""), "its agent lists nothing"));
            break;
        }
        for item in items {
            let Some(one) = placed(batch, item) else {
                continue;
            };
            if one.kind == Kind::Folder && enters(&one.path) {
                below.push(one.path.clone());
            }
            found.push(one);
        }
        level.drain(..index(whole).min(asked));
        if level.is_empty() {
            level = std::mem::take(&mut below);
        }
    }
    Ok((found, problems))
}

fn placed(folders: &[PathBuf], item: Item) -> Option<Inside> {
    let name = OsString::from_vec(item.name);
    // A name is one part of a path, whoever says otherwise.
    let plain = Path::new(&name).file_name() == Some(&name);
    let folder = folders.get(index(item.folder)).filter(|_| plain)?;
    Some(Inside {
        path: folder.join(name),
        kind: item.kind,
        size: item.size,
        modified_ns: item.modified_ns,
    })
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A file that was read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// Hash of its content.
    pub(crate) hash: u128,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Bytes.
    pub(crate) size: u64,
}

/// Writes a file of the container into one of the host; a problem where it is not there, or changes
/// while it is read.
pub(crate) async fn fetch(
    connection: &AgentConnection,
    to: &str,
    path: &Path,
    mut into: File,
) -> Result<Result<Fetched, Problem>, SyncError> {
    let mut hasher = Box::<Hasher>::default();
    let mut first: Option<Version> = None;
    let mut size = 0;
    loop {
        let request = Request::Read {
            root: to.to_owned(),
            path: bytes_of(path),
            offset: size,
            length: u32::try_from(PIECE).unwrap_or(u32::MAX),
        };
        let (version, mode, data) = match connection.request(request).await? {
            Response::Content {
                version,
                mode,
                data,
            } => (version, mode, data),
            refused => return Ok(Err(problem_of(path, refused))),
        };
        let before = *first.get_or_insert(version);
        if before != version || (data.is_empty() && size != version.size) {
            return Ok(Err(Problem::new(path, "changes while it is read")));
        }
        if data.is_empty() {
            let hash = hasher.finish();
            return Ok(Ok(Fetched { hash, mode, size }));
        }
        hasher.update(&data);
        size += data.len() as u64;
        let written = blocking(move || into.write_all(&data).map(|()| into)).await;
        into = match written {
            Ok(file) => file,
            Err(error) => return Ok(Err(Problem::new(path, format!("on the host: {error}")))),
        };
    }
}

#[cfg(test)]
mod tests;
