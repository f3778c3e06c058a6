//! Files into and out of containers by the engine's archive calls: slower than the agent, but
//! they work on stopped containers and where the agent cannot run.

use bollard::query_parameters::{ContainerArchiveInfoOptions, UploadToContainerOptions};
use bytes::Bytes;
use futures_util::Stream;

use super::containers::short;
use super::{Engine, EngineError, PATIENT, PROMPT, within};

/// What lies at a path in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathStat {
    /// Bytes.
    pub(crate) size: u64,
    /// Permission bits.
    pub(crate) mode: u32,
}

impl Engine {
    /// Unpacks a tar below `path`, which must exist. Never for a target on a tmpfs: the engine
    /// answers success and the files land invisibly below the mount.
    pub(crate) async fn upload_tar(
        &self,
        id: &str,
        path: &str,
        tar: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), EngineError> {
        let (options, doing) = upload(id, path);
        let call =
            self.docker
                .upload_to_container(id, Some(options), bollard::body_try_stream(tar));
        within(&doing, PATIENT, call).await
    }

    /// As [`Engine::upload_tar`], for a tar that is in memory.
    pub(crate) async fn upload_tar_bytes(
        &self,
        id: &str,
        path: &str,
        tar: Vec<u8>,
    ) -> Result<(), EngineError> {
        let (options, doing) = upload(id, path);
        let call =
            self.docker
                .upload_to_container(id, Some(options), bollard::body_full(tar.into()));
        within(&doing, PATIENT, call).await
    }

    /// What lies at `path`; `None` if nothing does.
    pub(crate) async fn stat(&self, id: &str, path: &str) -> Result<Option<PathStat>, EngineError> {
        let options = ContainerArchiveInfoOptions {
            path: path.to_owned(),
        };
        let doing = format!("looking at {path} in {}", short(id));
        let call = async {
            match self
                .docker
                .get_container_archive_info(id, Some(options))
                .await
            {
                // An answer to HEAD has no text that could tell a missing path from a missing
                // container; the caller has just used the container.
                Err(bollard::errors::Error::DockerResponseServerError {
                    status_code: 404, ..
                }) => Ok(None),
                other => other.map(Some),
            }
        };
        let found = within(&doing, PROMPT, call).await?;
        Ok(found.map(|stat| PathStat {
            size: stat.size.try_into().unwrap_or(0),
            mode: stat.file_mode & 0o7777,
        }))
    }
}

fn upload(id: &str, path: &str) -> (UploadToContainerOptions, String) {
    let options = UploadToContainerOptions {
        path: path.to_owned(),
        ..Default::default()
    };
    (options, format!("copying files to {path} in {}", short(id)))
}
