//! The trees of a service: compared when an agent is new, kept in step afterwards.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use devrun_core::event::{Failure, Outcome, Problem, Synced, Transport};
use devrun_core::plan::{Rules, SyncRule};

use super::agents::Agent;
use super::containers::failure;
use tokio_util::io::ReaderStream;

use crate::engine::Engine;
use crate::sync::connection::SyncError;
use crate::sync::reconcile::reconcile;
use crate::sync::scan::{self, Tree};
use crate::sync::transfer::apply;
use crate::sync::{Sent, SyncOutcome, archive};

/// A tree, and what of it is in the container.
pub(crate) struct Planted {
    tree: Tree,
    sent: Sent,
}

impl std::fmt::Debug for Planted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planted").field("from", &self.tree.from).field("to", &self.tree.to).finish_non_exhaustive()
    }
}

/// The trees of a service, with nothing known of the container yet.
pub(super) fn plant(rules: &Rules, service: &str) -> Vec<Planted> {
    let planted = |rule: &SyncRule| Planted { tree: tree(rule), sent: Sent::default() };
    rules.sync_rules(service).iter().map(planted).collect()
}

fn tree(rule: &SyncRule) -> Tree {
    let own = rule.clone();
    Tree {
        from: rule.from.clone(),
        to: rule.to.clone(),
        filter: Arc::new(move |path: &Path, is_dir: bool| {
            if is_dir { own.enters(path) } else { own.wants(path, false) }
        }),
    }
}

/// Starts an agent and makes the container's trees equal to the host's.
pub(super) async fn attach(
    engine: Engine,
    rules: Arc<Rules>,
    service: String,
    container: String,
) -> (Outcome, Option<Agent>) {
    let agent = match Agent::start(&engine, &container).await {
        Ok(agent) => agent,
        Err(super::agents::AgentError::Engine(error)) if is_over(&error) => {
            return (Outcome::Failed(failure(error)), None);
        }
        Err(error) => {
            tracing::debug!(%error, "no agent");
            return (archive_only(engine, rules, service, container).await, None);
        }
    };
    let catches_term = agent.catches_term();
    *agent.trees.lock().await = plant(&rules, &service);
    let mut total = SyncOutcome::default();
    let mut changed = Vec::new();
    for planted in agent.trees.lock().await.iter_mut() {
        match reconcile(&agent.connection, &planted.tree, &mut planted.sent, &[]).await {
            Ok(outcome) => add(&mut total, &mut changed, &planted.tree.from, outcome),
            Err(error) => return (Outcome::Failed(lost(&error)), None),
        }
    }
    let problems = problems(total);
    let outcome = Outcome::Attached { transport: Transport::Agent, changed, problems, catches_term };
    (outcome, Some(agent))
}

/// The container itself is the trouble, not the agent.
fn is_over(error: &crate::engine::EngineError) -> bool {
    use crate::engine::EngineError as E;
    matches!(
        error,
        E::NoSuchContainer { .. } | E::NotRunning { .. } | E::Unreachable { .. } | E::Lost { .. } | E::TimedOut { .. }
    )
}

/// Where no agent can run, everything goes over by the archive call, whatever is there.
async fn archive_only(engine: Engine, rules: Arc<Rules>, service: String, container: String) -> Outcome {
    match push(&engine, &rules, &service, &container, None).await {
        Ok(_) => Outcome::Attached {
            transport: Transport::Archive,
            changed: Vec::new(),
            problems: Vec::new(),
            catches_term: None,
        },
        Err(problem) => Outcome::Failed(problem),
    }
}

/// Brings saves over through an agent.
pub(super) async fn sync(agent: Agent, paths: Vec<PathBuf>) -> Outcome {
    let mut total = SyncOutcome::default();
    let mut changed = Vec::new();
    for planted in agent.trees.lock().await.iter_mut() {
        let from = planted.tree.from.clone();
        let mine: Vec<PathBuf> = paths
            .iter()
            .filter_map(|path| path.strip_prefix(&from).ok().map(Path::to_owned))
            .filter(|path| (planted.tree.filter)(path, false))
            .collect();
        if mine.is_empty() {
            continue;
        }
        match apply(&agent.connection, &planted.tree, &mut planted.sent, mine).await {
            Ok(outcome) => add(&mut total, &mut changed, &from, outcome),
            Err(error) => return Outcome::Failed(lost(&error)),
        }
    }
    Outcome::Synced(Synced {
        files: changed.len(),
        bytes: total.bytes,
        unchanged: total.unchanged,
        changed,
        problems: problems(total),
    })
}

/// Brings paths, or with `None` everything that is synced, over by the engine's archive call.
/// What is gone on the host is removed by the agent once it can run.
pub(super) async fn push(
    engine: &Engine,
    rules: &Rules,
    service: &str,
    container: &str,
    paths: Option<&[PathBuf]>,
) -> Result<Synced, Failure> {
    let owner = owner(engine, container).await;
    let mut synced = Synced::default();
    for rule in rules.sync_rules(service) {
        let tree = tree(rule);
        let wanted: Option<Vec<PathBuf>> = paths.map(|paths| {
            let relative = |path: &PathBuf| path.strip_prefix(&rule.from).ok().map(Path::to_owned);
            paths.iter().filter_map(relative).filter(|path| rule.wants(path, false)).collect()
        });
        let packed = scan::blocking(move || {
            let paths = wanted.unwrap_or_else(|| scan::list(&tree, Path::new("")).0);
            let tar = archive::tar_of(&tree.from, &paths, &tree.to, owner)?;
            let absolute = paths.iter().map(|path| tree.from.join(path)).collect::<Vec<_>>();
            Ok((tar, absolute))
        });
        let (tar, absolute) = packed.await.map_err(|error| Failure {
            message: format!("cannot be read on the host: {error}"),
            ..Failure::default()
        })?;
        if absolute.is_empty() {
            continue;
        }
        let file = ReaderStream::new(tokio::fs::File::from_std(tar));
        engine.upload_tar(container, "/", file).await.map_err(failure)?;
        synced.files += absolute.len();
        synced.changed.extend(absolute);
    }
    Ok(synced)
}

/// The container's user, where it is known by number; files that it runs should belong to it.
async fn owner(engine: &Engine, container: &str) -> Option<(u64, u64)> {
    let container = engine.inspect(container).await.ok()??;
    let image = engine.inspect_image(&container.image_id).await.ok()??;
    let (user, group) = image.user.split_once(':').unwrap_or((&image.user, &image.user));
    Some((user.parse().ok()?, group.parse().ok()?))
}

fn add(total: &mut SyncOutcome, changed: &mut Vec<PathBuf>, from: &Path, one: SyncOutcome) {
    total.files += one.files;
    total.bytes += one.bytes;
    total.removed += one.removed;
    total.unchanged += one.unchanged;
    changed.extend(one.changed.iter().map(|path| from.join(path)));
    total.problems.extend(one.problems.into_iter().map(|mut problem| {
        problem.path = from.join(&problem.path);
        problem
    }));
}

fn problems(total: SyncOutcome) -> Vec<Problem> {
    let told = |problem: crate::sync::Problem| Problem { path: problem.path, message: problem.message };
    total.problems.into_iter().map(told).collect()
}

pub(super) fn lost(error: &SyncError) -> Failure {
    Failure { message: error.to_string(), ..Failure::default() }
}
