//! The agent, as the build script packed it: static, for the CPU that devrun itself is for.

use crate::engine::PackedAgent;

/// The program that works inside containers.
pub(crate) const AGENT: PackedAgent<'static> = PackedAgent {
    tar: include_bytes!(concat!(env!("OUT_DIR"), "/devrun-agent.tar.gz")),
    size: usize::from_le_bytes(*include_bytes!(concat!(
        env!("OUT_DIR"),
        "/devrun-agent.size"
    ))) as u64,
};
