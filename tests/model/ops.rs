//! What happens on the host, as data that can be repeated, left out and printed.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::dice::Dice;

/// One thing that somebody does to files; what is not possible at that moment is left undone.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Truncated and written, as VS Code does.
    Write(PathBuf, usize),
    Append(PathBuf, usize),
    /// Another way of saving, of a file that always exists.
    Save(PathBuf, Save, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    RemoveAll(PathBuf),
    Mkdir(PathBuf),
    Symlink(PathBuf, &'static str),
    HardLink(PathBuf, PathBuf),
    Chmod(PathBuf, u32),
    /// A file becomes a folder with something in it, or the other way round.
    Swap(PathBuf, usize),
    /// The last name in the other case.
    Case(PathBuf),
    /// A `.gitignore` in that folder.
    Ignore(PathBuf, Vec<&'static str>),
    /// As `git switch`: many files written and removed at once.
    Bulk(PathBuf, usize),
    /// The container makes a file of its own.
    Own(PathBuf),
    /// A moment passes: the container is asked for its tree.
    Look,
}

/// How editors save.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Save {
    /// Renamed away, written anew, the old one removed.
    Vim,
    /// Written beside, the old one renamed away, the new one renamed into place.
    JetBrains,
    /// Written beside and renamed over.
    Over,
    /// Truncated and written in two pieces.
    Truncate,
}

const FOLDERS: [&[u8]; 7] = [b"a", b"b", b"c", b"keep", b"sp ace", b"-dash", b"n\xfe"];
const FILES: [&[u8]; 10] = [
    b"a",
    b"b",
    b"f.py",
    b"Case",
    b"case",
    b"x.log",
    b"q'uo\"te",
    b"new\nline",
    b"n\xff",
    b"-rf",
];
const LEFT_ALONE: [&[u8]; 2] = [b"skip", b"x.skip"];
const TARGETS: [&str; 6] = ["a", "../b", "nowhere", "../../outside", ".", "keep/f.py"];
const LINES: [&str; 8] = ["*.log", "b", "a/", "!x.log", "/f.py", "!b", "case", "*.py"];
const MODES: [u32; 5] = [0o644, 0o755, 0o600, 0o444, 0o640];
const SIZES: [usize; 6] = [1, 20, 500, 5_000, 70_000, 1_500_000];

fn path(dice: &mut Dice) -> PathBuf {
    let mut path = folder(dice);
    let name = if dice.one_in(12) {
        dice.pick(&LEFT_ALONE)
    } else {
        dice.pick(&FILES)
    };
    path.push(OsStr::from_bytes(name));
    path
}

fn folder(dice: &mut Dice) -> PathBuf {
    let depth = dice.below(3);
    let names = (0..depth).map(|_| OsStr::from_bytes(dice.pick(&FOLDERS)));
    names.collect()
}

fn size(dice: &mut Dice) -> usize {
    // Large ones are rare.
    SIZES[dice.below(SIZES.len()).min(dice.below(SIZES.len()))]
}

impl Op {
    /// Whichever comes; `writer` owns the file that it saves in editors' ways.
    pub fn any(dice: &mut Dice, writer: usize) -> Op {
        let size = size(dice);
        match dice.below(34) {
            0..=6 => Op::Write(path(dice), size),
            7..=8 => Op::Append(path(dice), size),
            9..=13 => {
                let way = [Save::Vim, Save::JetBrains, Save::Over, Save::Truncate][dice.below(4)];
                Op::Save(steady(writer), way, size)
            }
            14..=15 => Op::Rename(path(dice), path(dice)),
            16 => Op::Rename(folder(dice), folder(dice)),
            17 => Op::Remove(path(dice)),
            18 => Op::RemoveAll(folder(dice)),
            19..=20 => Op::Mkdir(folder(dice)),
            21 => Op::Symlink(path(dice), dice.pick(&TARGETS)),
            22 => Op::HardLink(path(dice), path(dice)),
            23 => Op::Chmod(path(dice), MODES[dice.below(MODES.len())]),
            24..=25 => Op::Swap(
                if dice.one_in(2) {
                    folder(dice)
                } else {
                    path(dice)
                },
                size,
            ),
            26 => Op::Case(path(dice)),
            27 => {
                let count = dice.below(4);
                let lines = (0..count).map(|_| dice.pick(&LINES)).collect();
                Op::Ignore(folder(dice), lines)
            }
            28 => Op::Bulk(PathBuf::from("bulk"), 1 + dice.below(40)),
            29 => Op::Own(folder(dice).join(format!("own-{}", dice.below(3)))),
            _ => Op::Look,
        }
    }
}

/// The file that a writer saves as an editor does: it is never away for longer than a save.
pub fn steady(writer: usize) -> PathBuf {
    PathBuf::from(format!("steady/file-{writer}.py"))
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |path: &Path| format!("\"{}\"", path.as_os_str().as_bytes().escape_ascii());
        match self {
            Op::Write(path, size) => write!(f, "write {} of {size}", shown(path)),
            Op::Append(path, size) => write!(f, "append {size} to {}", shown(path)),
            Op::Save(path, way, size) => write!(f, "save {} of {size} as {way:?}", shown(path)),
            Op::Rename(from, to) => write!(f, "rename {} to {}", shown(from), shown(to)),
            Op::Remove(path) => write!(f, "remove {}", shown(path)),
            Op::RemoveAll(path) => write!(f, "remove all of {}", shown(path)),
            Op::Mkdir(path) => write!(f, "mkdir -p {}", shown(path)),
            Op::Symlink(path, target) => write!(f, "symlink {} to {target:?}", shown(path)),
            Op::HardLink(from, to) => write!(f, "hard link {} as {}", shown(from), shown(to)),
            Op::Chmod(path, mode) => write!(f, "chmod {mode:o} {}", shown(path)),
            Op::Swap(path, size) => write!(f, "swap {} of {size}", shown(path)),
            Op::Case(path) => write!(f, "other case of {}", shown(path)),
            Op::Ignore(path, lines) => write!(f, "gitignore in {}: {lines:?}", shown(path)),
            Op::Bulk(path, count) => write!(f, "switch {count} files in {}", shown(path)),
            Op::Own(path) => write!(f, "the container makes {}", shown(path)),
            Op::Look => write!(f, "look"),
        }
    }
}
