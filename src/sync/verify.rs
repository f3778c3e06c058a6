//! What differs between host and container, without changing anything.

use std::path::{Path, PathBuf};

use devrun_wire::frames::{Entry, Request, Response};

use super::connection::{AgentConnection, SyncError};
use super::reconcile::SHORT;
use super::scan::{self, Known, Tree, blocking};
use super::stock::{self, BATCH};
use super::transfer::problem_of;
use super::{Problem, Sent};

/// How one path differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Differs {
    /// It is not in the container.
    Missing,
    /// It is something else there, or has another content.
    Content,
    /// Only its permission bits are others.
    Mode,
    /// The host does not have it any more, and it came from there.
    Extra,
}

impl Differs {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Differs::Missing => "missing",
            Differs::Content => "differs",
            Differs::Mode => "mode",
            Differs::Extra => "extra",
        }
    }
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Verified {
    /// Paths that were compared.
    pub(crate) compared: usize,
    /// Those that differ, relative to the source, sorted.
    pub(crate) differences: Vec<(PathBuf, Differs)>,
    /// What could not be compared.
    pub(crate) problems: Vec<Problem>,
}

/// Compares all that takes part with the container; `extra` adds to what is listed (sorted) the
/// paths known to have come from the host at some time.
pub(crate) async fn verify(
    connection: &AgentConnection,
    tree: &Tree,
    sent: &Sent,
    extra: impl FnOnce(&[PathBuf]) -> Vec<PathBuf> + Send + 'static,
) -> Result<Verified, SyncError> {
    connection.say_owner(tree).await?;
    let mut verified = Verified::default();
    let known: Vec<PathBuf> = sent.paths().collect();
    let host = tree.clone();
    let listed = blocking(move || {
        let (found, problems) = scan::list(&host, Path::new(""));
        let mut gone = stock::besides(&found, extra, known);
        gone.retain(|path| scan::is_absent(&host.from.join(path)));
        Ok((found, problems, gone))
    });
    let (found, unlisted, gone) = match listed.await {
        Ok(listed) => listed,
        Err(error) => {
            let problem = Problem::of_host(Path::new(""), &error);
            verified.problems.push(problem);
            return Ok(verified);
        }
    };
    let paths: Vec<PathBuf> = found.into_iter().chain(gone).collect();
    look(connection, tree, &paths, &mut verified).await?;
    verified.problems = unlisted;
    // What was saved while we looked may be live by now.
    again(connection, tree, &mut verified).await?;
    Ok(verified)
}

/// Looks again at what differs, perhaps by another agent.
pub(crate) async fn again(
    connection: &AgentConnection,
    tree: &Tree,
    verified: &mut Verified,
) -> Result<(), SyncError> {
    connection.say_owner(tree).await?;
    let doubtful: Vec<PathBuf> = verified
        .differences
        .drain(..)
        .map(|(path, _)| path)
        .collect();
    let compared = verified.compared;
    look(connection, tree, &doubtful, verified).await?;
    verified.compared = compared;
    verified.differences.sort();
    Ok(())
}

async fn look(
    connection: &AgentConnection,
    tree: &Tree,
    paths: &[PathBuf],
    verified: &mut Verified,
) -> Result<(), SyncError> {
    for batch in paths.chunks(BATCH) {
        let request = Request::Inspect {
            root: tree.to.clone(),
            paths: batch.iter().map(|path| tree.inside(path)).collect(),
        };
        let answer = connection.send(&request).await?;
        let (host, looked_at) = (tree.clone(), batch.to_vec());
        let host = blocking(move || {
            let looked = looked_at.iter().map(|path| on_host(&host, path));
            Ok(looked.collect::<Vec<_>>())
        });
        let (host, answer) = tokio::join!(host, answer);
        let entries = match answer? {
            Response::Entries(entries) if entries.len() == batch.len() => entries,
            Response::Entries(_) => return Err(SyncError::Gone(SHORT.to_owned())),
            refused => {
                let problem = problem_of(Path::new(""), refused);
                verified.problems.push(problem);
                return Ok(());
            }
        };
        verified.compared += batch.len();
        for ((path, host), entry) in batch.iter().zip(host.unwrap_or_default()).zip(entries) {
            let differs = match host {
                Ok(host) => difference(host.as_ref(), &entry),
                Err(problem) => {
                    verified.problems.push(Problem::new(path, problem));
                    None
                }
            };
            verified
                .differences
                .extend(differs.map(|kind| (path.clone(), kind)));
        }
    }
    Ok(())
}

/// What the host has; `None` where it has nothing. Blocks.
fn on_host(tree: &Tree, path: &Path) -> Result<Option<Known>, String> {
    match tree.know(path) {
        Ok(Known::Unsure) if scan::is_absent(&tree.from.join(path)) => Ok(None),
        Ok(Known::Unsure) => Err("changes while it is read on the host".to_owned()),
        Ok(known) => Ok(Some(known)),
        Err(error) => Err(format!("cannot be read on the host: {error}")),
    }
}

fn difference(host: Option<&Known>, entry: &Entry) -> Option<Differs> {
    match (host, entry) {
        (None, Entry::Absent | Entry::Other) => None,
        (None, _) => Some(Differs::Extra),
        (Some(_), Entry::Absent) => Some(Differs::Missing),
        (
            Some(Known::File { hash, mode }),
            Entry::File {
                hash: theirs,
                mode: other,
                ..
            },
        ) => match hash == theirs {
            true => (mode != other).then_some(Differs::Mode),
            false => Some(Differs::Content),
        },
        (Some(Known::Folder), Entry::Folder) => None,
        (Some(Known::Symlink(host)), Entry::Symlink(theirs)) if host == theirs => None,
        _ => Some(Differs::Content),
    }
}

#[cfg(test)]
mod tests;
