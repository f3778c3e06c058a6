//! Noticing what a container makes, for the way back: the kernel tells, nobody polls.
#![allow(unsafe_code, reason = "the standard library has no inotify(7)")]

use std::collections::{BTreeSet, HashMap};
use std::ffi::{CString, c_char, c_int};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use devrun_wire::frames::Response;

use crate::place;
use crate::refusal::Refusal;

/// A writer closed a file, something was renamed to here or made here.
const EVENTS: u32 = 0x008 | 0x080 | 0x100;
/// Only folders, no symlinks to them, and nothing of what was removed while it is open.
const ONLY: u32 = 0x0100_0000 | 0x0200_0000 | 0x0400_0000;
/// The queue was full: something was not told.
const OVERFLOW: u32 = 0x4000;
/// `IN_CLOEXEC`, the same as `O_CLOEXEC` on all of Linux that we build for.
const CLOEXEC: c_int = 0o2_000_000;
/// The fixed part of an event: descriptor, mask, cookie, length of the name.
const HEAD: usize = 16;
/// How our own half-written files begin.
const OWN: &[u8] = b".devrun-";

// SAFETY: inotify_init1(2) takes an integer and touches no memory of ours.
unsafe extern "C" {
    safe fn inotify_init1(flags: c_int) -> c_int;
    fn inotify_add_watch(fd: c_int, path: *const c_char, mask: u32) -> c_int;
}

/// What was noted, and who waits for it.
#[derive(Debug, Default)]
struct Noted {
    /// The folder of each watch, as it was named.
    folders: HashMap<c_int, Vec<u8>>,
    stirred: BTreeSet<Vec<u8>>,
    overflow: bool,
    waiting: Option<u32>,
}

/// The folders that are watched.
#[derive(Debug)]
pub(crate) struct Stir {
    events: File,
    noted: Arc<Mutex<Noted>>,
}

impl Stir {
    /// Begins; `tell` is given what was noted, for the request that waits.
    pub(crate) fn start(tell: impl Fn(u32, Response) + Send + 'static) -> Result<Stir, Refusal> {
        let events = open().map_err(|error| unable(&error))?;
        let noted: Arc<Mutex<Noted>> = Arc::default();
        let (mut reader, shared) = (
            events.try_clone().map_err(|error| unable(&error))?,
            Arc::clone(&noted),
        );
        let read = move || {
            let mut buffer = vec![0; 64 << 10];
            // Nothing ends this but the end of the program.
            while let Ok(count) = reader.read(&mut buffer) {
                let mut noted = lock(&shared);
                noted.take(buffer.get(..count).unwrap_or_default());
                let answer = noted.answer();
                drop(noted);
                if let Some((number, answer)) = answer {
                    tell(number, answer);
                }
            }
        };
        let started = std::thread::Builder::new().spawn(read);
        started.map_err(|error| unable(&error))?;
        Ok(Stir { events, noted })
    }

    /// Watches these folders too; answers that are due at once, also to whoever has waited.
    pub(crate) fn wait(
        &self,
        number: u32,
        root: &str,
        folders: &[Vec<u8>],
    ) -> Result<Vec<(u32, Response)>, Refusal> {
        let mut answers = Vec::new();
        if let Some(before) = lock(&self.noted).waiting.take() {
            let folders = Vec::new();
            answers.push((before, Response::Stirred { folders }));
        }
        if let Some(real) = place::root(root)? {
            for folder in folders {
                if let Some(path) = place::folder(&real, folder)? {
                    self.add(&path, folder)?;
                }
            }
        }
        let mut noted = lock(&self.noted);
        noted.waiting = Some(number);
        answers.extend(noted.answer());
        Ok(answers)
    }

    fn add(&self, path: &Path, named: &[u8]) -> Result<(), Refusal> {
        let Ok(text) = CString::new(path.as_os_str().as_bytes()) else {
            return Ok(());
        };
        // Held until the watch is known by its folder, so that no event of it comes too early.
        let mut noted = lock(&self.noted);
        // SAFETY: the path is a C string that lives through the call, which only reads it.
        let watch =
            unsafe { inotify_add_watch(self.events.as_raw_fd(), text.as_ptr(), EVENTS | ONLY) };
        if watch >= 0 {
            noted.folders.insert(watch, named.to_vec());
            return Ok(());
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            // It went since we looked, or was never readable for us.
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::PermissionDenied => Ok(()),
            _ => Err(unable(&error)),
        }
    }
}

impl Noted {
    /// Takes the kernel's events apart.
    fn take(&mut self, mut events: &[u8]) {
        while let Some((head, rest)) = events.split_first_chunk::<HEAD>() {
            let field = |at: usize| {
                let bytes = head.get(at..at + 4).and_then(|four| four.first_chunk());
                bytes.map_or(0, |four: &[u8; 4]| u32::from_ne_bytes(*four))
            };
            let (watch, mask) = (field(0).cast_signed(), field(4));
            let length = usize::try_from(field(12)).unwrap_or(0).min(rest.len());
            let (name, rest) = rest.split_at(length);
            events = rest;
            if mask & OVERFLOW != 0 {
                self.overflow = true;
            }
            if mask & EVENTS != 0
                && !name.starts_with(OWN)
                && let Some(folder) = self.folders.get(&watch)
            {
                self.stirred.insert(folder.clone());
            }
        }
    }

    fn answer(&mut self) -> Option<(u32, Response)> {
        if self.stirred.is_empty() && !self.overflow {
            return None;
        }
        let number = self.waiting.take()?;
        let stirred = std::mem::take(&mut self.stirred);
        let folders = match std::mem::take(&mut self.overflow) {
            true => Vec::new(),
            false => stirred.into_iter().collect(),
        };
        Some((number, Response::Stirred { folders }))
    }
}

fn open() -> io::Result<File> {
    let descriptor = inotify_init1(CLOEXEC);
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given it to us, and nobody else has it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(descriptor) }))
}

fn unable(error: &io::Error) -> Refusal {
    Refusal::new(format!("the kernel does not tell what changes: {error}"))
}

fn lock(noted: &Mutex<Noted>) -> std::sync::MutexGuard<'_, Noted> {
    noted.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
