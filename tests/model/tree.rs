//! Two trees side by side: the host's, as far as the rules cover it, and the container's.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::host::adler32;

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    Folder { mode: u32 },
    File { mode: u32, content: String },
    Link { to: Vec<u8> },
}

pub type Tree = BTreeMap<PathBuf, Thing>;

/// All that lies below a folder of the host.
pub fn of_host(top: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(top.join(&folder))
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = folder.join(item.file_name());
            let full = top.join(&path);
            let found = full.symlink_metadata().unwrap();
            let mode = found.mode() & 0o777;
            let thing = if found.is_dir() {
                folders.push(path.clone());
                Thing::Folder { mode }
            } else if found.is_symlink() {
                let to = fs::read_link(&full)
                    .unwrap()
                    .as_os_str()
                    .as_bytes()
                    .to_vec();
                Thing::Link { to }
            } else {
                let bytes = fs::read(&full).unwrap();
                let content = format!("{} {}", bytes.len(), adler32(&bytes));
                Thing::File { mode, content }
            };
            tree.insert(path, thing);
        }
    }
    tree
}

/// What the rules of the model's stack say, by the simplest reading of them: Git's manual, line
/// for line, for the lines that the model writes.
#[derive(Debug)]
pub struct Ignores(BTreeMap<PathBuf, Vec<String>>);

impl Ignores {
    pub fn of_host(top: &Path, tree: &Tree) -> Ignores {
        let files = tree.iter().filter(|(path, thing)| {
            path.file_name() == Some(OsStr::new(".gitignore"))
                && matches!(thing, Thing::File { .. })
        });
        let texts = files.map(|(path, _)| {
            let text = fs::read_to_string(top.join(path)).unwrap_or_default();
            let lines = text.lines().map(str::to_owned).collect();
            (path.parent().unwrap_or(Path::new("")).to_owned(), lines)
        });
        Ignores(texts.collect())
    }

    /// Whether it, or a folder on the way to it, is ignored.
    pub fn ignores(&self, path: &Path, is_dir: bool) -> bool {
        let mut ways: Vec<&Path> = path
            .ancestors()
            .filter(|way| !way.as_os_str().is_empty())
            .collect();
        ways.reverse();
        ways.iter()
            .any(|way| self.ignores_itself(way, is_dir || *way != path))
    }

    fn ignores_itself(&self, path: &Path, is_dir: bool) -> bool {
        let name = path.file_name().unwrap_or_default().as_bytes();
        // The rule's own words, and what editors leave where they are disturbed.
        let ends: [&[u8]; 4] = [b".skip", b"~", b"___jb_tmp___", b"___jb_old___"];
        if name == b"skip" || ends.iter().any(|end| name.ends_with(end)) {
            return true;
        }
        for folder in path.ancestors().skip(1) {
            let Some(lines) = self.0.get(folder) else {
                continue;
            };
            let matches = |line: &str| {
                let here = path.parent() == Some(folder);
                match line.trim_start_matches('!') {
                    wild if wild.starts_with('*') => name.ends_with(&wild.as_bytes()[1..]),
                    rooted if rooted.starts_with('/') => here && name == &rooted.as_bytes()[1..],
                    only if only.ends_with('/') => {
                        is_dir && name == only.trim_end_matches('/').as_bytes()
                    }
                    plain => name == plain.as_bytes(),
                }
            };
            if let Some(last) = lines.iter().rev().find(|line| matches(line)) {
                return !last.starts_with('!');
            }
        }
        false
    }
}

/// What is not as it should be, one a line; empty where all is well. `own` must be there, and
/// `leftovers` of what a container's end interrupted may.
pub fn differences(top: &Path, inside: &Tree, own: &BTreeSet<PathBuf>, leftovers: bool) -> String {
    let host = of_host(top);
    let ignores = Ignores::of_host(top, &host);
    let is_dir = |thing: &Thing| matches!(thing, Thing::Folder { .. });
    let mut told = String::new();
    let shown = |path: &Path| path.as_os_str().as_bytes().escape_ascii().to_string();
    for (path, thing) in &host {
        if ignores.ignores(path, is_dir(thing)) {
            continue;
        }
        let found = inside.get(path);
        if found.is_none_or(|found| !is_equal(thing, found)) {
            let _ = writeln!(told, "{}: host {thing:?}, container {found:?}", shown(path));
        }
    }
    // Whatever may stay keeps the folders on the way to it.
    let may_stay = |path: &Path, thing: &Thing| {
        host.contains_key(path)
            || ignores.ignores(path, is_dir(thing))
            || path
                .file_name()
                .is_some_and(|name| is_free(name, leftovers))
    };
    let kept: BTreeSet<&Path> = inside
        .iter()
        .filter(|(path, thing)| may_stay(path, thing))
        .flat_map(|(path, _)| path.ancestors())
        .collect();
    for (path, thing) in inside
        .iter()
        .filter(|(path, _)| !kept.contains(path.as_path()))
    {
        let _ = writeln!(
            told,
            "{}: not on the host, container {thing:?}",
            shown(path)
        );
    }
    for path in own.iter().filter(|path| !inside.contains_key(*path)) {
        let _ = writeln!(
            told,
            "{}: the container made it, and it is gone",
            shown(path)
        );
    }
    told
}

/// The container's own; and what an agent had begun that ended with its container, for a while.
fn is_free(name: &OsStr, leftovers: bool) -> bool {
    let name = name.as_bytes();
    name.starts_with(b"own-") || (leftovers && name.starts_with(b".devrun-"))
}

fn is_equal(host: &Thing, inside: &Thing) -> bool {
    match (host, inside) {
        (Thing::Folder { .. }, Thing::Folder { .. }) => true,
        _ => host == inside,
    }
}
