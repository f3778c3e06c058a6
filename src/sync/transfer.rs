//! Brings what changed on the host into the container, by looking at the host as it is now.

use std::collections::VecDeque;
use std::mem;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use devrun_wire::frames::{Request, Response};
use tokio::time::Instant;

use super::connection::{AgentConnection, Answer, SyncError};
use super::scan::{self, Known, OnHost, PIECE, Reading, Tree, blocking};
use super::{Problem, Sent, SyncOutcome};

/// Requests without an answer at a time.
const WINDOW: usize = 64;
/// Editors rename a file away and write a new one: how long until absence is believed.
const SECOND_LOOK: Duration = Duration::from_millis(20);
/// How often a file that changes while it is read is looked at.
const LOOKS: usize = 6;

/// Brings these paths (relative to the source) over. What is absent on the host is removed, if
/// it came from there; a folder comes with all in it that the filter lets through.
pub(crate) async fn apply(
    connection: &AgentConnection,
    tree: &Tree,
    sent: &mut Sent,
    mut paths: Vec<PathBuf>,
) -> Result<SyncOutcome, SyncError> {
    paths.sort();
    paths.dedup();
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

/// A path that has to be looked at again.
#[derive(Debug, PartialEq, Eq)]
struct Later {
    path: PathBuf,
    /// It was not there; else it changed while it was read.
    absent: bool,
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
enum Operation {
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
        }
    }

    /// All answers are in.
    pub(super) async fn end(mut self) -> Result<SyncOutcome, SyncError> {
        self.settle(0).await?;
        Ok(mem::take(&mut self.outcome))
    }

    /// Brings paths over as they are now, and looks again at those that seem to be in motion.
    pub(super) async fn bring(
        &mut self,
        paths: Vec<PathBuf>,
        folders: Folders,
    ) -> Result<(), SyncError> {
        let mut later = Vec::new();
        for path in paths {
            self.visit(path, folders, &mut later).await?;
        }
        for _ in 1..LOOKS {
            if later.is_empty() {
                return Ok(());
            }
            tokio::time::sleep_until(Instant::now() + SECOND_LOOK).await;
            for before in mem::take(&mut later) {
                let path = before.path.clone();
                self.visit(path, folders, &mut later).await?;
                // Absent twice is absent.
                if before.absent && later.last() == Some(&before) {
                    later.pop();
                    self.remove_with_content(&before.path).await?;
                }
            }
        }
        for one in later {
            let message = "keeps changing while it is read; it is sent when it is saved again";
            self.outcome.problems.push(Problem::new(&one.path, message));
        }
        Ok(())
    }

    async fn visit(
        &mut self,
        path: PathBuf,
        folders: Folders,
        later: &mut Vec<Later>,
    ) -> Result<(), SyncError> {
        let is_folder = self.visit_alone(path.clone(), later).await?;
        if !is_folder || folders == Folders::Alone {
            return Ok(());
        }
        let (tree, below) = (self.tree.clone(), path.clone());
        let known = self.sent.at_and_below(&path);
        let listed = blocking(move || {
            let (found, problems) = scan::list(&tree, &below);
            let gone = known
                .into_iter()
                .filter(|path| scan::is_absent(&tree.from.join(path)));
            Ok((found, problems, gone.collect::<Vec<_>>()))
        });
        match listed.await {
            Ok((found, problems, gone)) => {
                self.outcome.problems.extend(problems);
                later.extend(gone.into_iter().map(|path| Later { path, absent: true }));
                for path in found {
                    self.visit_alone(path, later).await?;
                }
            }
            Err(error) => self.outcome.problems.push(Problem::of_host(&path, &error)),
        }
        Ok(())
    }

    /// Brings one path over; whether it is a folder.
    async fn visit_alone(
        &mut self,
        path: PathBuf,
        later: &mut Vec<Later>,
    ) -> Result<bool, SyncError> {
        let absolute = self.tree.from.join(&path);
        let found = blocking(move || scan::look(&absolute)).await;
        match found {
            Ok(OnHost::Absent) => later.push(Later { path, absent: true }),
            Ok(OnHost::Changing) => later.push(Later {
                path,
                absent: false,
            }),
            Ok(OnHost::Special) => {}
            Ok(OnHost::Folder { mode }) => {
                self.put_folder(path, mode).await?;
                return Ok(true);
            }
            Ok(OnHost::Symlink(target)) => {
                let request = Request::Symlink {
                    root: self.tree.to.clone(),
                    path: bytes_of(&path),
                    target: target.clone(),
                };
                let what = Operation::Write { bytes: 0 };
                self.put(path, Known::Symlink(target), what, &request)
                    .await?;
            }
            Ok(OnHost::Small {
                mode,
                content,
                hash,
            }) => {
                let what = Operation::Write {
                    bytes: content.len() as u64,
                };
                let request = self.piece(&path, mode, content, true);
                self.put(path, Known::File { hash, mode }, what, &request)
                    .await?;
            }
            Ok(OnHost::Big(reading)) => self.put_big(path, reading, later).await?,
            Err(error) => self.outcome.problems.push(Problem::of_host(&path, &error)),
        }
        Ok(false)
    }

    async fn put_folder(&mut self, path: PathBuf, mode: u32) -> Result<(), SyncError> {
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        let root = self.tree.to.clone();
        let request = Request::Mkdir {
            root,
            path: bytes_of(&path),
            mode,
        };
        self.put(path, Known::Folder, Operation::Folder, &request)
            .await
    }

    /// Sends one request that puts something at a path, unless it is there already.
    async fn put(
        &mut self,
        path: PathBuf,
        known: Known,
        what: Operation,
        request: &Request,
    ) -> Result<(), SyncError> {
        if self.sent.0.get(&path) == Some(&known) {
            self.outcome.unchanged += 1;
            return Ok(());
        }
        let answer = self.connection.send(request).await?;
        self.under_way(path, Some(known), what, answer).await
    }

    async fn put_big(
        &mut self,
        path: PathBuf,
        reading: Reading,
        later: &mut Vec<Later>,
    ) -> Result<(), SyncError> {
        if let Some(sent @ Known::File { .. }) = self.sent.0.get(&path) {
            let absolute = self.tree.from.join(&path);
            let known = blocking(move || scan::know(&absolute)).await;
            if known.is_ok_and(|known| known == *sent) {
                self.outcome.unchanged += 1;
                return Ok(());
            }
        }
        match self.stream(&path, reading).await? {
            Streamed::Sent(known, what, answer) => {
                self.under_way(path, Some(known), what, answer).await?;
            }
            Streamed::Changing => later.push(Later {
                path,
                absent: false,
            }),
            Streamed::Failed(problem) => {
                self.undo(&path, self.sent.0.contains_key(&path));
                self.outcome.problems.push(problem);
            }
        }
        Ok(())
    }

    /// Sends a file piece by piece. On any way out but the good one the pieces are dropped,
    /// which takes them back.
    async fn stream(&self, path: &Path, mut reading: Reading) -> Result<Streamed, SyncError> {
        let mode = reading.mode();
        let mut pieces = self.connection.pieces()?;
        loop {
            let read = blocking(move || {
                let data = reading.piece()?;
                let last = data.len() < PIECE;
                let torn = last && !reading.is_whole()?;
                Ok((reading, data, last, torn))
            });
            let (data, last, torn);
            (reading, data, last, torn) = match read.await {
                Ok(read) => read,
                Err(error) => return Ok(Streamed::Failed(Problem::of_host(path, &error))),
            };
            if torn {
                return Ok(Streamed::Changing);
            }
            let piece = self.piece(path, mode, data, last);
            if last {
                let known = Known::File {
                    hash: reading.hash(),
                    mode,
                };
                let what = Operation::Write {
                    bytes: reading.bytes(),
                };
                return Ok(Streamed::Sent(known, what, pieces.finish(&piece).await?));
            }
            if let Some(refused) = pieces.send(&piece).await? {
                return Ok(Streamed::Failed(problem_of(path, refused)));
            }
        }
    }

    fn piece(&self, path: &Path, mode: u32, data: Vec<u8>, last: bool) -> Request {
        Request::Write {
            root: self.tree.to.clone(),
            path: bytes_of(path),
            mode,
            data,
            last,
        }
    }

    /// Removes what came from the host at this path and below it, the deepest first.
    async fn remove_with_content(&mut self, path: &Path) -> Result<(), SyncError> {
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
        for path in self.sent.at_and_below(path).into_iter().rev() {
            let is_folder = self.sent.0.get(&path) == Some(&Known::Folder);
            self.remove(path, is_folder).await?;
        }
        Ok(())
    }

    pub(super) async fn remove(&mut self, path: PathBuf, is_folder: bool) -> Result<(), SyncError> {
        let request = Request::Remove {
            root: self.tree.to.clone(),
            path: bytes_of(&path),
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
        let before = match becomes {
            Some(known) => self.sent.0.insert(path.clone(), known),
            None => self.sent.0.remove(&path),
        };
        let was_there =
            before.is_some() || matches!(what, Operation::Remove | Operation::RemoveFolder);
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
            self.sent.0.insert(path.to_owned(), Known::Unsure);
        } else {
            self.sent.0.remove(path);
        }
    }
}

impl Drop for Transfer<'_> {
    /// Ended early: what was under way may have been done, and may not.
    fn drop(&mut self) {
        for one in mem::take(&mut self.under_way) {
            self.sent.0.insert(one.path, Known::Unsure);
        }
    }
}

enum Streamed {
    Sent(Known, Operation, Answer),
    Changing,
    Failed(Problem),
}

pub(super) fn bytes_of(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
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
mod tests;
