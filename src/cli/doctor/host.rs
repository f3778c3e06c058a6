//! This machine: whether all the folders of the stack can be watched.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use devrun_core::plan::Rules;

use super::{Finding, Verdict};
use crate::watch::limits::{command, limit};

/// What the mend asks for.
const PLENTY: u64 = 524_288;
/// Editors and other watchers take instances too.
const FEW_INSTANCES: u64 = 64;
/// Beyond this nobody counts: no limit is that large.
const UNCOUNTED: usize = 2_000_000;

pub(super) fn look(rules: Option<Arc<Rules>>) -> Vec<Finding> {
    let (Some(watches), Some(instances)) = (limit("max_user_watches"), limit("max_user_instances"))
    else {
        return vec![Finding::bad(
            "watching",
            Verdict::Warning,
            "the limits below /proc/sys/fs/inotify cannot be read",
            "saves are noticed late or not at all without inotify: use a kernel that has it",
        )];
    };
    let count = rules.as_ref().map_or(0, |rules| folders(rules));
    let mut findings = vec![of_watches(count as u64, watches), of_instances(instances)];
    let roots = rules.map_or_else(Vec::new, |rules| rules.roots());
    findings.extend(roots.iter().filter_map(|root| of_file_system(root)));
    findings
}

/// A folder on a file system that others change too.
fn of_file_system(root: &Path) -> Option<Finding> {
    let kind = crate::watch::foreign(root)?;
    Some(Finding::bad(
        "watching",
        Verdict::Warning,
        format!(
            "{} is on {kind}, so it is polled: what changes elsewhere is seen later",
            root.display()
        ),
        "keep the checkout on a disk of this machine",
    ))
}

fn of_watches(folders: u64, limit: u64) -> Finding {
    let mut found = format!("{folders} folders to watch, {limit} allowed to this user");
    let mend = format!(
        "{}; for good: a line in /etc/sysctl.d/",
        command("max_user_watches", PLENTY)
    );
    if folders > limit {
        found.push_str("; the others are polled, which is slower");
        Finding::bad("watches", Verdict::Warning, found, mend)
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
        format!(
            "{}; for good: a line in /etc/sysctl.d/",
            command("max_user_instances", 512)
        ),
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
    fn too_few_watches_are_a_warning_and_hardly_enough_too() {
        assert_eq!(of_watches(10, 8192).verdict, Verdict::Ok);
        assert_eq!(of_watches(5000, 8192).verdict, Verdict::Warning);
        let short = of_watches(9000, 8192);
        assert_eq!(short.verdict, Verdict::Warning);
        assert!(short.found.contains("polled"), "{}", short.found);
        assert!(of_file_system(Path::new("/proc")).is_none());
        assert_eq!(of_instances(8).verdict, Verdict::Warning);
    }
}
