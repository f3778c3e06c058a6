//! Where a session leaves its socket and lock: outside the project's tree.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// The files of the session of one stack and checkout.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    stem: PathBuf,
}

/// Held for as long as the session lives; the system lets go of it whatever ends the process.
#[derive(Debug)]
pub(crate) struct Lock(
    #[expect(dead_code, reason = "the lock lives as long as the open file")] File,
);

impl Place {
    /// For a stack in a checkout; the folder is made, for this user alone.
    pub(crate) fn of(stack: &str, root: &str) -> std::io::Result<Place> {
        let folder = folder();
        for folder in [folder.join("marks"), folder.clone()] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        Ok(Place {
            stem: folder.join(format!("{stack}-{root}")),
        })
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.stem.with_extension("sock")
    }

    /// What a session in the background prints before and besides its notices.
    pub(crate) fn log(&self) -> PathBuf {
        self.stem.with_extension("log")
    }

    fn lock_file(&self) -> std::io::Result<File> {
        let path = self.stem.with_extension("lock");
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
    }

    /// The lock, or the process that has it.
    pub(crate) fn lock(&self) -> std::io::Result<Result<Lock, u32>> {
        let mut file = self.lock_file()?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                file.rewind()?;
                write!(file, "{}", std::process::id())?;
                Ok(Ok(Lock(file)))
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text)?;
                Ok(Err(text.trim().parse().unwrap_or(0)))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether a session lives.
    pub(crate) fn is_locked(&self) -> bool {
        matches!(
            self.lock_file().map(|file| file.try_lock()),
            Ok(Err(TryLockError::WouldBlock))
        )
    }
}

/// A file of this process, for [`super::driver::Driver`] to save and be told of.
pub(super) fn mark() -> PathBuf {
    folder().join("marks").join(std::process::id().to_string())
}

pub(crate) fn folder() -> PathBuf {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("XDG_RUNTIME_DIR")
        .or_else(|| variable("XDG_STATE_HOME"))
        .or_else(|| variable("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(std::env::temp_dir)
        .join("devrun")
}
