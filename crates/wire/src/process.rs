//! What the kernel tells of a process, and whether a signal to end reaches it. The agent reads it
//! inside, devrun outside where the container runs on the same machine.

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

/// A field of `/proc/PID/status`; its name ends in a colon.
#[must_use]
pub fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim())
}

/// The signals that a process of that `/proc/PID/status` catches, signal 1 as the lowest bit.
#[must_use]
pub fn caught(status: &str) -> Option<u64> {
    u64::from_str_radix(field(status, "SigCgt:")?, 16).ok()
}

/// Whether a signal is among those.
#[must_use]
pub fn catches(caught: u64, signal: u32) -> bool {
    caught & (1 << (signal.clamp(1, 64) - 1)) != 0
}

/// Whether it is an init, by its `/proc/PID/comm` and `/proc/PID/cmdline`.
#[must_use]
pub fn is_init(comm: &str, cmdline: &[u8]) -> bool {
    let program = cmdline.split(|byte| *byte == 0).next().unwrap_or_default();
    let program = String::from_utf8_lossy(program);
    let program = program.rsplit('/').next().unwrap_or_default();
    INITS.contains(&comm.trim()) || INITS.contains(&program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caught_signals_of_a_process_are_read() {
        let status = "Name:\tsh\nSigIgn:\t0000000000000006\nSigCgt:\t0000000180014002\n";
        assert_eq!(caught(status), Some(0x1_8001_4002));
        assert_eq!(caught(""), None);
        assert!(catches(0x1_8001_4002, 15));
        assert!(!catches(0x1_8001_4002, 3));
    }

    #[test]
    fn an_init_is_known_by_its_name_or_its_program() {
        assert!(is_init("docker-init\n", b"/sbin/docker-init\0--\0python\0"));
        assert!(is_init("exe\n", b"/usr/bin/tini\0--\0python\0"));
        assert!(!is_init("python\n", b"python\0tini\0"));
        assert!(!is_init("", b""));
    }
}
