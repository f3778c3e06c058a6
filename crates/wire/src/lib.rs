//! What travels: frames between host and agent, messages between command line and session.

pub mod frames;

/// Hash of a file's content, the same on both sides (XXH3, 128 bits).
#[must_use]
pub fn hash(content: &[u8]) -> u128 {
    xxhash_rust::xxh3::xxh3_128(content)
}
