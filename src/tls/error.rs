//! What can go wrong with certificates, for people.

use std::path::{Path, PathBuf};

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// Nobody says where the user's files are.
    #[error("neither XDG_DATA_HOME nor HOME says where the authority is to be kept")]
    NoHome,
    /// A file of it.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What happened.
        error: std::io::Error,
    },
    /// It could not be made, or what lies there cannot be read.
    #[error("{}: {error}", path.display())]
    Made {
        /// Which file.
        path: PathBuf,
        /// What happened.
        error: rcgen::Error,
    },
}

impl TlsError {
    pub(super) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> TlsError + use<> {
        let path = path.to_owned();
        move |error| TlsError::File { path, error }
    }

    pub(super) fn made(path: &Path) -> impl FnOnce(rcgen::Error) -> TlsError + use<> {
        let path = path.to_owned();
        move |error| TlsError::Made { path, error }
    }
}
