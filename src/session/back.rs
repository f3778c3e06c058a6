//! `back`: new files that a container made and the host is to have.

use std::collections::BTreeSet;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use devrun_core::event::{Event, Problem};
use devrun_core::plan::SyncRule;
use devrun_wire::frames::{Kind, Request, Response};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep_until};

use super::agents::Agent;
use super::driver::{Driver, Input};
use super::trees::{Planted, Trees};
use crate::sync::connection::{AgentConnection, Answer, SyncError};
use crate::sync::fetch::Fetched;
use crate::sync::inside::{self, Inside};
use crate::sync::landing::{self, Landed};
use crate::sync::scan::{self, Known};

/// A file is whole once it has not changed for so long.
const SETTLE: Duration = Duration::from_millis(300);
/// How often folders are listed where the kernel does not tell.
const EVERY: Duration = Duration::from_secs(3);

impl Driver {
    /// Looks after what comes back from this container, for as long as its agent is there.
    pub(super) fn follow_back(&self, service: &str, agent: &Agent) {
        let rules = self
            .rules
            .iter()
            .flat_map(|rules| rules.sync_rules(service));
        for (tree, rule) in rules.enumerate().filter(|(_, rule)| rule.has_back()) {
            let back = Back {
                service: service.to_owned(),
                rule: rule.clone(),
                tree,
                connection: agent.connection.clone(),
                trees: Arc::clone(&agent.trees),
                inputs: self.inputs.clone(),
                watched: BTreeSet::new(),
            };
            agent
                .helpers
                .add(tokio::spawn(back.follow()).abort_handle());
        }
    }
}

/// One rule in one container.
struct Back {
    service: String,
    rule: SyncRule,
    /// Which of the trees.
    tree: usize,
    connection: AgentConnection,
    trees: Arc<Mutex<Trees>>,
    inputs: mpsc::Sender<Input>,
    /// Folders of which the kernel tells.
    watched: BTreeSet<PathBuf>,
}

impl Back {
    async fn follow(mut self) {
        let mut folders = vec![PathBuf::new()];
        while let Ok((found, answer)) = self.look(std::mem::take(&mut folders)).await {
            let Ok(restless) = self.bring(found).await else {
                return;
            };
            folders = match restless.is_empty() {
                true => match self.wait(answer).await {
                    Ok(folders) => folders,
                    Err(_) => return,
                },
                false => restless,
            };
        }
    }

    /// What is new in these folders and in those below them that were not looked into yet; and who
    /// answers when there is more. Each is watched before it is listed, so that nothing is missed.
    async fn look(
        &mut self,
        mut level: Vec<PathBuf>,
    ) -> Result<(Vec<Inside>, Option<Answer>), SyncError> {
        let mut answers: Vec<Answer> = Vec::new();
        let mut found = Vec::new();
        while !level.is_empty() {
            answers.push(self.connection.send(&self.request(&level)).await?);
            let listed = inside::list(&self.connection, &self.rule.to, level, |_| false);
            let (items, _) = listed.await?;
            level = Vec::new();
            for item in items {
                if item.kind == Kind::File && self.rule.brings_back(&item.path) {
                    found.push(item);
                } else if item.kind == Kind::Folder
                    && self.rule.enters(&item.path)
                    && self.watched.insert(item.path.clone())
                {
                    level.push(item.path);
                }
            }
            // One that was replaced has been answered, perhaps with something that happened.
            if let [.., before, _] = answers.as_mut_slice() {
                let told = before.await?;
                level.extend(self.stirred(told).unwrap_or_default());
            }
        }
        Ok((found, answers.pop()))
    }

    fn request(&self, folders: &[PathBuf]) -> Request {
        Request::Await {
            root: self.rule.to.clone(),
            folders: folders.iter().map(|folder| bytes(folder)).collect(),
        }
    }

    /// Until something has happened: the folders to look into.
    async fn wait(&mut self, answer: Option<Answer>) -> Result<Vec<PathBuf>, SyncError> {
        if let Some(answer) = answer {
            let told = answer.await?;
            if let Some(folders) = self.stirred(told) {
                return Ok(folders);
            }
        }
        sleep_until(Instant::now() + EVERY).await;
        self.watched.clear();
        Ok(vec![PathBuf::new()])
    }

    /// The folders in which something happened; `None` where the kernel does not tell.
    fn stirred(&mut self, told: Response) -> Option<Vec<PathBuf>> {
        let path = |bytes| PathBuf::from(std::ffi::OsString::from_vec(bytes));
        let (folders, made) = match told {
            Response::Stirred { folders, made } => (folders, made),
            Response::Done => return Some(Vec::new()),
            _ => return None,
        };
        for made in made.into_iter().map(path) {
            self.watched.retain(|folder| !folder.starts_with(&made));
        }
        if folders.is_empty() {
            self.watched.clear();
            return Some(vec![PathBuf::new()]);
        }
        Some(folders.into_iter().map(path).collect())
    }

    /// Brings over what the host has never had; the folders of what is still being written.
    async fn bring(&mut self, found: Vec<Inside>) -> Result<Vec<PathBuf>, SyncError> {
        let new = self.new_ones(found).await;
        if new.is_empty() {
            return Ok(Vec::new());
        }
        sleep_until(Instant::now() + SETTLE).await;
        let (mut files, mut problems, mut restless) = (Vec::new(), Vec::new(), Vec::new());
        for one in new {
            let path = self.rule.from.join(&one.path);
            match land(&self.connection, (&self.trees, self.tree), &path).await? {
                Ok(landed) if !one.is(&landed) => {
                    restless.extend(one.path.parent().map(Path::to_owned));
                }
                Ok(landed) => match self.put(&path, landed).await {
                    Ok(()) => files.push(path),
                    // Somebody else made it.
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                    Err(error) => problems.push(problem(path, landing::on_host(&one.path, &error))),
                },
                Err(refused) => problems.push(problem(path, refused)),
            }
        }
        if !files.is_empty() || !problems.is_empty() {
            let event = Event::BroughtBack {
                service: self.service.clone(),
                files,
                problems,
            };
            // A session that ends needs no telling.
            let _ = self.inputs.send(Input::Told(event)).await;
        }
        restless.dedup();
        Ok(restless)
    }

    /// Those that the host does not have, and did not have before.
    async fn new_ones(&self, found: Vec<Inside>) -> Vec<Inside> {
        let trees = self.trees.lock().await;
        let from = &self.rule.from;
        let mut new = found;
        new.retain(|one| {
            let path = from.join(&one.path);
            !trees.knows(&path) && scan::is_absent(&path)
        });
        new
    }

    /// Puts it in place. The container has it already: it is no save for that one.
    async fn put(&self, path: &Path, landed: Landed) -> std::io::Result<()> {
        let mut trees = self.trees.lock().await;
        let fetched = landed.fetched;
        landed.put_new().await?;
        trees.came_back(self.tree, path, &fetched);
        Ok(())
    }
}

/// Reads a file of the container to where it belongs (absolute, on the host), not yet under its own
/// name. The folders that are made for it are known to be there on both sides before anybody looks.
pub(super) async fn land(
    connection: &AgentConnection,
    (trees, tree): (&Mutex<Trees>, usize),
    path: &Path,
) -> Result<Result<Landed, crate::sync::Problem>, SyncError> {
    let (place, to) = {
        let mut trees = trees.lock().await;
        let Some((from, to, name)) = trees.sides(tree, path) else {
            let gone = "no `sync` of the Stackfile is about it any more";
            return Ok(Err(crate::sync::Problem::new(path, gone)));
        };
        let place = landing::place(&from, &name).await;
        if place.is_ok() {
            trees.have_folders(tree, &name);
        }
        (place, to)
    };
    match place {
        Ok(place) => place.land(connection, &to).await,
        Err(problem) => Ok(Err(problem)),
    }
}

impl Trees {
    /// Which of them brings this path (absolute, on the host) to this target, or back from it.
    pub(super) fn which(&self, path: &Path, target: &str) -> Option<usize> {
        let is_it = |planted: &Planted| {
            let relative = path.strip_prefix(&planted.tree.from);
            planted.tree.to == target
                && planted.tree.file.is_none()
                && relative.is_ok_and(|path| {
                    planted.rule.wants(path, false) || planted.rule.brings_back(path)
                })
        };
        self.planted.iter().position(is_it)
    }

    /// Source and target of a tree, and what that path (absolute, on the host) is called in it.
    pub(super) fn sides(&self, tree: usize, path: &Path) -> Option<(PathBuf, String, PathBuf)> {
        let tree = &self.planted.get(tree)?.tree;
        let name = path.strip_prefix(&tree.from).ok()?;
        Some((tree.from.clone(), tree.to.clone(), name.to_owned()))
    }

    /// The folders that this path (relative to the source) lies in are there, on both sides.
    pub(super) fn have_folders(&mut self, tree: usize, path: &Path) {
        let Some(Planted { tree, sent, .. }) = self.planted.get_mut(tree) else {
            return;
        };
        let folders = path.ancestors().skip(1).filter(|it| *it != Path::new(""));
        for folder in folders.filter(|folder| (tree.makes)(folder)) {
            if sent.get(folder).is_none() {
                self.known.add(std::iter::once(tree.from.join(folder)));
                sent.insert(folder, Known::Folder);
            }
        }
    }

    /// A file of the container is on the host now, the same on both sides. What lies there is not
    /// looked at: it may have been saved since.
    pub(super) fn came_back(&mut self, tree: usize, path: &Path, fetched: &Fetched) {
        self.known.add(std::iter::once(path.to_owned()));
        if let Some(Planted { tree, sent, .. }) = self.planted.get_mut(tree)
            && let Ok(relative) = path.strip_prefix(&tree.from)
        {
            let (hash, mode) = (fetched.hash, tree.mode.unwrap_or(fetched.mode));
            sent.insert(relative, Known::File { hash, mode });
        }
    }
}

impl Inside {
    /// Whether it was read as it was listed.
    fn is(&self, landed: &Landed) -> bool {
        let version = landed.fetched.version;
        (version.size, version.modified_ns) == (self.size, self.modified_ns)
    }
}

fn problem(path: PathBuf, problem: crate::sync::Problem) -> Problem {
    Problem {
        path,
        message: problem.message,
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}
