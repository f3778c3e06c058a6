//! Signals.
#![allow(unsafe_code, reason = "the standard library has no kill(2)")]

use std::ffi::c_int;
use std::io;

/// `SIGKILL`, the same number on all of Linux.
pub(crate) const KILL: i32 = 9;

// SAFETY: kill(2) takes two integers and touches no memory of ours.
unsafe extern "C" {
    safe fn kill(pid: c_int, signal: c_int) -> c_int;
}

/// Sends a signal to one process.
pub(crate) fn process(pid: u32, signal: i32) -> io::Result<()> {
    send(positive(pid)?, signal)
}

/// Sends a signal to the process group that `leader` leads.
pub(crate) fn group(leader: u32, signal: i32) -> io::Result<()> {
    send(-positive(leader)?, signal)
}

/// Zero and negative numbers would mean "all of my group" and "everybody"; so would minus one.
fn positive(pid: u32) -> io::Result<c_int> {
    c_int::try_from(pid)
        .ok()
        .filter(|pid| *pid > 0)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no such process id"))
}

fn send(pid: c_int, signal: i32) -> io::Result<()> {
    if kill(pid, signal) == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
