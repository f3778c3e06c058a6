//! Since when a container is known to have what the host has, and what was brought over later:
//! remembered across sessions, so that its next start need look at nothing else. Of an image as
//! well, because a container begins with what that has.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use devrun_core::early::{Basis, Moment};

use super::place::folder;
use crate::engine::Engine;
use crate::sync::early::changed;

/// A file system's clock may be behind the system's by one tick.
const TICK: Moment = 20_000_000;

const CLAIMED: u8 = b'?';
const COMPARED: u8 = b'@';
const BROUGHT: u8 = b'=';

/// What is remembered of one container or image.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) basis: Basis,
    /// Hash of the rules by which that is so.
    pub(super) rules: u64,
    /// What was brought over since, and when it had changed last on the host; absolute.
    pub(super) brought: HashMap<PathBuf, Moment>,
}

/// Now.
pub(super) fn now() -> Moment {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Moment::try_from(now.unwrap_or_default().as_nanos()).unwrap_or_default()
}

/// What changes from now on has changed later than this, by the clock of any file system.
pub(super) fn just_before_now() -> Moment {
    now() - TICK
}

/// Beside what is known of its files, and forgotten as that is.
fn file(id: &str) -> PathBuf {
    let id = id.trim_start_matches("sha256:");
    folder().join("known").join(format!("{id}.agreed"))
}

/// What is remembered of a container or image, by its id.
pub(super) fn of(id: &str) -> Record {
    fs::read(file(id)).map_or_else(|_| Record::default(), |text| read(&text))
}

fn read(text: &[u8]) -> Record {
    let mut record = Record::default();
    // What was cut off while it was written is not believed.
    let whole = text.split_inclusive(|byte| *byte == 0);
    for line in whole.filter_map(|line| line.strip_suffix(&[0])) {
        let Some((kind, rest)) = line.split_first() else {
            continue;
        };
        let mut parts = rest.splitn(2, |byte| *byte == b' ');
        let moment = parts.next().and_then(number);
        let (Some(moment), Some(rest)) = (moment, parts.next()) else {
            continue;
        };
        match *kind {
            BROUGHT => {
                let path = PathBuf::from(OsStr::from_bytes(rest));
                record.brought.insert(path, moment);
            }
            kind => {
                record.basis = match kind {
                    CLAIMED => Basis::Claimed(moment),
                    COMPARED => Basis::Compared(moment),
                    _ => Basis::Nothing,
                };
                record.rules = number(rest).unwrap_or_default();
                record.brought.clear();
            }
        }
    }
    record
}

fn number<N: std::str::FromStr>(text: &[u8]) -> Option<N> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// From that on, this is how things are, by these rules.
pub(super) fn set(id: &str, basis: Basis, rules: u64) {
    let line = match basis {
        Basis::Nothing => return forget(id),
        Basis::Claimed(at) => format!("?{at} {rules}\0"),
        Basis::Compared(at) => format!("@{at} {rules}\0"),
    };
    if let Err(error) = replace(&file(id), line.as_bytes()) {
        tracing::debug!(%error, "since when a container agrees is not remembered");
    }
}

/// Whole or not at all.
pub(super) fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = file.with_extension("agreeing");
    fs::write(&beside, text)?;
    fs::rename(beside, file)
}

/// An agent has compared all of a container, which is in step since that moment by these rules;
/// `equal` if nothing had to be brought over. That says something of its image as well.
pub(super) async fn compared(
    engine: &Engine,
    container: &str,
    (at, rules): (Moment, u64),
    equal: bool,
) {
    if let Basis::Claimed(_) = of(container).basis
        && let Ok(Some(found)) = engine.inspect(container).await
    {
        let image = of(&found.image_id);
        match image.basis {
            Basis::Claimed(at) if equal => set(&found.image_id, Basis::Compared(at), image.rules),
            Basis::Claimed(_) => forget(&found.image_id),
            _ => {}
        }
    }
    set(container, Basis::Compared(at), rules);
}

/// Nothing is known of it.
pub(super) fn forget(id: &str) {
    // Where there is no record, nothing is known either.
    let _ = fs::remove_file(file(id));
}

/// These (absolute) have been brought into a container as they were at that moment; what has
/// changed later is about to be brought again. Blocks.
pub(super) fn add(id: &str, paths: impl Iterator<Item = PathBuf>, before: Moment) {
    let mut lines = Vec::new();
    for path in paths {
        let found = fs::symlink_metadata(&path).map(|found| changed(&found));
        if let Ok(at) = found
            && at <= before
        {
            lines.push(BROUGHT);
            lines.extend_from_slice(at.to_string().as_bytes());
            lines.push(b' ');
            lines.extend_from_slice(path.as_os_str().as_bytes());
            lines.push(0);
        }
    }
    // Where nothing was compared, this would say nothing.
    let opened = OpenOptions::new().append(true).open(file(id));
    if let Err(error) = opened.and_then(|mut file| file.write_all(&lines))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!(%error, "what was brought over is not remembered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_what_is_cut_off_is_not_believed() {
        let text = b"?5 77\0=6 /a/old\0@10 99\0=12 /a/b c\0=13 /a/b c\0=14 /a/cut";
        let record = read(text);
        assert_eq!(record.basis, Basis::Compared(10));
        assert_eq!(record.rules, 99);
        assert_eq!(record.brought, HashMap::from([("/a/b c".into(), 13)]));
        assert_eq!(read(b""), Record::default());
        assert_eq!(read(b"@x 1\0junk\0=1\0"), Record::default());
    }

    #[test]
    fn what_was_saved_just_now_has_not_changed_before_now() {
        let folder = tempfile::tempdir().unwrap();
        let before = just_before_now();
        let path = folder.path().join("saved");
        fs::write(&path, "x").unwrap();
        let at = changed(&fs::symlink_metadata(&path).unwrap());
        assert!(before < at, "{before} {at}");
    }
}
