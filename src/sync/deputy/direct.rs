//! Batches in images without a shell: the archive call writes in place. It follows links, so each
//! folder on the way is looked at before; it cannot remove.

use std::collections::BTreeSet;
use std::path::Path;

use super::batch::{Batch, Op, What};
use super::shell::{Ends, local, of_tmpfs};
use super::{Facts, Look, Remote, RemoteError};

const NO_SHELL: &str = "stays in the container, because neither an agent nor a shell runs there \
                        to remove it; it goes with the container: `devrun up --recreate`";

/// Does a batch, and where the whole of it does not go, one by one.
pub(super) async fn perform(
    remote: &impl Remote,
    facts: &Facts,
    batch: &mut Batch,
) -> Result<Ends, RemoteError> {
    let mut ends = Ends::new();
    if facts.is_on_tmpfs(&batch.root) {
        let reason = of_tmpfs(&batch.root, "and there is no shell in the image");
        let refused = batch.ops.iter().map(|op| (op.number, Err(reason.clone())));
        return Ok(refused.collect());
    }
    let mut links = BTreeSet::new();
    for op in &batch.ops {
        let mut reason = in_the_way(facts, &batch.root, op);
        if reason.is_none() && op.what == What::Gone {
            reason = is_there(remote, &batch.root, op).await?;
        }
        if reason.is_none() && op.what != What::Gone {
            reason = leads_out(remote, batch, op, &mut links).await?;
        }
        if let Some(reason) = reason {
            ends.insert(op.number, Err(reason));
        }
    }
    let ops = batch.ops.clone();
    let allowed: Vec<&Op> = ops
        .iter()
        .filter(|op| !ends.contains_key(&op.number))
        .collect();
    let whole = upload(remote, batch, &allowed).await?;
    for op in &allowed {
        let end = match &whole {
            Ok(()) => Ok(()),
            Err(reason) if allowed.len() == 1 => Err(reason.clone()),
            // Which one it was nobody says.
            Err(_) => upload(remote, batch, &[op]).await?,
        };
        ends.insert(op.number, end);
    }
    Ok(ends)
}

/// Uploads some of it; why not, if so.
async fn upload(
    remote: &impl Remote,
    batch: &mut Batch,
    ops: &[&Op],
) -> Result<Result<(), String>, RemoteError> {
    let Some(tar) = batch.tar_of(ops).map_err(|error| local(&error))? else {
        return Ok(Ok(()));
    };
    let first = match remote.upload(&batch.root, tar).await {
        Err(error) if error.over => return Err(error),
        Err(error) => error.message,
        Ok(()) => return Ok(Ok(())),
    };
    if remote.look(batch.root.as_bytes()).await? != Look::Absent {
        return Ok(Err(first));
    }
    make_root(remote, batch).await?;
    let Some(tar) = batch.tar_of(ops).map_err(|error| local(&error))? else {
        return Ok(Ok(()));
    };
    match remote.upload(&batch.root, tar).await {
        Err(error) if error.over => Err(error),
        other => Ok(other.map_err(|error| error.message)),
    }
}

/// Makes the target, in the nearest folder that is there, whose own mode stays as it is.
async fn make_root(remote: &impl Remote, batch: &Batch) -> Result<(), RemoteError> {
    let root = Path::new(&batch.root);
    let mut there = root.parent();
    while let Some(folder) = there {
        if remote.look(folder.as_os_str().as_encoded_bytes()).await? != Look::Absent {
            break;
        }
        there = folder.parent();
    }
    let there = there.unwrap_or(Path::new("/"));
    let missing = root.strip_prefix(there).unwrap_or(root);
    let tar = batch.folders(missing).map_err(|error| local(&error))?;
    match remote.upload(&there.to_string_lossy(), tar).await {
        Err(error) if error.over => Err(error),
        // The next upload says why.
        _ => Ok(()),
    }
}

/// Whether something is mounted where a file is to be.
pub(super) fn in_the_way(facts: &Facts, root: &str, op: &Op) -> Option<String> {
    if !matches!(op.what, What::File { .. } | What::Link) {
        return None;
    }
    let path = absolute(root, &op.path);
    let mount = facts.mounted_below(&String::from_utf8_lossy(&path))?;
    Some(format!("{mount} is mounted there: sync cannot replace it"))
}

async fn is_there(
    remote: &impl Remote,
    root: &str,
    op: &Op,
) -> Result<Option<String>, RemoteError> {
    Ok(match remote.look(&absolute(root, &op.path)).await? {
        Look::Absent => None,
        // A folder that the container still uses would stay anyway.
        Look::Folder => None,
        _ => Some(NO_SHELL.to_owned()),
    })
}

/// Whether a link on the way leads out of the target.
async fn leads_out(
    remote: &impl Remote,
    batch: &Batch,
    op: &Op,
    checked: &mut BTreeSet<Vec<u8>>,
) -> Result<Option<String>, RemoteError> {
    let ends = op
        .path
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'/');
    for (end, _) in ends {
        let folder = op.path.get(..end).unwrap_or_default();
        if !checked.insert(folder.to_vec()) {
            continue;
        }
        let path = absolute(&batch.root, folder);
        match remote.look(&path).await? {
            Look::Link(to) if !super::is_at_or_below(&to, &batch.root) => {
                checked.remove(folder);
                let path = String::from_utf8_lossy(&path);
                return Ok(Some(format!(
                    "{path}: is a symlink out of {} (to {to}); remove it, or ignore this path in `sync`",
                    batch.root
                )));
            }
            Look::Absent => return Ok(None),
            _ => {}
        }
    }
    Ok(None)
}

pub(super) fn absolute(root: &str, path: &[u8]) -> Vec<u8> {
    let mut whole = root.trim_end_matches('/').as_bytes().to_vec();
    if !path.is_empty() {
        whole.push(b'/');
        whole.extend_from_slice(path);
    }
    whole
}
