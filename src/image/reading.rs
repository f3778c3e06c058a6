//! Which line of a Dockerfile reads a file of the host.

use std::path::Path;

use devrun_stack::{Build, BuildContext};

use super::dockerfile::Dockerfile;

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
