//! Which containers were told to end, and have not been seen to: known across sessions and breaks of
//! the connection, as whoever told them may not live to hear of it. What the engine tells then would
//! look like somebody's wish that they stay ended.

use std::fs;
use std::path::PathBuf;

use super::place::folder;

/// Beside what is known of the container's files, and forgotten as that is.
fn mark(container: &str) -> PathBuf {
    folder().join("known").join(format!("{container}.leaving"))
}

/// It is told now.
pub(super) fn begins(container: &str) {
    let mark = mark(container);
    let made = mark.parent().map_or(Ok(()), fs::create_dir_all);
    if let Err(error) = made.and_then(|()| fs::write(&mark, "")) {
        tracing::debug!(%error, "the end of a container is not remembered");
    }
}

/// It has ended, or will not.
pub(super) fn over(container: &str) {
    // Where there is none, nothing is under way either.
    let _ = fs::remove_file(mark(container));
}

/// Whether nobody has seen what came of it.
pub(super) fn is_under_way(container: &str) -> bool {
    mark(container).exists()
}
