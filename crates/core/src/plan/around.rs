//! What lies around a sync inside: mounts, and the targets of others.

use std::path::{Path, PathBuf};

use devrun_stack::{Location, Mount, MountSource, Service, Sync};

/// Something else that has a place at or below the target of a sync, which leaves it alone there.
#[derive(Debug, Clone)]
pub(super) struct Other {
    /// Relative to the target.
    pub(super) below: PathBuf,
    pub(super) what: What,
}

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A volume, by its name on the engine.
    Volume(String),
    /// A folder of the host.
    Bind(PathBuf),
    /// A tmpfs.
    Tmpfs,
    /// A secret or a configuration file.
    File,
    /// The target of another sync.
    Sync(Location),
}

fn tmpfs(service: &Service) -> impl Iterator<Item = &String> {
    let tmpfs = service.settings.tmpfs.iter();
    tmpfs.map(|tmpfs| &tmpfs.target)
}

fn files(service: &Service) -> impl Iterator<Item = &String> {
    service.files.iter().map(|file| &file.target)
}

/// What has a place inside besides mounts and syncs.
pub(super) fn taken(service: &Service) -> impl Iterator<Item = &String> {
    tmpfs(service).chain(files(service))
}

/// What has a place strictly below the target of that sync.
pub(super) fn below(service: &Service, sync: &Sync) -> Vec<Other> {
    let mounts = service.mounts.iter().map(|mount| {
        let what = match &mount.source {
            MountSource::Volume(name) => What::Volume(name.clone()),
            MountSource::Bind(from) => What::Bind(from.clone()),
        };
        (&mount.target, what)
    });
    let tmpfs = tmpfs(service).map(|target| (target, What::Tmpfs));
    let files = files(service).map(|target| (target, What::File));
    let syncs = service.sync.iter();
    let syncs = syncs.map(|other| (&other.to, What::Sync(other.at.clone())));
    let all = mounts.chain(tmpfs).chain(files).chain(syncs);
    all.filter_map(|(target, what)| {
        let below = Path::new(target).strip_prefix(&sync.to).ok()?;
        (!below.as_os_str().is_empty()).then(|| Other {
            below: below.to_owned(),
            what,
        })
    })
    .collect()
}

/// Whether the folder that is bound at or above the target is the one that would be synced.
pub(super) fn is_bound(service: &Service, sync: &Sync) -> bool {
    let shows = |mount: &Mount| match &mount.source {
        MountSource::Bind(from) => Path::new(&sync.to)
            .strip_prefix(&mount.target)
            .is_ok_and(|below| from.join(below).components().eq(sync.from.components())),
        MountSource::Volume(_) => false,
    };
    service.mounts.iter().any(shows)
}
