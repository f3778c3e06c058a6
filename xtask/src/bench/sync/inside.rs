//! What a reader in the container sees. It looks from outside, through the file system of the
//! container's first process, so that looking needs no processor time of the container.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::{Error, PATIENCE, docker, pause, side};

/// Between two looks at one file.
const FINE: Duration = Duration::from_micros(200);
/// Between two looks at many.
const COARSE: Duration = Duration::from_millis(5);

/// A file that is to be there with this content, or with `None` not to be there.
pub(super) type Expected = (PathBuf, Option<Vec<u8>>);

/// The folder that is synced, in the container.
#[derive(Debug)]
pub(super) struct Inside {
    container: String,
    folder: PathBuf,
    seen: PathBuf,
}

impl Inside {
    pub(super) fn of(container: &str, folder: &str) -> Result<Self, Error> {
        let mut inside = Self {
            container: container.to_owned(),
            folder: PathBuf::from(folder),
            seen: PathBuf::new(),
        };
        inside.look_again()?;
        if !inside.seen.exists() {
            let what = format!(
                "{} cannot be read: this bench runs as root, on the machine of the engine",
                inside.seen.display()
            );
            return Err(side("the reader", &what));
        }
        Ok(inside)
    }

    /// A container that was started again has another first process.
    pub(super) fn look_again(&mut self) -> Result<(), Error> {
        let pid = docker(&["inspect", "-f", "{{.State.Pid}}", &self.container])?;
        let folder = self.folder.strip_prefix("/").unwrap_or(&self.folder);
        self.seen = Path::new("/proc").join(pid).join("root").join(folder);
        Ok(())
    }

    /// The folder as the host can open it.
    pub(super) fn seen(&self) -> &Path {
        &self.seen
    }

    /// Until that file has that content: how long it took from `saved` on, in milliseconds.
    pub(super) fn shows(
        &mut self,
        path: &Path,
        content: &[u8],
        saved: Instant,
    ) -> Result<f64, Error> {
        let expected = [(path.to_owned(), Some(content.to_owned()))];
        self.until(&expected, saved, FINE)
    }

    /// Until all of them are as expected.
    pub(super) fn agrees(&mut self, expected: &[Expected], saved: Instant) -> Result<f64, Error> {
        self.until(expected, saved, COARSE)
    }

    /// Until nothing is left at that path, of a folder neither.
    pub(super) fn gone(&self, path: &Path, deleted: Instant) -> Result<f64, Error> {
        let seen = self.seen.join(path);
        while fs::symlink_metadata(&seen).is_ok() {
            if deleted.elapsed() > PATIENCE {
                let what = format!("{} was deleted and is there still", path.display());
                return Err(side(&self.container, &what));
            }
            pause(COARSE);
        }
        Ok(milliseconds_since(deleted))
    }

    fn until(
        &mut self,
        expected: &[Expected],
        saved: Instant,
        pace: Duration,
    ) -> Result<f64, Error> {
        let mut left = expected;
        // What was right once stays right: nobody else writes there.
        while let Some(((path, content), rest)) = left.split_first() {
            if fs::read(self.seen.join(path)).ok() == *content && self.seen.exists() {
                left = rest;
                continue;
            }
            if saved.elapsed() > PATIENCE {
                let what = format!(
                    "{} of {} files did not arrive, {} is one",
                    left.len(),
                    expected.len(),
                    path.display()
                );
                return Err(side(&self.container, &what));
            }
            if !self.seen.exists() {
                self.look_again()?;
            }
            pause(pace);
        }
        Ok(milliseconds_since(saved))
    }
}

pub(super) fn milliseconds_since(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1000.0
}
