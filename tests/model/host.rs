//! Does to files what an [`Op`] says.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::ops::{Op, Save};

/// Who is written to for longer than this without a close counts as saved as it is then
/// (docs/sync.md); a writer that the machine kept from writing for so long proves nothing.
const AT_ONCE: Duration = Duration::from_millis(10);

/// A whole piece of a file: its length, its checksum, its content.
pub fn record(number: u64, size: usize) -> Vec<u8> {
    let body: Vec<u8> = format!("{number:x}.").into_bytes();
    let body: Vec<u8> = body.into_iter().cycle().take(size).collect();
    let mut record = format!("{} {}\n", body.len(), adler32(&body)).into_bytes();
    record.extend(body);
    record
}

pub fn adler32(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1, 0);
    for byte in bytes {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    (high << 16) | low
}

/// A writer: each of its contents is one that nobody wrote before.
#[derive(Debug)]
pub struct Writer {
    /// The folder in which it works.
    pub top: PathBuf,
    /// Of its last content; those of several writers never meet.
    pub number: u64,
    /// Files that were not written at once: what a reader saw of them proves nothing.
    pub slow: Vec<PathBuf>,
    /// There was a file with two names: the kernel tells of a write for one of them alone.
    pub linked: bool,
}

impl Writer {
    fn content(&mut self, size: usize) -> Vec<u8> {
        self.number += 1;
        record(self.number, size)
    }

    /// Does it, as far as it is possible.
    pub fn perform(&mut self, op: &Op) {
        let at = |path: &Path| self.top.join(path);
        // What is not possible is no change.
        let _ = match op {
            Op::Write(path, size) => self.write(path, *size),
            Op::Append(path, size) => self.append(path, *size),
            Op::Save(path, way, size) => self.save(path, *way, *size),
            Op::Rename(from, to) => {
                let _ = at(to).parent().map(fs::create_dir_all);
                fs::rename(at(from), at(to))
            }
            Op::Remove(path) => remove(&at(path)),
            Op::RemoveAll(path) if path.as_os_str().is_empty() => Ok(()),
            Op::RemoveAll(path) => fs::remove_dir_all(at(path)),
            Op::Mkdir(path) => fs::create_dir_all(at(path)),
            Op::Symlink(path, target) => {
                let _ = at(path).parent().map(fs::create_dir_all);
                symlink(target, at(path))
            }
            Op::HardLink(from, to) => {
                let made = fs::hard_link(at(from), at(to));
                self.linked |= made.is_ok();
                made
            }
            Op::Chmod(path, mode) => chmod(&at(path), *mode),
            Op::Swap(path, size) => self.swap(path, *size),
            Op::Case(path) => fs::rename(at(path), at(&other_case(path))),
            Op::Ignore(path, lines) => {
                let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
                fs::write(at(path).join(".gitignore"), lines)
            }
            Op::Bulk(path, count) => self.bulk(path, *count),
            Op::Own(_) | Op::Look => Ok(()),
        };
    }

    fn write(&mut self, path: &Path, size: usize) -> io::Result<()> {
        let content = self.content(size);
        let full = self.top.join(path);
        let _ = full.parent().map(fs::create_dir_all);
        self.in_pieces(path, &[&content])
    }

    /// Truncates and writes, and notes it where that took longer than it should.
    fn in_pieces(&mut self, path: &Path, pieces: &[&[u8]]) -> io::Result<()> {
        let start = Instant::now();
        let full = self.top.join(path);
        let written = File::create(&full)
            .and_then(|mut file| pieces.iter().try_for_each(|piece| file.write_all(piece)));
        if start.elapsed() > AT_ONCE {
            // Whatever name it is read by.
            self.slow.push(path.to_owned());
        }
        written
    }

    fn append(&mut self, path: &Path, size: usize) -> io::Result<()> {
        let content = self.content(size);
        let full = self.top.join(path);
        // One that is empty, or was begun by another writer, is not to be torn for ever.
        if fs::metadata(&full)?.len() == 0 {
            return self.in_pieces(path, &[&content]);
        }
        OpenOptions::new()
            .append(true)
            .open(full)?
            .write_all(&content)
    }

    fn save(&mut self, path: &Path, way: Save, size: usize) -> io::Result<()> {
        let content = self.content(size);
        let full = self.top.join(path);
        let beside = |end: &str| {
            let mut name = full.clone().into_os_string();
            name.push(end);
            PathBuf::from(name)
        };
        let start = Instant::now();
        match way {
            Save::Vim => {
                fs::rename(&full, beside("~"))?;
                fs::write(&full, content)?;
                fs::remove_file(beside("~"))?;
            }
            Save::JetBrains => {
                fs::write(beside("___jb_tmp___"), content)?;
                fs::rename(&full, beside("___jb_old___"))?;
                fs::rename(beside("___jb_tmp___"), &full)?;
                fs::remove_file(beside("___jb_old___"))?;
            }
            Save::Over => {
                fs::write(beside(".tmp"), content)?;
                fs::rename(beside(".tmp"), &full)?;
            }
            Save::Truncate => {
                let (one, two) = content.split_at(content.len() / 2);
                return self.in_pieces(path, &[one, two]);
            }
        }
        if start.elapsed() > AT_ONCE {
            self.slow.push(path.to_owned());
        }
        Ok(())
    }

    fn swap(&mut self, path: &Path, size: usize) -> io::Result<()> {
        let full = self.top.join(path);
        // What the container made lives in a folder of that name; and the writers work in the top.
        if path.as_os_str().is_empty() || path.iter().any(|name| name == "keep") {
            return Ok(());
        }
        if full.symlink_metadata()?.is_dir() {
            fs::remove_dir_all(&full)?;
            return self.write(path, size);
        }
        fs::remove_file(&full)?;
        fs::create_dir(&full)?;
        self.write(&path.join("f.py"), size)
    }

    fn bulk(&mut self, path: &Path, count: usize) -> io::Result<()> {
        let folder = self.top.join(path);
        fs::create_dir_all(&folder)?;
        for number in 0..count {
            let content = self.content(20 + number);
            self.in_pieces(&path.join(format!("f{number}")), &[&content])?;
        }
        for number in count..40 {
            let _ = fs::remove_file(folder.join(format!("f{number}")));
        }
        Ok(())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(|_| fs::remove_dir(path))
}

/// Of a file; through a link it would be another one's.
fn chmod(path: &Path, mode: u32) -> io::Result<()> {
    if path.symlink_metadata()?.is_file() {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok(())
}

fn other_case(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or(OsStr::new("x"));
    let upper = name.as_bytes().to_ascii_uppercase();
    let other = if upper == name.as_bytes() {
        name.as_bytes().to_ascii_lowercase()
    } else {
        upper
    };
    path.with_file_name(OsString::from_vec(other))
}
