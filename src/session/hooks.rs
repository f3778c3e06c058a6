//! Which containers were started and have not seen the end of the commands that belong to the start:
//! known across sessions, as the one that started them may be killed in between. A mark is there
//! before the start and goes after the last command, so that each is run at least once.

use std::fs;
use std::path::PathBuf;

use super::place::folder;

/// Beside what is known of the container's files, and forgotten as that is.
fn mark(container: &str) -> PathBuf {
    folder().join("known").join(format!("{container}.hooks"))
}

/// A start begins, and its commands with it.
pub(super) fn owed(container: &str) {
    let mark = mark(container);
    let made = mark.parent().map_or(Ok(()), fs::create_dir_all);
    if let Err(error) = made.and_then(|()| fs::write(&mark, "")) {
        tracing::debug!(%error, "commands of a start are not remembered");
    }
}

/// All of them have ended well.
pub(super) fn over(container: &str) {
    // Where there is none, nothing is owed either.
    let _ = fs::remove_file(mark(container));
}

/// Whether they are not known to have ended well.
pub(super) fn are_owed(container: &str) -> bool {
    mark(container).exists()
}
