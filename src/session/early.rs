//! Before a container's process starts: what differs from the host is brought into it by the
//! engine's archive calls, so that it begins with what is there now. What is out of reach so (a
//! tmpfs, what is gone on the host, what changed its kind) the comparison after the start mends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use devrun_core::early::{Basis, Moment, fits};
use devrun_core::event::Synced;
use devrun_core::plan::{Rules, SyncRule};
use tokio_util::io::ReaderStream;

use super::deputies::Container;
use super::known::Known;
use super::trees::Planted;
use super::{agreed, known, owed, users};
use crate::engine::{Engine, EngineError, Layout, PathKind};
use crate::sync::deputy::RemoteError;
use crate::sync::early::{
    Agreed, Came, Doubtful, differing, doubtful, inside, packed, place, sample, with_folders,
};
use crate::sync::scan::{Tree, blocking, is_absent};

/// What is to be in a container before its process starts.
#[derive(Debug, Clone)]
pub(super) struct Early {
    pub(super) rules: Arc<Rules>,
    pub(super) service: String,
    /// It may end before anybody compares its files, and is not started a second time.
    pub(super) is_task: bool,
    /// Where volumes are mounted.
    pub(super) volumes: Vec<String>,
}

/// What is known of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of<'i> {
    /// It was just made, of this image.
    Image(&'i str),
    /// It ran before.
    Itself,
    /// Nothing is believed.
    Nobody,
}

/// Why nothing was brought over; the agent does it.
#[derive(Debug, thiserror::Error)]
enum NotNow {
    #[error("{0}")]
    Engine(#[from] EngineError),
    #[error("{}", .0.message)]
    Remote(#[from] RemoteError),
    #[error("it cannot be read on the host: {0}")]
    Host(#[from] std::io::Error),
}

impl Early {
    /// What lies there outlives the container, and may be another one's as well.
    pub(super) fn is_in_volume(&self, path: &Path) -> bool {
        self.volumes.iter().any(|volume| path.starts_with(volume))
    }

    /// Brings into a task that does not run what the host has otherwise, and says also what it was
    /// brought before and has not run with; `saved` (absolute) may be gone on the host.
    pub(super) async fn refresh(
        &self,
        engine: &Engine,
        container: &str,
        saved: &[PathBuf],
    ) -> Synced {
        let (known, name) = known::of_container(engine, container).await;
        for rule in self.rules.sync_rules(&self.service) {
            if !rule.initial
                && let Some(name) = &name
            {
                let covers = |path: &&PathBuf| {
                    path.strip_prefix(&rule.from)
                        .is_ok_and(|below| rule.wants(below, false))
                };
                let here = saved.iter().filter(covers);
                Known::of_saves(name, &rule.to).add(here.cloned());
            }
        }
        let is_gone = |path: &&PathBuf| known.has(path) && is_absent(path);
        let gone: Vec<&Path> = saved.iter().filter(is_gone).map(PathBuf::as_path).collect();
        // It is removed once the process runs: nothing else can.
        owed::write(container, gone.into_iter());
        let mut synced = self.bring(engine, container, Of::Itself).await;
        let mut owing = owed::paths(container);
        owing.retain(|path| !synced.changed.contains(path));
        synced.files += owing.len();
        synced.changed.extend(owing);
        synced
    }

    /// Brings over what differs. Nothing that goes wrong here keeps the container from starting.
    pub(super) async fn bring(&self, engine: &Engine, container: &str, of: Of<'_>) -> Synced {
        let rules = self.rules.sync_rules(&self.service);
        if rules.is_empty() {
            return Synced::default();
        }
        let began = agreed::just_before_now();
        let mut record = match of {
            Of::Image(image) => agreed::of(image),
            Of::Itself => agreed::of(container),
            Of::Nobody => agreed::Record::default(),
        };
        let hash = self.rules.syncs_hash(&self.service);
        let other_rules = record.rules != hash;
        if let (Of::Image(_), Basis::Compared(at), true) = (of, record.basis, other_rules) {
            // Perhaps for another service, and at another place.
            record.basis = Basis::Claimed(at);
        }
        let mut one = Bringing {
            early: self,
            remote: Container {
                engine: engine.clone(),
                id: container.to_owned(),
            },
            fresh: matches!(of, Of::Image(_)),
            other_rules,
            record,
            whole: true,
            believed: false,
            disproved: false,
            layout: None,
            synced: Synced::default(),
        };
        // What is owed to the process before is not owed to the one that starts now.
        owed::keep(container, |path| {
            self.is_task || self.rules.asks_for_command(&self.service, path)
        });
        for rule in rules {
            if let Err(error) = one.tree(rule).await {
                tracing::debug!(%error, to = rule.to, "not brought over before the start");
                one.whole = false;
            }
        }
        let basis = match (one.whole, one.believed) {
            (false, _) => Basis::Nothing,
            (true, true) => Basis::Claimed(began),
            (true, false) => Basis::Compared(began),
        };
        agreed::set(container, basis, hash);
        if let Of::Image(image) = of {
            match basis {
                // All that its containers begin with was looked at.
                Basis::Compared(_) if one.synced.files == 0 => {
                    agreed::set(image, basis, hash);
                }
                _ if one.disproved => agreed::forget(image),
                _ => {}
            }
        }
        one.synced
    }
}

struct Bringing<'e> {
    early: &'e Early,
    remote: Container,
    fresh: bool,
    record: agreed::Record,
    /// The record is by other rules than those of now.
    other_rules: bool,
    /// Nothing was left to others.
    whole: bool,
    /// The image was taken at its word.
    believed: bool,
    /// And should not have been.
    disproved: bool,
    layout: Option<(Layout, Option<(u64, u64)>)>,
    synced: Synced,
}

impl Bringing<'_> {
    async fn tree(&mut self, rule: &SyncRule) -> Result<(), NotNow> {
        let (known, name) = match rule.initial {
            true => (Known::default(), None),
            false => known::of_container(&self.remote.engine, &self.remote.id).await,
        };
        let service = &self.early.service;
        let tree = Planted::new(rule, service, name.as_deref(), &known).compared();
        let at = self.agreed_at(rule, &tree).await?;
        let came = match self.other_rules && at.is_some() {
            true => {
                let (known, _) = known::of_container(&self.remote.engine, &self.remote.id).await;
                Some(Box::new(move |path: &Path| known.has(path)) as Box<Came>)
            }
            false => None,
        };
        let agreed = Agreed {
            at,
            brought: self.record.brought.clone(),
            came,
        };
        let doubtful = look(&tree, agreed).await?;
        if doubtful.paths.is_empty() {
            return Ok(());
        }
        if !fits(doubtful.paths.len(), doubtful.bytes, self.early.is_task) {
            self.whole = false;
            return Ok(());
        }
        self.compare(&tree, doubtful.paths).await
    }

    /// Since when the container has what the host has of that tree.
    async fn agreed_at(&mut self, rule: &SyncRule, tree: &Tree) -> Result<Option<Moment>, NotNow> {
        // What lies in a volume, an image says nothing of.
        let in_volume = self.early.is_in_volume(Path::new(&tree.to));
        if !rule.initial || (self.fresh && in_volume) {
            return Ok(None);
        }
        let basis = self.record.basis;
        if !basis.wants_sample(self.early.is_task) {
            return Ok(basis.agreed_at(None));
        }
        let everything = Agreed {
            at: None,
            brought: Default::default(),
            came: None,
        };
        let all = look(tree, everything).await?;
        let mut there = true;
        for path in sample(tree, &all.paths) {
            let Ok(found) = std::fs::symlink_metadata(tree.from.join(&path)) else {
                continue;
            };
            let Ok(inside) = String::from_utf8(place(tree, &path)) else {
                continue;
            };
            let stat = self.remote.engine.stat(&self.remote.id, &inside).await?;
            there &= stat.is_some_and(|stat| stat.size == found.len());
        }
        self.believed |= there;
        self.disproved |= !there;
        Ok(basis.agreed_at(Some(there)))
    }

    /// Compares these with what the container has, and brings over what differs.
    async fn compare(&mut self, tree: &Tree, paths: Vec<PathBuf>) -> Result<(), NotNow> {
        let (layout, owner) = self.layout().await?;
        let around =
            (layout.mounts.iter()).filter(|mount| Path::new(&tree.to).starts_with(&mount.target));
        let nearest = around.max_by_key(|mount| mount.target.len());
        if nearest.is_some_and(|mount| mount.tmpfs || mount.bind) {
            self.whole = false;
            return Ok(());
        }
        let below = nearest.map_or("/", |mount| &mount.target).to_owned();
        let root = self.remote.engine.stat(&self.remote.id, &tree.to).await?;
        let rooted = match root.map(|root| root.kind) {
            None => false,
            Some(PathKind::Folder | PathKind::Link(_)) => true,
            Some(PathKind::Other) => {
                self.whole = false;
                return Ok(());
            }
        };
        let listing = match rooted {
            true => inside(&self.remote, tree, &paths).await?,
            false => Default::default(),
        };
        let (host, base) = (tree.clone(), below.clone());
        let differ = blocking(move || {
            let differ = differing(&host, &paths, &listing);
            if differ.is_empty() {
                return Ok(None);
            }
            let all = with_folders(&host, &differ, &listing, rooted);
            let tar = packed(&host, &all, &listing, (&base, owner))?;
            Ok(Some((differ, tar)))
        });
        match differ.await? {
            Some((differ, tar)) => self.send(tree, &below, differ, tar).await,
            None => Ok(()),
        }
    }

    async fn send(
        &mut self,
        tree: &Tree,
        below: &str,
        differ: Vec<PathBuf>,
        tar: File,
    ) -> Result<(), NotNow> {
        let absolute = |path: &PathBuf| tree.from.join(path);
        let changed: Vec<PathBuf> = differ.iter().map(absolute).collect();
        let (known, _) = known::of_container(&self.remote.engine, &self.remote.id).await;
        known.add(changed.iter().cloned());
        // Commands have to follow: nobody else finds that these were not there.
        let rules = &self.early.rules;
        let service = self.early.service.as_str();
        let commanding = changed.iter().map(PathBuf::as_path);
        match self.early.is_task {
            // Not before it has run with them.
            true => owed::write(&self.remote.id, commanding),
            false => {
                let commanding = commanding.filter(|path| rules.asks_for_command(service, path));
                owed::note(rules, (service, &self.remote.id), commanding);
            }
        }
        let tar = ReaderStream::new(tokio::fs::File::from_std(tar));
        let engine = &self.remote.engine;
        engine.upload_tar(&self.remote.id, below, tar).await?;
        self.synced.files += changed.len();
        self.synced.changed.extend(changed);
        Ok(())
    }

    async fn layout(&mut self) -> Result<(Layout, Option<(u64, u64)>), NotNow> {
        if let Some(known) = &self.layout {
            return Ok(known.clone());
        }
        let (engine, id) = (&self.remote.engine, &self.remote.id);
        let layout = engine.layout(id).await?;
        let owner = users::owner_of(engine, id, &layout).await;
        Ok(self.layout.insert((layout, owner)).clone())
    }
}

async fn look(tree: &Tree, agreed: Agreed) -> std::io::Result<Doubtful> {
    let tree = tree.clone();
    blocking(move || Ok(doubtful(&tree, &agreed))).await
}
