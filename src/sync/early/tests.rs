//! What is looked at, and what of it can be put in place.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use super::*;

fn folder() -> (tempfile::TempDir, Tree) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("a/b")).unwrap();
    for name in ["a/b/one.py", "a/two.py", "three.py"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    let tree = Tree::whole(folder.path().to_owned(), "/app".to_owned());
    (folder, tree)
}

fn at(at: Option<Moment>) -> Agreed {
    Agreed {
        at,
        brought: HashMap::new(),
        came: None,
    }
}

fn names(paths: &[PathBuf]) -> Vec<&str> {
    paths.iter().map(|path| path.to_str().unwrap()).collect()
}

fn moment_of(path: &Path) -> Moment {
    changed(&fs::symlink_metadata(path).unwrap())
}

/// Something that is written next has changed later than all that is there.
fn a_tick_later(folder: &Path) {
    let mark = folder.join(".mark");
    fs::write(&mark, "").unwrap();
    let before = moment_of(&mark);
    while moment_of(&mark) == before {
        fs::write(&mark, "").unwrap();
    }
    fs::remove_file(mark).unwrap();
}

#[test]
fn where_nothing_is_known_all_is_looked_at_and_its_size_is_told() {
    let (_folder, tree) = folder();
    let found = doubtful(&tree, &at(None));
    let all = ["a", "a/b", "a/b/one.py", "a/two.py", "three.py"];
    assert_eq!(names(&found.paths), all);
    assert_eq!(found.bytes, 26);
}

#[test]
fn only_what_changed_since_is_looked_at_and_what_was_brought_over_is_not() {
    let (folder, tree) = folder();
    a_tick_later(folder.path());
    fs::write(folder.path().join("a/two.py"), "edited").unwrap();
    let since = moment_of(&folder.path().join("a/two.py"));
    assert_eq!(
        names(&doubtful(&tree, &at(Some(since))).paths),
        ["a/two.py"]
    );
    let mut agreed = at(Some(since));
    agreed.brought.insert(folder.path().join("a/two.py"), since);
    assert_eq!(doubtful(&tree, &agreed), Doubtful::default());
}

#[test]
fn what_an_old_folder_brought_along_is_looked_at() {
    let (folder, tree) = folder();
    a_tick_later(folder.path());
    fs::rename(folder.path().join("a/b"), folder.path().join("a/c")).unwrap();
    let since = moment_of(&folder.path().join("a/c"));
    let found = doubtful(&tree, &at(Some(since)));
    assert!(names(&found.paths).contains(&"a/c/one.py"), "{found:?}");
    assert!(!names(&found.paths).contains(&"three.py"), "{found:?}");
}

#[test]
fn by_other_rules_what_never_came_is_looked_at_and_the_rules_have_the_last_word() {
    let (folder, mut tree) = folder();
    let mut agreed = at(Some(Moment::MAX));
    agreed.came = Some(Box::new(|path| !path.ends_with("two.py")));
    assert_eq!(names(&doubtful(&tree, &agreed).paths), ["a/two.py"]);
    tree.filter = Arc::new(|path, _| !path.ends_with("two.py"));
    assert_eq!(doubtful(&tree, &agreed), Doubtful::default());
    drop(folder);
}

fn container(entries: &[(&str, Entry)]) -> Listing {
    let found = |entry: &Entry| listing::Found {
        entry: entry.clone(),
        mode: 0o644,
        owner: (0, 0),
        size: 0,
        modified_ns: 0,
    };
    let entries = entries.iter();
    entries
        .map(|(path, entry)| (path.as_bytes().to_vec(), found(entry)))
        .collect()
}

#[test]
fn what_is_of_another_kind_or_behind_a_link_is_left_to_the_agent() {
    let (folder, tree) = folder();
    symlink("three.py", folder.path().join("link")).unwrap();
    let equal = match tree.know(Path::new("three.py")).unwrap() {
        Known::File { hash, mode } => Entry::File {
            hash,
            mode,
            size: 8,
        },
        other => unreachable!("{other:?}"),
    };
    let other = Entry::File {
        hash: 7,
        mode: 0o644,
        size: 1,
    };
    let differ = |entries: &[(&str, Entry)]| {
        let paths = doubtful(&tree, &at(None)).paths;
        differing(&tree, &paths, &container(entries))
    };
    let links = Entry::Symlink(b"/etc".to_vec());
    let there = [("a", links), ("three.py", equal.clone()), ("link", other)];
    assert_eq!(names(&differ(&there)), ["link"]);
    let there = [
        ("a", Entry::Folder),
        ("a/two.py", Entry::Folder),
        ("three.py", equal),
    ];
    assert_eq!(names(&differ(&there)), ["a/b", "a/b/one.py", "link"]);
}

#[test]
fn the_folders_on_the_way_come_along_where_they_are_not_there() {
    let (_folder, tree) = folder();
    let paths = [PathBuf::from("a/b/one.py")];
    let there = container(&[("a", Entry::Folder)]);
    assert_eq!(
        names(&with_folders(&tree, &paths, &there, true)),
        ["a/b", "a/b/one.py"]
    );
    let all = with_folders(&tree, &paths, &container(&[]), false);
    assert_eq!(names(&all), ["", "a", "a/b", "a/b/one.py"]);
    let tar = packed(&tree, &all, &Listing::new(), ("/", None)).unwrap();
    let listed = listing::of(tar, b"").unwrap();
    let listed: Vec<String> = listed
        .into_keys()
        .map(|path| String::from_utf8(path).unwrap())
        .collect();
    assert_eq!(listed, ["", "a", "a/b", "a/b/one.py"]);
}
