//! Files of the container, read for the host.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use devrun_wire::Hasher;
use devrun_wire::frames::{Request, Response, Version};

use super::Problem;
use super::connection::{AgentConnection, SyncError};
use super::scan::{PIECE, blocking};
use super::transfer::problem_of;

/// A file that was read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// Hash of its content.
    pub(crate) hash: u128,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Which version of it.
    pub(crate) version: Version,
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
            path: path.as_os_str().as_bytes().to_vec(),
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
            return Ok(Ok(Fetched {
                hash,
                mode,
                version,
            }));
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
