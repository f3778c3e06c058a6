//! Files that are put into containers: whether they can be put there.

use std::path::Path;

use crate::context::Context;
use crate::draft::{Draft, Said};
use crate::merge::Laid;
use crate::model::{FileInside, MountSource};
use crate::read::Document;

/// Reports files that could not be put where they are wanted, and what nobody takes.
pub(super) fn stack(cx: &mut Context<'_>, document: &Document<'_>, laid: &[Laid<'_>]) {
    for service in laid {
        for file in &service.draft.files {
            hidden(cx, &service.draft, file);
            root_itself(cx, &service.draft, file);
        }
    }
    for file in &document.files {
        let taken = laid.iter().any(|service| {
            let builds = service
                .draft
                .secrets_of_build()
                .any(|name| name == file.name);
            let files = &service.draft.files;
            builds || files.iter().any(|taken| taken.value.name == file.name)
        });
        if !taken {
            let warning = cx
                .error(
                    "stackfile::unused",
                    file.at,
                    "nobody takes it",
                    format!(
                        "{} `{}` is declared and not used",
                        file.kind.word(),
                        file.name
                    ),
                )
                .advise(format!(
                    "say `{} {}` in a service, or take the line away",
                    file.kind.word(),
                    file.name
                ));
            cx.warn(warning);
        }
    }
}

/// What is mounted later hides what was put there before, or is a folder of the host.
fn hidden(cx: &mut Context<'_>, draft: &Draft, file: &Said<FileInside>) {
    let target = Path::new(&file.value.target);
    let tmpfs = draft
        .settings
        .tmpfs
        .iter()
        .find(|tmpfs| target.starts_with(&tmpfs.value.target));
    let bind = draft.mounts.iter().find(|mount| {
        matches!(mount.value.source, MountSource::Bind(_))
            && target.starts_with(&mount.value.target)
    });
    let (place, message) = match (tmpfs, bind) {
        (Some(tmpfs), _) => (
            tmpfs.at,
            format!("{} would be hidden by the tmpfs", file.value.target),
        ),
        (None, Some(bind)) => (
            bind.at,
            format!(
                "putting {} there would write to the host",
                file.value.target
            ),
        ),
        (None, None) => return,
    };
    let problem = cx
        .error("stackfile::hidden-file", file.at, "put there", message)
        .also(place, "mounted here")
        .advise("say another place: to=\"/run/secrets/NAME\"");
    cx.report(problem);
}

/// With a root that cannot be written the folder of a file becomes a volume; the root cannot.
fn root_itself(cx: &mut Context<'_>, draft: &Draft, file: &Said<FileInside>) {
    let Some(read_only) = draft.settings.read_only.as_ref().filter(|said| said.value) else {
        return;
    };
    if file.value.target.rfind('/') == Some(0) {
        let problem = cx
            .error(
                "stackfile::hidden-file",
                file.at,
                "in the root itself",
                format!(
                    "{} cannot be put into a root that is read-only",
                    file.value.target
                ),
            )
            .also(read_only.at, "said here")
            .advise("say a folder of its own: to=\"/etc/app/config.toml\"");
        cx.report(problem);
    }
}
