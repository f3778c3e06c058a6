//! Large files travel beside everything else: no other save waits for them, but what follows
//! saves does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Session;
use super::machine::{Machine, Update};
use super::update::shortened;
use crate::effect::Effect;
use crate::event::{Failure, Op, Outcome, Synced, Transport};
use crate::notice::NoticeEvent;

/// The large files of a service that are not in its container yet.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Large {
    waiting: BTreeSet<PathBuf>,
    under_way: Option<(Op, Vec<PathBuf>)>,
    /// The saves that led to it.
    update: Option<Update>,
    /// Operations that have become pointless.
    given_up: Vec<Op>,
}

impl Large {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        let under_way = self.under_way.as_ref();
        self.waiting.len() + under_way.map_or(0, |(_, paths)| paths.len())
    }

    /// That operation is one of these.
    pub(super) fn is_of(&self, op: &Op) -> bool {
        let under_way = self.under_way.as_ref();
        under_way.is_some_and(|(own, _)| own == op) || self.given_up.contains(op)
    }

    /// Everything will be compared anew.
    pub(super) fn give_up(&mut self) {
        self.waiting.clear();
        self.update = None;
        let under_way = self.under_way.take();
        self.given_up.extend(under_way.map(|(op, _)| op));
    }

    /// These are looked at again, so what is known of them, or of what is above or below them, is
    /// out of date.
    pub(super) fn saved(&mut self, paths: &[PathBuf]) {
        if self.count() == 0 {
            return;
        }
        let again = |large: &Path| {
            let concerns = |path: &PathBuf| large.starts_with(path) || path.starts_with(large);
            paths.iter().any(concerns)
        };
        self.waiting.retain(|large| !again(large));
        if let Some((op, rest)) = self
            .under_way
            .take_if(|(_, under_way)| under_way.iter().any(|large| again(large)))
        {
            self.given_up.push(op);
            let rest = rest.into_iter().filter(|large| !again(large));
            self.waiting.extend(rest);
        }
    }

    /// What was given up since it was asked last.
    pub(super) fn take_given_up(&mut self) -> Vec<Op> {
        std::mem::take(&mut self.given_up)
    }
}

impl Machine {
    /// Large files can be sent: an agent does it, beside whatever else is under way.
    fn can_carry(&self) -> bool {
        self.large.under_way.is_none()
            && !self.large.waiting.is_empty()
            && self.attached == Some(Transport::Agent)
            && self.running()
    }

    /// A sync has left these. True where nothing else came of the save, so that its update goes on
    /// with them.
    pub(super) fn leave_large(&mut self, synced: &Synced) -> bool {
        if synced.large.is_empty() {
            return false;
        }
        self.large.waiting.extend(synced.large.iter().cloned());
        let alone = synced.files == 0 && synced.problems.is_empty() && self.follow.is_empty();
        let before = match alone {
            true => self.update.take(),
            false => self.update.clone(),
        };
        self.large.update = before.map(|update| Update {
            paths: shortened(synced.large.iter()),
            saved: BTreeSet::new(),
            actions: Vec::new(),
            ..update
        });
        alone
    }
}

impl Session {
    /// Gives up what has become pointless.
    pub(super) fn cancel_large(&mut self, name: &str) {
        let machine = self.machines.get_mut(name);
        let given_up = machine.map(|machine| machine.large.take_given_up());
        for op in given_up.into_iter().flatten() {
            self.emit(Effect::Cancel { op });
        }
    }

    /// Begins with the large files, if there are any and none is under way.
    pub(super) fn step_large(&mut self, name: &str) {
        let container = self
            .machines
            .get(name)
            .filter(|machine| machine.can_carry());
        let Some(container) = container.and_then(Machine::container_id) else {
            return;
        };
        let op = self.op(name);
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let paths: Vec<PathBuf> = std::mem::take(&mut machine.large.waiting)
            .into_iter()
            .collect();
        machine.large.under_way = Some((op.clone(), paths.clone()));
        self.emit(Effect::SyncLarge {
            op,
            container,
            paths,
        });
    }

    /// Whether that was the operation of large files, which is over now.
    pub(super) fn on_large_done(&mut self, op: &Op, outcome: &Outcome) -> bool {
        let name = &self.machine_of(op);
        let Some(machine) = self.machines.get_mut(name) else {
            return false;
        };
        machine.large.given_up.retain(|given_up| given_up != op);
        let Some((_, paths)) = machine.large.under_way.take_if(|(own, _)| own == op) else {
            return false;
        };
        match outcome {
            Outcome::Synced(synced) => self.on_large_synced(name, &paths, synced),
            Outcome::Failed(failure) => self.on_large_failed(name, failure),
            _ => {}
        }
        true
    }

    fn on_large_synced(&mut self, name: &str, paths: &[PathBuf], synced: &Synced) {
        let needs = self.needs(name, &synced.changed);
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        // A later save may be under way: what becomes of these is not its own.
        let own = machine.large.update.take();
        let another = |own: &Update| {
            let under_way = machine.update.as_ref();
            needs.is_empty() && under_way.is_some_and(|update| update.cause != own.cause)
        };
        let other = match own {
            Some(own) if another(&own) => machine.update.replace(own),
            own => {
                machine.update = machine.update.take().or(own);
                None
            }
        };
        let began = self.update_began(name);
        let took = began.map(|began| self.now.saturating_sub(began));
        let (files, bytes) = (synced.files, synced.bytes);
        let cause = self.cause_of(name);
        self.notice_timed(
            Some(name),
            cause,
            took,
            NoticeEvent::Synced { files, bytes },
        );
        self.note_unsynced(name, Some(paths), &synced.problems);
        if synced.files > 0 {
            self.acted(name, "synced");
        }
        let nothing = synced.files == 0 && synced.problems.is_empty();
        if other.is_some() {
            if nothing {
                self.acted(name, "unchanged");
            }
            self.end_update(name, None);
        }
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        if other.is_some() {
            machine.update = other;
            return;
        }
        machine.add_follow(needs);
        // A save that is being brought over ends the update itself.
        if machine.planned.is_empty() {
            self.sync_over(name, nothing);
        }
    }

    /// The agent is gone; the comparison by the next one finds what is missing.
    fn on_large_failed(&mut self, name: &str, failure: &Failure) {
        if let Some(machine) = self.machines.get_mut(name) {
            machine.large.give_up();
            if machine.busy.is_some() {
                return;
            }
            machine.attached = None;
            if failure.container_gone {
                machine.loses_container();
                machine.forget_process();
            }
        }
    }
}
