//! Sends the engine the files of the context that it does not have yet.
//!
//! We list everything with size and time; the engine asks, by position in that list, for the
//! content of the files that are new to it; then both say that they are done.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::fsutil::types::{Packet, Stat};
use bollard_buildkit_proto::moby::filesync::packet::file_sync_server::FileSync;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::context::{Context, ContextError, Entry, Kind};

/// The name under which the engine sees the Dockerfile, whatever it is called here.
pub(super) const DOCKERFILE: &str = "Dockerfile";

const CHUNK: usize = 64 * 1024;

/// The files of one build.
#[derive(Debug, Clone)]
pub(super) struct Files {
    context: Arc<Context>,
    dockerfile: PathBuf,
    failure: Arc<Mutex<Option<ContextError>>>,
}

pub(super) type Out = mpsc::Sender<Result<Packet, Status>>;

impl Files {
    pub(super) fn new(context: Context, dockerfile: PathBuf) -> Self {
        Self {
            context: Arc::new(context),
            dockerfile,
            failure: Arc::default(),
        }
    }

    /// Why files could not be sent, if that happened; the engine only knows that they did not come.
    pub(super) fn take_failure(&self) -> Option<ContextError> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn send_all(&self, what: What, out: &Out, wanted: mpsc::UnboundedReceiver<u32>) {
        let sent = match what {
            What::Nothing => send(Vec::new().into_iter(), out, wanted),
            What::Dockerfile => send(std::iter::once(dockerfile(&self.dockerfile)), out, wanted),
            What::Context => self
                .context
                .walk()
                .and_then(|entries| send(entries, out, wanted)),
        };
        if let Err(error) = sent {
            let packet = Packet {
                r#type: PacketType::PacketErr.into(),
                data: error.to_string().into_bytes(),
                ..Packet::default()
            };
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            // Nobody left to tell means that the build is over already.
            let _ = out.blocking_send(Ok(packet));
        }
    }
}

/// What the engine asks for.
#[derive(Debug, Clone, Copy)]
enum What {
    Context,
    Dockerfile,
    /// Ignore files: their rules are applied here, before anything is listed.
    Nothing,
}

#[tonic::async_trait]
impl FileSync for Files {
    type DiffCopyStream = ReceiverStream<Result<Packet, Status>>;
    type TarStreamStream = ReceiverStream<Result<Packet, Status>>;

    async fn diff_copy(
        &self,
        request: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::DiffCopyStream>, Status> {
        let asked = request.metadata();
        let folder = asked.get("dir-name").map_or(&[][..], |v| v.as_bytes());
        let mut only = asked.get_all("include-patterns").iter().peekable();
        let ignore_files_only =
            only.peek().is_some() && only.all(|v| v.as_bytes().ends_with(b".dockerignore"));
        let what = match folder {
            b"context" if ignore_files_only => What::Nothing,
            b"context" => What::Context,
            b"dockerfile" => What::Dockerfile,
            _ => return Err(Status::not_found("no such folder in this build")),
        };
        let files = self.clone();
        let packets = answer(request.into_inner(), move |out, wanted| {
            files.send_all(what, out, wanted);
        });
        Ok(Response::new(packets))
    }

    async fn tar_stream(
        &self,
        _: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::TarStreamStream>, Status> {
        Err(Status::unimplemented("ask with DiffCopy"))
    }
}

/// What `send_all` sends while the engine says what it wants of it.
pub(super) fn answer(
    from: Streaming<Packet>,
    send_all: impl FnOnce(&Out, mpsc::UnboundedReceiver<u32>) + Send + 'static,
) -> ReceiverStream<Result<Packet, Status>> {
    let (out, packets) = mpsc::channel(64);
    let (want, wanted) = mpsc::unbounded_channel();
    let to_engine = out.clone();
    tokio::task::spawn_blocking(move || send_all(&to_engine, wanted));
    tokio::spawn(listen(from, want, out));
    ReceiverStream::new(packets)
}

/// Takes what the engine says until it is done.
async fn listen(mut from: Streaming<Packet>, want: mpsc::UnboundedSender<u32>, out: Out) {
    while let Ok(Some(packet)) = from.message().await {
        match packet.r#type() {
            PacketType::PacketReq => {
                if want.send(packet.id).is_err() {
                    return;
                }
            }
            PacketType::PacketFin => {
                let fin = Packet {
                    r#type: PacketType::PacketFin.into(),
                    ..Packet::default()
                };
                // It may hang up first: it has all that it wanted.
                let _ = out.send(Ok(fin)).await;
                return;
            }
            PacketType::PacketErr => return,
            PacketType::PacketStat | PacketType::PacketData => {}
        }
    }
}

/// Lists all entries, then sends those that are asked for. Ends early when nobody listens.
pub(super) fn send(
    entries: impl Iterator<Item = Result<Entry, ContextError>>,
    out: &Out,
    mut wanted: mpsc::UnboundedReceiver<u32>,
) -> Result<(), ContextError> {
    let mut listed = Vec::new();
    for entry in entries {
        let entry = entry?;
        let packet = listing(Some(stat(&entry)));
        listed.push(entry.disk);
        if out.blocking_send(Ok(packet)).is_err() {
            return Ok(());
        }
    }
    if out.blocking_send(Ok(listing(None))).is_err() {
        return Ok(());
    }
    while let Some(id) = wanted.blocking_recv() {
        let Some(disk) = listed.get(id as usize) else {
            continue;
        };
        let mut file = File::open(disk).map_err(ContextError::read(disk))?;
        loop {
            let mut data = vec![0; CHUNK];
            let read = file.read(&mut data).map_err(ContextError::read(disk))?;
            data.truncate(read);
            let packet = Packet {
                r#type: PacketType::PacketData.into(),
                id,
                data,
                ..Packet::default()
            };
            // An empty one is the end of the file.
            if out.blocking_send(Ok(packet)).is_err() || read == 0 {
                break;
            }
        }
    }
    Ok(())
}

fn listing(stat: Option<Stat>) -> Packet {
    Packet {
        r#type: PacketType::PacketStat.into(),
        stat,
        ..Packet::default()
    }
}

/// An entry in the engine's words: all files belong to root, and modes are those of Go.
fn stat(entry: &Entry) -> Stat {
    const FOLDER: u32 = 1 << 31;
    const LINK: u32 = 1 << 27;
    const SET_UID: u32 = 1 << 23;
    const SET_GID: u32 = 1 << 22;
    const STICKY: u32 = 1 << 20;
    let mut mode = entry.mode & 0o777;
    for (bit, go) in [(0o4000, SET_UID), (0o2000, SET_GID), (0o1000, STICKY)] {
        if entry.mode & bit != 0 {
            mode |= go;
        }
    }
    let mut stat = Stat {
        path: entry.path.clone(),
        mod_time: entry.modified,
        ..Stat::default()
    };
    match &entry.kind {
        Kind::Folder => mode |= FOLDER,
        Kind::File(size) => stat.size = i64::try_from(*size).unwrap_or(i64::MAX),
        Kind::Link(target) => {
            mode |= LINK;
            stat.linkname.clone_from(target);
        }
    }
    stat.mode = mode;
    stat
}

fn dockerfile(disk: &Path) -> Result<Entry, ContextError> {
    let meta = fs::metadata(disk).map_err(ContextError::read(disk))?;
    let modified = meta
        .modified()
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_nanos()).ok());
    Ok(Entry {
        path: DOCKERFILE.to_owned(),
        disk: disk.to_owned(),
        kind: Kind::File(meta.len()),
        mode: 0o644,
        modified: modified.unwrap_or_default(),
    })
}
