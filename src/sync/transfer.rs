//! Brings what changed on the host into the container, by looking at the host as it is now.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::time::Duration;

use devrun_wire::frames::{Entry, Request, Response};
use tokio::time::Instant;

use super::clock::Clock;
use super::connection::{AgentConnection, Answer, SyncError};
use super::large::{self, LARGE, Streamed};
use super::read::{Ahead, LookAt};
use super::scan::{self, Known, OnHost, Tree, blocking};
use super::{Problem, Sent, SyncOutcome};

/// Requests without an answer at a time.
const WINDOW: usize = 1024;
/// Editors rename a file away and write a new one: how long until absence is believed.
const SECOND_LOOK: Duration = Duration::from_millis(20);
/// How often a file that changes while it is read is looked at.
const LOOKS: usize = 6;
/// What is said of a file that could not be read in one piece.
pub(crate) const RESTLESS: &str =
    "keeps changing while it is read; it is sent when it is saved again";

/// Brings these paths (relative to the source) over. What is absent on the host is removed, if
/// it came from there; a folder comes with all in it that the filter lets through.
pub(crate) async fn apply(
    connection: &AgentConnection,
    tree: &Tree,
    sent: &mut Sent,
    paths: Vec<PathBuf>,
) -> Result<SyncOutcome, SyncError> {
    connection.say_owner(tree).await?;
    let mut transfer = Transfer::new(connection, tree, sent);
    transfer.bring(paths, Folders::WithContent).await?;
    transfer.bring_large().await?;
    transfer.end().await
}

/// The same, but large files are only named, so that nothing waits for them.
pub(crate) async fn apply_but_large(
    connection: &AgentConnection,
    tree: &Tree,
    sent: &mut Sent,
    paths: Vec<PathBuf>,
) -> Result<SyncOutcome, SyncError> {
    connection.say_owner(tree).await?;
    let mut transfer = Transfer::new(connection, tree, sent);
    transfer.bring(paths, Folders::WithContent).await?;
    transfer.end().await
}

/// What a folder brings along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folders {
    /// Itself; its content is named as well.
    Alone,
    /// All that is in it.
    WithContent,
}

/// What the first look at paths leaves to do.
#[derive(Debug, Default)]
struct Rest {
    /// They were not there.
    absent: Vec<PathBuf>,
    /// They changed while they were read.
    changing: Vec<PathBuf>,
    /// They are folders.
    folders: Vec<PathBuf>,
}

/// An operation whose answer is to come.
struct UnderWay {
    path: PathBuf,
    what: Operation,
    answer: Answer,
    /// Something of the host's was at the path before.
    was_there: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Write {
        bytes: u64,
    },
    Folder,
    Remove,
    /// It goes only if nothing is left in it, and the answer does not tell.
    RemoveFolder,
}

/// One run of operations on one target, many under way at a time.
pub(super) struct Transfer<'a> {
    pub(super) connection: &'a AgentConnection,
    pub(super) tree: &'a Tree,
    pub(super) sent: &'a mut Sent,
    pub(super) outcome: SyncOutcome,
    under_way: VecDeque<UnderWay>,
    clock: Clock,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(connection: &'a AgentConnection, tree: &'a Tree, sent: &'a mut Sent) -> Self {
        let outcome = SyncOutcome::default();
        Transfer {
            connection,
            tree,
            sent,
            outcome,
            under_way: VecDeque::new(),
            clock: Clock::start(),
        }
    }

    /// All answers are in.
    pub(super) async fn end(mut self) -> Result<SyncOutcome, SyncError> {
        self.clock.all_sent();
        self.settle(0).await?;
        self.clock.tell(&self.outcome);
        Ok(mem::take(&mut self.outcome))
    }

    /// Brings paths over as they are now, and looks again at those that seem to be in motion.
    /// Large files are left for later.
    pub(super) async fn bring(
        &mut self,
        mut paths: Vec<PathBuf>,
        folders: Folders,
    ) -> Result<(), SyncError> {
        paths.sort();
        paths.dedup();
        let mut rest = self.visit(paths, folders, scan::look).await?;
        for number in 1..LOOKS {
            if rest.absent.is_empty() && rest.changing.is_empty() {
                return Ok(());
            }
            tokio::time::sleep_until(Instant::now() + SECOND_LOOK).await;
            let absent = mem::take(&mut rest.absent);
            let mut again = mem::take(&mut rest.changing);
            again.extend_from_slice(&absent);
            again.sort();
            let look = match number + 1 == LOOKS {
                true => scan::look_at_restless,
                false => scan::look,
            };
            rest = self.visit(again, folders, look).await?;
            // Absent twice is absent.
            let absent: HashSet<PathBuf> = absent.into_iter().collect();
            let gone: Vec<PathBuf> = rest
                .absent
                .extract_if(.., |path| absent.contains(path))
                .collect();
            self.remove_with_content(&gone).await?;
        }
        for path in rest.absent.iter().chain(&rest.changing) {
            self.outcome.problems.push(Problem::new(path, RESTLESS));
        }
        Ok(())
    }

    /// Looks at paths and brings over what is there.
    async fn visit(
        &mut self,
        paths: Vec<PathBuf>,
        folders: Folders,
        look: LookAt,
    ) -> Result<Rest, SyncError> {
        let named = match folders {
            Folders::WithContent => paths.clone(),
            Folders::Alone => Vec::new(),
        };
        let mut rest = self.visit_each(paths, look).await?;
        let tops = match folders {
            Folders::WithContent => outermost(mem::take(&mut rest.folders)),
            Folders::Alone => Vec::new(),
        };
        if tops.is_empty() {
            return Ok(rest);
        }
        let known: Vec<PathBuf> = tops
            .iter()
            .flat_map(|top| self.sent.at_and_below(top))
            .collect();
        let tree = self.tree.clone();
        let listed = blocking(move || {
            let mut found = Vec::new();
            let mut problems = Vec::new();
            for top in &tops {
                let (more, told) = scan::list(&tree, top);
                found.extend(more);
                problems.extend(told);
            }
            // What is listed no more seems to be gone.
            let there = |path: &PathBuf| found.binary_search(path).is_ok() || tops.contains(path);
            let gone: Vec<PathBuf> = known.into_iter().filter(|path| !there(path)).collect();
            Ok((found, problems, gone))
        });
        match listed.await {
            Ok((mut found, problems, gone)) => {
                self.outcome.problems.extend(problems);
                found.retain(|path| named.binary_search(path).is_err());
                let more = self.visit_each(found, look).await?;
                rest.changing.extend(more.changing);
                rest.absent.extend(more.absent);
                rest.absent.extend(gone);
                rest.absent.sort();
                rest.absent.dedup();
            }
            Err(error) => {
                let problem = Problem::of_host(Path::new(""), &error);
                self.outcome.problems.push(problem);
            }
        }
        Ok(rest)
    }

    /// Brings these paths over, folders without what is in them.
    async fn visit_each(&mut self, paths: Vec<PathBuf>, look: LookAt) -> Result<Rest, SyncError> {
        let mut rest = Rest::default();
        if paths.is_empty() {
            return Ok(rest);
        }
        let mut ahead = Ahead::of(self.tree.clone(), paths, look);
        loop {
            let waits = Instant::now();
            let looks = ahead.next().await;
            self.clock.read += waits.elapsed();
            let Some(looks) = looks else {
                return Ok(rest);
            };
            for (path, found) in looks {
                self.take(path, found, &mut rest).await?;
            }
        }
    }

    /// Brings over what was found at one path.
    async fn take(
        &mut self,
        path: PathBuf,
        found: io::Result<OnHost>,
        rest: &mut Rest,
    ) -> Result<(), SyncError> {
        if self.folder_is_in_the_way(&path, &found).await? {
            return Ok(());
        }
        match found {
            Ok(OnHost::Absent) => rest.absent.push(path),
            Ok(OnHost::Changing) => rest.changing.push(path),
            Ok(OnHost::Special) => {}
            Ok(OnHost::Folder { mode }) => {
                rest.folders.push(path.clone());
                self.put_folder(path, mode).await?;
            }
            Ok(OnHost::Symlink(target)) => {
                let known = Known::Symlink(target.clone());
                let what = Operation::Write { bytes: 0 };
                let (root, name) = (self.tree.to.clone(), self.tree.inside(&path));
                let request = move || Request::Symlink {
                    root,
                    path: name,
                    target,
                };
                self.put(path, known, what, request).await?;
            }
            Ok(OnHost::Small {
                mode,
                content,
                hash,
            }) => {
                let what = Operation::Write {
                    bytes: content.len() as u64,
                };
                let (root, name) = (self.tree.to.clone(), self.tree.inside(&path));
                let request = move || Request::Write {
                    root,
                    path: name,
                    mode,
                    data: content,
                    last: true,
                };
                self.put(path, Known::File { hash, mode }, what, request)
                    .await?;
            }
            Ok(OnHost::Big(reading)) if reading.size() > LARGE => self.outcome.large.push(path),
            Ok(OnHost::Big(_)) => self.put_big(path, rest).await?,
            Err(error) => self.outcome.problems.push(Problem::of_host(&path, &error)),
        }
        Ok(())
    }

    /// A single file does not take the place of a folder: its name inside was left out.
    async fn folder_is_in_the_way(
        &mut self,
        path: &Path,
        found: &io::Result<OnHost>,
    ) -> Result<bool, SyncError> {
        let there = self.sent.get(path);
        if self.tree.file.is_none()
            || !matches!(
                found,
                Ok(OnHost::Small { .. } | OnHost::Big(_) | OnHost::Symlink(_))
            )
            || matches!(there, Some(Known::File { .. } | Known::Symlink(_)))
        {
            return Ok(false);
        }
        let name = self.tree.inside(path);
        let request = Request::Inspect {
            root: self.tree.to.clone(),
            paths: vec![name.clone()],
        };
        let answer = self.connection.send(&request).await?.await?;
        let is_folder =
            matches!(&answer, Response::Entries(entries) if entries.contains(&Entry::Folder));
        if is_folder {
            self.sent.remove(path);
            let message = format!(
                "{}/{} is a folder in the container: add the name of the file to `to`",
                self.tree.to.trim_end_matches('/'),
                String::from_utf8_lossy(&name)
            );
            self.outcome.problems.push(Problem::new(path, message));
        }
        Ok(is_folder)
    }

    async fn put_folder(&mut self, path: PathBuf, mode: u32) -> Result<(), SyncError> {
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        let root = self.tree.to.clone();
        let request = Request::Mkdir {
            root,
            path: self.tree.inside(&path),
            mode,
        };
        self.put(path, Known::Folder, Operation::Folder, || request)
            .await
    }

    /// Sends one request that puts something at a path, unless it is there already.
    async fn put(
        &mut self,
        path: PathBuf,
        known: Known,
        what: Operation,
        request: impl FnOnce() -> Request,
    ) -> Result<(), SyncError> {
        if self.sent.get(&path).as_ref() == Some(&known) {
            self.outcome.unchanged += 1;
            return Ok(());
        }
        self.tree.memory.comes(&self.tree.from.join(&path));
        let answer = self.connection.send(&request()).await?;
        self.under_way(path, Some(known), what, answer).await
    }

    /// Brings over the large files that were left, one after the other.
    pub(super) async fn bring_large(&mut self) -> Result<(), SyncError> {
        let mut rest = Rest::default();
        for path in mem::take(&mut self.outcome.large) {
            self.put_big(path, &mut rest).await?;
        }
        self.bring(rest.changing, Folders::Alone).await
    }

    async fn put_big(&mut self, path: PathBuf, rest: &mut Rest) -> Result<(), SyncError> {
        let there = self.sent.get(&path);
        match large::stream(self.connection, self.tree, &path, there.as_ref()).await? {
            Streamed::Unchanged => self.outcome.unchanged += 1,
            Streamed::Whole(whole) => {
                let (known, what) = (whole.known.clone(), whole.operation());
                self.tree.memory.comes(&self.tree.from.join(&path));
                let answer = whole.finish().await?;
                self.under_way(path, Some(known), what, answer).await?;
            }
            Streamed::Changing => rest.changing.push(path),
            Streamed::Failed(problem) => {
                self.undo(&path, there.is_some());
                self.outcome.problems.push(problem);
            }
        }
        Ok(())
    }

    /// Removes what came from the host at these paths and below them, the deepest first.
    async fn remove_with_content(&mut self, paths: &[PathBuf]) -> Result<(), SyncError> {
        if paths.is_empty() {
            return Ok(());
        }
        let from = self.tree.from.clone();
        // A source that is not there (a disk not mounted, a branch without it) empties nothing.
        if blocking(move || Ok(scan::is_absent(&from)))
            .await
            .unwrap_or(true)
        {
            let message = "is not there on the host, so nothing is removed in the container";
            let problem = Problem::new(Path::new(""), message);
            if !self.outcome.problems.contains(&problem) {
                self.outcome.problems.push(problem);
            }
            return Ok(());
        }
        let all: BTreeSet<PathBuf> = paths
            .iter()
            .flat_map(|path| self.sent.at_and_below(path))
            .collect();
        for path in all.into_iter().rev() {
            let is_folder = self.sent.get(&path) == Some(Known::Folder);
            self.remove(path, is_folder).await?;
        }
        Ok(())
    }

    pub(super) async fn remove(&mut self, path: PathBuf, is_folder: bool) -> Result<(), SyncError> {
        let request = Request::Remove {
            root: self.tree.to.clone(),
            path: self.tree.inside(&path),
        };
        let answer = self.connection.send(&request).await?;
        let what = if is_folder {
            Operation::RemoveFolder
        } else {
            Operation::Remove
        };
        self.under_way(path, None, what, answer).await
    }

    /// Notes an operation as if it were done already, so that no path is sent twice; `None` is
    /// that nothing will be there.
    async fn under_way(
        &mut self,
        path: PathBuf,
        becomes: Option<Known>,
        what: Operation,
        answer: Answer,
    ) -> Result<(), SyncError> {
        if matches!(what, Operation::Write { .. }) {
            // A folder that it replaces goes with all that was in it.
            for below in self
                .sent
                .at_and_below(&path)
                .into_iter()
                .skip_while(|it| *it == path)
            {
                self.sent.insert(&below, Known::Unsure);
            }
        }
        if becomes.is_some() {
            // What is no folder in the container makes room for one on the way.
            for above in path.ancestors().skip(1) {
                let there = self.sent.get(above);
                if matches!(there, Some(Known::File { .. } | Known::Symlink(_))) {
                    self.sent.insert(above, Known::Unsure);
                }
            }
        }
        let before = match becomes {
            Some(known) => self.sent.insert(&path, known),
            None => self.sent.remove(&path),
        };
        let was_there = before || matches!(what, Operation::Remove | Operation::RemoveFolder);
        self.under_way.push_back(UnderWay {
            path,
            what,
            answer,
            was_there,
        });
        self.settle(WINDOW).await
    }

    /// Takes answers until at most so many are to come.
    async fn settle(&mut self, at_most: usize) -> Result<(), SyncError> {
        while self.under_way.len() > at_most {
            // It stays in the queue while we wait, so that being dropped forgets nothing.
            let Some(first) = self.under_way.front_mut() else {
                break;
            };
            let response = (&mut first.answer).await?;
            let Some(one) = self.under_way.pop_front() else {
                break;
            };
            if response == Response::Done {
                self.done(one.path, one.what);
            } else {
                self.undo(&one.path, one.was_there);
                self.outcome.problems.push(problem_of(&one.path, response));
            }
        }
        Ok(())
    }

    fn done(&mut self, path: PathBuf, what: Operation) {
        if matches!(what, Operation::Remove | Operation::RemoveFolder) {
            self.tree.memory.is_gone(&self.tree.from.join(&path));
        }
        match what {
            Operation::Remove => self.outcome.removed += 1,
            Operation::RemoveFolder => return,
            Operation::Folder => {}
            Operation::Write { bytes } => {
                self.outcome.files += 1;
                self.outcome.bytes += bytes;
            }
        }
        self.outcome.changed.push(path);
    }

    /// What is there is not known any more; if the host's version was, some version of it is.
    fn undo(&mut self, path: &Path, was_there: bool) {
        if was_there {
            self.sent.insert(path, Known::Unsure);
        } else {
            self.sent.remove(path);
        }
    }
}

impl Drop for Transfer<'_> {
    /// Ended early: what was under way may have been done, and may not.
    fn drop(&mut self) {
        for one in mem::take(&mut self.under_way) {
            self.sent.insert(&one.path, Known::Unsure);
        }
    }
}

/// Those of the folders (sorted) that lie in no other one of them.
fn outermost(folders: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut tops: Vec<PathBuf> = Vec::new();
    for folder in folders {
        if !tops.last().is_some_and(|top| folder.starts_with(top)) {
            tops.push(folder);
        }
    }
    tops
}

pub(super) fn problem_of(path: &Path, refused: Response) -> Problem {
    match refused {
        Response::Refused {
            permission,
            message,
        } => Problem {
            path: path.to_owned(),
            message,
            permission,
        },
        other => Problem::new(path, format!("the agent answered {other:?}")),
    }
}

#[cfg(test)]
mod interleaved;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod troubled;
#[cfg(test)]
mod words;
