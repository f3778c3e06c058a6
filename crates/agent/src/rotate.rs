//! Logs that nginx writes to files, kept small. What it writes to its own output is the engine's,
//! which keeps as much as `logging` says; a file in a volume is nobody's but ours.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::kill;

/// Where nginx writes, unless it is told otherwise.
const FOLDER: &str = "/var/log/nginx";
/// A file that is larger gives way to a new one; the one before that goes.
const LARGE: u64 = 10 << 20;
/// nginx writes some 40,000 lines a second at most: between two looks a file does not grow much
/// beyond what is large.
const EVERY: Duration = Duration::from_secs(10);
/// A thread here does little.
const STACK: usize = 128 << 10;
/// `SIGUSR1`, the same number on all of Linux that we build for: nginx opens its files anew.
const REOPEN: i32 = 10;
/// How its first process calls itself.
const MASTER: &[u8] = b"nginx: master process";

/// Begins to look, and does so for as long as the program runs; where no thread can be had, nobody
/// does.
pub(crate) fn start() {
    let _ = thread::Builder::new().stack_size(STACK).spawn(keep_small);
}

fn keep_small() {
    loop {
        let logs = large(Path::new(FOLDER), LARGE);
        // Without one who opens them anew it would be the old file that grows.
        if !logs.is_empty()
            && let Some(master) = master()
        {
            put_aside(&logs);
            // One that has just ended writes no more.
            let _ = kill::process(master, REOPEN);
        }
        thread::park_timeout(EVERY);
    }
}

/// Logs that are larger than so many bytes.
fn large(folder: &Path, bytes: u64) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let is_large = |entry: &DirEntry| {
        // Of the entry itself: the image has links to its output there.
        let known = entry.metadata();
        known.is_ok_and(|known| known.is_file() && known.len() > bytes)
    };
    let paths = entries.flatten().filter(is_large).map(|entry| entry.path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "log"))
        .collect()
}

/// What cannot be done is tried again the next time.
fn put_aside(logs: &[PathBuf]) {
    for path in logs {
        let mut to = path.as_os_str().to_owned();
        to.push(".1");
        let _ = fs::rename(path, to);
    }
}

fn master() -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?;
    let mut pids = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(|pid: &u32| {
        let told = fs::read(format!("/proc/{pid}/cmdline"));
        told.is_ok_and(|told| told.starts_with(MASTER))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::{large, put_aside};

    #[test]
    fn a_large_log_gives_way_and_replaces_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("access.log"), "second").unwrap();
        fs::write(path("access.log.1"), "first").unwrap();
        fs::write(path("error.log"), "few").unwrap();
        fs::write(path("notes.txt"), "of somebody else").unwrap();
        fs::write(path("elsewhere"), "not a log of ours").unwrap();
        symlink(path("elsewhere"), path("linked.log")).unwrap();
        let logs = large(folder.path(), 5);
        assert_eq!(logs, [path("access.log")]);
        put_aside(&logs);
        assert_eq!(fs::read(path("access.log.1")).unwrap(), b"second");
        assert!(!path("access.log").exists());
        for left in ["error.log", "notes.txt", "linked.log", "elsewhere"] {
            assert!(path(left).exists(), "{left}");
        }
        assert!(large(folder.path(), 5).is_empty());
        assert!(large(&path("nowhere"), 5).is_empty());
    }
}
