//! What is allowed, and costs a day sooner or later.

use std::path::Path;

use super::ignored::is_ignored;
use crate::context::Context;
use crate::draft::{DraftProbe, DraftSource, Said};
use crate::merge::Laid;
use crate::model::{Command, Mount, MountSource};

/// Warns of what is hardly meant.
pub(super) fn stack(cx: &mut Context<'_>, laid: &[Laid<'_>]) {
    for service in laid {
        tag(cx, service);
        pg_isready(cx, service);
        localhost(cx, service);
        sealed_sync(cx, service);
        for mount in &service.draft.mounts {
            hidden_sync(cx, service, mount);
            kept_sync(cx, service, mount);
        }
    }
}

/// Another image tomorrow than today.
fn tag(cx: &mut Context<'_>, service: &Laid<'_>) {
    let Some(said) = &service.draft.source else {
        return;
    };
    let DraftSource::Image(image) = &said.value else {
        return;
    };
    let name = image.rsplit('/').next().unwrap_or(image);
    let message = match name.split_once(':') {
        _ if name.contains('@') => return,
        Some((_, "latest")) => format!("{image} is another image whenever a new one comes out"),
        Some(_) => return,
        None => format!(
            "{image} has no tag, which means `latest`: another image whenever a new one comes out"
        ),
    };
    let warning = cx
        .error("stackfile::latest", said.at, "not fixed", message)
        .advise("say a version, as in \"postgres:17\"");
    cx.warn(warning);
}

/// While it initialises, the postgres image runs a server that answers on the socket only.
fn pg_isready(cx: &mut Context<'_>, service: &Laid<'_>) {
    let Some(said) = &service.draft.healthcheck else {
        return;
    };
    let Some(DraftProbe::Command(command)) = said.value.as_ref().map(|health| &health.test) else {
        return;
    };
    let line = line_of(command);
    let mut words = line.split_whitespace();
    let asks = words.any(|word| word.ends_with("pg_isready"));
    let names_host = words.any(|word| word.starts_with("-h") || word.starts_with("--host"));
    if asks && !names_host {
        let warning = cx
            .error(
                "stackfile::pg-isready",
                said.at,
                "answers too early",
                "without -h, pg_isready asks the socket, on which the image's temporary server answers while it initialises",
            )
            .advise("pg_isready -h 127.0.0.1");
        cx.warn(warning);
    }
}

/// Where a name has two addresses, these ask the first alone.
const ASKS_ONE: [&str; 3] = ["wget", "nc", "ncat"];

/// In a container `localhost` is `::1` first, where who listens on 0.0.0.0 does not answer.
fn localhost(cx: &mut Context<'_>, service: &Laid<'_>) {
    let (Some(check), Some(command)) = (&service.draft.healthcheck, &service.draft.command) else {
        return;
    };
    let Some(DraftProbe::Command(asked)) = check.value.as_ref().map(|health| &health.test) else {
        return;
    };
    let (asked, served) = (line_of(asked), line_of(&command.value));
    let asks_one = asked
        .split_whitespace()
        .any(|word| ASKS_ONE.contains(&word));
    if !asks_one || !asked.contains("localhost") || !served.contains("0.0.0.0") {
        return;
    }
    let warning = cx
        .error(
            "stackfile::localhost",
            check.at,
            "may ask ::1",
            "`localhost` is two addresses, of which this asks the first alone: ::1, on which nobody listens",
        )
        .also(command.at, "listens on 0.0.0.0")
        .advise("say 127.0.0.1 instead of localhost");
    cx.warn(warning);
}

fn line_of(command: &Command) -> String {
    match command {
        Command::Shell(line) => line.clone(),
        Command::Argv(words) => words.join(" "),
    }
}

/// What is synced cannot be written into a root that is read-only.
fn sealed_sync(cx: &mut Context<'_>, service: &Laid<'_>) {
    let draft = &service.draft;
    let Some(read_only) = draft.settings.read_only.as_ref().filter(|said| said.value) else {
        return;
    };
    let mounts = draft.mounts.iter().map(|mount| &mount.value.target);
    let places: Vec<&String> = mounts
        .chain(draft.settings.tmpfs.iter().map(|tmpfs| &tmpfs.value.target))
        .collect();
    for sync in &draft.sync {
        let to = Path::new(&sync.value.to);
        if places.iter().any(|place| to.starts_with(place)) {
            continue;
        }
        let warning = cx
            .error(
                "stackfile::sealed-sync",
                sync.at,
                "cannot be written",
                format!(
                    "nothing can be synced to {}: the root is read-only",
                    sync.value.to
                ),
            )
            .also(read_only.at, "said here")
            .advise(format!(
                "put a volume or a tmpfs there: tmpfs \"{}\"",
                sync.value.to
            ));
        cx.warn(warning);
    }
}

/// A volume below a folder that is synced: what the host has there is never seen inside.
fn hidden_sync(cx: &mut Context<'_>, service: &Laid<'_>, mount: &Said<Mount>) {
    let MountSource::Volume(_) = &mount.value.source else {
        return;
    };
    for sync in &service.draft.sync {
        let Ok(below) = Path::new(&mount.value.target).strip_prefix(&sync.value.to) else {
            continue;
        };
        let Some(from) = sync.value.source(service.draft.source.as_ref()) else {
            continue;
        };
        let outside = from.join(below);
        let shown = below.display().to_string();
        if shown.is_empty()
            || cx.host.kind(&outside).is_none()
            || is_ignored(cx, service, &sync.value, below)
        {
            continue;
        }
        let warning = cx
            .error(
                "stackfile::hidden-sync",
                mount.at,
                "lies over it",
                format!("{} hides what is synced from {shown}", mount.value.target),
            )
            .also(sync.at, "synced here")
            .advise(format!("the volume is meant: ignore \"/{shown}/\" in `sync`; the files are: take the volume away"));
        cx.warn(warning);
    }
}

/// What is synced into a volume outlives the container: a file that is gone on the host since may
/// come back with it.
fn kept_sync(cx: &mut Context<'_>, service: &Laid<'_>, mount: &Said<Mount>) {
    let MountSource::Volume(name) = &mount.value.source else {
        return;
    };
    // Where the root cannot be written there is no other place.
    let read_only = service.draft.settings.read_only.as_ref();
    if read_only.is_some_and(|said| said.value) {
        return;
    }
    let target = &mount.value.target;
    for sync in &service.draft.sync {
        if !Path::new(&sync.value.to).starts_with(target) {
            continue;
        }
        let message = format!(
            "what is synced to {} lands in the volume {name}",
            sync.value.to
        );
        let warning = cx
            .error("stackfile::sync-into-volume", sync.at, "lies in it", message)
            .also(mount.at, "mounted here")
            .advise("it stays there when the container is made anew, and hides what the image has: sync to another place, or take the volume away");
        cx.warn(warning);
    }
}
