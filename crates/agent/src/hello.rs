//! Who answers, and what kind of process PID 1 is.

use std::fs;

use devrun_wire::frames::{Response, VERSION};
use devrun_wire::process::{caught, field, is_init};

/// The answer to the first frame.
pub(crate) fn hello() -> Response {
    let status = fs::read_to_string("/proc/1/status").unwrap_or_default();
    let comm = fs::read_to_string("/proc/1/comm").unwrap_or_default();
    let cmdline = fs::read("/proc/1/cmdline").unwrap_or_default();
    Response::Hello {
        version: VERSION,
        uid: user(),
        gid: id("Gid:"),
        pid1_catches: caught(&status).unwrap_or(0),
        pid1_is_init: is_init(&comm, &cmdline),
    }
}

/// The user that we act as.
pub(crate) fn user() -> u32 {
    id("Uid:")
}

fn id(name: &str) -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ids = field(&status, name).unwrap_or_default();
    ids.split_whitespace()
        .nth(1)
        .and_then(|effective| effective.parse().ok())
        .unwrap_or(u32::MAX)
}
