//! What a run left that was ended before its end: programs that watch, containers, folders. Only one
//! bench runs at a time, so whatever carries these names is nobody's.

use std::fs;
use std::process::Command;

use super::docker;
use crate::run::say;

/// Names of all that benches make begin with it.
const PREFIX: &str = "devrun-bench-";

/// Removes all of it; what cannot be removed says so where it is in the way.
pub(super) fn remove() {
    for pid in programs() {
        say(&format!("  ending process {pid}, which another run left"));
        let _ = Command::new("kill").args(["-9", &pid]).status();
    }
    let name = format!("name=^{PREFIX}");
    for (list, remove) in [
        (["container", "ls", "-aq"], ["rm", "-f", "-v"].as_slice()),
        (["network", "ls", "-q"], &["network", "rm"]),
    ] {
        let listed = docker(&[list.as_slice(), &["--filter", &name]].concat());
        for id in listed.unwrap_or_default().lines() {
            let _ = docker(&[remove, &[id]].concat());
        }
    }
    let entries = fs::read_dir(std::env::temp_dir());
    for entry in entries.into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            let path = entry.path();
            say(&format!(
                "  removing {}, which another run left",
                path.display()
            ));
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// Processes that were called for one of these stacks.
fn programs() -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            is_ours(&line)
        })
        .collect()
}

/// Whether a command line, its words ended by zeros, names a stack of ours with `-p`.
fn is_ours(line: &[u8]) -> bool {
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    words
        .windows(2)
        .any(|pair| pair[0] == b"-p" && pair[1].starts_with(PREFIX.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn only_who_was_called_for_a_stack_of_ours_is_ended() {
        assert!(is_ours(b"devrun\0-p\0devrun-bench-sync-tree\0up\0"));
        assert!(is_ours(
            b"docker-compose\0-p\0devrun-bench-sync-tree-peer\0-f\0compose.yml\0watch\0"
        ));
        assert!(!is_ours(b"devrun\0-p\0bench-of-mine\0up\0"));
        assert!(!is_ours(b"vim\0devrun-bench-sync-tree\0"));
        assert!(!is_ours(b""));
    }
}
