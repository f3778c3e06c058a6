//! Files into and out of containers by the engine's archive calls: slower than the agent, but
//! they work on stopped containers and where the agent cannot run.

use bollard::query_parameters::{
    ContainerArchiveInfoOptions, DownloadFromContainerOptions, InspectContainerOptions,
    UploadToContainerOptions,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;

use super::classify::classify;
use super::containers::short;
use super::{Engine, EngineError, PATIENT, PROMPT, within};

/// What lies at a path in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathStat {
    /// Bytes.
    pub(crate) size: u64,
    /// Permission bits.
    pub(crate) mode: u32,
    /// What it is.
    pub(crate) kind: PathKind,
}

/// What something in a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PathKind {
    /// A folder.
    Folder,
    /// A symlink, and where it leads to in the end.
    Link(String),
    /// A file, or something else.
    Other,
}

/// Something that is mounted in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MountPoint {
    /// Where.
    pub(crate) target: String,
    /// It is a tmpfs, which no archive call can reach.
    pub(crate) tmpfs: bool,
    /// It is a folder of the host.
    pub(crate) bind: bool,
}

/// What matters of a container to whoever puts files into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// What is mounted in it.
    pub(crate) mounts: Vec<MountPoint>,
    /// As whom its process runs, as it was declared; empty is root.
    pub(crate) user: String,
}

/// Go's bits for folders and symlinks.
const FOLDER: u32 = 1 << 31;
const LINK: u32 = 1 << 27;

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
            kind: match stat.file_mode {
                mode if mode & FOLDER != 0 => PathKind::Folder,
                mode if mode & LINK != 0 => PathKind::Link(stat.link_target),
                _ => PathKind::Other,
            },
        }))
    }

    /// A tar of what is at `path`, as it comes; `None` if nothing is.
    pub(crate) async fn download_tar(
        &self,
        id: &str,
        path: &str,
    ) -> Result<Option<impl AsyncRead + Send + Unpin + use<>>, EngineError> {
        let options = DownloadFromContainerOptions {
            path: path.to_owned(),
        };
        let doing = format!("reading {path} in {}", short(id));
        let stream = self.docker.download_from_container(id, Some(options));
        let mut stream = Box::pin(stream.map(|piece| piece.map_err(std::io::Error::other)));
        // Only the first piece tells whether there is anything.
        let first = match tokio::time::timeout(PATIENT, stream.next()).await {
            Ok(first) => first,
            Err(_) => {
                return Err(EngineError::TimedOut {
                    doing,
                    limit: PATIENT,
                });
            }
        };
        match first {
            Some(Err(error)) => match classified(&doing, error) {
                Some(error) => Err(error),
                None => Ok(None),
            },
            first => {
                let whole = futures_util::stream::iter(first).chain(stream);
                Ok(Some(StreamReader::new(whole)))
            }
        }
    }

    /// What is mounted in a container, and whose files it works with.
    pub(crate) async fn layout(&self, id: &str) -> Result<Layout, EngineError> {
        let call = self
            .docker
            .inspect_container(id, None::<InspectContainerOptions>);
        let found = within(&format!("inspecting {}", short(id)), PROMPT, call).await?;
        let mounts = found.mounts.unwrap_or_default().into_iter();
        let mounts = mounts.filter_map(|mount| {
            Some(MountPoint {
                target: mount.destination?,
                tmpfs: mount.typ.as_deref() == Some("tmpfs"),
                bind: mount.typ.as_deref() == Some("bind"),
            })
        });
        let tmpfs = found.host_config.and_then(|host| host.tmpfs);
        let tmpfs = tmpfs.unwrap_or_default().into_keys();
        let of_the_engine = ["/dev", "/dev/shm", "/proc", "/sys"].map(str::to_owned);
        let tmpfs = tmpfs.chain(of_the_engine).map(|target| MountPoint {
            target,
            tmpfs: true,
            bind: false,
        });
        let config = found.config.unwrap_or_default();
        Ok(Layout {
            mounts: mounts.chain(tmpfs).collect(),
            user: config.user.unwrap_or_default(),
        })
    }
}

/// The engine's error; `None` where it only says that nothing is there.
fn classified(doing: &str, error: std::io::Error) -> Option<EngineError> {
    let detail = error.to_string();
    let error = error.into_inner();
    let error = error.and_then(|error| error.downcast::<bollard::errors::Error>().ok());
    match error.map(|error| *error) {
        // The caller has just used the container.
        Some(bollard::errors::Error::DockerResponseServerError {
            status_code: 404, ..
        }) => None,
        Some(error) => Some(classify(doing, error)),
        None => Some(EngineError::Lost {
            doing: doing.to_owned(),
            detail,
        }),
    }
}

fn upload(id: &str, path: &str) -> (UploadToContainerOptions, String) {
    let options = UploadToContainerOptions {
        path: path.to_owned(),
        ..Default::default()
    };
    (options, format!("copying files to {path} in {}", short(id)))
}
