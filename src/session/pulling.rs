//! `devrun pull-files`: what a container has below its sync targets, for the host.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use devrun_core::event::{Event, Failure};
use devrun_core::plan::{Named, Rules};
use devrun_wire::frames::{Entry, Kind, Request, Response};
use devrun_wire::session::{PullFile, Tell};
use tokio::sync::mpsc;

use super::agents::Agent;
use super::back::land;
use super::driver::{Driver, Input};
use super::trees::{self, lost};
use crate::engine::Engine;
use crate::sync::connection::SyncError;
use crate::sync::inside::{self, Inside};
use crate::sync::scan::{self, Known, Tree, blocking};

/// Paths that are inspected at a time; the answer has to fit a frame.
const BATCH: usize = 512;

/// Which of two files is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Newer {
    /// The host has none.
    New,
    /// The one in the container.
    Inside,
    /// The host's.
    OnHost,
}

/// A file of the container that differs from the host's.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Where it is to lie, absolute.
    pub(crate) path: PathBuf,
    /// Which is newer.
    pub(crate) newer: Newer,
    /// Bytes in the container.
    pub(crate) size: u64,
    /// The target of its rule.
    target: String,
    /// When the host's was changed last.
    host_ns: Option<i64>,
}

impl Found {
    /// As a session is asked for it.
    pub(crate) fn asked(&self) -> PullFile {
        PullFile {
            path: self.path.as_os_str().as_bytes().to_vec(),
            target: self.target.clone(),
            modified_ns: self.host_ns,
        }
    }
}

/// A look into a container.
#[derive(Debug)]
pub(crate) struct Pull {
    agent: Agent,
    trees: Vec<Tree>,
    /// What differs, by its path.
    pub(crate) found: Vec<Found>,
}

/// Lists what the container has of these and the host has not, or has otherwise.
pub(crate) async fn look(
    engine: &Engine,
    rules: &Rules,
    (service, container): (&str, &str),
    named: &Named,
) -> Result<Pull, Failure> {
    let agent = trees::attach_unseen(engine, rules, service, container);
    let agent = agent.await.map_err(|error| Failure {
        message: error.to_string(),
        ..Failure::default()
    })?;
    let trees: Vec<Tree> = {
        let planted = agent.trees.lock().await;
        planted.planted.iter().map(|one| one.tree.clone()).collect()
    };
    let mut pull = Pull {
        agent,
        trees,
        found: Vec::new(),
    };
    for (index, rule) in rules.sync_rules(service).iter().enumerate() {
        let takes_part = |path: &Path| rule.wants(path, false) || rule.brings_back(path);
        let wanted = |one: &Inside| {
            one.kind == Kind::File && named.names(&one.path) && takes_part(&one.path)
        };
        let root = vec![PathBuf::new()];
        let enters = |folder: &Path| rule.enters(folder);
        let listed = inside::list(&pull.agent.connection, &rule.to, root, enters);
        let (mut items, problems) = listed.await.map_err(|error| lost(&error))?;
        if let Some(problem) = problems.into_iter().next() {
            let message = format!("{}: {}", rule.to, problem.message);
            return Err(Failure {
                message,
                ..Failure::default()
            });
        }
        items.retain(wanted);
        let compared = pull.compare(index, items).await;
        compared.map_err(|error| lost(&error))?;
    }
    pull.found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(pull)
}

impl Pull {
    async fn compare(&mut self, index: usize, items: Vec<Inside>) -> Result<(), SyncError> {
        let Some(tree) = self.trees.get(index).filter(|tree| tree.file.is_none()) else {
            return Ok(());
        };
        let mut found = Vec::new();
        for batch in items.chunks(BATCH) {
            let request = Request::Inspect {
                root: tree.to.clone(),
                paths: batch.iter().map(|one| tree.inside(&one.path)).collect(),
            };
            let entries = match self.agent.connection.request(request).await? {
                Response::Entries(entries) => entries,
                _ => continue,
            };
            let (source, batch) = (tree.clone(), batch.to_vec());
            let compared = blocking(move || {
                let pairs = batch.iter().zip(entries);
                let differing = pairs.filter_map(|(one, entry)| differing(&source, one, &entry));
                Ok(differing.collect::<Vec<_>>())
            });
            found.extend(compared.await.unwrap_or_default());
        }
        self.found.extend(found);
        Ok(())
    }

    /// Brings these over where no session does; why not, of those that did not come.
    pub(crate) async fn bring(&self, files: &[PullFile]) -> Vec<Option<String>> {
        bring(&self.agent, files).await
    }
}

impl Driver {
    /// Brings files of a container over, and knows that they are equal on both sides.
    pub(super) fn on_pull(
        &self,
        service: String,
        files: Vec<PullFile>,
        reply: mpsc::UnboundedSender<Tell>,
    ) {
        let view = self.core.view();
        let found = view.services.iter().find(|one| one.name == service);
        let Ok(agent) = self.agent_of(found) else {
            let reason = "its container is not connected at this moment; `devrun status` says more";
            let reasons = vec![Some(reason.to_owned()); files.len()];
            let _ = reply.send(Tell::Pulled { reasons });
            return;
        };
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let reasons = bring(&agent, &files).await;
            let came = files.iter().zip(&reasons);
            let came = came.filter(|(_, reason)| reason.is_none());
            let files: Vec<PathBuf> = came.map(|(file, _)| path_of(file)).collect();
            if !files.is_empty() {
                let event = Event::BroughtBack {
                    service,
                    files,
                    problems: Vec::new(),
                };
                // A session that ends needs no telling.
                let _ = inputs.send(Input::Told(event)).await;
            }
            // Whoever asked may have left.
            let _ = reply.send(Tell::Pulled { reasons });
        });
    }
}

async fn bring(agent: &Agent, files: &[PullFile]) -> Vec<Option<String>> {
    let mut reasons = Vec::new();
    for file in files {
        reasons.push(bring_one(agent, file).await.err());
    }
    reasons
}

/// What the host has changed since it was looked at stays.
async fn bring_one(agent: &Agent, file: &PullFile) -> Result<(), String> {
    let path = path_of(file);
    let tree = agent.trees.lock().await.which(&path, &file.target);
    let tree = tree.ok_or("no `sync` of the Stackfile is about it any more")?;
    let landed = land(&agent.connection, (&agent.trees, tree), &path).await;
    let landed = landed.map_err(|error| error.to_string())?;
    let landed = landed.map_err(|problem| problem.message)?;
    let fetched = landed.fetched;
    // Held, so that the save is looked at when it is known whence it came.
    let mut trees = agent.trees.lock().await;
    let put = match file.modified_ns {
        None => landed.put_new().await,
        Some(before) => {
            landed
                .replace(move |path| modified_ns(path) == Some(before))
                .await
        }
    };
    put.map_err(|error| error.to_string())?;
    trees.came_back(tree, &path, &fetched);
    Ok(())
}

fn path_of(file: &PullFile) -> PathBuf {
    PathBuf::from(OsString::from_vec(file.path.clone()))
}

/// Whether the host's is another one, and which is newer. Blocks.
fn differing(tree: &Tree, one: &Inside, entry: &Entry) -> Option<Found> {
    let Entry::File { hash, .. } = entry else {
        return None;
    };
    let path = tree.from.join(&one.path);
    let host_ns = modified_ns(&path);
    let newer = match host_ns {
        None if scan::is_absent(&path) => Newer::New,
        None => return None,
        Some(host) => match tree.know(&one.path) {
            Ok(Known::File { hash: own, .. }) if own == *hash => return None,
            _ if i128::from(host) > i128::from(one.modified_ns) => Newer::OnHost,
            _ => Newer::Inside,
        },
    };
    Some(Found {
        path,
        newer,
        size: one.size,
        target: tree.to.clone(),
        host_ns,
    })
}

/// Of a regular file.
fn modified_ns(path: &Path) -> Option<i64> {
    let found = fs::symlink_metadata(path).ok();
    let found = found.filter(fs::Metadata::is_file)?;
    let seconds = found.mtime().saturating_mul(1_000_000_000);
    Some(seconds.saturating_add(found.mtime_nsec()))
}
