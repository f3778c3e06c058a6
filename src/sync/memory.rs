//! What outlives a session.

use std::path::Path;

/// Remembers beyond this session what of the host's is in a container.
pub(crate) trait Memory: Send + Sync {
    /// That path (absolute, on the host) is about to be there. Whoever is killed now knows.
    fn comes(&self, path: &Path);
    /// It is not there any more: what is there under its name from now on is the container's.
    fn is_gone(&self, path: &Path);
}

/// Nobody asks later.
#[cfg(test)]
pub(crate) struct Forgetful;

#[cfg(test)]
impl Memory for Forgetful {
    fn comes(&self, _: &Path) {}
    fn is_gone(&self, _: &Path) {}
}
