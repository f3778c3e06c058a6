//! What a deputy needs of a container: the engine's calls on it, and what the engine knows.

use std::ffi::OsStr;
use std::fs::File;

use tokio_util::io::ReaderStream;

use super::users;
use crate::engine::{Engine, EngineError, PathKind};
use crate::sync::deputy::{Facts, Look, Output, Process, Remote, RemoteError};

/// Says how changes are to travel, for those whose agent starts and does not work.
const TRANSPORT: &str = "DEVRUN_TRANSPORT";

/// Whether a person does not want the agent.
pub(super) fn archive_wanted() -> bool {
    wanted(std::env::var_os(TRANSPORT).as_deref()) == Ok(true)
}

/// What a person wanted and cannot have.
pub(super) fn wanted_in_vain() -> Option<String> {
    wanted(std::env::var_os(TRANSPORT).as_deref()).err()
}

fn wanted(word: Option<&OsStr>) -> Result<bool, String> {
    match word.map_or("agent".into(), OsStr::to_string_lossy).as_ref() {
        "agent" | "" => Ok(false),
        "archive" => Ok(true),
        other => Err(format!(
            "{TRANSPORT} is `{other}`, which means nothing: changes travel as with `agent`; the \
             other word is `archive`"
        )),
    }
}

/// A container, as a deputy works on it.
#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) engine: Engine,
    pub(super) id: String,
}

impl Container {
    /// What the engine knows of it.
    pub(super) async fn facts(&self) -> Facts {
        let layout = match self.engine.layout(&self.id).await {
            Ok(layout) => layout,
            Err(error) => {
                tracing::debug!(%error, "its mounts are not known");
                return Facts::default();
            }
        };
        let owner = users::owner_of(&self.engine, &self.id, &layout).await;
        let tmpfs = layout.mounts.iter().filter(|mount| mount.tmpfs);
        Facts {
            owner,
            tmpfs: tmpfs.map(|mount| mount.target.clone()).collect(),
            mounts: (layout.mounts.iter())
                .map(|mount| mount.target.clone())
                .collect(),
        }
    }
}

impl Remote for Container {
    async fn upload(&self, folder: &str, tar: File) -> Result<(), RemoteError> {
        let tar = ReaderStream::new(tokio::fs::File::from_std(tar));
        let done = self.engine.upload_tar(&self.id, folder, tar).await;
        done.map_err(|error| remote(&error))
    }

    async fn download(&self, path: &[u8]) -> Result<Option<Output>, RemoteError> {
        let path = text(path)?;
        let stream = self.engine.download_tar(&self.id, &path).await;
        let stream = stream.map_err(|error| remote(&error))?;
        Ok(stream.map(|stream| Box::new(stream) as Output))
    }

    async fn look(&self, path: &[u8]) -> Result<Look, RemoteError> {
        let stat = self.engine.stat(&self.id, &text(path)?).await;
        let found = stat.map_err(|error| remote(&error))?;
        Ok(match found.map(|found| found.kind) {
            None => Look::Absent,
            Some(PathKind::Folder) => Look::Folder,
            Some(PathKind::Link(to)) => Look::Link(to),
            Some(PathKind::Other) => Look::Other,
        })
    }

    async fn start(&self, argv: &[&str], user: Option<&str>) -> Result<Process, RemoteError> {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let exec = self.engine.exec_stream(&self.id, &argv, user).await;
        let exec = exec.map_err(|error| remote(&error))?;
        Ok(Process {
            input: Box::new(exec.stdin),
            output: Box::new(exec.stdout),
        })
    }
}

/// The engine takes paths as text only.
fn text(path: &[u8]) -> Result<String, RemoteError> {
    String::from_utf8(path.to_vec()).map_err(|_| RemoteError {
        message: "the archive call takes no name that is not UTF-8".to_owned(),
        over: false,
    })
}

fn remote(error: &EngineError) -> RemoteError {
    RemoteError {
        message: error.to_string(),
        over: super::trees::is_over(error),
    }
}
