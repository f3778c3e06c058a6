//! This machine: whether all the folders of the stack can be watched.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use devrun_core::plan::Rules;

use super::{Finding, Verdict};

const LIMITS: &str = "/proc/sys/fs/inotify";
/// What the mend asks for.
const PLENTY: u64 = 524_288;
/// Editors and other watchers take instances too.
const FEW_INSTANCES: u64 = 64;
/// Beyond this nobody counts: no limit is that large.
const UNCOUNTED: usize = 2_000_000;

pub(super) fn look(rules: Option<Arc<Rules>>) -> Vec<Finding> {
    let limit = |name: &str| -> Option<u64> {
        let text = std::fs::read_to_string(Path::new(LIMITS).join(name)).ok()?;
        text.trim().parse().ok()
    };
    let (Some(watches), Some(instances)) = (limit("max_user_watches"), limit("max_user_instances"))
    else {
        return vec![Finding::bad(
            "watching",
            Verdict::Warning,
            format!("{LIMITS} cannot be read"),
            "saves are noticed late or not at all without inotify: use a kernel that has it",
        )];
    };
    let folders = rules.map_or(0, |rules| folders(&rules));
    vec![of_watches(folders as u64, watches), of_instances(instances)]
}

fn of_watches(folders: u64, limit: u64) -> Finding {
    let found = format!("{folders} folders to watch, {limit} allowed to this user");
    let mend = format!(
        "sudo sysctl fs.inotify.max_user_watches={PLENTY}; for good: a line in /etc/sysctl.d/"
    );
    if folders > limit {
        Finding::bad("watches", Verdict::Wrong, found, mend)
    } else if folders * 2 > limit {
        Finding::bad("watches", Verdict::Warning, found, mend)
    } else {
        Finding::ok("watches", found)
    }
}

fn of_instances(limit: u64) -> Finding {
    let found = format!("{limit} programs of this user may watch");
    if limit >= FEW_INSTANCES {
        return Finding::ok("watchers", found);
    }
    Finding::bad(
        "watchers",
        Verdict::Warning,
        found,
        "sudo sysctl fs.inotify.max_user_instances=512; for good: a line in /etc/sysctl.d/",
    )
}

/// How many folders the session would watch.
fn folders(rules: &Rules) -> usize {
    let mut open: Vec<PathBuf> = rules.roots();
    let mut seen = std::collections::BTreeSet::new();
    while let Some(folder) = open.pop() {
        if !folder.is_dir() || !seen.insert(folder.clone()) || seen.len() > UNCOUNTED {
            continue;
        }
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && !rules.prunes(&entry.path()) {
                open.push(entry.path());
            }
        }
    }
    seen.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_watches_are_wrong_and_hardly_enough_a_warning() {
        assert_eq!(of_watches(10, 8192).verdict, Verdict::Ok);
        assert_eq!(of_watches(5000, 8192).verdict, Verdict::Warning);
        assert_eq!(of_watches(9000, 8192).verdict, Verdict::Wrong);
        assert_eq!(of_instances(8).verdict, Verdict::Warning);
    }
}
