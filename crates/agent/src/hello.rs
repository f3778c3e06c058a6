//! Who answers, and what kind of process PID 1 is.

use std::fs;

use devrun_wire::frames::{Response, VERSION};

/// Inits that pass signals on; they wait for signals instead of catching them, so that
/// `SigCgt` does not tell.
const INITS: [&str; 6] = [
    "docker-init",
    "tini",
    "tini-static",
    "dumb-init",
    "catatonit",
    "systemd",
];

/// The answer to the first frame.
pub(crate) fn hello() -> Response {
    let status = fs::read_to_string("/proc/1/status").unwrap_or_default();
    let comm = fs::read_to_string("/proc/1/comm").unwrap_or_default();
    let cmdline = fs::read("/proc/1/cmdline").unwrap_or_default();
    Response::Hello {
        version: VERSION,
        uid: user(),
        pid1_catches: caught(&status),
        pid1_is_init: is_init(&comm, &cmdline),
    }
}

/// The user that we act as.
pub(crate) fn user() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ids = field(&status, "Uid:");
    ids.split_whitespace()
        .nth(1)
        .and_then(|effective| effective.parse().ok())
        .unwrap_or(u32::MAX)
}

fn caught(status: &str) -> u64 {
    u64::from_str_radix(field(status, "SigCgt:"), 16).unwrap_or(0)
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap_or_default()
        .trim()
}

fn is_init(comm: &str, cmdline: &[u8]) -> bool {
    let program = cmdline.split(|byte| *byte == 0).next().unwrap_or_default();
    let program = String::from_utf8_lossy(program);
    let program = program.rsplit('/').next().unwrap_or_default();
    INITS.contains(&comm.trim()) || INITS.contains(&program)
}

#[cfg(test)]
mod tests {
    use super::{caught, is_init};

    #[test]
    fn the_caught_signals_of_pid_1_are_read() {
        let status = "Name:\tsh\nSigIgn:\t0000000000000006\nSigCgt:\t0000000180014002\n";
        assert_eq!(caught(status), 0x1_8001_4002);
        assert_eq!(caught(""), 0);
    }

    #[test]
    fn an_init_is_known_by_its_name_or_its_program() {
        assert!(is_init("docker-init\n", b"/sbin/docker-init\0--\0python\0"));
        assert!(is_init("exe\n", b"/usr/bin/tini\0--\0python\0"));
        assert!(!is_init("python\n", b"python\0tini\0"));
        assert!(!is_init("", b""));
    }
}
