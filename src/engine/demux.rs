//! The engine's way to send two outputs over one connection: eight bytes of head (which one,
//! three zeros, length), then so many bytes.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

const HEAD: usize = 8;
const BUFFER: usize = 64 << 10;

/// Which output a piece belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    Stdout,
    Stderr,
}

/// Where in the buffer what of which output lies.
type Piece = (Output, Range<usize>);

/// Takes the connection apart; a piece is handed on as it arrives, not when it is whole.
#[derive(Debug)]
pub(super) struct Demux<R> {
    reader: R,
    buffer: Box<[u8]>,
    filled: Range<usize>,
    output: Output,
    left: usize,
}

impl<R: AsyncRead + Unpin> Demux<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            filled: 0..0,
            output: Output::Stdout,
            left: 0,
        }
    }

    /// The next piece, `None` at the end.
    pub(super) async fn next(&mut self) -> io::Result<Option<(Output, &[u8])>> {
        let piece = std::future::poll_fn(|context| self.poll_piece(context, BUFFER)).await?;
        Ok(piece.map(|(output, range)| (output, &self.buffer[range])))
    }

    fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
        most: usize,
    ) -> Poll<io::Result<Option<Piece>>> {
        loop {
            if self.left > 0 && !self.filled.is_empty() {
                let length = self.left.min(self.filled.len()).min(most);
                let piece = self.filled.start..self.filled.start + length;
                self.filled.start += length;
                self.left -= length;
                return Poll::Ready(Ok(Some((self.output, piece))));
            }
            if self.left == 0 && self.filled.len() >= HEAD {
                self.read_head()?;
                continue;
            }
            if !ready!(self.poll_fill(context))? {
                return Poll::Ready(match self.left == 0 && self.filled.is_empty() {
                    true => Ok(None),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                });
            }
        }
    }

    fn read_head(&mut self) -> io::Result<()> {
        let head = &self.buffer[self.filled.start..self.filled.start + HEAD];
        self.output = match head[0] {
            0 | 1 => Output::Stdout,
            2 => Output::Stderr,
            other => {
                return Err(io::Error::other(format!(
                    "the engine sent output of unknown kind {other}"
                )));
            }
        };
        self.left = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        self.filled.start += HEAD;
        Ok(())
    }

    /// False at the end of the connection.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.buffer.copy_within(self.filled.clone(), 0);
        self.filled = 0..self.filled.len();
        let mut rest = ReadBuf::new(&mut self.buffer[self.filled.end..]);
        ready!(Pin::new(&mut self.reader).poll_read(context, &mut rest))?;
        let read = rest.filled().len();
        self.filled.end += read;
        Poll::Ready(Ok(read > 0))
    }
}

/// The standard output as a stream; what arrives for the error output goes to its [`Tail`].
#[derive(Debug)]
pub(crate) struct Stdout<R> {
    demux: Demux<R>,
    stderr: Tail,
}

impl<R: AsyncRead + Unpin> Stdout<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            demux: Demux::new(reader),
            stderr: Tail::default(),
        }
    }

    pub(super) fn stderr(&self) -> Tail {
        self.stderr.clone()
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Stdout<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if out.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            let Some((output, piece)) = ready!(this.demux.poll_piece(context, out.remaining()))?
            else {
                return Poll::Ready(Ok(()));
            };
            let bytes = &this.demux.buffer[piece];
            match output {
                Output::Stdout => {
                    out.put_slice(bytes);
                    return Poll::Ready(Ok(()));
                }
                Output::Stderr => this.stderr.push(bytes),
            }
        }
    }
}

/// The last 64 KiB of an output.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    const MOST: usize = 64 << 10;

    pub(crate) fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(&bytes[bytes.len().saturating_sub(Self::MOST)..]);
        let surplus = kept.len().saturating_sub(Self::MOST);
        kept.drain(..surplus);
    }

    /// What was kept, as it was printed.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .copied()
            .collect()
    }

    /// What was kept, for people.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    fn frame(output: u8, text: &str) -> Vec<u8> {
        let mut bytes = vec![output, 0, 0, 0];
        bytes.extend((text.len() as u32).to_be_bytes());
        bytes.extend(text.as_bytes());
        bytes
    }

    #[tokio::test]
    async fn outputs_are_told_apart_however_the_pieces_fall() {
        let whole = [
            frame(1, "one"),
            frame(2, "oops"),
            frame(1, ""),
            frame(1, " two"),
        ]
        .concat();
        for size in 1..whole.len() {
            let mut mock = tokio_test_pieces(&whole, size);
            let mut stdout = Stdout::new(&mut mock);
            let mut text = String::new();
            stdout.read_to_string(&mut text).await.unwrap();
            assert_eq!(
                (text.as_str(), stdout.stderr().text().as_str()),
                ("one two", "oops"),
                "in pieces of {size}"
            );
        }
    }

    #[tokio::test]
    async fn a_piece_is_handed_on_before_its_frame_is_whole() {
        let (mut engine, ours) = tokio::io::duplex(64);
        let mut demux = Demux::new(ours);
        let bytes = frame(1, "hello");
        tokio::io::AsyncWriteExt::write_all(&mut engine, &bytes[..10])
            .await
            .unwrap();
        assert_eq!(
            demux.next().await.unwrap(),
            Some((Output::Stdout, &b"he"[..]))
        );
        drop(engine);
        assert_eq!(
            demux.next().await.unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    #[test]
    fn the_tail_keeps_the_end() {
        let tail = Tail::default();
        tail.push(&[b'a'; Tail::MOST]);
        tail.push(b"the end");
        assert_eq!(tail.bytes().len(), Tail::MOST);
        assert!(tail.text().ends_with("athe end"));
    }

    /// A reader that gives at most `size` bytes at once.
    fn tokio_test_pieces(bytes: &[u8], size: usize) -> Pieces<'_> {
        Pieces { bytes, size }
    }

    struct Pieces<'a> {
        bytes: &'a [u8],
        size: usize,
    }

    impl AsyncRead for Pieces<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let (piece, rest) = self
                .bytes
                .split_at(self.size.min(self.bytes.len()).min(out.remaining()));
            out.put_slice(piece);
            self.bytes = rest;
            Poll::Ready(Ok(()))
        }
    }
}
