//! The one place that speaks to `notify`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use notify::event::{
    AccessKind, AccessMode, CreateKind, EventKind, EventKindMask, ModifyKind, RenameMode,
};
use notify::{Config, ErrorKind, INotifyWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::UnboundedSender;

use super::limits;

/// What was noticed, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    /// Something happened to a path.
    Seen { path: PathBuf, what: What },
    /// The kernel dropped events.
    Overflow,
}

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A writer closed it.
    Written,
    /// It was written to, and may be again.
    Modified,
    /// Its mode, owner or times were set.
    Attributes,
    /// A file, a link or something of that kind was made.
    Made,
    /// A folder was made, or something was moved here.
    Appeared,
    /// It was removed, or moved away.
    Gone,
}

/// Why a folder is not watched.
#[derive(Debug, thiserror::Error)]
pub(super) enum WatchError {
    /// It is not there, or is no folder.
    #[error("there is no such folder")]
    Missing,
    /// The kernel's limit.
    #[error("{0}")]
    Limit(String),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

/// An inotify instance and the folders that it watches, each by itself.
#[derive(Debug)]
pub(super) struct Backend {
    notify: INotifyWatcher,
    watched: BTreeSet<PathBuf>,
}

impl Backend {
    /// Opens an instance whose events go to `raws`, marked with `epoch`.
    pub(super) fn open(raws: UnboundedSender<(u64, Raw)>, epoch: u64) -> Result<Self, WatchError> {
        // `ALL` would also tell of reads, and a rescan would flood its own queue.
        let kinds = EventKindMask::CORE | EventKindMask::ACCESS_CLOSE;
        let handler = move |event: notify::Result<notify::Event>| {
            // Nobody receives once the watcher was dropped.
            for raw in translate(event) {
                let _ = raws.send((epoch, raw));
            }
        };
        let notify = INotifyWatcher::new(handler, Config::default().with_event_kinds(kinds))
            .map_err(|error| instance_error(&error))?;
        Ok(Self {
            notify,
            watched: BTreeSet::new(),
        })
    }

    /// Watches that folder, not what is below it. Doing so twice does nothing.
    pub(super) fn watch(&mut self, folder: &Path) -> Result<(), WatchError> {
        if self.watched.contains(folder) {
            return Ok(());
        }
        match self.notify.watch(folder, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.watched.insert(folder.to_path_buf());
                Ok(())
            }
            Err(error) => Err(watch_error(&error, self.watched.len())),
        }
    }

    /// Ends the watch on that folder and forgets it, so that the next [`watch`](Self::watch)
    /// looks at what is there then.
    pub(super) fn unwatch(&mut self, folder: &Path) {
        if self.watched.remove(folder) {
            // The kernel ends the watch of a folder that is removed by itself.
            let _ = self.notify.unwatch(folder);
        }
    }

    /// Ends all watches that `keep` says no to.
    pub(super) fn retain(&mut self, keep: impl Fn(&Path) -> bool) {
        let others: Vec<PathBuf> = self
            .watched
            .iter()
            .filter(|folder| !keep(folder))
            .cloned()
            .collect();
        for folder in others {
            self.unwatch(&folder);
        }
    }
}

fn translate(event: notify::Result<notify::Event>) -> Vec<Raw> {
    let event = match event {
        Ok(event) => event,
        Err(error) => {
            tracing::warn!("an event of the file system could not be read: {error}");
            return vec![Raw::Overflow];
        }
    };
    // An overflow has no paths: it has to be looked for first.
    if event.need_rescan() {
        return vec![Raw::Overflow];
    }
    let what = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => What::Written,
        EventKind::Create(CreateKind::Folder) => What::Appeared,
        EventKind::Create(_) => What::Made,
        // The two halves of a rename have come by themselves.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => return vec![],
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => What::Gone,
        EventKind::Modify(ModifyKind::Name(_)) => What::Appeared,
        EventKind::Modify(ModifyKind::Metadata(_)) => What::Attributes,
        EventKind::Modify(_) => What::Modified,
        _ => return vec![],
    };
    event
        .paths
        .into_iter()
        .map(|path| Raw::Seen { path, what })
        .collect()
}

fn watch_error(error: &notify::Error, watched: usize) -> WatchError {
    match &error.kind {
        ErrorKind::PathNotFound => WatchError::Missing,
        ErrorKind::MaxFilesWatch => {
            WatchError::Limit(limit_message(watched, limits::limit("max_user_watches")))
        }
        ErrorKind::Io(error) => match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => WatchError::Missing,
            _ => WatchError::Other(error.to_string()),
        },
        _ => WatchError::Other(error.to_string()),
    }
}

fn instance_error(error: &notify::Error) -> WatchError {
    let too_many = rustix::io::Errno::MFILE.raw_os_error();
    match &error.kind {
        ErrorKind::Io(error) if error.raw_os_error() == Some(too_many) => {
            WatchError::Limit(format!(
                "this user's programs watch files in too many places already \
             (fs.inotify.max_user_instances): all files are looked at again and again instead, which \
             is slower; end some of those programs, or raise the limit with {}",
                limits::command("max_user_instances", 1024)
            ))
        }
        _ => WatchError::Other(error.to_string()),
    }
}

/// What to do once the kernel watches no more folders.
pub(super) fn limit_message(watched: usize, limit: Option<u64>) -> String {
    let wanted = limit.map_or(524_288, |limit| limit.saturating_mul(2).max(524_288));
    let limit = limit.map_or_else(String::new, |limit| format!(" of {limit} folders"));
    format!(
        "the kernel's limit{limit} is reached (fs.inotify.max_user_watches; {watched} of them are \
         watched here): other folders are looked at again and again instead, which is slower; raise \
         it with {}, or let `ignore` or `.gitignore` name \
         large folders that are not needed",
        limits::command("max_user_watches", wanted)
    )
}
