use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{Context, ContextError, Kind};

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn paths(root: &Path, dockerfile: &Path) -> Vec<String> {
    let context = Context::open(root, dockerfile).unwrap();
    let walk = context.walk().unwrap();
    walk.map(|entry| entry.unwrap().path).collect()
}

#[test]
fn folders_come_before_what_is_in_them_and_names_in_byte_order() {
    let dir = tree(&[
        ("b.txt", ""),
        ("b/z", ""),
        ("b/a", ""),
        ("a", ""),
        ("B", ""),
    ]);
    assert_eq!(
        paths(dir.path(), &dir.path().join("Dockerfile")),
        ["B", "a", "b", "b/a", "b/z", "b.txt"]
    );
}

#[test]
fn an_ignored_folder_travels_only_with_what_is_taken_back_in() {
    let dir = tree(&[
        (".dockerignore", "*\n!src/deep/*.py\n"),
        ("src/a.py", ""),
        ("src/deep/b.py", ""),
        ("src/deep/b.txt", ""),
        ("node_modules/x/index.js", ""),
    ]);
    assert_eq!(
        paths(dir.path(), &dir.path().join("Dockerfile")),
        ["src", "src/deep", "src/deep/b.py"]
    );
}

#[test]
fn the_ignore_file_of_the_dockerfile_comes_first() {
    let dir = tree(&[
        (".dockerignore", "a\n"),
        ("dev.Dockerfile.dockerignore", "b\n*.dockerignore\n"),
        ("a", ""),
        ("b", ""),
    ]);
    assert_eq!(paths(dir.path(), &dir.path().join("dev.Dockerfile")), ["a"]);
    assert_eq!(
        paths(dir.path(), &dir.path().join("Dockerfile")),
        [".dockerignore", "b", "dev.Dockerfile.dockerignore"]
    );
}

#[test]
fn links_are_not_followed() {
    let dir = tree(&[("real/file", "")]);
    symlink("real", dir.path().join("link")).unwrap();
    symlink("nowhere", dir.path().join("broken")).unwrap();
    let context = Context::open(dir.path(), &dir.path().join("Dockerfile")).unwrap();
    let links: Vec<_> = context
        .walk()
        .unwrap()
        .map(Result::unwrap)
        .filter_map(|entry| match entry.kind {
            Kind::Link(target) => Some((entry.path, target)),
            _ => None,
        })
        .collect();
    assert_eq!(
        links,
        [
            ("broken".to_owned(), "nowhere".to_owned()),
            ("link".to_owned(), "real".to_owned())
        ]
    );
}

#[test]
fn a_bad_ignore_file_is_named_with_its_line() {
    let dir = tree(&[(".dockerignore", "ok\n[x\n")]);
    let error = Context::open(dir.path(), &dir.path().join("Dockerfile")).unwrap_err();
    assert!(matches!(error, ContextError::Ignore { .. }));
    assert!(
        error
            .to_string()
            .ends_with(".dockerignore: line 2: `[x` is not a pattern: a `[` has no `]`"),
        "{error}"
    );
}

#[test]
fn a_missing_context_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("gone");
    let context = Context::open(&gone, &gone.join("Dockerfile")).unwrap();
    let error = context.walk().err().unwrap().to_string();
    assert!(
        error.contains("/gone for the build: No such file"),
        "{error}"
    );
}
