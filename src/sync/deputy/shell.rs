//! Batches in images that have a shell: laid down beside the target, renamed by the shell.

use std::collections::BTreeMap;
use std::fs::File;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::batch::{Batch, Op};
use super::script::{self, Run, Said};
use super::{Facts, Output, Remote, RemoteError};

/// More than the answers to a full batch.
const ANSWERS: u64 = 16 << 20;
const ROOT: &str = "0";

/// How each operation of a batch ended, by number.
pub(super) type Ends = BTreeMap<u32, Result<(), String>>;

/// The image's own shell, and as whom it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shell {
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
}

/// Looks for a shell.
pub(super) async fn find(remote: &impl Remote) -> Result<Option<Shell>, RemoteError> {
    let lines = b"echo shell\nid -u 2>/dev/null || echo -\nid -g 2>/dev/null || echo -\n";
    let output = match run(remote, lines.to_vec(), None).await {
        Ok(output) => output,
        Err(error) if error.over => return Err(error),
        Err(_) => return Ok(None),
    };
    let text = String::from_utf8_lossy(&output);
    let mut lines = text.lines();
    if lines.next() != Some("shell") {
        return Ok(None);
    }
    let mut number = || lines.next().and_then(|line| line.trim().parse().ok());
    Ok(Some(Shell {
        uid: number(),
        gid: number(),
    }))
}

/// Does a batch as the container's user, and what that one may not as root.
pub(super) async fn perform(
    remote: &impl Remote,
    shell: Shell,
    facts: &Facts,
    batch: &mut Batch,
) -> Result<Ends, RemoteError> {
    let (ops, mut ends) = allowed(facts, batch);
    let user = batch.as_root.then_some(ROOT);
    let is_root = shell.uid == Some(0) || user.is_some();
    let mut laid = lay(remote, facts, batch, user).await?;
    let first = Run {
        gives: user.is_some(),
        upload: laid.as_deref(),
        keep: !is_root,
    };
    let lines = script::of(batch, &ops.iter().collect::<Vec<_>>(), &first);
    let said = script::said(&run(remote, lines, user).await?);
    // A user who may write in a folder below the target need not be allowed to in the target.
    let left = said.left;
    let refused = take(&mut ends, &ops, said);
    if is_root || (refused.is_empty() && !left) {
        return Ok(ends);
    }
    if !refused.is_empty() && facts.is_on_tmpfs(&batch.root) {
        laid = lay(remote, facts, batch, Some(ROOT)).await?;
    }
    let second = Run {
        gives: true,
        upload: laid.as_deref(),
        keep: false,
    };
    let lines = script::of(batch, &refused, &second);
    let said = match run(remote, lines, Some(ROOT)).await {
        Ok(output) => script::said(&output),
        Err(error) if error.over => return Err(error),
        // Nobody is root here: what the first one said is the reason.
        Err(_) => Said::default(),
    };
    if said.left || !said.whole {
        // Root without root's rights: only its owner can remove what was laid down.
        let last = Run {
            gives: false,
            upload: None,
            keep: false,
        };
        run(remote, script::of(batch, &[], &last), None).await?;
    }
    // What the first one said of a refusal is the better reason.
    let mended = said.ops.into_iter().filter(|(_, end)| end.is_ok());
    ends.extend(mended);
    Ok(ends)
}

/// What may be tried; what lies where something is mounted may not.
fn allowed(facts: &Facts, batch: &Batch) -> (Vec<Op>, Ends) {
    let mut ends = Ends::new();
    let mut ops = batch.ops.clone();
    ops.retain(
        |op| match super::direct::in_the_way(facts, &batch.root, op) {
            Some(reason) => {
                ends.insert(op.number, Err(reason));
                false
            }
            None => true,
        },
    );
    (ops, ends)
}

/// Notes the answers; the operations that were refused.
fn take<'o>(ends: &mut Ends, ops: impl IntoIterator<Item = &'o Op>, said: Said) -> Vec<&'o Op> {
    let mut answers: BTreeMap<u32, Result<(), String>> = said.ops.into_iter().collect();
    let mut refused = Vec::new();
    for op in ops {
        let end = answers
            .remove(&op.number)
            .unwrap_or_else(|| Err("the shell in the container ended early".to_owned()));
        if end.is_err() {
            refused.push(op);
        }
        ends.insert(op.number, end);
    }
    refused
}

/// Lays the batch's files down below the target; why not, if so. What arrived all the same is
/// looked at by the lines that follow.
async fn lay(
    remote: &impl Remote,
    facts: &Facts,
    batch: &mut Batch,
    user: Option<&str>,
) -> Result<Option<String>, RemoteError> {
    let ops = batch.ops.clone();
    let ops: Vec<&Op> = ops.iter().collect();
    let Some(tar) = batch.tar_of(&ops).map_err(|error| local(&error))? else {
        return Ok(None);
    };
    if facts.is_on_tmpfs(&batch.root) {
        return unpack(remote, &batch.root, tar, user).await;
    }
    match remote.upload(&batch.root, tar).await {
        Ok(()) => return Ok(None),
        Err(error) if error.over => return Err(error),
        Err(error) if is_there(remote, batch).await? => return Ok(Some(error.message)),
        Err(_) => {}
    }
    // The target was not there; now it is, or nobody may make it.
    let Some(tar) = batch.tar_of(&ops).map_err(|error| local(&error))? else {
        return Ok(None);
    };
    match remote.upload(&batch.root, tar).await {
        Err(error) if error.over => Err(error),
        other => Ok(other.err().map(|error| error.message)),
    }
}

/// Whether the target was there before; it is now, unless nobody may make it.
async fn is_there(remote: &impl Remote, batch: &Batch) -> Result<bool, RemoteError> {
    if remote.look(batch.root.as_bytes()).await? != super::Look::Absent {
        return Ok(true);
    }
    let nothing = Run {
        gives: false,
        upload: None,
        keep: true,
    };
    let lines = script::of(batch, &[], &nothing);
    let said = script::said(&run(remote, lines.clone(), None).await?);
    if !said.whole {
        run(remote, lines, Some(ROOT)).await?;
    }
    Ok(false)
}

/// By the image's own `tar`, for a tmpfs, which the archive call would write below.
async fn unpack(
    remote: &impl Remote,
    root: &str,
    tar: File,
    user: Option<&str>,
) -> Result<Option<String>, RemoteError> {
    let process = remote.start(&["tar", "-xf", "-", "-C", root], user).await;
    let process = match process {
        Ok(process) => process,
        Err(error) if error.over => return Err(error),
        Err(error) => return Ok(Some(of_tmpfs(root, &error.message))),
    };
    let said = talk(process, tokio::fs::File::from_std(tar)).await;
    Ok(Some(match said {
        Ok(said) if said.is_empty() => {
            of_tmpfs(root, "it is full, or there is no tar in the image")
        }
        Ok(said) => of_tmpfs(root, String::from_utf8_lossy(&said).trim()),
        Err(error) => of_tmpfs(root, &error.message),
    }))
}

pub(super) fn of_tmpfs(root: &str, why: &str) -> String {
    format!("{root} is a tmpfs, which takes files only from tar in the image: {why}")
}

/// Runs lines; what they printed.
async fn run(
    remote: &impl Remote,
    lines: Vec<u8>,
    user: Option<&str>,
) -> Result<Vec<u8>, RemoteError> {
    let process = remote.start(&["sh"], user).await?;
    talk(process, lines.as_slice()).await
}

async fn talk(
    process: super::Process,
    mut input: impl tokio::io::AsyncRead + Unpin,
) -> Result<Vec<u8>, RemoteError> {
    let (mut sink, output) = (process.input, process.output);
    let mut heard = Vec::new();
    let mut output: tokio::io::Take<Output> = output.take(ANSWERS);
    let send = async {
        // One that does not listen to the end says why, or says nothing.
        let _ = tokio::io::copy(&mut input, &mut sink).await;
        let _ = sink.shutdown().await;
    };
    let ((), read) = tokio::join!(send, output.read_to_end(&mut heard));
    read.map_err(|error| RemoteError {
        message: error.to_string(),
        over: false,
    })?;
    Ok(heard)
}

pub(super) fn local(error: &std::io::Error) -> RemoteError {
    RemoteError {
        message: format!("it could not be packed on the host: {error}"),
        over: false,
    }
}
