//! Where a bench works: its folders, its programs, and the stacks that it removes.

use std::fs;
use std::path::{Path, PathBuf};

use super::Error;
use super::tool::Tool;
use crate::run;

/// A folder for stacks and trees; removed when dropped.
#[derive(Debug)]
pub(super) struct Ground(PathBuf);

impl Ground {
    /// An empty one, whatever an interrupted run left in it.
    pub(super) fn new(name: &str) -> Result<Self, Error> {
        let folder = std::env::temp_dir().join(format!("devrun-bench-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|error| file(&folder, error))?;
        Ok(Self(folder))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Programs of both sides.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    pub(super) devrun: PathBuf,
    pub(super) compose: PathBuf,
}

/// A stack on the engine; removed when dropped.
#[derive(Debug)]
pub(super) struct Stack(Tool);

impl Stack {
    /// What an interrupted run left of it goes first.
    pub(super) fn new(tool: &Tool) -> Self {
        let _ = tool.remove();
        Self(tool.clone())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Err(error) = self.0.remove() {
            run::say(&format!("  left behind: {error}"));
        }
    }
}

pub(super) fn write(path: &Path, content: &str) -> Result<(), Error> {
    fs::write(path, content).map_err(|error| file(path, error))
}

pub(super) fn file(path: &Path, source: std::io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        source,
    }
}
