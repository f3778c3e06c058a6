//! Noticing what a container makes, for the way back: the kernel tells, nobody polls.
#![allow(unsafe_code, reason = "the standard library has no inotify(7)")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
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
/// It is a folder that was renamed to here or made here.
const FOLDER: u32 = 0x4000_0000;
/// The watch is gone, with its folder.
const IGNORED: u32 = 0x8000;
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
    /// The folder of each watch by the roots that it was asked for, as it was named.
    folders: HashMap<c_int, BTreeMap<String, Vec<u8>>>,
    roots: BTreeMap<String, Root>,
}

/// Of one root.
#[derive(Debug, Default)]
struct Root {
    stirred: BTreeSet<Vec<u8>>,
    made: BTreeSet<Vec<u8>>,
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
                let answers = noted.answers();
                drop(noted);
                for (number, answer) in answers {
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
        let mut noted = lock(&self.noted);
        let before = noted.roots.entry(root.to_owned()).or_default();
        if let Some(before) = before.waiting.take() {
            answers.push((before, Response::Done));
        }
        drop(noted);
        if let Some(real) = place::root(root)? {
            for folder in folders {
                if let Some(path) = place::folder(&real, folder)? {
                    self.add(&path, root, folder)?;
                }
            }
        }
        let mut noted = lock(&self.noted);
        let own = noted.roots.entry(root.to_owned()).or_default();
        own.waiting = Some(number);
        answers.extend(own.answer());
        Ok(answers)
    }

    fn add(&self, path: &Path, root: &str, named: &[u8]) -> Result<(), Refusal> {
        let Ok(text) = CString::new(path.as_os_str().as_bytes()) else {
            return Ok(());
        };
        // Held until the watch is known by its folder, so that no event of it comes too early.
        let mut noted = lock(&self.noted);
        // SAFETY: the path is a C string that lives through the call, which only reads it.
        let watch =
            unsafe { inotify_add_watch(self.events.as_raw_fd(), text.as_ptr(), EVENTS | ONLY) };
        if watch >= 0 {
            let names = noted.folders.entry(watch).or_default();
            names.insert(root.to_owned(), named.to_vec());
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
                self.roots
                    .values_mut()
                    .for_each(|root| root.overflow = true);
            }
            if mask & EVENTS != 0 && !name.starts_with(OWN) {
                self.note(watch, (mask & FOLDER != 0).then_some(name));
            }
            if mask & IGNORED != 0 {
                self.folders.remove(&watch);
            }
        }
    }

    /// Something happened in the folder of a watch; perhaps a new folder in it.
    fn note(&mut self, watch: c_int, made: Option<&[u8]>) {
        for (root, folder) in self.folders.get(&watch).into_iter().flatten() {
            let root = self.roots.entry(root.clone()).or_default();
            root.stirred.insert(folder.clone());
            if let Some(name) = made {
                // The kernel fills names up with zeros.
                let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                let path = match folder.is_empty() {
                    true => name.to_vec(),
                    false => [folder.as_slice(), b"/", name].concat(),
                };
                root.made.insert(path);
            }
        }
    }

    fn answers(&mut self) -> Vec<(u32, Response)> {
        self.roots.values_mut().filter_map(Root::answer).collect()
    }
}

impl Root {
    fn answer(&mut self) -> Option<(u32, Response)> {
        if self.stirred.is_empty() && !self.overflow {
            return None;
        }
        let number = self.waiting.take()?;
        let folders = std::mem::take(&mut self.stirred);
        let made = std::mem::take(&mut self.made);
        Some((
            number,
            match std::mem::take(&mut self.overflow) {
                true => stirred(Vec::new(), Vec::new()),
                false => stirred(folders.into_iter().collect(), made.into_iter().collect()),
            },
        ))
    }
}

fn stirred(folders: Vec<Vec<u8>>, made: Vec<Vec<u8>>) -> Response {
    Response::Stirred { folders, made }
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
