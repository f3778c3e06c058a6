//! Files that are put into a container before it starts.

use serde::{Serialize, Serializer};

/// A secret or a configuration file, as a service has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileInside {
    /// Its name in the Stackfile.
    pub name: String,
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
