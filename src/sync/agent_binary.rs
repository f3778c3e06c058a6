//! The agent's bytes, as the build script made them.

/// The program that works inside containers: static, for the CPU that devrun itself is for.
pub(crate) const AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/devrun-agent"));
