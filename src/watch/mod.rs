//! All that knows how file changes are noticed.
//!
//! Each folder that matters has a watch of its own, so that what the rules ignore costs
//! nothing. A save is told the moment its writer closes the file, renames or links it; what is
//! only modified, or gone, is looked at a moment later, for editors truncate, rename away and
//! write again. What arrives while the receiver is busy, or while Git holds its index, becomes
//! one batch.

mod backend;
mod batch;
mod ignores;
pub(crate) mod limits;
mod locks;
mod mounts;
mod names;
mod pace;
mod places;
mod poll;
mod run;
#[cfg(test)]
mod tests;
mod tree;

use std::path::PathBuf;
use std::sync::Arc;

use devrun_core::event::WatchEvent;
use devrun_core::plan::Rules;
use tokio::sync::mpsc;

pub(crate) use ignores::ignore_texts;
pub(crate) use poll::foreign;
pub(crate) use tree::Choice;

use run::{Command, Run};

/// Watches until it is dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    commands: mpsc::UnboundedSender<Command>,
}

impl Watcher {
    /// Watches by other rules from now on; a `Ready` says when. Nothing is missed meanwhile in
    /// what both have in common.
    pub(crate) fn replace(&self, rules: Arc<Rules>, files: Vec<PathBuf>) {
        // The other end is gone only once nobody receives events any more.
        let _ = self.commands.send(Command::Replace { rules, files });
    }
}

/// Watches what matters to `rules`, and `files`, which may not exist yet (the Stackfile, env
/// files). `Ready` comes first, after all that could not be watched. Give it a channel with
/// room for one: what happens while it is full is told as one batch.
pub(crate) fn start(
    rules: Arc<Rules>,
    files: Vec<PathBuf>,
    choice: Choice,
    events: mpsc::Sender<WatchEvent>,
) -> Watcher {
    let (commands, received) = mpsc::unbounded_channel();
    let lost = events.clone();
    // A thread of its own, because walking trees blocks.
    let spawned = std::thread::Builder::new()
        .name("watch".into())
        .spawn(move || {
            match tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
            {
                Ok(runtime) => {
                    runtime.block_on(Run::new(rules, files, choice).until_dropped(received, events))
                }
                Err(error) => tell_lost(&events, &error),
            }
        });
    if let Err(error) = spawned {
        tell_lost(&lost, &error);
    }
    Watcher { commands }
}

fn tell_lost(events: &mpsc::Sender<WatchEvent>, error: &std::io::Error) {
    let message = format!("files cannot be watched, no thread could be started for it: {error}");
    // A full channel means that somebody has not even read the first event: nothing is lost.
    let _ = events.try_send(WatchEvent::Lost {
        root: PathBuf::new(),
        message,
    });
}
