//! Makes what a target holds of the host equal to the host, and touches nothing else.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use devrun_wire::frames::{Entry, Request, Response};

use super::connection::{AgentConnection, Answer, SyncError};
use super::scan::{self, Known, Tree, blocking};
use super::stock::{self, BATCH, Stock};
use super::transfer::{Folders, Transfer, problem_of};
use super::{Problem, Sent, SyncOutcome};

/// Is told of paths before they are changed in the container.
pub(crate) type Before<'b> = dyn Fn(&[PathBuf]) + Send + Sync + 'b;

/// Compares all that takes part with the container, writes what differs, and removes those of
/// `extra` (what is known to have come from the host, in an image or an earlier session, besides
/// the listed paths that it is given, sorted) and of `sent` that the host does not have any more.
/// Afterwards `sent` is what is there. `before` hears of what is about to be changed, relative to
/// the source. `stock` is of the same tree.
pub(crate) async fn reconcile(
    connection: &AgentConnection,
    (tree, mut stock): (&Tree, Stock),
    sent: &mut Sent,
    extra: impl FnOnce(&[PathBuf]) -> Vec<PathBuf> + Send + 'static,
    before: &Before<'_>,
) -> Result<SyncOutcome, SyncError> {
    let known: Vec<PathBuf> = sent.paths().collect();
    connection.say_owner(tree).await?;
    let mut transfer = Transfer::new(connection, tree, sent);
    let (found, problems) = match stock.listed().await {
        Ok(listed) => listed,
        Err(error) => {
            let problem = Problem::of_host(Path::new(""), &error);
            transfer.outcome.problems.push(problem);
            return transfer.end().await;
        }
    };
    transfer.outcome.problems.extend(problems);
    let (host, listed) = (tree.clone(), Arc::clone(&found));
    let gone = blocking(move || {
        let from_is_there = !scan::is_absent(&host.from);
        let mut ours = stock::besides(&listed, extra, known);
        ours.retain(|path| from_is_there && scan::is_absent(&host.from.join(path)));
        let mut folders = scan::gone_with(&host, &ours);
        for path in &ours {
            folders.remove(path);
        }
        ours.extend(folders.iter().cloned());
        ours.sort();
        Ok((ours, folders))
    });
    // What cannot be found out stays.
    let (gone, folders) = gone.await.unwrap_or_default();
    remove(&mut transfer, &gone, &folders, before).await?;
    // The agent hashes the next batch while this one is compared and sent.
    let mut batches = found.chunks(BATCH);
    let mut next = ask(connection, tree, batches.next()).await?;
    while let Some((paths, answer)) = next {
        next = ask(connection, tree, batches.next()).await?;
        let host = stock.next().await;
        compare(&mut transfer, (paths, host), answer, (Unread::Left, before)).await?;
    }
    transfer.bring_large().await?;
    transfer.end().await
}

/// Removes those of the paths, which are no longer on the host, that are in the container. The
/// `folders` among them were no more than the way to others.
async fn remove(
    transfer: &mut Transfer<'_>,
    gone: &[PathBuf],
    folders: &BTreeSet<PathBuf>,
    before: &Before<'_>,
) -> Result<(), SyncError> {
    let mut there = Vec::new();
    for batch in gone.chunks(BATCH) {
        let Some((paths, answer)) = ask(transfer.connection, transfer.tree, Some(batch)).await?
        else {
            break;
        };
        let Some(entries) = entries(transfer, paths.len(), answer).await? else {
            return Ok(());
        };
        for (path, entry) in paths.iter().zip(entries) {
            match entry {
                Entry::Folder => there.push((path.clone(), true)),
                Entry::File { .. } | Entry::Symlink(_) if !folders.contains(path) => {
                    there.push((path.clone(), false));
                }
                // What else is there now did not come from the host.
                _ => {
                    transfer.sent.remove(path);
                }
            }
        }
    }
    let paths: Vec<PathBuf> = there.iter().map(|(path, _)| path.clone()).collect();
    before(&paths);
    for (path, is_folder) in there.into_iter().rev() {
        transfer.remove(path, is_folder).await?;
    }
    Ok(())
}

/// Why an agent is not asked any more that answers about fewer paths, or more.
pub(super) const SHORT: &str = "its answer is not about all that it was asked";

/// The answer to [`ask`]; a refusal of the whole is a problem of the whole.
async fn entries(
    transfer: &mut Transfer<'_>,
    asked: usize,
    answer: Answer,
) -> Result<Option<Vec<Entry>>, SyncError> {
    match answer.await? {
        Response::Entries(entries) if entries.len() == asked => Ok(Some(entries)),
        // Paths of which nothing is said would pass for equal.
        Response::Entries(_) => Err(SyncError::Gone(SHORT.to_owned())),
        refused => {
            transfer
                .outcome
                .problems
                .push(problem_of(Path::new(""), refused));
            Ok(None)
        }
    }
}

async fn ask<'p>(
    connection: &AgentConnection,
    tree: &Tree,
    batch: Option<&'p [PathBuf]>,
) -> Result<Option<(&'p [PathBuf], Answer)>, SyncError> {
    let Some(paths) = batch else { return Ok(None) };
    let request = Request::Inspect {
        root: tree.to.clone(),
        paths: paths.iter().map(|path| tree.inside(path)).collect(),
    };
    Ok(Some((paths, connection.send(&request).await?)))
}

/// What becomes of a file that could not be read inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unread {
    /// It is named, for somebody who may read it.
    Left,
    /// It is sent: nobody may.
    Sent,
}

/// Compares those that the first agent's user could not read, and brings over what differs.
pub(crate) async fn compare_again(
    connection: &AgentConnection,
    tree: &Tree,
    sent: &mut Sent,
    paths: &[PathBuf],
    before: &Before<'_>,
) -> Result<SyncOutcome, SyncError> {
    connection.say_owner(tree).await?;
    let mut transfer = Transfer::new(connection, tree, sent);
    for batch in paths.chunks(BATCH) {
        if let Some((paths, answer)) = ask(connection, tree, Some(batch)).await? {
            let (tree, looked_at) = (tree.clone(), paths.to_vec());
            let host = blocking(move || {
                let known = looked_at.iter().map(|path| tree.know(path));
                Ok(known.map(|known| known.unwrap_or(Known::Unsure)).collect())
            });
            let host = host.await.unwrap_or_default();
            compare(&mut transfer, (paths, host), answer, (Unread::Sent, before)).await?;
        }
    }
    transfer.bring_large().await?;
    transfer.end().await
}

async fn compare(
    transfer: &mut Transfer<'_>,
    (paths, host): (&[PathBuf], Vec<Known>),
    answer: Answer,
    (unread, before): (Unread, &Before<'_>),
) -> Result<(), SyncError> {
    let Some(entries) = entries(transfer, paths.len(), answer).await? else {
        return Ok(());
    };
    let mut differing = Vec::new();
    let mut in_the_way = Vec::new();
    // What nobody looked at is not equal.
    let host = host.into_iter().chain(std::iter::repeat(Known::Unsure));
    for ((path, known), entry) in paths.iter().zip(host).zip(entries) {
        if is_equal(&known, &entry) {
            transfer.outcome.unchanged += 1;
            transfer.sent.insert(path, known);
        } else {
            if entry == Entry::Absent {
                transfer.sent.remove(path);
            } else {
                // The host has this path, so what is there is the host's to replace or remove.
                transfer.sent.insert(path, Known::Unsure);
            }
            let is_file = matches!(known, Known::File { .. });
            if unread == Unread::Left && is_file && entry == Entry::Other {
                transfer.outcome.unreadable.push(path.clone());
                continue;
            }
            if known == Known::Folder && leads_out(transfer.tree, path, &entry) {
                in_the_way.push(path.clone());
            }
            differing.push(path.clone());
        }
    }
    before(&differing);
    for link in in_the_way {
        transfer.remove(link, false).await?;
    }
    transfer.bring(differing, Folders::Alone).await
}

/// Whether it is a link out of the target. The agent goes through none, so that nothing could ever
/// be brought below it; one that leads to a place of the target is as good as a folder.
fn leads_out(tree: &Tree, path: &Path, entry: &Entry) -> bool {
    let Entry::Symlink(link) = entry else {
        return false;
    };
    let target = Path::new(&tree.to);
    let beside = target.join(path);
    let mut at = beside.parent().unwrap_or(target).to_path_buf();
    for part in Path::new(OsStr::from_bytes(link)).components() {
        match part {
            Component::ParentDir => {
                at.pop();
            }
            Component::CurDir => {}
            part => at.push(part),
        }
    }
    !at.starts_with(target)
}

pub(super) fn is_equal(known: &Known, entry: &Entry) -> bool {
    match (known, entry) {
        (
            Known::File { hash, mode },
            Entry::File {
                hash: other,
                mode: other_mode,
                ..
            },
        ) => hash == other && mode == other_mode,
        (Known::Folder, Entry::Folder) => true,
        (Known::Symlink(target), Entry::Symlink(other)) => target == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
