//! Where the values of a stack come from.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use super::Location;

/// Where each value comes from: by what it belongs to (`service web`, `var PORT`), then by what
/// it is there (`command`, `environment DEBUG`, `volume /data`). What stands in neither is so
/// because nobody said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Origins(pub(crate) BTreeMap<String, BTreeMap<String, Origin>>);

impl Origins {
    /// The origin of a value; `None` for what nobody said.
    #[must_use]
    pub fn of(&self, owner: &str, value: &str) -> Option<&Origin> {
        self.0.get(owner)?.get(value)
    }
}

/// Where one value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// Who says it.
    pub from: Speaker,
    /// Where it is said.
    pub at: Location,
    /// Variables that were filled in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Filled>,
}

impl fmt::Display for Origin {
    /// What a reader of the Stackfile does not see where the value belongs; nothing if it stands
    /// there as it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (who, at) = (&self.from, &self.at);
        let mut parts: Vec<String> = match who {
            Speaker::Itself => Vec::new(),
            Speaker::EnvFile => vec![at.to_string()],
            Speaker::Defaults | Speaker::Template(_) => vec![format!("{who}, {at}")],
        };
        parts.extend(self.variables.iter().map(Filled::to_string));
        f.write_str(&parts.join("; "))
    }
}

/// Who says a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Speaker {
    /// The node itself.
    Itself,
    /// `defaults`.
    Defaults,
    /// A template that is used.
    Template(String),
    /// A file of `env-file`.
    EnvFile,
}

impl fmt::Display for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Itself => f.write_str("itself"),
            Self::Defaults => f.write_str("defaults"),
            Self::Template(name) => write!(f, "template {name}"),
            Self::EnvFile => f.write_str("env-file"),
        }
    }
}

impl Serialize for Speaker {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A variable in a text, and where its value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Filled {
    /// Its name.
    pub name: String,
    /// `shell`, `.env:3`, `Stackfile.kdl:9`; `None` where nobody set it and the text says itself
    /// what holds then.
    pub from: Option<String>,
}

impl fmt::Display for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from.as_deref() {
            None => write!(f, "{} is not set", self.name),
            Some("shell") => write!(f, "{} from the shell", self.name),
            Some(from) => write!(f, "{} from {from}", self.name),
        }
    }
}
