//! Large files: sent beside what else is synced, and put in place when they are whole.

use std::path::{Path, PathBuf};
use std::time::Duration;

use devrun_core::event::{Failure, Outcome};
use tokio::time::{Instant, sleep_until};

use super::agents::Agent;
use super::trees::{Brought, Planted, lost};
use crate::sync::connection::SyncError;
use crate::sync::large::{Placed, Streamed, Whole, stream};
use crate::sync::scan::{Known, Tree};
use crate::sync::transfer::RESTLESS;
use crate::sync::{Problem, SyncOutcome};

/// How long a file is left alone that changed while it was read.
const PAUSE: Duration = Duration::from_millis(20);
/// How often it is read.
const TRIES: usize = 6;

/// Brings large files over, one after the other. The trees are held only while one is put in
/// place.
pub(super) async fn sync(agent: Agent, paths: Vec<PathBuf>) -> Outcome {
    match sync_all(&agent, &paths).await {
        Ok(brought) => brought.outcome(),
        Err(error) => Outcome::Failed(lost(&error)),
    }
}

/// Its agent is gone since it was asked for.
pub(super) fn no_agent() -> Outcome {
    Outcome::Failed(Failure {
        message: "the agent in the container is gone".to_owned(),
        ..Failure::default()
    })
}

async fn sync_all(agent: &Agent, paths: &[PathBuf]) -> Result<Brought, SyncError> {
    let trees: Vec<Tree> = {
        let trees = agent.trees.lock().await;
        trees.planted.iter().map(|one| one.tree.clone()).collect()
    };
    let mut brought = Brought::default();
    for path in paths {
        for tree in &trees {
            let Ok(name) = path.strip_prefix(&tree.from) else {
                continue;
            };
            if (tree.filter)(name, false) {
                let one = OneFile { tree, name };
                brought.add(&tree.from, one.bring(agent).await?);
            }
        }
    }
    Ok(brought)
}

/// A file of one of the trees.
struct OneFile<'a> {
    tree: &'a Tree,
    name: &'a Path,
}

impl OneFile<'_> {
    async fn bring(&self, agent: &Agent) -> Result<SyncOutcome, SyncError> {
        let there = {
            let trees = agent.trees.lock().await;
            let mut planted = trees.planted.iter();
            let planted = planted.find(|planted| self.lies_in(planted));
            planted.and_then(|planted| planted.sent.get(self.name))
        };
        let (mut writer, mut is_root) = (agent.connection.clone(), agent.hello.uid == 0);
        let mut tries = TRIES;
        loop {
            let problem = match stream(&writer, self.tree, self.name, there.as_ref()).await? {
                Streamed::Unchanged => {
                    return Ok(SyncOutcome {
                        unchanged: 1,
                        ..SyncOutcome::default()
                    });
                }
                Streamed::Whole(whole) => match self.place(agent, whole).await? {
                    Placed::Done(outcome) => return Ok(outcome),
                    Placed::Refused(problem) => problem,
                },
                Streamed::Changing if tries > 1 => {
                    tries -= 1;
                    sleep_until(Instant::now() + PAUSE).await;
                    continue;
                }
                Streamed::Changing => Problem::new(self.name, RESTLESS),
                Streamed::Failed(problem) => problem,
            };
            let root = match problem.permission && !is_root {
                true => self.root(agent).await,
                false => None,
            };
            let Some(root) = root else {
                return Ok(SyncOutcome {
                    problems: vec![problem],
                    ..SyncOutcome::default()
                });
            };
            (writer, is_root) = (root.connection, true);
        }
    }

    fn lies_in(&self, planted: &Planted) -> bool {
        planted.tree.is(self.tree)
    }

    /// What the container's user may not write, root perhaps may.
    async fn root(&self, agent: &Agent) -> Option<Agent> {
        let mut trees = agent.trees.lock().await;
        trees.root.agent(agent).await.cloned()
    }

    /// Puts it in place, and notes that. Nobody else works on the trees meanwhile, so that an
    /// older version never comes after a newer one.
    async fn place(&self, agent: &Agent, whole: Whole) -> Result<Placed, SyncError> {
        let mut trees = agent.trees.lock().await;
        let trees = &mut *trees;
        let mut planted = trees.planted.iter_mut();
        let Some(planted) = planted.find(|planted| self.lies_in(planted)) else {
            // The rules are others by now, and all was compared by them.
            return Ok(Placed::Done(SyncOutcome::default()));
        };
        let becomes = whole.known.clone();
        // Given up half-way, it may be there and may not.
        planted.sent.insert(self.name, Known::Unsure);
        self.tree.memory.comes(&self.tree.from.join(self.name));
        let placed = whole.place(self.name).await?;
        if matches!(&placed, Placed::Done(_)) {
            planted.sent.insert(self.name, becomes);
        }
        Ok(placed)
    }
}
