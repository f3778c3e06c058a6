//! Large files: sent in pieces, one after the other, beside everything else.

use std::io;
use std::path::Path;

use devrun_wire::frames::{Request, Response};

use super::connection::{AgentConnection, Answer, Pieces, SyncError};
use super::scan::{self, Known, PIECE, Reading, Tree, blocking};
use super::transfer::{Operation, problem_of};
use super::{Problem, SyncOutcome};

/// From this size on nothing waits for a file that does not ask for it.
pub(super) const LARGE: u64 = 4 << 20;

/// What came of sending a file.
pub(crate) enum Streamed {
    /// All but its last piece is there.
    Whole(Whole),
    /// The container has it already.
    Unchanged,
    /// It changed while it was read, or is no file any more.
    Changing,
    /// It cannot be had, or was refused.
    Failed(Problem),
}

/// A file whose last piece is to be sent; what has arrived so far is nowhere to be seen. Dropped,
/// it takes back what was sent.
pub(crate) struct Whole {
    pieces: Pieces,
    last: Request,
    /// What will be there.
    pub(crate) known: Known,
    bytes: u64,
}

impl Whole {
    /// What it will have done.
    pub(super) fn operation(&self) -> Operation {
        Operation::Write { bytes: self.bytes }
    }

    /// Sends the last piece; the agent puts the file in place then.
    pub(super) async fn finish(self) -> Result<Answer, SyncError> {
        self.pieces.finish(&self.last).await
    }

    /// The same, and waits for the answer.
    pub(crate) async fn place(self, path: &Path) -> Result<Placed, SyncError> {
        let bytes = self.bytes;
        Ok(match self.finish().await?.await? {
            Response::Done => Placed::Done(SyncOutcome {
                files: 1,
                bytes,
                changed: vec![path.to_owned()],
                ..SyncOutcome::default()
            }),
            refused => Placed::Refused(problem_of(path, refused)),
        })
    }
}

/// Whether a file is in place now.
pub(crate) enum Placed {
    /// It is.
    Done(SyncOutcome),
    /// It is not.
    Refused(Problem),
}

/// Sends a file piece by piece, unless it is `there` already. On any way out but the good one
/// the pieces are dropped, which takes them back.
pub(crate) async fn stream(
    connection: &AgentConnection,
    tree: &Tree,
    path: &Path,
    there: Option<&Known>,
) -> Result<Streamed, SyncError> {
    connection.say_owner(tree).await?;
    let absolute = tree.from.join(path);
    if let Some(there @ Known::File { .. }) = there {
        let (tree, file) = (tree.clone(), path.to_owned());
        let known = blocking(move || tree.know(&file)).await;
        if known.is_ok_and(|known| known == *there) {
            return Ok(Streamed::Unchanged);
        }
    }
    let opened = blocking(move || match scan::is_regular(&absolute) {
        true => Reading::open(&absolute).map(Some),
        false => Ok(None),
    });
    let reading = match opened.await {
        Ok(Some(reading)) => reading,
        Ok(None) => return Ok(Streamed::Changing),
        Err(error) => return Ok(Streamed::Failed(Problem::of_host(path, &error))),
    };
    let (root, name, mode) = (
        tree.to.as_str(),
        tree.inside(path),
        tree.mode.unwrap_or(reading.mode()),
    );
    let piece = |data: Vec<u8>, last: bool| Request::Write {
        root: root.to_owned(),
        path: name.clone(),
        mode,
        data,
        last,
    };
    let mut pieces = connection.pieces()?;
    let mut next = read_on(reading);
    loop {
        let (reading, data, end) = match next.await {
            Ok(read) => read,
            Err(error) => return Ok(Streamed::Failed(Problem::of_host(path, &error))),
        };
        match end {
            End::NotYet => {
                // The disk works while the connection does.
                next = read_on(reading);
                if let Some(refused) = pieces.send(&piece(data, false)).await? {
                    return Ok(Streamed::Failed(problem_of(path, refused)));
                }
            }
            End::Torn => return Ok(Streamed::Changing),
            End::Whole => {
                return Ok(Streamed::Whole(Whole {
                    pieces,
                    last: piece(data, true),
                    known: Known::File {
                        hash: reading.hash(),
                        mode,
                    },
                    bytes: reading.bytes(),
                }));
            }
        }
    }
}

/// Whether a piece was the last one, and of what.
enum End {
    NotYet,
    /// Of one moment's file.
    Whole,
    /// Of several ones.
    Torn,
}

fn read_on(mut reading: Reading) -> impl Future<Output = io::Result<(Reading, Vec<u8>, End)>> {
    blocking(move || {
        let data = reading.piece()?;
        let end = match data.len() < PIECE {
            false => End::NotYet,
            true if reading.is_whole()? => End::Whole,
            true => End::Torn,
        };
        Ok((reading, data, end))
    })
}
