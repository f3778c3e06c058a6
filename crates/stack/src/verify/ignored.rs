//! Whether somebody said already that a folder of a sync is left alone.

use std::path::Path;

use crate::context::Context;
use crate::draft::{DraftSource, DraftSync};
use crate::ignore::{DockerIgnore, GitIgnore};
use crate::merge::Laid;

/// Whether the sync's own `ignore`, Git or the build leaves alone what lies at that folder below
/// the source.
pub(super) fn is_ignored(
    cx: &Context<'_>,
    service: &Laid<'_>,
    sync: &DraftSync,
    below: &Path,
) -> bool {
    let source = service.draft.source.as_ref();
    let Some(from) = sync.source(source) else {
        return false;
    };
    let path = from.join(below);
    let own = sync.ignore.iter().map(|pattern| pattern.value.as_str());
    let own = GitIgnore::of_lines(from, own);
    let build = source.map(|said| &said.value);
    by_one(&[own], from, &path) || by_git(cx, from, &path) || by_docker(cx, build, &path)
}

fn by_git(cx: &Context<'_>, from: &Path, path: &Path) -> bool {
    let read = |folder: &Path| {
        let text = cx.host.read(&folder.join(".gitignore")).ok()?;
        Some(GitIgnore::parse(folder, &text))
    };
    let is_top = |folder: &Path| cx.host.kind(&folder.join(".git")).is_some();
    // A folder that is in no checkout has its own file alone.
    let top = from.ancestors().position(is_top).unwrap_or_default();
    let beyond = from.ancestors().nth(top + 1);
    let folders = path.ancestors().skip(1);
    let inside = folders.take_while(|folder| Some(*folder) != beyond);
    // The nearest one goes first.
    let files: Vec<GitIgnore> = inside.filter_map(read).collect();
    by_one(&files, from, path)
}

/// Whether one of them ignores something on the way from the source down to the path; the first
/// that says anything decides.
fn by_one(files: &[GitIgnore], from: &Path, path: &Path) -> bool {
    let way = path.ancestors().take_while(|at| *at != from);
    let says = |at: &Path| files.iter().find_map(|file| file.says(at, true));
    way.filter_map(says).any(|says| says.ignored)
}

fn by_docker(cx: &Context<'_>, build: Option<&DraftSource>, path: &Path) -> bool {
    let Some(DraftSource::Build(build)) = build else {
        return false;
    };
    let context = &build.context;
    let mut own = build.dockerfile.clone().into_os_string();
    own.push(".dockerignore");
    let files = [own.into(), context.join(".dockerignore")];
    let text = files.iter().find_map(|file| cx.host.read(file).ok());
    let below = path.strip_prefix(context).ok().and_then(Path::to_str);
    let ignores = |below: &str| DockerIgnore::parse(&text.unwrap_or_default()).ignores(below);
    below.is_some_and(ignores)
}
