//! The trees that are watched: many small files, and a Git repository of two branches.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::ground::file;
use super::super::{Error, side};
use super::inside::Expected;
use crate::run;

/// Folders and files of `data`.
const DATA: [usize; 2] = [160, 100];
/// Files of `code` on the first branch; with those of `data` 20,000.
const CODE: usize = 4_000;
/// Of these the second branch has others …
const CHANGED: usize = 1_500;
/// … does not have these …
const MISSING: usize = 750;
/// … and has so many more: 3,000 files apart.
const MORE: usize = 750;

/// Two branches of the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Branch {
    First,
    Second,
}

impl Branch {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
        }
    }
}

/// 20,000 files.
pub(super) fn twenty_thousand(tree: &Path) -> Result<(), Error> {
    folders(&tree.join("data"), DATA)?;
    write_code(tree, &code(Branch::First))
}

/// 20,000 files, all of them in Git.
pub(super) fn repository(tree: &Path) -> Result<(), Error> {
    twenty_thousand(tree)?;
    git(tree, &["init", "--quiet", "--initial-branch", "first"])?;
    for key in [
        ["user.name", "bench"],
        ["user.email", "bench@localhost"],
        // Git's own housekeeping would be measured as well.
        ["gc.auto", "0"],
        ["core.looseCompression", "0"],
    ] {
        git(tree, &["config", key[0], key[1]])?;
    }
    commit(tree)?;
    git(tree, &["switch", "--quiet", "--create", "second"])?;
    let code_folder = tree.join("code");
    fs::remove_dir_all(&code_folder).map_err(|error| file(&code_folder, error))?;
    write_code(tree, &code(Branch::Second))?;
    commit(tree)?;
    git(tree, &["switch", "--quiet", "first"])
}

/// So many folders with so many files each.
pub(super) fn folders(folder: &Path, [folders, files]: [usize; 2]) -> Result<(), Error> {
    for outer in 0..folders {
        let folder = folder.join(format!("d{outer}"));
        fs::create_dir_all(&folder).map_err(|error| file(&folder, error))?;
        for inner in 0..files {
            let path = folder.join(format!("f{inner}.txt"));
            fs::write(&path, kilobyte(&format!("{outer}-{inner}")))
                .map_err(|error| file(&path, error))?;
        }
    }
    Ok(())
}

/// Where a file of `data` is, by number.
pub(super) fn data_file(number: usize) -> PathBuf {
    let [folders, files] = DATA;
    PathBuf::from(format!(
        "data/d{}/f{}.txt",
        number % folders,
        number / folders % files
    ))
}

/// 1 KB that nobody else has.
pub(super) fn kilobyte(tag: &str) -> Vec<u8> {
    let line = format!("{tag}\n");
    line.bytes().cycle().take(1024).collect()
}

/// All of `code` on a branch, and what the other one has that this one has not.
pub(super) fn code(branch: Branch) -> Vec<Expected> {
    let path = |number: usize| PathBuf::from(format!("code/m{}/f{number}.py", number / 100));
    let expected = |number: usize| {
        let gone = match branch {
            Branch::First => number >= CODE,
            Branch::Second => (CHANGED..CHANGED + MISSING).contains(&number),
        };
        let other = branch == Branch::Second && number < CHANGED;
        let content = kilobyte(&format!("{number} {}", if other { "b" } else { "a" }));
        (path(number), (!gone).then_some(content))
    };
    (0..CODE + MORE).map(expected).collect()
}

fn write_code(tree: &Path, files: &[Expected]) -> Result<(), Error> {
    for (path, content) in files {
        let Some(content) = content else {
            continue;
        };
        let path = tree.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| file(parent, error))?;
        }
        fs::write(&path, content).map_err(|error| file(&path, error))?;
    }
    Ok(())
}

fn commit(tree: &Path) -> Result<(), Error> {
    git(tree, &["add", "--all"])?;
    git(tree, &["commit", "--quiet", "--message", "bench"])
}

/// Runs git in a tree.
pub(super) fn git(tree: &Path, arguments: &[&str]) -> Result<(), Error> {
    let mut command = Command::new("git");
    command.current_dir(tree).args(arguments);
    run::quiet("git", &mut command).map_err(|error| side("git", &error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::{Branch, code};

    #[test]
    fn the_branches_are_3000_files_apart() {
        let (first, second) = (code(Branch::First), code(Branch::Second));
        let apart = first.iter().zip(&second).filter(|(a, b)| a != b).count();
        assert_eq!(apart, 3_000);
        let files =
            |branch: &[super::Expected]| branch.iter().filter(|file| file.1.is_some()).count();
        assert_eq!([files(&first), files(&second)], [4_000, 4_000]);
    }
}
