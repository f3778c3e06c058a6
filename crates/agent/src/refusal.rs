//! Why one request could not be done.

use std::fmt::Display;
use std::io;
use std::path::Path;

use devrun_wire::frames::Response;

/// Why one request could not be done; the others are not affected.
#[derive(Debug)]
pub(crate) struct Refusal {
    permission: bool,
    message: String,
}

impl Refusal {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Refusal {
            permission: false,
            message: message.into(),
        }
    }

    /// Another user might be allowed to.
    pub(crate) fn permission(message: impl Into<String>) -> Self {
        Refusal {
            permission: true,
            message: message.into(),
        }
    }

    pub(crate) fn signal(pid: u32, signal: i32, error: &io::Error) -> Self {
        Refusal {
            permission: error.kind() == io::ErrorKind::PermissionDenied,
            message: format!("signal {signal} to process {pid}: {error}"),
        }
    }

    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::ResourceBusy => " (something is mounted there: sync cannot replace it)",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                " (docker system df shows what takes the engine's room; a tmpfs has its own size)"
            }
            io::ErrorKind::ReadOnlyFilesystem => " (mount a volume there, or ignore it in `sync`)",
            _ => "",
        };
        Refusal {
            permission: error.kind() == io::ErrorKind::PermissionDenied,
            message: format!("{}: {error}{hint}", path.display()),
        }
    }
}

/// Adds the path to what the system says.
pub(crate) trait At<T> {
    fn at(self, path: &Path) -> Result<T, Refusal>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T, Refusal> {
        self.map_err(|error| Refusal::io(path, &error))
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        Response::Refused {
            permission: refusal.permission,
            message: refusal.message,
        }
    }
}

/// The answer to a request that has nothing to say but whether it was done.
pub(crate) fn done(result: Result<(), Refusal>) -> Response {
    match result {
        Ok(()) => Response::Done,
        Err(refusal) => refusal.into(),
    }
}

/// A refusal that does not come from the file system.
pub(crate) fn refused(message: impl Display) -> Response {
    Refusal::new(message.to_string()).into()
}
