//! What was brought into a container and is not known to have been followed yet: the process may
//! run older code than lies there, or its packages may not be installed. Known across sessions, as
//! the one that brought it may be killed in between. A path stands here before it is sent.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use devrun_core::plan::Rules;

use super::place::folder;

/// Beside what is known of the container's files, and forgotten as that is.
fn file(container: &str) -> PathBuf {
    folder().join("known").join(format!("{container}.owed"))
}

/// These (absolute, on the host) are about to be brought over; those that something follows are
/// remembered.
pub(super) fn note<'p>(
    rules: &Rules,
    (service, container): (&str, &str),
    paths: impl Iterator<Item = &'p Path>,
) {
    write(
        container,
        paths.filter(|path| rules.may_follow(service, path)),
    );
}

pub(super) fn write<'p>(container: &str, paths: impl Iterator<Item = &'p Path>) {
    let mut text = Vec::new();
    for path in paths {
        text.extend_from_slice(path.as_os_str().as_bytes());
        text.push(0);
    }
    if text.is_empty() {
        return;
    }
    let file = file(container);
    let made = file.parent().map_or(Ok(()), fs::create_dir_all);
    let opened = made.and_then(|()| OpenOptions::new().append(true).create(true).open(&file));
    if let Err(error) = opened.and_then(|mut file| file.write_all(&text)) {
        tracing::debug!(%error, "what follows a save is not remembered");
    }
}

/// Its process is about to begin anew, with what lies there: only these are still to be followed.
pub(super) fn keep(container: &str, still: impl Fn(&Path) -> bool) {
    let mut paths = paths(container);
    let before = paths.len();
    paths.retain(|path| still(path));
    if paths.len() == before {
        return;
    }
    over(container);
    write(container, paths.iter().map(PathBuf::as_path));
}

/// All of it has been followed.
pub(super) fn over(container: &str) {
    // Where there is none, nothing is owed either.
    let _ = fs::remove_file(file(container));
}

/// What is not known to have been followed.
pub(super) fn paths(container: &str) -> Vec<PathBuf> {
    let text = fs::read(file(container)).unwrap_or_default();
    // What was cut off while it was written was not sent either.
    let whole = text.split_inclusive(|byte| *byte == 0);
    let whole = whole.filter_map(|path| path.strip_suffix(&[0]));
    let paths: BTreeSet<PathBuf> = whole
        .map(|path| PathBuf::from(OsStr::from_bytes(path)))
        .collect();
    paths.into_iter().collect()
}
