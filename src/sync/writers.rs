//! Whether somebody has a file open to write to it: what is read of it then may be half of what
//! is to be there, and nobody can tell by its looks.
#![allow(
    unsafe_code,
    reason = "neither the standard library nor rustix has leases"
)]

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

/// The numbers are the same on all of Linux.
const SET_SIGNAL: c_int = 10;
const SET_LEASE: c_int = 1024;
const READ: c_int = 0;
const NONE: c_int = 2;
/// `SIGURG`, which does nothing to a process that does not ask for it.
const IGNORED: c_int = 23;
const TRY_AGAIN: i32 = 11;

unsafe extern "C" {
    fn fcntl(file: c_int, command: c_int, ...) -> c_int;
}

/// Nobody can begin to write while it is held: they wait, for the moment that it is.
#[derive(Debug)]
pub(super) struct Lease<'a>(&'a File);

/// What the kernel says about those who write to a file.
#[derive(Debug)]
pub(super) enum Writers<'a> {
    /// There are none, and there will be none while this is held.
    None(#[expect(dead_code, reason = "it is held, not asked")] Lease<'a>),
    /// Somebody has it open.
    Some,
    /// Not on this file system, or not to us.
    Unknown,
}

impl Writers<'_> {
    /// Of a file that is open for reading only.
    pub(super) fn of(file: &File) -> Writers<'_> {
        // Whoever waits for the lease makes the kernel send a signal; the usual one would end us.
        if command(file, SET_SIGNAL, IGNORED).is_err() {
            return Writers::Unknown;
        }
        match command(file, SET_LEASE, READ) {
            Ok(()) => Writers::None(Lease(file)),
            Err(error) if error.raw_os_error() == Some(TRY_AGAIN) => Writers::Some,
            Err(_) => Writers::Unknown,
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // It also ends when the file is closed.
        let _ = command(self.0, SET_LEASE, NONE);
    }
}

fn command(file: &File, command: c_int, argument: c_int) -> io::Result<()> {
    // SAFETY: fcntl(2) with these commands takes an integer and touches no memory of ours; the
    // descriptor is open while `file` is borrowed.
    match unsafe { fcntl(file.as_raw_fd(), command, argument) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};

    use super::*;

    #[test]
    fn writers_are_seen_and_wait_for_a_moment_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "x").unwrap();
        let file = File::open(&path).unwrap();
        let writer = OpenOptions::new().append(true).open(&path).unwrap();
        assert!(matches!(Writers::of(&file), Writers::Some));
        drop(writer);
        let held = Writers::of(&file);
        assert!(matches!(held, Writers::None(_)));
        // It waits until the lease ends, and the signal that asks for that ends nobody.
        let writing = std::thread::spawn(move || fs::write(path, "y"));
        drop(held);
        writing.join().unwrap().unwrap();
        assert!(matches!(Writers::of(&file), Writers::None(_)));
    }
}
