//! Which save a process may have died of: it ended soon after the save was live, or is the
//! successor of one that did.

use std::time::Duration;

use super::Session;
use super::machine::{Machine, Update};

/// One that has run for so long has not died of what it began with. The engine, too, forgets then
/// how often it has started it again.
const SOON: Duration = Duration::from_secs(10);

/// Saves that are live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blame {
    /// Which, for people.
    paths: String,
    /// `seq` of what was planned for them.
    cause: Option<u64>,
    at: Duration,
}

impl Machine {
    /// A process begins, with all that was saved until now.
    pub(super) fn process_is_new(&mut self, now: Duration) {
        self.up_since = Some(now);
        self.mending = false;
    }

    /// Somebody saves something of it while it dies again and again.
    pub(super) fn saved_while_it_dies(&mut self) {
        self.mending |= self.exits > 0 && self.running();
    }

    /// What it began with has proved to be good, or is long ago.
    pub(super) fn forgive(&mut self, now: Duration) {
        let ran = self.up_since.map(|since| now.saturating_sub(since));
        if ran.is_some_and(|ran| ran >= SOON) {
            self.exits = 0;
            self.died_of = None;
        }
    }

    /// ` after app.py was saved`, where it died of that.
    pub(super) fn after_what(&self) -> String {
        let died_of = self.died_of.as_ref();
        died_of.map_or_else(String::new, |it| format!(" after {} was saved", it.paths))
    }

    pub(super) fn cause_of_death(&self) -> Option<u64> {
        self.failure()?;
        self.died_of.as_ref()?.cause
    }
}

impl Session {
    /// An update is over, or its process is.
    pub(super) fn note_live(&mut self, name: &str, update: &Update) {
        let unchanged = |action: &String| action == "unchanged";
        let Some(first) = update.saved.first() else {
            return;
        };
        if update.actions.iter().all(unchanged) {
            return;
        }
        let mut paths = self.shown_path(first);
        if let more @ 1.. = update.saved.len() - 1 {
            paths.push_str(&format!(" and {more} more"));
        }
        let blame = Blame {
            paths,
            cause: update.cause,
            at: self.now,
        };
        if let Some(machine) = self.machines.get_mut(name) {
            machine.lately = Some(blame);
        }
    }

    /// Its process has ended by itself.
    pub(super) fn note_death(&mut self, name: &str) {
        let now = self.now;
        let update = self.machines.get(name).and_then(|it| it.update.clone());
        if let Some(update) = update {
            self.note_live(name, &update);
        }
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        machine.forgive(now);
        let recent = |blame: &Blame| now.saturating_sub(blame.at) < SOON;
        if let Some(blame) = machine.lately.take_if(|blame| recent(blame)) {
            machine.died_of = Some(blame);
        }
    }
}
