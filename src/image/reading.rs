//! Which line of a Dockerfile reads a file of the host.

use std::path::{Path, PathBuf};

use devrun_stack::{Build, BuildContext};
use time::OffsetDateTime;

use super::context::{Context, Kind};
use super::dockerfile::Dockerfile;

/// What of its Dockerfile and its context was changed after that (nanoseconds since 1970), in order;
/// what `exclude` says yes to, by its path in the context, does not count. Blocks while it looks.
pub(crate) fn changed_since(
    build: &Build,
    since: i128,
    exclude: impl Fn(&str) -> bool,
) -> Vec<PathBuf> {
    let mut changed: Vec<PathBuf> = Vec::new();
    let dockerfile = std::fs::metadata(&build.dockerfile).and_then(|found| found.modified());
    let written = dockerfile.map(|time| OffsetDateTime::from(time).unix_timestamp_nanos());
    if build.inline.is_none() && written.is_ok_and(|written| written > since) {
        changed.push(build.dockerfile.clone());
    }
    let Ok(context) = Context::open(&build.context, &build.dockerfile) else {
        return changed;
    };
    for entry in context.walk().into_iter().flatten().flatten() {
        let in_git = entry.path.split('/').any(|part| part == ".git");
        let newer = i128::from(entry.modified) > since && entry.kind != Kind::Folder;
        if newer && !in_git && !exclude(&entry.path) && !changed.contains(&entry.disk) {
            changed.push(entry.disk);
        }
    }
    changed
}

/// The line of the build's Dockerfile by which that file (absolute) comes into it, as the Dockerfile
/// is now; `None` where that is not known.
pub(crate) fn line_reading(build: &Build, path: &Path) -> Option<usize> {
    let text = match &build.inline {
        Some(text) => text.clone(),
        None => std::fs::read_to_string(&build.dockerfile).ok()?,
    };
    let dockerfile = Dockerfile::parse(&text);
    let folders = build
        .contexts
        .iter()
        .filter_map(|(name, context)| match context {
            BuildContext::Folder(folder) => Some((Some(name.as_str()), folder)),
            _ => None,
        });
    let mut contexts = std::iter::once((None, &build.context)).chain(folders);
    contexts.find_map(|(name, folder)| {
        let inside = path.strip_prefix(folder).ok()?.to_str()?;
        dockerfile.line_reading(build.target.as_deref(), name, inside)
    })
}
