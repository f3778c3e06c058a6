//! Trees of host and container, to be compared byte for byte and mode for mode.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tar::EntryType;

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Folder,
    File(u32, String),
    Link(PathBuf),
}

pub type Tree = BTreeMap<PathBuf, What>;

/// A folder of the host.
pub fn host(folder: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for item in fs::read_dir(next).unwrap() {
            let path = item.unwrap().path();
            let found = fs::symlink_metadata(&path).unwrap();
            let what = if found.is_dir() {
                folders.push(path.clone());
                What::Folder
            } else if found.is_symlink() {
                What::Link(fs::read_link(&path).unwrap())
            } else {
                What::File(found.mode() & 0o777, shown(&fs::read(&path).unwrap()))
            };
            tree.insert(path.strip_prefix(folder).unwrap().to_owned(), what);
        }
    }
    tree
}

/// A folder of a container, as the container sees it; `None` where it cannot be read.
pub fn container(name: &str, folder: &str) -> Option<Tree> {
    let output = Command::new("docker")
        .args(["exec", "-u", "0", name, "/busybox", "tar", "-cf", "-", "-C"])
        .args([folder, "."])
        .output()
        .unwrap();
    if !output.status.success() {
        return None;
    }
    let mut tree = Tree::new();
    for entry in tar::Archive::new(output.stdout.as_slice()).entries().ok()? {
        let mut entry = entry.ok()?;
        let path = entry.path_bytes().into_owned();
        let path = Path::new(OsStr::from_bytes(&path));
        let path: PathBuf = path.components().skip(1).collect();
        if path.as_os_str().is_empty() {
            continue;
        }
        let what = match entry.header().entry_type() {
            EntryType::Directory => What::Folder,
            EntryType::Symlink => What::Link(entry.link_name().ok()??.into_owned()),
            _ => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).ok()?;
                What::File(entry.header().mode().ok()? & 0o777, shown(&content))
            }
        };
        tree.insert(path, what);
    }
    Some(tree)
}

/// Large contents by their length and their sum.
fn shown(content: &[u8]) -> String {
    match content.len() {
        0..200 => String::from_utf8_lossy(content).into_owned(),
        length => {
            let sum = content.iter().fold(7_u64, |sum, byte| {
                sum.wrapping_mul(31).wrapping_add((*byte).into())
            });
            format!("{length} bytes, {sum:x}")
        }
    }
}
