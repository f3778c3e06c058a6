//! `mirror`: what takes part and is not on the host goes from the container, whoever made it.

use std::path::{Path, PathBuf};

use devrun_wire::frames::Kind;

use super::connection::{AgentConnection, SyncError};
use super::inside::{self, Inside};
use super::scan::{self, Tree, blocking};
use super::transfer::Transfer;
use super::{Problem, Sent, SyncOutcome};

/// Removes what the host does not have. What the tree's filter leaves alone stays, and so do
/// mounts, sockets and what is `kept`.
pub(crate) async fn sweep(
    connection: &AgentConnection,
    tree: &Tree,
    sent: &mut Sent,
    kept: impl Fn(&Path) -> bool,
) -> Result<SyncOutcome, SyncError> {
    let filter = &tree.filter;
    let root = vec![PathBuf::new()];
    let listed = inside::list(connection, &tree.to, root, |folder| filter(folder, true));
    let (found, problems) = listed.await?;
    let surplus = candidates(found, |path, is_dir| {
        let ours = match is_dir {
            true => (tree.makes)(path),
            false => filter(path, false),
        };
        ours && !kept(path)
    });
    let from = tree.from.clone();
    let absent = blocking(move || {
        // A source that is not there (a disk not mounted, a branch without it) empties nothing.
        let surplus = surplus.into_iter();
        Ok(match scan::is_absent(&from) {
            true => Vec::new(),
            false => surplus
                .filter(|(path, _)| scan::is_absent(&from.join(path)))
                .collect(),
        })
    });
    let mut transfer = Transfer::new(connection, tree, sent);
    transfer.outcome.problems = problems;
    match absent.await {
        Ok(absent) => {
            // The deepest first: a folder goes when nothing is left in it.
            for (path, is_folder) in absent.into_iter().rev() {
                transfer.remove(path, is_folder).await?;
            }
        }
        Err(error) => {
            let problem = Problem::of_host(Path::new(""), &error);
            transfer.outcome.problems.push(problem);
        }
    }
    transfer.end().await
}

/// What may go, sorted, folders before what is in them; true for folders.
fn candidates(
    found: Vec<Inside>,
    takes_part: impl Fn(&Path, bool) -> bool,
) -> Vec<(PathBuf, bool)> {
    let mut all: Vec<(PathBuf, bool)> = found
        .into_iter()
        .filter_map(|one| match one.kind {
            Kind::File | Kind::Symlink => Some((one.path, false)),
            Kind::Folder => Some((one.path, true)),
            Kind::Mount | Kind::Other => None,
        })
        .filter(|(path, is_dir)| takes_part(path, *is_dir))
        .collect();
    all.sort();
    all
}

#[cfg(test)]
mod tests;
