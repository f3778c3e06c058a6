//! The loop of a deputy: frames in, answers out. What arrives together is one batch.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use devrun_wire::codec::{self, Decoder, FrameError};
use devrun_wire::frames::{Request, Response, VERSION};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio::time::{Instant, timeout, timeout_at};

use super::batch::Batch;
use super::read::Reader;
use super::shell::{self, Shell};
use super::{Facts, Remote, RemoteError, direct};

/// A call of the engine takes many times as long as this: what comes meanwhile goes with it.
const TOGETHER: Duration = Duration::from_millis(5);
/// Nothing tells when a container makes files: whoever waits for that looks so often.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Tells apart what several deputies lay down in the same folder.
static STAGES: AtomicU32 = AtomicU32::new(0);

/// Answers until the other end is gone, or the container.
pub(super) async fn serve(remote: impl Remote, facts: Facts, far: DuplexStream) {
    let (reader, writer) = tokio::io::split(far);
    let shell = match shell::find(&remote).await {
        Ok(shell) => shell,
        Err(error) => {
            tracing::debug!(%error, "nobody can stand in for the agent");
            return;
        }
    };
    let mut deputy = Deputy {
        owners: Owners::default(),
        remote,
        facts,
        shell,
        writer,
        batch: None,
        spools: BTreeMap::new(),
        reader: Reader::default(),
        tidied: BTreeSet::new(),
        awaits: BTreeMap::new(),
    };
    if let Err(end) = deputy.conversation(reader).await {
        tracing::debug!(?end, "the deputy ends");
    }
}

/// Why it ends.
#[derive(Debug)]
enum End {
    /// Nobody listens any more.
    Unheard,
    /// The container cannot be reached.
    #[expect(dead_code, reason = "it is told by being printed")]
    Container(RemoteError),
    /// What came is no frame.
    #[expect(dead_code, reason = "it is told by being printed")]
    Frame(FrameError),
}

impl From<RemoteError> for End {
    fn from(error: RemoteError) -> Self {
        End::Container(error)
    }
}

/// To whom belongs what is put at a place, where the host said so; an empty path is all below.
#[derive(Default)]
struct Owners(BTreeMap<(String, Vec<u8>), (u64, u64)>);

impl Owners {
    fn of(&self, root: &str, path: &[u8]) -> Option<(u64, u64)> {
        let of = |path: &[u8]| self.0.get(&(root.to_owned(), path.to_vec())).copied();
        of(path).or_else(|| of(&[]))
    }
}

struct Deputy<R> {
    owners: Owners,
    remote: R,
    facts: Facts,
    shell: Option<Shell>,
    writer: WriteHalf<DuplexStream>,
    batch: Option<Batch>,
    /// Files that are not whole yet, by the number of their request.
    spools: BTreeMap<u32, File>,
    reader: Reader,
    /// Targets in which nothing of others is left.
    tidied: BTreeSet<String>,
    /// Who waits for something to be made below a target, and until when.
    awaits: BTreeMap<String, (u32, Instant)>,
}

impl<R: Remote> Deputy<R> {
    async fn conversation(&mut self, mut input: ReadHalf<DuplexStream>) -> Result<(), End> {
        let mut decoder = Decoder::default();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match decoder.take::<Request>() {
                Ok(Some((number, request))) => {
                    self.take(number, request).await?;
                    continue;
                }
                Ok(None) => {}
                Err(error @ FrameError::Unknown { number, .. }) => {
                    self.answer(number, &refused(&error.to_string())).await?;
                    continue;
                }
                Err(error) => return Err(End::Frame(error)),
            }
            let read = input.read(&mut buffer);
            let count = if self.batch.is_some() {
                timeout(TOGETHER, read).await.ok()
            } else if let Some(until) = self.awaits.values().map(|(_, until)| *until).min() {
                timeout_at(until, read).await.ok()
            } else {
                Some(read.await)
            };
            match count {
                None => self.pause_over().await?,
                Some(Ok(0) | Err(_)) => return self.flush().await,
                Some(Ok(count)) => decoder.feed(buffer.get(..count).unwrap_or_default()),
            }
        }
    }

    /// Nothing came for a moment.
    async fn pause_over(&mut self) -> Result<(), End> {
        if self.batch.is_some() {
            return self.flush().await;
        }
        let now = Instant::now();
        let over = |_: &String, (_, until): &mut (u32, Instant)| *until <= now;
        let over: Vec<_> = self.awaits.extract_if(.., over).collect();
        for (_, (number, _)) in over {
            // It may have been in any folder.
            let (folders, made) = (Vec::new(), Vec::new());
            self.answer(number, &Response::Stirred { folders, made })
                .await?;
        }
        Ok(())
    }

    async fn take(&mut self, number: u32, request: Request) -> Result<(), End> {
        let what = (self.facts.clone(), self.shell);
        let what = (&what.0, what.1);
        let answer = match request {
            Request::Write { .. } | Request::Mkdir { .. } | Request::Symlink { .. } => {
                return self.put(number, request).await;
            }
            Request::Remove { root, path } => {
                return self.add(number, root, path, Batch::gone).await;
            }
            Request::Owner {
                root,
                path,
                uid,
                gid,
            } => {
                self.flush().await?;
                let owner = (uid.into(), gid.into());
                self.owners.0.insert((root, path), owner);
                Ok(Response::Done)
            }
            Request::Hello { version: VERSION } => Ok(Response::Hello {
                version: VERSION,
                // Whose process it is, and what that one catches, nobody can say.
                uid: u32::MAX,
                gid: u32::MAX,
                pid1_catches: 0,
                pid1_is_init: false,
            }),
            Request::Inspect { root, paths } => {
                self.flush().await?;
                let (owners, to) = (&self.owners, root.clone());
                let owner = |path: &[u8]| owners.of(&to, path);
                let reader = &mut self.reader;
                reader.inspect(&self.remote, what, root, paths, owner).await
            }
            Request::List {
                root,
                folders,
                after,
            } => {
                self.flush().await?;
                let folders = (folders, after);
                self.reader.list(&self.remote, what, root, folders).await
            }
            Request::Read {
                root,
                path,
                offset,
                length,
            } => {
                self.flush().await?;
                let place = (root, path);
                self.reader.read(&self.remote, place, offset, length).await
            }
            Request::Await { root, .. } => {
                let waits = (number, Instant::now() + LOOK_AGAIN);
                match self.awaits.insert(root, waits) {
                    Some((before, _)) => return self.answer(before, &Response::Done).await,
                    None => return Ok(()),
                }
            }
            _ => Ok(refused("only an agent can do that")),
        };
        let answer = match answer {
            Err(error) if error.over => return Err(error.into()),
            Err(error) => refused(&error.message),
            Ok(answer) => answer,
        };
        self.answer(number, &answer).await
    }

    async fn put(&mut self, number: u32, request: Request) -> Result<(), End> {
        match request {
            Request::Mkdir { root, path, mode } => {
                self.add(number, root, path, |batch, number, path| {
                    batch.folder(number, path, mode)
                })
                .await
            }
            Request::Symlink { root, path, target } => {
                self.add(number, root, path, |batch, number, path| {
                    batch.link((number, path), &target)
                })
                .await
            }
            Request::Write {
                root,
                path,
                mode,
                data,
                last,
            } => {
                let file = match self.spool(number, &path, data, last) {
                    Ok(Some(file)) => file,
                    Ok(None) if last => return self.answer(number, &Response::Done).await,
                    Ok(None) => return Ok(()),
                    Err(error) => return self.answer(number, &unkept(&error)).await,
                };
                self.add(number, root, path, |batch, number, path| match file {
                    Spooled::Memory(data) => {
                        let content = (data.len() as u64, data.as_slice());
                        batch.file((number, path), mode, content)
                    }
                    Spooled::File(mut file) => {
                        let size = file.stream_position()?;
                        file.rewind()?;
                        batch.file((number, path), mode, (size, file))
                    }
                })
                .await
            }
            _ => Ok(()),
        }
    }

    /// Keeps a piece; the whole file once there is no more of it, nothing where it is taken back.
    fn spool(
        &mut self,
        number: u32,
        path: &[u8],
        data: Vec<u8>,
        last: bool,
    ) -> io::Result<Option<Spooled>> {
        let begun = self.spools.remove(&number);
        if path.is_empty() && last {
            return Ok(None);
        }
        if last && begun.is_none() {
            return Ok(Some(Spooled::Memory(data)));
        }
        let mut file = match begun {
            Some(file) => file,
            None => tempfile::tempfile()?,
        };
        file.write_all(&data)?;
        if last {
            return Ok(Some(Spooled::File(file)));
        }
        self.spools.insert(number, file);
        Ok(None)
    }

    /// Adds to the batch of this target; a batch of another one is done first.
    async fn add(
        &mut self,
        number: u32,
        root: String,
        path: Vec<u8>,
        add: impl FnOnce(&mut Batch, u32, Vec<u8>) -> io::Result<()>,
    ) -> Result<(), End> {
        let owner = self.owners.of(&root, &path);
        let fits = |batch: &Batch| batch.root == root && batch.as_root == owner.is_some();
        if !self.batch.as_ref().is_none_or(fits) {
            self.flush().await?;
        }
        let batch = match self.batch.take() {
            Some(batch) => Ok(batch),
            None => {
                let first = self.tidied.insert(root.clone());
                self.begin(root).map(|mut batch| {
                    batch.tidies = first;
                    batch.as_root = owner.is_some();
                    batch
                })
            }
        };
        let mut batch = match batch {
            Ok(batch) => batch,
            Err(error) => return self.answer(number, &unkept(&error)).await,
        };
        batch.owner = owner.unwrap_or(batch.owner);
        if let Err(error) = add(&mut batch, number, path) {
            // The tar may end in the middle of it.
            for op in &batch.ops {
                self.answer(op.number, &unkept(&error)).await?;
            }
            return self.answer(number, &unkept(&error)).await;
        }
        let full = batch.is_full();
        self.batch = Some(batch);
        if full { self.flush().await } else { Ok(()) }
    }

    fn begin(&self, root: String) -> io::Result<Batch> {
        let owner = match self.shell {
            Some(shell) => shell.uid.zip(shell.gid),
            None => self.facts.owner,
        };
        let stage = self.shell.map(|_| {
            let count = STAGES.fetch_add(1, Ordering::Relaxed);
            format!(".devrun-{}-{count}", std::process::id())
        });
        Batch::new(root, owner.unwrap_or_default(), stage)
    }

    /// Does what has gathered, and answers.
    async fn flush(&mut self) -> Result<(), End> {
        let Some(mut batch) = self.batch.take() else {
            return Ok(());
        };
        let paths = batch.ops.iter().map(|op| op.path.clone());
        self.reader.forget(paths);
        let ends = match self.shell {
            Some(shell) => shell::perform(&self.remote, shell, &self.facts, &mut batch).await,
            None => direct::perform(&self.remote, &self.facts, &mut batch).await,
        };
        let ends = match ends {
            Ok(ends) => ends,
            Err(error) if error.over => return Err(error.into()),
            Err(error) => {
                let all = batch.ops.iter();
                all.map(|op| (op.number, Err(error.message.clone())))
                    .collect()
            }
        };
        for (number, end) in ends {
            let answer = match end {
                Ok(()) => Response::Done,
                Err(reason) => refused(&reason),
            };
            self.answer(number, &answer).await?;
        }
        Ok(())
    }

    async fn answer(&mut self, number: u32, answer: &Response) -> Result<(), End> {
        let frame = codec::encode(number, answer).map_err(End::Frame)?;
        self.writer
            .write_all(&frame)
            .await
            .map_err(|_| End::Unheard)
    }
}

/// A whole file.
enum Spooled {
    Memory(Vec<u8>),
    File(File),
}

pub(super) fn refused(reason: &str) -> Response {
    Response::Refused {
        permission: false,
        message: reason.to_owned(),
    }
}

fn unkept(error: &io::Error) -> Response {
    refused(&format!("it could not be packed on the host: {error}"))
}
