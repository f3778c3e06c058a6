//! For whom a root's agent works: what it makes belongs to the user who was not allowed to.

use std::os::unix::fs::lchown;
use std::path::Path;
use std::sync::OnceLock;

static OWNER: OnceLock<(u32, u32)> = OnceLock::new();

/// From now on, what is made is given to `UID:GID`; anything else changes nothing.
pub(crate) fn work_for(words: &str) {
    let ids = words.split_once(':');
    if let Some((uid, gid)) = ids.and_then(|(uid, gid)| uid.parse().ok().zip(gid.parse().ok())) {
        OWNER.get_or_init(|| (uid, gid));
    }
}

/// Gives away what was just made.
pub(crate) fn give(path: &Path) {
    if let Some((uid, gid)) = OWNER.get() {
        // Where root may not, the file is there all the same, and can be read.
        let _ = lchown(path, Some(*uid), Some(*gid));
    }
}
