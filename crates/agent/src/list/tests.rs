//! What is told of folders, and what is not entered.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use devrun_wire::frames::{Item, Kind, Response, Version};
use tempfile::TempDir;

use super::{item, list, up_to};
use crate::read::read;

fn root() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("app");
    fs::create_dir_all(root.join("deep/er")).unwrap();
    fs::write(root.join("a.txt"), "abc").unwrap();
    fs::write(root.join("deep/b\n c.txt"), "").unwrap();
    fs::set_permissions(root.join("a.txt"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("/etc", root.join("out")).unwrap();
    let root = root.to_str().unwrap().to_owned();
    (folder, root)
}

fn listed(root: &str, folders: &[&str], after: &str) -> (u32, Vec<Item>) {
    let folders: Vec<Vec<u8>> = folders.iter().map(|it| it.as_bytes().to_vec()).collect();
    match list(root, &folders, after.as_bytes()).unwrap() {
        Response::Listed { whole, items } => (whole, items),
        other => panic!("{other:?}"),
    }
}

fn told(items: &[Item]) -> Vec<String> {
    let tell = |item: &Item| {
        let name = String::from_utf8_lossy(&item.name);
        format!("{} {name} {:?}", item.folder, item.kind)
    };
    items.iter().map(tell).collect()
}

#[test]
fn folders_are_told_in_order_and_by_name() {
    let (_keep, root) = root();
    let (whole, items) = listed(&root, &["", "gone", "deep"], "");
    assert_eq!(whole, 3);
    assert_eq!(
        told(&items),
        [
            "0 a.txt File",
            "0 deep Folder",
            "0 out Symlink",
            "2 b\n c.txt File",
            "2 er Folder"
        ]
    );
    let first = items.first().unwrap();
    assert_eq!((first.mode, first.size), (0o640, 3));
    assert!(first.modified_ns > 1_500_000_000_000_000_000);
    let (_, rest) = listed(&root, &["", "deep"], "a.txt");
    assert_eq!(
        rest.len(),
        4,
        "`after` is for the first folder only: {rest:?}"
    );
}

#[test]
fn no_symlink_is_followed_and_nothing_outside_is_told() {
    let (_keep, root) = root();
    assert_eq!(listed(&root, &["out"], ""), (1, Vec::new()));
    assert!(list(&root, &[b"../..".to_vec()], b"").is_err());
    assert!(read(&root, b"out/hostname", 0, 10).is_err());
    assert!(read(&root, b"out", 0, 10).is_err());
    assert!(read(&root, b"../../etc/hostname", 0, 10).is_err());
}

#[test]
fn a_mount_is_called_so() {
    let (_keep, root) = root();
    let deep = Path::new(&root).join("deep");
    let found = fs::symlink_metadata(&deep).unwrap();
    let told = item(0, "deep".into(), &found, &deep, std::slice::from_ref(&deep));
    assert_eq!(told.kind, Kind::Mount);
    let others = [PathBuf::from("/"), deep.join("er")];
    assert_eq!(
        item(0, "deep".into(), &found, &deep, &others).kind,
        Kind::Folder
    );
}

#[test]
fn a_large_folder_comes_in_pages() {
    let (_keep, root) = root();
    let many = Path::new(&root).join("many");
    fs::create_dir(&many).unwrap();
    for number in 0..100 {
        fs::write(many.join(format!("{number:0>3}")), "").unwrap();
    }
    let (mut names, mut pages) = (Vec::new(), 0);
    let mut after = Vec::new();
    loop {
        pages += 1;
        let page = up_to(1000, &root, &[b"many".to_vec()], &after).unwrap();
        let Response::Listed { whole, items } = page else {
            panic!("{page:?}");
        };
        names.extend(items.into_iter().map(|item| item.name));
        if whole == 1 {
            break;
        }
        after.clone_from(names.last().unwrap());
    }
    assert!(pages > 1);
    names.dedup();
    assert_eq!(names.len(), 100, "each once");
}

#[test]
fn a_file_is_read_in_pieces_of_one_version() {
    let (_keep, root) = root();
    let piece = |offset| match read(&root, b"a.txt", offset, 2).unwrap() {
        Response::Content {
            version,
            mode,
            data,
        } => (version, mode, data),
        other => panic!("{other:?}"),
    };
    let (first, mode, data) = piece(0);
    assert_eq!((mode, data.as_slice(), first.size), (0o640, &b"ab"[..], 3));
    let (second, _, data) = piece(2);
    assert_eq!((second, data.as_slice()), (first, &b"c"[..]));
    assert_eq!(piece(3).2, b"");
    fs::write(Path::new(&root).join("new"), "xyz!").unwrap();
    fs::rename(Path::new(&root).join("new"), Path::new(&root).join("a.txt")).unwrap();
    let (third, ..): (Version, _, _) = piece(0);
    assert_ne!(third, first);
}
