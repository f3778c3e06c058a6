//! What the container has: folders listed, level by level.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use devrun_wire::frames::{Item, Kind, Request, Response};

use super::Problem;
use super::connection::{AgentConnection, SyncError};
use super::transfer::problem_of;

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
            folders: batch
                .iter()
                .map(|folder| folder.as_os_str().as_bytes().to_vec())
                .collect(),
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

#[cfg(test)]
mod tests;
