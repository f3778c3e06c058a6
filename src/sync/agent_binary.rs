//! The agent's bytes, as the build script made them.

/// The program that works inside containers: static, for the CPU that devrun itself is for.
pub(crate) const AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/devrun-agent"));

/// Tells agents of different builds apart; part of the name of the volume that holds one.
pub(crate) fn agent_id() -> String {
    format!("{:032x}", devrun_wire::hash(AGENT)).split_off(16)
}
