//! Finds the files that say what is ignored.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use devrun_core::plan::{IgnoreTexts, Rules};
use devrun_stack::Stack;

/// Reads each `.gitignore` and `.dockerignore` that has a say in what the rules of the stack
/// cover: those in the watched folders, except below what is ignored itself, and those above
/// them up to the checkout's top. What cannot be read ignores nothing.
pub(crate) fn ignore_texts(stack: &Stack) -> IgnoreTexts {
    let mut texts = IgnoreTexts::new();
    let mut read_each = |paths: Vec<PathBuf>| {
        texts.extend(paths.into_iter().filter_map(read));
    };
    read_each(Rules::docker_ignore_files(stack));
    let roots = Rules::compile(stack, &IgnoreTexts::new()).roots();
    for root in &roots {
        read_each(above(root));
    }
    below(stack, roots, &mut texts);
    texts
}

fn read(path: PathBuf) -> Option<(PathBuf, String)> {
    let bytes = std::fs::read(&path).ok()?;
    Some((path, String::from_utf8_lossy(&bytes).into_owned()))
}

/// The `.gitignore` files from a folder up to the top of its checkout; its own alone if it lies
/// in none.
fn above(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for above in folder.ancestors() {
        found.push(above.join(".gitignore"));
        if above.join(".git").exists() {
            return found;
        }
    }
    found.truncate(1);
    found
}

/// Those in the folders and below. What a folder's own file ignores is known before it is asked
/// what below it is entered, so all folders of one depth are looked at together.
fn below(stack: &Stack, roots: Vec<PathBuf>, texts: &mut IgnoreTexts) {
    let mut rules = Rules::compile(stack, texts);
    let mut seen: BTreeSet<PathBuf> = roots.into_iter().collect();
    let mut depth: Vec<PathBuf> = seen.iter().cloned().collect();
    while !depth.is_empty() {
        let files = depth.iter().map(|folder| folder.join(".gitignore"));
        let new: Vec<_> = files
            .filter(|file| !texts.contains_key(file))
            .filter_map(read)
            .collect();
        if !new.is_empty() {
            texts.extend(new);
            rules = Rules::compile(stack, texts);
        }
        let entered = depth.iter().flat_map(|folder| folders(folder));
        depth = entered
            .filter(|folder| !rules.prunes(folder) && seen.insert(folder.clone()))
            .collect();
    }
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let is_folder = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let folders = entries.flatten().filter(is_folder);
    folders.map(|entry| entry.path()).collect()
}
