//! The trees of a service: compared when an agent is new, kept in step afterwards.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use devrun_core::event::{Failure, Outcome, Problem, Synced};
use devrun_core::plan::{Rules, SyncRule};

use super::agents::{Agent, AgentError};
use super::ahead::{Armed, Taken};
use super::containers::failure;
use super::hooks;
use super::known::{self, Known};
use super::{agreed, owed};

use crate::engine::Engine;
use crate::sync::connection::SyncError;
use crate::sync::reconcile::{Before, compare_again, reconcile};
use crate::sync::scan::{self, Tree};
use crate::sync::stock::Stock;
use crate::sync::transfer::{apply, apply_but_large};
use crate::sync::verify::{self, Differs, Verified};
use crate::sync::{Sent, SyncOutcome, mirror};

/// A tree, and what of it is in the container.
pub(crate) struct Planted {
    pub(super) rule: SyncRule,
    pub(super) tree: Tree,
    pub(super) sent: Sent,
    /// What was saved since its first start, where no more than that is brought over.
    pub(super) saved: Option<Known>,
}

impl Planted {
    pub(super) fn new(
        rule: &SyncRule,
        service: &str,
        container: Option<&str>,
        known: &Known,
    ) -> Self {
        Planted {
            rule: rule.clone(),
            tree: tree(rule, known),
            sent: Sent::default(),
            saved: (!rule.initial).then(|| Known::of_saves(container.unwrap_or(service), &rule.to)),
        }
    }

    /// What is compared when a container starts.
    pub(super) fn compared(&self) -> Tree {
        let Some(saved) = &self.saved else {
            return self.tree.clone();
        };
        let mut tree = self.tree.clone();
        let paths: Arc<BTreeSet<PathBuf>> = Arc::new(saved.below(&tree));
        let (of_files, filter) = (Arc::clone(&paths), Arc::clone(&tree.filter));
        tree.filter = Arc::new(move |path: &Path, is_dir: bool| {
            let leads = |path: &Path| {
                let first = of_files.range(path.to_owned()..).next();
                first.is_some_and(|first| first.starts_with(path))
            };
            let named = if is_dir {
                leads(path)
            } else {
                of_files.contains(path)
            };
            named && filter(path, is_dir)
        });
        let makes = Arc::clone(&tree.makes);
        tree.makes = Arc::new(move |path: &Path| paths.contains(path) && makes(path));
        tree
    }

    /// Remembers what was saved, for a container that is made anew.
    pub(super) fn save(&mut self, paths: impl Iterator<Item = PathBuf>) {
        if let Some(saved) = &mut self.saved {
            saved.add(paths.map(|path| self.tree.from.join(path)));
        }
    }

    /// What was not compared, and came from the host with the image, is the host's to remove.
    fn remember_unseen(&mut self, known: &Known) {
        if self.saved.is_none() {
            return;
        }
        for path in known.below(&self.tree) {
            if self.sent.get(&path).is_none() {
                self.sent.insert(&path, scan::Known::Unsure);
            }
        }
    }

    /// Removes what is to go because the host does not have it.
    async fn mirror(&mut self, agent: &Agent, brought: &mut Brought) -> Result<(), SyncError> {
        if !self.rule.mirror || self.tree.file.is_some() {
            return Ok(());
        }
        let (tree, sent) = (&self.tree, &mut self.sent);
        // What comes back is about to be on the host.
        let kept = |path: &Path| self.rule.brings_back(path);
        let swept = mirror::sweep(&agent.connection, tree, sent, kept).await?;
        let gone = swept.changed.iter().map(|path| tree.from.join(path));
        brought.mirrored.extend(gone);
        brought.mirrored.sort();
        brought.problems_of(&tree.from, swept.problems);
        Ok(())
    }
}

impl std::fmt::Debug for Planted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planted")
            .field("from", &self.tree.from)
            .field("to", &self.tree.to)
            .finish_non_exhaustive()
    }
}

/// The trees of a service in one container.
#[derive(Debug, Default)]
pub(crate) struct Trees {
    /// In order of declaration.
    pub(super) planted: Vec<Planted>,
    pub(super) known: Known,
    pub(super) root: Root,
    owing: Option<Owing>,
}

/// Remembers what is brought into a container until all that follows is over.
#[derive(Debug, Clone)]
struct Owing {
    rules: Arc<Rules>,
    service: String,
    container: String,
}

impl Owing {
    /// These, relative to a source, are about to be brought over.
    fn note(&self, from: &Path, paths: &[PathBuf]) {
        let paths: Vec<PathBuf> = paths.iter().map(|path| from.join(path)).collect();
        let whose = (self.service.as_str(), self.container.as_str());
        owed::note(&self.rules, whose, paths.iter().map(PathBuf::as_path));
    }
}

/// A second agent, of the user root, where the first one may not write; started when it is needed.
#[derive(Debug, Default)]
pub(super) struct Root {
    engine: Option<Engine>,
    agent: Option<Agent>,
}

impl Root {
    pub(super) async fn agent(&mut self, of: &Agent) -> Option<&Agent> {
        if self.agent.is_none() {
            let started = Agent::start_as_root(self.engine.as_ref()?, of).await;
            self.agent = started
                .inspect_err(|error| tracing::debug!(%error, "no agent as root"))
                .ok();
        }
        self.agent.as_ref()
    }
}

impl Trees {
    /// Whether the container has, or had, that path of the host (absolute) from there.
    pub(super) fn knows(&self, path: &Path) -> bool {
        self.known.has(path)
    }

    /// With nothing seen of the container yet, but with what earlier sessions brought over.
    async fn plant(engine: Engine, rules: &Rules, service: &str, container: &str) -> Trees {
        let rules = rules.sync_rules(service);
        let (mut known, mut name) = (Known::default(), None);
        if !rules.is_empty() {
            (known, name) = known::of_container(&engine, container).await;
        }
        let planted = rules.iter();
        let planted = planted.map(|rule| Planted::new(rule, service, name.as_deref(), &known));
        let planted: Vec<Planted> = planted.collect();
        Trees {
            planted,
            known,
            root: Root {
                engine: Some(engine),
                agent: None,
            },
            owing: None,
        }
    }
}

/// An image was just built: what is synced is in it as it is on the host now.
pub(super) fn remember_image(rules: &Rules, service: &str, image: &str) {
    let (known, _) = Known::of(image);
    for rule in rules.sync_rules(service) {
        let tree = tree(rule, &known);
        let (found, _) = scan::list(&tree, Path::new(""));
        known.add(found.into_iter().map(|path| tree.from.join(path)));
    }
}

pub(super) fn tree(rule: &SyncRule, known: &Known) -> Tree {
    let (own, folders) = (rule.clone(), rule.clone());
    let file = rule.file.as_ref();
    Tree {
        from: rule.from.clone(),
        to: rule.to.clone(),
        makes: Arc::new(move |path: &Path| folders.wants(path, true)),
        file: file.map(|file| (file.outside.clone(), file.inside.clone())),
        owner: rule.owner.map(|owner| (owner.uid, owner.gid)),
        mode: rule.mode,
        filter: Arc::new(move |path: &Path, is_dir: bool| {
            if is_dir {
                own.enters(path)
            } else {
                own.wants(path, false)
            }
        }),
        memory: Arc::new(known.clone()),
    }
}

/// Begins to look at the host for the comparison that follows; `None` where that depends on what
/// was saved until then.
pub(super) fn take_stock(rules: &Rules, service: &str) -> Vec<Option<Stock>> {
    let take = |rule: &SyncRule| {
        // It remembers nothing: nothing is sent yet.
        let tree = || tree(rule, &Known::default());
        rule.initial.then(|| Stock::take(tree()))
    };
    rules.sync_rules(service).iter().map(take).collect()
}

/// Starts an agent and makes the container's trees equal to the host's, once saves are noticed.
pub(super) async fn attach(
    engine: Engine,
    rules: Arc<Rules>,
    (service, container): (String, String),
    (taken, armed): (Option<Taken>, Armed),
) -> (Outcome, Option<Agent>) {
    let agent = match Agent::begin(&engine, &container).await {
        Ok(agent) => agent,
        Err(AgentError::Engine(error)) => return (Outcome::Failed(failure(error)), None),
        Err(error) => {
            let message = error.to_string();
            let failure = Failure {
                message,
                ..Failure::default()
            };
            return (Outcome::Failed(failure), None);
        }
    };
    let mut trees = Trees::plant(engine.clone(), &rules, &service, &container).await;
    let (began, stocks) = match taken {
        Some(taken) => taken.by(&rules).await,
        None => (agreed::just_before_now(), Vec::new()),
    };
    let syncs = rules.syncs_hash(&service);
    trees.owing = Some(Owing {
        rules,
        service,
        container,
    });
    *agent.trees.lock().await = trees;
    // Before more is noted: what cannot be brought over now must not be followed for ever.
    let owed = owed::paths(&agent.container);
    armed.wait().await;
    match reconcile_all(&agent, stocks).await {
        Ok(Brought {
            unchanged,
            changed,
            mirrored,
            problems,
            ..
        }) => {
            if problems.is_empty() {
                let equal = changed.is_empty();
                agreed::compared(&engine, &agent.container, (began, syncs), equal).await;
            }
            let outcome = Outcome::Attached {
                transport: agent.transport,
                compared: Some(unchanged + changed.len() + problems.len()),
                changed,
                owed,
                mirrored,
                problems,
                owes_hooks: hooks::are_owed(&agent.container),
            };
            (outcome, Some(agent))
        }
        Err(error) => (Outcome::Failed(lost(&error)), None),
    }
}

/// Starts an agent that knows the container's trees, and brings nothing over.
pub(super) async fn attach_unseen(
    engine: &Engine,
    rules: &Rules,
    service: &str,
    container: &str,
) -> Result<Agent, super::agents::AgentError> {
    let agent = Agent::begin(engine, container).await?;
    let trees = Trees::plant(engine.clone(), rules, service, container).await;
    *agent.trees.lock().await = trees;
    Ok(agent)
}

/// Compares the trees of a service with the host, and changes nothing: what differs by its path on
/// the host.
pub(super) async fn verify(agent: &Agent) -> Result<Verified, SyncError> {
    let mut trees = agent.trees.lock().await;
    let Trees {
        planted,
        known,
        root,
        ..
    } = &mut *trees;
    let mut all = Verified::default();
    for planted in planted {
        let (tree, sent) = (&planted.compared(), &planted.sent);
        let ours = known.unlisted(tree);
        let mut one = verify::verify(&agent.connection, tree, sent, ours).await?;
        // What the container's user cannot read differs only perhaps.
        let doubtful = one
            .differences
            .iter()
            .any(|(_, kind)| *kind == Differs::Content);
        if doubtful
            && agent.hello.uid != 0
            && let Some(helper) = root.agent(agent).await
        {
            verify::again(&helper.connection, tree, &mut one).await?;
        }
        all.compared += one.compared;
        let absolute = |(path, kind): (PathBuf, Differs)| (tree.from.join(path), kind);
        all.differences
            .extend(one.differences.into_iter().map(absolute));
        all.problems.extend(one.problems.into_iter().map(|problem| {
            let path = tree.from.join(&problem.path);
            crate::sync::Problem { path, ..problem }
        }));
    }
    Ok(all)
}

async fn reconcile_all(agent: &Agent, stocks: Vec<Option<Stock>>) -> Result<Brought, SyncError> {
    let mut brought = Brought::default();
    let mut trees = agent.trees.lock().await;
    let Trees {
        planted,
        known,
        root,
        owing,
    } = &mut *trees;
    let stocks = stocks.into_iter().chain(std::iter::repeat_with(|| None));
    for (planted, stock) in planted.iter_mut().zip(stocks) {
        let tree = &planted.compared();
        let stock = stock.unwrap_or_else(|| Stock::take(tree.clone()));
        let sent = &mut planted.sent;
        let ours = known.unlisted(tree);
        let (from, owing) = (&tree.from, owing.as_ref());
        let before = |paths: &[PathBuf]| {
            if let Some(owing) = owing {
                owing.note(from, paths);
            }
        };
        let outcome = reconcile(&agent.connection, (tree, stock), sent, ours, &before).await?;
        let outcome = read_as_root(root, agent, (tree, sent), outcome, &before).await?;
        let outcome = again_as_root(root, agent, tree, sent, outcome).await?;
        known.add(sent.paths().map(|path| tree.from.join(path)));
        brought.add(&tree.from, outcome);
        planted.remember_unseen(known);
        if planted.rule.initial {
            planted.mirror(agent, &mut brought).await?;
        }
    }
    Ok(brought)
}

/// What the container's user may not write, root perhaps may.
async fn again_as_root(
    root: &mut Root,
    agent: &Agent,
    tree: &Tree,
    sent: &mut Sent,
    mut outcome: SyncOutcome,
) -> Result<SyncOutcome, SyncError> {
    let (denied, others): (Vec<_>, Vec<_>) = outcome
        .problems
        .into_iter()
        .partition(|problem| problem.permission);
    outcome.problems = others;
    let helper = if denied.is_empty() || agent.hello.uid == 0 {
        None
    } else {
        root.agent(agent).await
    };
    let Some(helper) = helper else {
        outcome.problems.extend(denied);
        return Ok(outcome);
    };
    let paths = denied.into_iter().map(|problem| problem.path).collect();
    let second = apply(&helper.connection, tree, sent, paths).await?;
    outcome.extend(second);
    Ok(outcome)
}

/// What the container's user may not even read, root perhaps may.
async fn read_as_root(
    root: &mut Root,
    agent: &Agent,
    (tree, sent): (&Tree, &mut Sent),
    mut outcome: SyncOutcome,
    before: &Before<'_>,
) -> Result<SyncOutcome, SyncError> {
    let paths = std::mem::take(&mut outcome.unreadable);
    if paths.is_empty() {
        return Ok(outcome);
    }
    let helper = match agent.hello.uid {
        0 => None,
        _ => root.agent(agent).await,
    };
    let connection = helper.map_or(&agent.connection, |helper| &helper.connection);
    outcome.extend(compare_again(connection, tree, sent, &paths, before).await?);
    Ok(outcome)
}

/// The container itself is the trouble, not the agent.
pub(super) fn is_over(error: &crate::engine::EngineError) -> bool {
    use crate::engine::EngineError as E;
    matches!(
        error,
        E::NoSuchContainer { .. }
            | E::NotRunning { .. }
            | E::Unreachable { .. }
            | E::Lost { .. }
            | E::TimedOut { .. }
    )
}

/// Brings saves over through an agent.
pub(super) async fn sync(agent: Agent, paths: Vec<PathBuf>) -> Outcome {
    match sync_all(&agent, &paths).await {
        Ok(brought) => brought.outcome(),
        Err(error) => Outcome::Failed(lost(&error)),
    }
}

async fn sync_all(agent: &Agent, paths: &[PathBuf]) -> Result<Brought, SyncError> {
    let mut brought = Brought::default();
    let (began, mut live) = (agreed::now(), Vec::new());
    let mut trees = agent.trees.lock().await;
    let Trees {
        planted,
        root,
        owing,
        ..
    } = &mut *trees;
    for planted in planted {
        let Planted { tree, sent, .. } = &mut *planted;
        let mine: Vec<PathBuf> = paths
            .iter()
            .filter_map(|path| path.strip_prefix(&tree.from).ok().map(Path::to_owned))
            .filter(|path| (tree.filter)(path, false))
            .collect();
        if mine.is_empty() {
            continue;
        }
        let saved = mine.clone();
        if let Some(owing) = owing.as_ref() {
            owing.note(&tree.from, &mine);
        }
        let outcome = apply_but_large(&agent.connection, tree, sent, mine).await?;
        let outcome = again_as_root(root, agent, tree, sent, outcome).await?;
        planted.save(saved.iter().chain(&outcome.changed).cloned());
        let tree = &planted.tree;
        live.extend(outcome.live(saved).map(|path| tree.from.join(path)));
        brought.add(&tree.from, outcome);
        planted.mirror(agent, &mut brought).await?;
    }
    if owing.is_some() {
        // Nobody waits for that.
        let container = agent.container.clone();
        tokio::task::spawn_blocking(move || agreed::add(&container, live.into_iter(), began));
    }
    Ok(brought)
}

/// What was brought over, of all trees together, with absolute paths.
#[derive(Debug, Default)]
pub(super) struct Brought {
    bytes: u64,
    unchanged: usize,
    changed: Vec<PathBuf>,
    mirrored: Vec<PathBuf>,
    problems: Vec<Problem>,
    large: Vec<PathBuf>,
}

impl Brought {
    pub(super) fn outcome(self) -> Outcome {
        Outcome::Synced(Synced {
            files: self.changed.len(),
            bytes: self.bytes,
            unchanged: self.unchanged,
            changed: self.changed,
            mirrored: self.mirrored,
            problems: self.problems,
            large: self.large,
        })
    }

    pub(super) fn add(&mut self, from: &Path, one: SyncOutcome) {
        self.bytes += one.bytes;
        self.unchanged += one.unchanged;
        self.changed
            .extend(one.changed.iter().map(|path| from.join(path)));
        for path in one.large.iter().map(|path| from.join(path)) {
            // Several trees may have the same file.
            if !self.large.contains(&path) {
                self.large.push(path);
            }
        }
        self.problems_of(from, one.problems);
    }

    fn problems_of(&mut self, from: &Path, problems: Vec<crate::sync::Problem>) {
        let told = problems.into_iter().map(|problem| Problem {
            path: from.join(&problem.path),
            message: problem.message,
        });
        self.problems.extend(told);
    }
}

pub(super) fn lost(error: &SyncError) -> Failure {
    Failure {
        message: error.to_string(),
        ..Failure::default()
    }
}
