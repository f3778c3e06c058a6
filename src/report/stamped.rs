//! A notice with its time: the object of `devrun events`.

use devrun_core::notice::Notice;
use serde::{Deserialize, Serialize};

/// One object of the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stamped {
    /// RFC 3339, UTC, milliseconds.
    pub(crate) time: String,
    /// What happened.
    #[serde(flatten)]
    pub(crate) notice: Notice,
}

impl Stamped {
    pub(crate) fn now(notice: Notice) -> Stamped {
        Stamped {
            time: super::Clock::now(),
            notice,
        }
    }

    /// One line of JSON.
    pub(crate) fn json(&self) -> String {
        // Plain data of ours: its JSON cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}
