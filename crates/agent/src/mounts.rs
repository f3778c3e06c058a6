//! What is mounted, so that clearing a folder away never reaches into a volume.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// A mount point at or below this real path.
pub(crate) fn below(path: &Path) -> Option<PathBuf> {
    all().into_iter().find(|point| point.starts_with(path))
}

/// All mount points.
pub(crate) fn all() -> Vec<PathBuf> {
    points(&fs::read("/proc/self/mounts").unwrap_or_default())
}

fn points(mounts: &[u8]) -> Vec<PathBuf> {
    mounts
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(1))
        .map(|field| PathBuf::from(OsString::from_vec(unescape(field))))
        .collect()
}

/// Blanks in a mount point are written `\040`.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        let octal = (*byte == b'\\').then(|| after.get(..3)).flatten();
        let code = octal
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(code.unwrap_or(*byte));
        rest = if code.is_some() {
            after.get(3..).unwrap_or_default()
        } else {
            after
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::points;
    use std::path::PathBuf;

    #[test]
    fn mount_points_are_read_with_their_blanks() {
        let mounts = b"overlay / overlay rw 0 0\n/dev/vda /data/my\\040files ext4 rw 0 0\n";
        assert_eq!(
            points(mounts),
            [PathBuf::from("/"), PathBuf::from("/data/my files")]
        );
    }
}
