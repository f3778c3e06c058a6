//! What is mounted where: a folder whose content is covered, or comes back, is told by nobody
//! else.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

/// The kernel wakes whoever has it open when something is mounted.
const TABLE: &str = "/proc/self/mountinfo";

/// Each container that starts makes a dozen mounts, of which none is ours: they are looked at
/// together.
const CALM: Duration = Duration::from_millis(100);

type Mounted = BTreeSet<(u64, PathBuf)>;

/// The mounts of this process.
#[derive(Debug)]
pub(super) struct Mounts {
    /// Without it nothing is heard.
    table: Option<AsyncFd<File>>,
    known: Mounted,
    /// When the table is read next.
    due: Option<Instant>,
}

impl Mounts {
    #[expect(
        deprecated,
        reason = "the new way is `unsafe` for the sake of types whose descriptor changes; a file's does not"
    )]
    pub(super) fn open() -> Self {
        let table = File::open(TABLE);
        let table = table.and_then(|table| AsyncFd::with_interest(table, Interest::PRIORITY));
        let table = table
            .inspect_err(|error| tracing::debug!(%error, "mounts are not noticed"))
            .ok();
        Self {
            table,
            known: read(),
            due: None,
        }
    }

    /// Where something was mounted or unmounted, as soon as something was. May be dropped at any
    /// time.
    pub(super) async fn changed(&mut self) -> Vec<PathBuf> {
        let Some(table) = &self.table else {
            return std::future::pending().await;
        };
        loop {
            if self.due.is_none() {
                match table.ready(Interest::PRIORITY).await {
                    Ok(mut ready) => ready.clear_ready(),
                    Err(_) => return std::future::pending().await,
                }
                self.due = Some(Instant::now() + CALM);
            }
            if let Some(due) = self.due {
                sleep_until(due).await;
            }
            self.due = None;
            let now = read();
            let changed: BTreeSet<PathBuf> = self
                .known
                .symmetric_difference(&now)
                .map(|(_, at)| at.clone())
                .collect();
            self.known = now;
            if !changed.is_empty() {
                return changed.into_iter().collect();
            }
        }
    }
}

fn read() -> Mounted {
    let text = std::fs::read(TABLE).unwrap_or_default();
    parse(&text)
}

/// Each line: id, parent, device, root, mount point, and more that does not matter here.
fn parse(text: &[u8]) -> Mounted {
    let mount = |line: &[u8]| {
        let mut words = line.split(|byte| *byte == b' ');
        let id = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
        Some((id, unescape(words.nth(3)?)))
    };
    text.split(|byte| *byte == b'\n')
        .filter_map(mount)
        .collect()
}

/// Spaces and their like stand as `\040`.
fn unescape(word: &[u8]) -> PathBuf {
    let mut plain = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, after)) = rest.split_first() {
        let octal = (*first == b'\\').then(|| after.get(..3)).flatten();
        let octal = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = &after[3..];
            }
            None => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_read_with_its_spaces() {
        let text = b"36 35 98:0 /mnt1 /a\\040b/c rw - ext3 /dev/root rw\n37 35 0:4 / /proc rw\n";
        let wanted = [(36, PathBuf::from("/a b/c")), (37, PathBuf::from("/proc"))];
        assert_eq!(parse(text), Mounted::from(wanted));
        assert_eq!(unescape(b"\\9"), PathBuf::from("\\9"));
    }
}
