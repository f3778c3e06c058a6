//! Who answers where no agent can run: it speaks the agent's frames on this side, and does what
//! they ask for by the engine's archive and exec calls, so that everything above is the same.
//!
//! With a shell in the image, files are laid down beside the target and renamed by it, which also
//! looks at links and removes. Without one the archive call writes in place, and what was removed
//! on the host is told as left over.

use std::fs::File;
use std::future::Future;

use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{AgentConnection, Hello, SyncError};

mod batch;
mod direct;
pub(crate) mod listing;
mod read;
mod script;
mod serve;
mod shell;
#[cfg(test)]
mod tests;

/// Bytes between the two ends.
const BUFFER: usize = 256 << 10;

/// What comes out of a container.
pub(crate) type Output = Box<dyn AsyncRead + Send + Unpin>;

/// A command that runs in a container; the end of `input` is told by shutting it down.
pub(crate) struct Process {
    /// Its standard input.
    pub(crate) input: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its standard output.
    pub(crate) output: Output,
}

/// The engine's calls on one container.
pub(crate) trait Remote: Send + Sync + 'static {
    /// Unpacks a tar, read from its beginning, in a folder that is there.
    fn upload(
        &self,
        folder: &str,
        tar: File,
    ) -> impl Future<Output = Result<(), RemoteError>> + Send;

    /// A tar of what is at a path; `None` where nothing is.
    fn download(
        &self,
        path: &[u8],
    ) -> impl Future<Output = Result<Option<Output>, RemoteError>> + Send;

    /// What is at a path itself.
    fn look(&self, path: &[u8]) -> impl Future<Output = Result<Look, RemoteError>> + Send;

    /// Starts a command as that user, else as the container's.
    fn start(
        &self,
        argv: &[&str],
        user: Option<&str>,
    ) -> impl Future<Output = Result<Process, RemoteError>> + Send;
}

/// A call that did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct RemoteError {
    /// Why, for people.
    pub(crate) message: String,
    /// The container is gone, or does not run, or nobody can say.
    pub(crate) over: bool,
}

/// What is at a path of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing.
    Absent,
    /// A folder.
    Folder,
    /// A symlink, and where it leads to in the end.
    Link(String),
    /// Something else.
    Other,
}

/// What the engine knows of a container from the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    /// Whom files belong to, where the container's user is known by number.
    pub(crate) owner: Option<(u64, u64)>,
    /// Where something is mounted.
    pub(crate) mounts: Vec<String>,
    /// Which of these are a tmpfs, where an archive would land invisibly below it.
    pub(crate) tmpfs: Vec<String>,
}

impl Facts {
    /// What is mounted at this path or below it.
    fn mounted_below(&self, path: &str) -> Option<&str> {
        let mut mounts = self.mounts.iter().map(String::as_str);
        mounts.find(|mount| is_at_or_below(mount, path))
    }

    pub(crate) fn is_on_tmpfs(&self, path: &str) -> bool {
        let around = self.mounts.iter();
        let around = around.filter(|mount| is_at_or_below(path, mount));
        let nearest = around.max_by_key(|mount| mount.len());
        nearest.is_some_and(|mount| self.tmpfs.contains(mount))
    }
}

fn is_at_or_below(path: &str, folder: &str) -> bool {
    std::path::Path::new(path).starts_with(folder)
}

/// A conversation with a deputy, which ends with it.
pub(crate) async fn start(
    remote: impl Remote,
    facts: Facts,
) -> Result<(AgentConnection, Hello), SyncError> {
    let (near, far) = tokio::io::duplex(BUFFER);
    tokio::spawn(serve::serve(remote, facts, far));
    let (reader, writer) = tokio::io::split(near);
    AgentConnection::start(reader, writer).await
}
