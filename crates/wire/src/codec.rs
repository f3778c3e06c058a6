//! Frames to bytes and back. Total: any bytes give frames or a [`FrameError`], never a panic,
//! and memory is bounded by [`MAX_FRAME`].

use std::fmt;
use std::io::{self, Read, Write};

use crate::frames::{Entry, MAX_FRAME, Request, Response};
use crate::primitive::{Reader, Writer};

/// Why bytes are no frame, or a frame does not go into bytes.
#[derive(Debug)]
pub enum FrameError {
    /// The frame is larger than [`MAX_FRAME`].
    TooLarge(usize),
    /// The frame, or the stream, ends inside a field.
    Short,
    /// A field holds what it cannot hold.
    Field(&'static str),
    /// A kind of frame that this version does not know; the stream itself is still in step.
    Unknown {
        /// The number of the request.
        number: u32,
        /// The kind.
        kind: u8,
    },
    /// The stream failed.
    Io(io::Error),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLarge(size) => {
                write!(
                    f,
                    "a frame of {size} bytes, at most {MAX_FRAME} are allowed"
                )
            }
            FrameError::Short => f.write_str("a frame ends too early"),
            FrameError::Field(what) => write!(f, "a frame has {what}"),
            FrameError::Unknown { kind, .. } => write!(f, "unknown kind of frame {kind}"),
            FrameError::Io(error) => write!(f, "the connection failed: {error}"),
        }
    }
}

impl std::error::Error for FrameError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FrameError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> Self {
        FrameError::Io(error)
    }
}

/// What travels in a frame, in one direction or the other.
pub trait Frame: Sized {
    /// The kind and the fields after it.
    #[doc(hidden)]
    fn put(&self, out: &mut FrameWriter);

    /// The reverse of [`Frame::put`].
    #[doc(hidden)]
    fn get(kind: u8, number: u32, fields: &mut FrameReader<'_>) -> Result<Self, FrameError>;
}

/// Where a frame's fields go; opaque outside this crate.
pub struct FrameWriter {
    number: u32,
    fields: Writer,
}

/// Where a frame's fields come from; opaque outside this crate.
pub struct FrameReader<'a>(Reader<'a>);

impl FrameWriter {
    fn kind(&mut self, kind: u8) -> &mut Writer {
        self.fields.u8(kind);
        self.fields.u32(self.number);
        &mut self.fields
    }
}

/// The bytes of a frame, its length included.
///
/// # Errors
/// [`FrameError::TooLarge`], where the other side would not take it.
pub fn encode<F: Frame>(number: u32, frame: &F) -> Result<Vec<u8>, FrameError> {
    let mut writer = FrameWriter {
        number,
        fields: Writer(vec![0; 4]),
    };
    frame.put(&mut writer);
    let mut bytes = writer.fields.0;
    let length = bytes.len().saturating_sub(4);
    match u32::try_from(length) {
        Ok(prefix) if length <= MAX_FRAME => {
            if let Some(head) = bytes.first_chunk_mut::<4>() {
                *head = prefix.to_le_bytes();
            }
            Ok(bytes)
        }
        _ => Err(FrameError::TooLarge(length)),
    }
}

/// The frame in the bytes that followed a length.
///
/// # Errors
/// All kinds of [`FrameError`] except those of the stream.
pub fn decode<F: Frame>(bytes: &[u8]) -> Result<(u32, F), FrameError> {
    let mut reader = Reader(bytes);
    let kind = reader.u8()?;
    let number = reader.u32()?;
    let mut fields = FrameReader(reader);
    let frame = F::get(kind, number, &mut fields)?;
    fields.0.end()?;
    Ok((number, frame))
}

/// Writes one frame; does not flush.
///
/// # Errors
/// [`FrameError::TooLarge`] before anything is written, or what the stream says.
pub fn write<F: Frame>(out: &mut impl Write, number: u32, frame: &F) -> Result<(), FrameError> {
    out.write_all(&encode(number, frame)?)?;
    Ok(())
}

/// Reads one frame; `None` at the end of the stream.
///
/// # Errors
/// Where the bytes are no frame or the stream fails. After [`FrameError::Unknown`] and
/// [`FrameError::Field`] the next frame can still be read.
pub fn read<F: Frame>(input: &mut impl Read) -> Result<Option<(u32, F)>, FrameError> {
    let mut prefix = Vec::with_capacity(4);
    input.by_ref().take(4).read_to_end(&mut prefix)?;
    if prefix.is_empty() {
        return Ok(None);
    }
    let length = checked_length(Reader(&prefix).u32()?)?;
    // What is announced need not come: room is made for so much of it at once.
    let mut bytes = Vec::with_capacity(length.min(512 << 10));
    input.by_ref().take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(FrameError::Short);
    }
    decode(&bytes).map(Some)
}

/// Whether these bytes begin with a whole frame, so that reading it waits for nothing.
#[must_use]
pub fn holds_frame(bytes: &[u8]) -> bool {
    let Some((prefix, rest)) = bytes.split_first_chunk::<4>() else {
        return false;
    };
    usize::try_from(u32::from_le_bytes(*prefix)).is_ok_and(|length| rest.len() >= length)
}

fn checked_length(prefix: u32) -> Result<usize, FrameError> {
    match usize::try_from(prefix) {
        Ok(length) if length <= MAX_FRAME => Ok(length),
        Ok(length) => Err(FrameError::TooLarge(length)),
        Err(_) => Err(FrameError::TooLarge(usize::MAX)),
    }
}

/// Frames out of bytes that arrive in any portions; reads nothing by itself.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    taken: usize,
}

impl Decoder {
    /// Takes what has arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, or `None` until more has arrived.
    ///
    /// # Errors
    /// As [`decode`]; a length over the limit is refused as soon as it is seen.
    pub fn take<F: Frame>(&mut self) -> Result<Option<(u32, F)>, FrameError> {
        let waiting = self.buffer.get(self.taken..).unwrap_or_default();
        let Some((prefix, rest)) = waiting.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = checked_length(u32::from_le_bytes(*prefix))?;
        let Some(bytes) = rest.get(..length) else {
            return Ok(None);
        };
        let frame = decode(bytes);
        self.taken += 4 + length;
        frame.map(Some)
    }

    /// Whether the stream may end here: no frame is half arrived.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.taken >= self.buffer.len()
    }
}

mod request;
mod response;
#[cfg(test)]
mod tests;
