//! Finds the files that say what is ignored.

use std::path::{Path, PathBuf};

use devrun_core::plan::{IgnoreTexts, Rules};
use devrun_stack::Stack;
use ignore::WalkBuilder;

/// Reads each `.gitignore` and `.dockerignore` that has a say in what the rules of the stack
/// cover: those in the watched folders, except below what is ignored itself, and those above
/// them up to the checkout's top. What cannot be read ignores nothing.
pub(crate) fn ignore_texts(stack: &Stack) -> IgnoreTexts {
    let mut texts = IgnoreTexts::new();
    let mut read = |path: PathBuf| {
        if let Ok(bytes) = std::fs::read(&path) {
            texts.insert(path, String::from_utf8_lossy(&bytes).into_owned());
        }
    };
    Rules::docker_ignore_files(stack)
        .into_iter()
        .for_each(&mut read);
    let roots = Rules::compile(stack, &IgnoreTexts::new()).roots();
    for root in &roots {
        above(root).into_iter().for_each(&mut read);
    }
    let outer = Rules::compile(stack, &texts);
    for root in roots {
        texts.extend(below(&root, &outer));
    }
    texts
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

fn below(root: &Path, outer: &Rules) -> IgnoreTexts {
    let rules = outer.clone();
    let top = root.to_path_buf();
    let walk = WalkBuilder::new(root)
        .standard_filters(false)
        .git_ignore(true)
        .require_git(false)
        .filter_entry(move |entry| {
            let is_dir = entry.file_type().is_some_and(|kind| kind.is_dir());
            !is_dir || entry.path() == top || !rules.prunes(entry.path())
        })
        .build();
    let files = walk.flatten().map(ignore::DirEntry::into_path);
    let files = files.filter(|path| path.file_name().is_some_and(|name| name == ".gitignore"));
    let texts = files.filter_map(|path| {
        let bytes = std::fs::read(&path).ok()?;
        Some((path, String::from_utf8_lossy(&bytes).into_owned()))
    });
    texts.collect()
}
