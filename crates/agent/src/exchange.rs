//! Two names that change places at once, so that neither is ever absent.
#![allow(unsafe_code, reason = "the standard library has no renameat2(2)")]

use std::ffi::{CString, c_char, c_int, c_long, c_uint};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Paths are taken as they are, not from an open folder.
const HERE: c_int = -100;
/// `RENAME_EXCHANGE`.
const EXCHANGE: c_uint = 2;
/// The kernel's number of renameat2(2); not every C library has a function for it.
#[cfg(target_arch = "x86_64")]
const RENAMEAT2: Option<c_long> = Some(316);
#[cfg(target_arch = "aarch64")]
const RENAMEAT2: Option<c_long> = Some(276);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const RENAMEAT2: Option<c_long> = None;

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
}

/// What is at `one` is at `other` afterwards, and the reverse; an error where the kernel or the
/// file system cannot do that, and nothing was changed.
pub(crate) fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    let Some(renameat2) = RENAMEAT2 else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let one = CString::new(one.as_os_str().as_bytes())?;
    let other = CString::new(other.as_os_str().as_bytes())?;
    let (from, to): (*const c_char, *const c_char) = (one.as_ptr(), other.as_ptr());
    // SAFETY: the call reads two strings that end with a zero and outlive it, and touches no
    // other memory of ours.
    match unsafe { syscall(renameat2, HERE, from, HERE, to, EXCHANGE) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::exchange;

    #[test]
    fn a_file_and_a_folder_change_places() {
        let root = tempfile::tempdir().unwrap();
        let (file, folder) = (root.path().join("a"), root.path().join("b"));
        fs::write(&file, "1").unwrap();
        fs::create_dir(&folder).unwrap();
        exchange(&file, &folder).unwrap();
        assert!(file.is_dir());
        assert_eq!(fs::read(&folder).unwrap(), b"1");
        exchange(&file, &root.path().join("none")).unwrap_err();
        assert!(file.is_dir());
    }
}
