//! Talks to the session of a stack, if there is one.

use devrun_core::effect::Exit;
use devrun_wire::session::{Ask, Status, Tell};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::Trouble;
use super::context::Context;
use crate::session::load::root_hash;
use crate::session::place::Place;

/// An open conversation.
pub(super) struct Client {
    lines: Lines<BufReader<OwnedReadHalf>>,
    /// Held so that the session does not take us for gone.
    _writer: OwnedWriteHalf,
}

/// Where the session of this stack and checkout is to be found.
pub(super) fn place(context: &Context) -> Result<Place, Trouble> {
    Place::of(&context.stack.name, &root_hash(&context.stack.root))
        .map_err(|error| Trouble::local("the folder for sockets and locks", &error))
}

impl Client {
    /// Asks the session; `None` if there is none.
    pub(super) async fn ask(place: &Place, ask: &Ask) -> Result<Option<Client>, Trouble> {
        let Ok(stream) = UnixStream::connect(place.socket()).await else {
            return Ok(None);
        };
        let (reader, mut writer) = stream.into_split();
        let mut line = serde_json::to_vec(ask)
            .map_err(|error| Trouble::local("asking the session", &error))?;
        line.push(b'\n');
        if writer.write_all(&line).await.is_err() {
            return Ok(None);
        }
        Ok(Some(Client {
            lines: BufReader::new(reader).lines(),
            _writer: writer,
        }))
    }

    /// The next answer; `None` once the session has ended, or has nothing more to say.
    pub(super) async fn next(&mut self) -> Result<Option<Tell>, Trouble> {
        let Ok(Some(line)) = self.lines.next_line().await else {
            return Ok(None);
        };
        match serde_json::from_str(&line) {
            Ok(Tell::Refused { message }) => Err(Trouble::new(Exit::Failed, message)
                .hint("end the session with the devrun that began it, or with Ctrl-C")),
            Ok(tell) => Ok(Some(tell)),
            Err(error) => Err(Trouble::local(
                "the session answers something else than is known",
                &error,
            )),
        }
    }

    /// The next answer that is a status.
    pub(super) async fn status(&mut self) -> Result<Option<Status>, Trouble> {
        while let Some(tell) = self.next().await? {
            if let Tell::Status { status } = tell {
                return Ok(Some(status));
            }
        }
        Ok(None)
    }
}
