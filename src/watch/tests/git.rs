//! What Git itself says of random trees with random `.gitignore` files.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use devrun_core::plan::Rules;
use proptest::prelude::*;

use super::stack;
use crate::watch::ignore_texts;

fn any_name() -> impl Strategy<Value = String> {
    let names = [
        "a", "b", "ab", "c.log", "a.py", "build", "x y", "{a,b}", "[a]", "!x", "#y", "b\\s", "é",
        "a.b.c", "Build", "a,b", "z ", "a^b", "-",
    ];
    prop::sample::select(names.to_vec()).prop_map(str::to_owned)
}

fn any_part() -> impl Strategy<Value = String> {
    let wild = [
        "*",
        "**",
        "?",
        "??",
        "a*",
        "*b",
        "*.log",
        "*.*",
        "a**b",
        "[ab]",
        "[!a]",
        "[^a]*",
        "[a-c]",
        "[]a]*",
        "[\\]a]",
        "[[:alpha:]]",
        "{a,b}",
        "\\{a,b}",
        "\\!x",
        "\\#y",
        "\\a",
        "x\\ y",
        "b\\\\s",
        "[a",
        "a]",
        "\\*",
        "***",
        "a.b*c",
        "*é",
        "[{]a,b}",
        "[a-]",
        "[-]",
        "[!-]",
        "[+--]",
    ];
    prop_oneof![
        2 => any_name(),
        1 => prop::sample::select(wild.to_vec()).prop_map(str::to_owned),
    ]
}

fn any_line() -> impl Strategy<Value = String> {
    let before = prop::sample::select(vec![
        "", "", "", "", "!", "!", "/", "!/", " ", "**/", "\u{feff}",
    ]);
    let after = prop::sample::select(vec![
        "", "", "", "", "/", "/**", "/*", " ", "\t", "\r", "\\", "\\ ", "//",
    ]);
    let parts = prop::collection::vec(any_part(), 1..3);
    (before, parts, after)
        .prop_map(|(before, parts, after)| before.to_owned() + &parts.join("/") + after)
}

/// Files by their paths, and lines by the folder in which they stand.
fn any_case() -> impl Strategy<Value = (Vec<String>, Vec<(String, Vec<String>)>)> {
    let place = |depth| prop::collection::vec(any_name(), depth).prop_map(|names| names.join("/"));
    let lines = prop::collection::vec(any_line(), 1..5);
    let ignores = prop::collection::vec((place(0..2), lines), 1..4);
    (prop::collection::vec(place(1..4), 1..24), ignores)
}

struct Git {
    dir: tempfile::TempDir,
}

impl Git {
    fn new() -> Self {
        let git = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let made = git.run(Path::new("/"), &["init", "-q"]);
        assert_eq!(made, "");
        git
    }

    fn run(&self, tree: &Path, words: &[&str]) -> String {
        let ran = Command::new("git")
            .current_dir(tree)
            .env("GIT_DIR", self.dir.path())
            .env("GIT_WORK_TREE", tree)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .args(words)
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        String::from_utf8(ran.stdout).unwrap()
    }

    /// The files that it does not ignore.
    fn files(&self, tree: &Path) -> BTreeSet<String> {
        let list = ["ls-files", "-o", "-z", "--exclude-per-directory=.gitignore"];
        let told = self.run(tree, &list);
        told.split_terminator('\0').map(str::to_owned).collect()
    }
}

/// The files that a walk finds which enters what is not pruned.
fn walked(rules: &Rules, root: &Path) -> BTreeSet<String> {
    let sync = &rules.sync_rules("web")[0];
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let rel = path.strip_prefix(root).unwrap();
            if path.is_dir() {
                assert_eq!(sync.enters(rel), !rules.prunes(&path), "{rel:?}");
                folders.extend(sync.enters(rel).then_some(path));
            } else if sync.wants(rel, false) {
                assert!(rules.concerns(&path, false), "{rel:?}");
                found.insert(String::from_utf8(rel.as_os_str().as_bytes().to_vec()).unwrap());
            } else {
                let why = rules.explain("web", &path, false);
                assert!(why.syncs[0].why.starts_with("ignored by "), "{why:?}");
            }
        }
    }
    found
}

fn plant(root: &Path, files: &[String], ignores: &[(String, Vec<String>)]) {
    // Here ends the search for files above.
    fs::create_dir(root.join(".git")).unwrap();
    let put = |path: PathBuf, text: &str| {
        // What is a file already has nothing in it.
        let folder = path
            .parent()
            .is_some_and(|folder| fs::create_dir_all(folder).is_ok());
        if folder && !path.is_dir() {
            fs::write(path, text).unwrap();
        }
    };
    for (folder, lines) in ignores {
        put(root.join(folder).join(".gitignore"), &lines.join("\n"));
    }
    for file in files {
        put(root.join(file), "x");
    }
}

#[test]
fn git_and_devrun_ignore_the_same() {
    let git = Git::new();
    let config = ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |((files, ignores) in any_case())| {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        plant(&root, &files, &ignores);
        let mut stack = stack(&root, &root);
        stack.services[0].sync[0].ignore.clear();
        let rules = Rules::compile(&stack, &ignore_texts(&stack));
        prop_assert_eq!(walked(&rules, &root), git.files(&root));
    });
}
