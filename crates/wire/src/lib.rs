//! What travels: frames between host and agent, messages between command line and session.

pub mod codec;
pub mod frames;
mod primitive;
pub mod process;
#[cfg(feature = "session")]
pub mod session;

/// Hash of a file's content, the same on both sides (XXH3, 128 bits).
#[must_use]
pub fn hash(content: &[u8]) -> u128 {
    xxhash_rust::xxh3::xxh3_128(content)
}

/// The same hash, of content that comes in pieces.
#[derive(Clone, Default)]
pub struct Hasher(xxhash_rust::xxh3::Xxh3);

impl Hasher {
    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The hash of all pieces so far.
    #[must_use]
    pub fn finish(&self) -> u128 {
        self.0.digest128()
    }
}
