//! Files that are put into a container before it starts.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::Location;

/// A secret or a configuration file, as it is declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// Its name in the Stackfile.
    pub name: String,
    /// Which of the two it is.
    pub kind: FileKind,
    /// Where its content comes from.
    pub source: FileSource,
    /// What it is for, for people.
    pub doc: Option<String>,
    /// Where it is declared.
    pub at: Location,
}

/// The two kinds of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// Never printed.
    Secret,
    /// Anybody may see it.
    ConfigFile,
}

impl FileKind {
    /// The word by which it is declared and taken.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::ConfigFile => "config-file",
        }
    }
}

/// Where the content of a file comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileSource {
    /// A file of the host, absolute.
    File(PathBuf),
    /// A variable of the stack, or of the environment.
    Env(String),
    /// It stands in the Stackfile.
    Text(String),
}

/// A secret or a configuration file, as a service has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileInside {
    /// Its name in the Stackfile.
    pub name: String,
    /// Which of the two it is.
    pub kind: FileKind,
    /// Where, absolute, inside.
    pub target: String,
    /// Permission bits.
    pub mode: u32,
    /// What it holds.
    pub content: Content,
}

/// What a file holds; never printed, because it may be a secret.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Content(pub Vec<u8>);

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({} bytes)", self.0.len())
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
    }
}
