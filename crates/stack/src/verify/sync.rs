//! Whether what is synced fits with what is mounted, and with what else is synced.

use std::path::Path;

use miette::SourceSpan;

use super::ignored::is_ignored;
use crate::context::Context;
use crate::draft::{DraftSync, Said};
use crate::merge::Laid;
use crate::model::MountSource;

/// Folders of the system: what the host lacks of them, the container needs.
const SYSTEM: &[&str] = &[
    "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root", "/run",
    "/sbin", "/sys", "/tmp", "/usr", "/var",
];
/// Those of them in which nothing at all is anybody's own.
const CLOSED: &[&str] = &[
    "/bin", "/boot", "/dev", "/lib", "/lib64", "/proc", "/sbin", "/sys",
];

/// Reports contradictions, and warns of what is hardly meant.
pub(super) fn service(cx: &mut Context<'_>, service: &Laid<'_>) {
    for sync in &service.draft.sync {
        single_file(cx, &sync.value);
        into_bind(cx, service, sync);
        mirror(cx, service, sync);
        below_another(cx, service, sync);
    }
}

/// A single file has nothing in it that could be chosen.
fn single_file(cx: &mut Context<'_>, sync: &DraftSync) {
    if !sync.file {
        return;
    }
    let patterns = [
        ("include", &sync.include),
        ("ignore", &sync.ignore),
        ("back", &sync.back),
    ];
    let first = |(word, list): (&'static str, &Vec<Said<String>>)| Some((word, list.first()?.at));
    let mirror = sync.mirror.as_ref().filter(|said| said.value);
    let words = patterns.into_iter().filter_map(first);
    let words: Vec<(&str, SourceSpan)> = words
        .chain(mirror.map(|said| ("mirror", said.at)))
        .collect();
    for (word, at) in words {
        let problem = cx
            .error(
                "stackfile::single-file",
                at,
                "says nothing",
                format!("the source is a single file, in which there is nothing to {word}"),
            )
            .advise("take it away, or sync the folder that the file is in");
        cx.report(problem);
    }
}

/// Nothing is written to the host by way of a folder of it. What is bound as it would be synced
/// is live already, and its `on` holds.
fn into_bind(cx: &mut Context<'_>, service: &Laid<'_>, sync: &Said<DraftSync>) {
    let to = Path::new(&sync.value.to);
    for mount in &service.draft.mounts {
        let MountSource::Bind(path) = &mount.value.source else {
            continue;
        };
        let Ok(below) = to.strip_prefix(&mount.value.target) else {
            continue;
        };
        let there = path
            .join(below)
            .components()
            .collect::<std::path::PathBuf>();
        if sync.value.source(service.draft.source.as_ref()) == Some(&there) {
            continue;
        }
        let problem = cx
            .error(
                "stackfile::sync-into-bind",
                sync.at,
                "writes there",
                format!(
                    "syncing to {} would write to {} on the host",
                    sync.value.to,
                    path.display()
                ),
            )
            .also(mount.at, "mounted here")
            .advise("take one of the two: what is bound needs no sync");
        cx.report(problem);
    }
}

/// What is not on the host is removed: it had better be ours.
fn mirror(cx: &mut Context<'_>, service: &Laid<'_>, sync: &Said<DraftSync>) {
    let Some(mirror) = sync.value.mirror.as_ref().filter(|said| said.value) else {
        return;
    };
    let to = sync.value.to.as_str();
    let closed = CLOSED
        .iter()
        .any(|folder| Path::new(to).starts_with(folder));
    if SYSTEM.contains(&to) || closed {
        let problem = cx
            .error(
                "stackfile::mirror-target",
                mirror.at,
                "removes what is not there on the host",
                format!("{to} belongs to the image: a mirror would remove most of it"),
            )
            .also(sync.at, "the target")
            .advise("sync to a folder of your own, or without `mirror`");
        return cx.report(problem);
    }
    for mount in &service.draft.mounts {
        let MountSource::Volume(name) = &mount.value.source else {
            continue;
        };
        let target = Path::new(&mount.value.target);
        if Path::new(to).starts_with(target) {
            let problem = cx
                .error(
                    "stackfile::mirror-target",
                    mirror.at,
                    "removes data",
                    format!("{to} lies in the volume {name}: a mirror would remove what is in it"),
                )
                .also(mount.at, "mounted here")
                .advise("sync to a place of its own, or without `mirror`");
            cx.report(problem);
        } else if let Ok(below) = target.strip_prefix(to) {
            kept(cx, service, sync, (mirror.at, mount.at), below);
        }
    }
}

/// A volume below a mirror is left alone; whoever knows that says so in `ignore`.
fn kept(
    cx: &mut Context<'_>,
    service: &Laid<'_>,
    sync: &Said<DraftSync>,
    (mirror, mount): (SourceSpan, SourceSpan),
    below: &Path,
) {
    let has_source = sync.value.source(service.draft.source.as_ref()).is_some();
    if !has_source || is_ignored(cx, service, &sync.value, below) {
        return;
    }
    let shown = below.display();
    let warning = cx
        .error(
            "stackfile::mirror-volume",
            mirror,
            "not all of it",
            format!("the volume at {}/{shown} is left as it is", sync.value.to),
        )
        .also(mount, "mounted here")
        .advise(format!("it is meant so: ignore \"/{shown}/\" in `sync`"));
    cx.warn(warning);
}

/// Below the target of another sync only that other one counts.
fn below_another(cx: &mut Context<'_>, service: &Laid<'_>, sync: &Said<DraftSync>) {
    let outer = service.draft.sync.iter().filter(|other| !other.value.file);
    for outer in outer {
        let Ok(below) = Path::new(&sync.value.to).strip_prefix(&outer.value.to) else {
            continue;
        };
        let Some(from) = outer.value.source(service.draft.source.as_ref()) else {
            continue;
        };
        let hidden = from.join(below);
        let shown = below.display().to_string();
        if shown.is_empty()
            || cx.host.kind(&hidden).is_none()
            || sync.value.source(service.draft.source.as_ref()) == Some(&hidden)
            || is_ignored(cx, service, &outer.value, below)
        {
            continue;
        }
        let warning = cx
            .error(
                "stackfile::sync-below-sync",
                sync.at,
                "counts here alone",
                format!(
                    "{} has two sources: {shown} of the outer sync is never seen inside",
                    sync.value.to
                ),
            )
            .also(outer.at, "the outer sync")
            .advise(format!(
                "the inner one is meant: ignore \"/{shown}\" in the outer one"
            ));
        cx.warn(warning);
    }
}
