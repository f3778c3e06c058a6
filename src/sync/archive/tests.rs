//! What a tar holds.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use tar::{Archive, EntryType};

use super::tar_of;
use crate::sync::scan::{PIECE, Tree};

#[test]
fn named_paths_lie_below_the_target_with_owner_and_mode() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path();
    let deep = format!("{}/name", ["long"; 40].join("/"));
    let big = vec![7; PIECE + 100];
    fs::create_dir_all(from.join(&deep).parent().unwrap()).unwrap();
    fs::write(from.join(&deep), "deep").unwrap();
    fs::write(from.join("run.sh"), "#!").unwrap();
    fs::set_permissions(from.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(from.join("big"), &big).unwrap();
    fs::create_dir(from.join("empty")).unwrap();
    symlink("../elsewhere", from.join("link")).unwrap();
    let names = ["run.sh", "big", &deep, "empty", "link", "absent"].map(PathBuf::from);
    let tree = Tree::whole(from.to_owned(), "/srv/app".to_owned());
    let tar = tar_of(&tree, &names, |_| Some((1000, 1001))).unwrap();
    let mut found = BTreeMap::new();
    for entry in Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (1000, 1001));
        let what = (header.entry_type(), header.mode().unwrap() & 0o777, content);
        found.insert(entry.path().unwrap().into_owned(), what);
    }
    // Nothing of `/srv` or `/srv/app` themselves, and nothing of what is absent.
    assert_eq!(found.len(), 5);
    let at = |path: &str| found[&PathBuf::from("srv/app").join(path)].clone();
    assert_eq!(at("run.sh"), (EntryType::Regular, 0o755, b"#!".to_vec()));
    assert!(at("big").2 == big);
    assert_eq!(at(&deep).2, b"deep");
    assert_eq!(at("empty").0, EntryType::Directory);
    assert_eq!(at("link").0, EntryType::Symlink);
}
