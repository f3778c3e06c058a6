//! Onto the host: files that a container made, written beside and then put in place whole.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use tempfile::NamedTempFile;

use super::Problem;
use super::connection::{AgentConnection, SyncError};
use super::fetch::{Fetched, fetch};
use super::scan::blocking;

/// How our half-written files begin; no rule wants them.
const OWN: &str = ".devrun-";

/// A file of the container that lies on the host, not yet under its own name.
#[derive(Debug)]
pub(crate) struct Landed {
    file: NamedTempFile,
    target: PathBuf,
    /// What it is like in the container.
    pub(crate) fetched: Fetched,
}

/// A place on the host for a file of the container, in folders that are there.
#[derive(Debug)]
pub(crate) struct Place {
    file: NamedTempFile,
    into: File,
    target: PathBuf,
    /// Relative to the source.
    path: PathBuf,
}

/// Finds where a path below a source belongs; folders that are missing are made. Nothing outside
/// of the source is written, not even through a symlink.
pub(crate) async fn place(from: &Path, path: &Path) -> Result<Place, Problem> {
    let (source, path) = (from.to_owned(), path.to_owned());
    let name = path.clone();
    let placed = blocking(move || {
        let target = target(&source, &path)?;
        let folder = target.parent().unwrap_or(&source);
        let file = tempfile::Builder::new().prefix(OWN).tempfile_in(folder)?;
        let into = file.as_file().try_clone()?;
        Ok(Place {
            file,
            into,
            target,
            path,
        })
    });
    placed.await.map_err(|error| on_host(&name, &error))
}

impl Place {
    /// Reads the file of the container into it.
    pub(crate) async fn land(
        self,
        connection: &AgentConnection,
        to: &str,
    ) -> Result<Result<Landed, Problem>, SyncError> {
        let fetched = fetch(connection, to, &self.path, self.into).await?;
        Ok(fetched.map(|fetched| Landed {
            file: self.file,
            target: self.target,
            fetched,
        }))
    }
}

impl Landed {
    /// Puts it in place where nothing is; one that is there stays as it is.
    pub(crate) async fn put_new(self) -> io::Result<()> {
        blocking(move || {
            self.allow()?;
            self.file.persist_noclobber(self.target)?;
            Ok(())
        })
        .await
    }

    /// Puts it in place of what is there, if that is still as `expected` says.
    pub(crate) async fn replace(
        self,
        expected: impl FnOnce(&Path) -> bool + Send + 'static,
    ) -> io::Result<()> {
        blocking(move || {
            self.allow()?;
            if !expected(&self.target) {
                return Err(io::Error::other("it was changed meanwhile"));
            }
            self.file.persist(self.target)?;
            Ok(())
        })
        .await
    }

    fn allow(&self) -> io::Result<()> {
        let mode = Permissions::from_mode(self.fetched.mode);
        self.file.as_file().set_permissions(mode)
    }
}

/// Where a path below a source is to lie, its folder made if it is missing.
fn target(from: &Path, path: &Path) -> io::Result<PathBuf> {
    let refused =
        |path: &Path, why: &str| Err(io::Error::other(format!("{} {why}", path.display())));
    let root = fs::canonicalize(from)?;
    let mut here = root.clone();
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        let Component::Normal(name) = part else {
            return refused(path, "leads out of its folder");
        };
        here.push(name);
        if parts.peek().is_none() {
            return Ok(here);
        }
        match fs::symlink_metadata(&here) {
            Ok(found) if found.is_dir() => {}
            Ok(found) if found.is_symlink() => {
                let real = fs::canonicalize(&here)?;
                if !real.is_dir() || !real.starts_with(&root) {
                    return refused(&here, "is a symlink that leads out of what is synced");
                }
                here = real;
            }
            Ok(_) => return refused(&here, "is not a folder"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&here)?,
            Err(error) => return Err(error),
        }
    }
    refused(path, "is no file")
}

/// What went wrong on this side.
pub(crate) fn on_host(path: &Path, error: &io::Error) -> Problem {
    Problem::new(path, format!("not written on the host: {error}"))
}

#[cfg(test)]
mod tests;
