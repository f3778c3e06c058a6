//! What an agent that was killed left behind: names that were never renamed into place.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::mounts;

/// How every such name begins; the process that made it comes next.
pub(crate) const PREFIX: &str = ".devrun-";

/// A comparison asks for the paths of a large folder in many requests, one after the other.
const ONE_COMPARISON: Duration = Duration::from_secs(2);
/// Folders that are looked at side by side.
const FOLDERS: usize = 4;

/// Those that were looked through just now, and when they were asked for last.
static LATELY: Mutex<Vec<(PathBuf, Instant)>> = Mutex::new(Vec::new());

/// Removes them from a folder that is known to lie in a target, once a comparison.
pub(crate) fn tidy(folder: &Path) {
    if !is_known(folder, Instant::now()) {
        tidy_now(folder);
    }
}

fn is_known(folder: &Path, now: Instant) -> bool {
    let mut lately = LATELY.lock().unwrap_or_else(PoisonError::into_inner);
    lately.retain(|(_, asked)| now.saturating_duration_since(*asked) < ONE_COMPARISON);
    if let Some((_, asked)) = lately.iter_mut().find(|(known, _)| known == folder) {
        *asked = now;
        return true;
    }
    if lately.len() == FOLDERS {
        lately.remove(0);
    }
    lately.push((folder.to_owned(), now));
    false
}

/// Removes them from a folder that is known to lie in a target.
pub(crate) fn tidy_now(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = maker(name.as_bytes()) else {
            continue;
        };
        if !is_agent(pid) {
            remove(&entry.path());
        }
    }
}

/// The process in `.devrun-PID-NUMBER`; whatever else is called so is somebody else's.
fn maker(name: &[u8]) -> Option<u32> {
    let rest = std::str::from_utf8(name.strip_prefix(PREFIX.as_bytes())?).ok()?;
    let (pid, number) = rest.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(pid) && digits(number)).then(|| pid.parse().ok())?
}

/// Whether it is still at work: this process, or the one of another user.
fn is_agent(pid: u32) -> bool {
    pid == std::process::id()
        || fs::read(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with(b"agent"))
}

fn remove(path: &Path) {
    // What cannot be removed now is looked at again by the next agent.
    let _ = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() && mounts::below(path).is_none() => fs::remove_dir_all(path),
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
}

#[cfg(test)]
mod tests {
    use super::{FOLDERS, ONE_COMPARISON, is_known, maker, tidy_now};
    use std::fs;
    use std::path::Path;
    use std::time::Instant;

    #[test]
    fn only_names_that_an_agent_gives_are_its() {
        for (name, pid) in [
            (".devrun-12-0", Some(12)),
            (".devrun-12-345", Some(12)),
            (".devrun-notes", None),
            (".devrun-12-", None),
            (".devrun--3", None),
            (".devrun-+1-3", None),
            (".devrun-12-3.py", None),
            ("devrun-12-3", None),
        ] {
            assert_eq!(maker(name.as_bytes()), pid, "{name}");
        }
    }

    #[test]
    fn what_a_dead_process_left_goes_and_what_a_live_one_writes_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        // No process has the largest number.
        let dead = i32::MAX;
        fs::write(path(&format!(".devrun-{dead}-0")), "half").unwrap();
        fs::create_dir_all(path(&format!(".devrun-{dead}-1/below"))).unwrap();
        let live = format!(".devrun-{}-0", std::process::id());
        fs::write(path(&live), "half").unwrap();
        fs::write(path(".devrun-notes"), "own").unwrap();
        tidy_now(folder.path());
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let mut wanted = [live, ".devrun-notes".to_owned()];
        wanted.sort();
        assert_eq!(names, wanted);
    }

    #[test]
    fn a_folder_of_which_one_comparison_asks_often_is_read_once() {
        let (large, begun) = (Path::new("/large"), Instant::now());
        assert!(!is_known(large, begun));
        let mut now = begun;
        for _ in 0..10 {
            now += ONE_COMPARISON / 2;
            assert!(is_known(large, now));
        }
        assert!(!is_known(large, now + ONE_COMPARISON));
        for number in 0..FOLDERS {
            assert!(!is_known(Path::new(&format!("/{number}")), now));
        }
        assert!(!is_known(large, now), "only the last few are remembered");
    }
}
