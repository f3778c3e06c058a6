//! The host's end of the conversation with an agent: many requests under way, answers matched
//! by number.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use devrun_wire::codec::{self, Decoder, FrameError};
use devrun_wire::frames::{Request, Response, VERSION};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::scan::Tree;

/// Bytes that wait for the connection to take them. A small file waits behind so much of a large
/// one at most.
const ROOM: usize = 512 << 10;
/// Small frames that wait together go out together, up to this size.
const TOGETHER: usize = 64 << 10;
/// How long what the other end still says is awaited when it takes no more.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How much of what is no frame goes into an error.
const SHOWN: usize = 400;

/// Why nothing more can be had of an agent.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum SyncError {
    /// The connection ended.
    #[error("the agent in the container is gone: {0}")]
    Gone(String),
    /// What answers does not speak like an agent.
    #[error("the agent could not be started in the container: {0}")]
    NotAnAgent(String),
    /// A request that no agent would take.
    #[error("a request to the agent does not fit: {0}")]
    Request(String),
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The user that the agent runs as.
    pub(crate) uid: u32,
    /// That one's group.
    pub(crate) gid: u32,
    /// Signals that PID 1 catches, one bit each from signal 1 on; 0 if that cannot be read.
    pub(crate) pid1_catches: u64,
    /// Whether PID 1 is an init that passes signals on.
    pub(crate) pid1_is_init: bool,
}

/// A conversation with an agent. Clones share it; when the last one is dropped, the agent sees
/// the end of its input and ends.
#[derive(Debug, Clone)]
pub(crate) struct AgentConnection {
    next: Arc<AtomicU32>,
    frames: mpsc::UnboundedSender<Frame>,
    room: Arc<Semaphore>,
    shared: Arc<Shared>,
    /// Targets, and single files in them, whose owner the agent knows.
    owners: Arc<Mutex<HashSet<Place>>>,
}

/// A target, and a path below it; an empty one is all of it.
type Place = (String, Vec<u8>);

/// A frame that waits to be written, and the room that it takes meanwhile.
#[derive(Debug)]
struct Frame {
    bytes: Vec<u8>,
    room: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Shared {
    /// Requests without an answer; `None` after the end. Never locked across an await.
    waiting: Mutex<Option<HashMap<u32, oneshot::Sender<Response>>>>,
    /// Why the conversation ended.
    end: watch::Sender<Option<SyncError>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<HashMap<u32, oneshot::Sender<Response>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first reason stays; whoever waits for an answer is woken.
    fn finish(&self, reason: SyncError) {
        self.end.send_if_modified(|end| {
            let first = end.is_none();
            end.get_or_insert(reason);
            first
        });
        self.lock().take();
    }

    fn reason(&self) -> SyncError {
        let end = self.end.borrow().clone();
        end.unwrap_or_else(|| SyncError::Gone("the connection was closed".into()))
    }
}

impl AgentConnection {
    /// Greets the agent at the other end of `reader` and `writer`.
    pub(crate) async fn start(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<(Self, Hello), SyncError> {
        let (frames, queue) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            waiting: Mutex::new(Some(HashMap::new())),
            end: watch::Sender::new(None),
        });
        tokio::spawn(write_frames(writer, queue, Arc::clone(&shared)));
        tokio::spawn(read_answers(reader, Arc::clone(&shared)));
        let connection = AgentConnection {
            next: Arc::default(),
            frames,
            room: Arc::new(Semaphore::new(ROOM)),
            shared,
            owners: Arc::default(),
        };
        match connection
            .request(Request::Hello { version: VERSION })
            .await?
        {
            Response::Hello { version, .. } if version != VERSION => {
                let message = format!("it speaks version {version}, the host {VERSION}");
                Err(SyncError::NotAnAgent(message))
            }
            Response::Hello {
                uid,
                gid,
                pid1_catches,
                pid1_is_init,
                ..
            } => Ok((
                connection,
                Hello {
                    uid,
                    gid,
                    pid1_catches,
                    pid1_is_init,
                },
            )),
            Response::Refused { message, .. } => Err(SyncError::NotAnAgent(message)),
            other => Err(SyncError::NotAnAgent(format!("it answered {other:?}"))),
        }
    }

    /// Tells the agent to whom belongs what the tree brings, if that is not its own user; once.
    pub(super) async fn say_owner(&self, tree: &Tree) -> Result<(), SyncError> {
        let Some((uid, gid)) = tree.owner else {
            return Ok(());
        };
        let file = tree.file.as_ref();
        let path = file.map_or_else(Vec::new, |(outside, _)| tree.inside(Path::new(outside)));
        let is_new = {
            let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
            owners.insert((tree.to.clone(), path.clone()))
        };
        if is_new {
            let request = Request::Owner {
                root: tree.to.clone(),
                path,
                uid,
                gid,
            };
            self.send(&request).await?.await?;
        }
        Ok(())
    }

    /// Asks, and waits for the answer. Dropping the future does not disturb other requests.
    pub(crate) async fn request(&self, request: Request) -> Result<Response, SyncError> {
        self.send(&request).await?.await
    }

    /// Asks without waiting: the agent does file operations in the order in which this returns.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, SyncError> {
        let number = self.number();
        let answer = self.expect(number)?;
        self.queue(number, request).await?;
        Ok(answer)
    }

    /// Starts a file that goes in pieces.
    pub(crate) fn pieces(&self) -> Result<Pieces, SyncError> {
        let number = self.number();
        let answer = self.expect(number)?;
        Ok(Pieces {
            connection: self.clone(),
            number,
            answer: Some(answer),
            begun: false,
        })
    }

    /// Resolves when the conversation has ended, with the reason; does not keep it going.
    pub(crate) fn watch_end(&self) -> impl Future<Output = SyncError> + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            let mut end = shared.end.subscribe();
            // It cannot fail: the sender lives in what we hold.
            let _ = end.wait_for(Option::is_some).await;
            shared.reason()
        }
    }

    fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn expect(&self, number: u32) -> Result<Answer, SyncError> {
        let (sender, receiver) = oneshot::channel();
        match self.shared.lock().as_mut() {
            Some(waiting) => waiting.insert(number, sender),
            None => return Err(self.shared.reason()),
        };
        Ok(Answer {
            receiver,
            shared: Arc::clone(&self.shared),
        })
    }

    async fn queue(&self, number: u32, request: &Request) -> Result<(), SyncError> {
        let bytes = codec::encode(number, request)
            .map_err(|error| SyncError::Request(error.to_string()))?;
        let room = u32::try_from(bytes.len().min(ROOM)).unwrap_or_default();
        // Whoever asked first gets room first, so frames keep their order.
        let room = Arc::clone(&self.room).acquire_many_owned(room).await;
        let room = room.map_err(|_| self.shared.reason())?;
        self.frames
            .send(Frame { bytes, room })
            .map_err(|_| self.shared.reason())
    }
}

/// An answer that is to come.
#[derive(Debug)]
pub(crate) struct Answer {
    receiver: oneshot::Receiver<Response>,
    shared: Arc<Shared>,
}

impl Answer {
    /// The answer, if it has come already.
    fn early(&mut self) -> Option<Response> {
        self.receiver.try_recv().ok()
    }
}

impl Future for Answer {
    type Output = Result<Response, SyncError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.receiver).poll(cx);
        polled.map(|answer| answer.map_err(|_| self.shared.reason()))
    }
}

/// A file on its way in pieces. Dropped before the last one, it takes back what was sent.
#[derive(Debug)]
pub(crate) struct Pieces {
    connection: AgentConnection,
    number: u32,
    answer: Option<Answer>,
    begun: bool,
}

impl Pieces {
    /// Sends a piece that is not the last; an answer that comes already is a refusal.
    pub(crate) async fn send(&mut self, piece: &Request) -> Result<Option<Response>, SyncError> {
        self.begun = true;
        self.connection.queue(self.number, piece).await?;
        Ok(self.answer.as_mut().and_then(Answer::early))
    }

    /// Sends the last piece; the answer is to come.
    pub(crate) async fn finish(mut self, piece: &Request) -> Result<Answer, SyncError> {
        self.connection.queue(self.number, piece).await?;
        self.answer
            .take()
            .ok_or_else(|| self.connection.shared.reason())
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        let unfinished = self.answer.take().is_some() && self.begun;
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if unfinished {
            let (connection, number) = (self.connection.clone(), self.number);
            runtime.spawn(async move {
                let back = Request::Write {
                    root: String::new(),
                    path: Vec::new(),
                    mode: 0,
                    data: Vec::new(),
                    last: true,
                };
                // An agent that is gone has nothing to take back.
                let _ = connection.queue(number, &back).await;
            });
        }
    }
}

async fn write_frames(
    mut writer: impl AsyncWrite + Unpin,
    mut queue: mpsc::UnboundedReceiver<Frame>,
    shared: Arc<Shared>,
) {
    let mut end = shared.end.subscribe();
    let work = async {
        while let Some(Frame {
            mut bytes,
            mut room,
        }) = queue.recv().await
        {
            while bytes.len() < TOGETHER
                && let Ok(next) = queue.try_recv()
            {
                bytes.extend_from_slice(&next.bytes);
                room.merge(next.room);
            }
            writer.write_all(&bytes).await?;
            writer.flush().await?;
            drop(room);
        }
        Ok::<(), std::io::Error>(())
    };
    let result = tokio::select! {
        result = work => result,
        _ = end.wait_for(Option::is_some) => Ok(()),
    };
    if let Err(error) = result {
        // What the other end said before it went is a better reason than a broken pipe.
        let patience = Instant::now() + LAST_WORDS;
        let told = tokio::time::timeout_at(patience, end.wait_for(Option::is_some)).await;
        if told.is_err() {
            shared.finish(SyncError::Gone(error.to_string()));
        }
    }
    // Without this the agent would not see the end of its input; one that is gone minds nothing.
    let _ = writer.shutdown().await;
}

async fn read_answers(mut reader: impl AsyncRead + Unpin, shared: Arc<Shared>) {
    let mut decoder = Decoder::default();
    let mut buffer = vec![0; 64 << 10];
    let mut said = Vec::new();
    let mut greeted = false;
    let reason = loop {
        let bytes = match reader.read(&mut buffer).await {
            Ok(0) if greeted => break SyncError::Gone("its output ended".into()),
            Ok(0) => break SyncError::NotAnAgent(printable(&said)),
            Ok(count) => buffer.get(..count).unwrap_or_default(),
            Err(error) => break SyncError::Gone(error.to_string()),
        };
        if !greeted && said.len() < SHOWN {
            said.extend_from_slice(bytes);
        }
        decoder.feed(bytes);
        match take_all(&mut decoder, &shared, &mut greeted) {
            Ok(()) => {}
            Err(error) if greeted => break SyncError::Gone(error.to_string()),
            Err(_) => break SyncError::NotAnAgent(printable(&said)),
        }
    };
    shared.finish(reason);
}

fn take_all(decoder: &mut Decoder, shared: &Shared, greeted: &mut bool) -> Result<(), FrameError> {
    while let Some((number, response)) = decoder.take::<Response>()? {
        *greeted = true;
        let waiting = shared
            .lock()
            .as_mut()
            .and_then(|waiting| waiting.remove(&number));
        if let Some(waiting) = waiting {
            // Whoever asked may have lost interest.
            let _ = waiting.send(response);
        }
    }
    Ok(())
}

/// What the engine prints in place of an agent that cannot be run, on one line.
fn printable(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said.get(..SHOWN).unwrap_or(said));
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|w| !w.is_empty())
        .collect();
    if words.is_empty() {
        "it ended without a word".into()
    } else {
        words.join(" ")
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
