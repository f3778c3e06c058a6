//! Which requests a service gets, and what becomes of them while it is replaced or restarted.

use std::time::Duration;

use serde::Serialize;

use super::Location;

/// A path that the proxy passes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Of which host, in small letters, `*.` standing for all names below; without one of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Ends in `*` for a prefix, else exact.
    pub pattern: String,
    /// Port inside.
    pub port: u16,
    /// How it is passed on.
    #[serde(flatten)]
    pub passing: Passing,
    /// Where it is declared.
    pub at: Location,
}

/// How requests are passed on, where that is not as usual.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Passing {
    /// What the service does not see of the path: `/api`, without a slash at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strip_prefix: Option<String>,
    /// The service itself speaks TLS on that port.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub secure: bool,
    /// How long the service may be silent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Bytes that a body may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_body: Option<u64>,
    /// Bodies are passed on as they come.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub streams: bool,
    /// What else nginx is told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nginx: Vec<NginxLines>,
}

/// Directives of a person's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NginxLines {
    /// As they are written.
    pub text: String,
    /// Where.
    pub at: Location,
}

/// A path at which the proxy sends elsewhere whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Redirect {
    /// As in a [`Route`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// As in a [`Route`].
    pub pattern: String,
    /// A path or a URL; `/*` at its end stands for what the one of the pattern stood for.
    pub to: String,
    /// Of the answer.
    pub status: u16,
    /// Where it is declared.
    pub at: Location,
}

impl Redirect {
    /// As people call it: the path, behind its host where it has one.
    #[must_use]
    pub fn name(&self) -> String {
        name(self.host.as_deref(), &self.pattern)
    }
}

impl Route {
    /// As people call it: the path, behind its host where it has one.
    #[must_use]
    pub fn name(&self) -> String {
        name(self.host.as_deref(), &self.pattern)
    }
}

/// As people call what is asked of a host, or of any.
pub(crate) fn name(host: Option<&str>, pattern: &str) -> String {
    format!("{}{pattern}", host.unwrap_or_default())
}

/// How a service gives way to its successor: the old one ends, then the new one starts, and requests
/// wait meanwhile; or the new one starts beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Update {
    /// A new container starts beside the old one, which serves until the new one is ready.
    pub roll: bool,
    /// How long a request may wait until it is passed on.
    pub hold: Duration,
    /// How long requests that are with the old one may take until it is told to end.
    pub drain: Duration,
}

impl Default for Update {
    fn default() -> Self {
        Self {
            roll: false,
            hold: Duration::from_secs(30),
            drain: Duration::from_secs(5),
        }
    }
}
