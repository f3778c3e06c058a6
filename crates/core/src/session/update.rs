//! From a save to what it needs: plan and sync.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Session;
use super::doubled::{is_beside, service_of};
use super::machine::{Doing, Machine, Noticed, Update, Wanted};
use super::settling::Settling;
use crate::effect::Effect;
use crate::event::{Problem, Synced, Transport};
use crate::notice::NoticeEvent;
use crate::plan::{Decision, Follow, Rules};

impl Machine {
    /// What is saved while somebody has it stopped: its next start finds the files and the image as
    /// they are then, but neither a command nor a task that they ask for outside of its sync rules.
    fn miss(&mut self, rules: &Rules, paths: &[PathBuf]) {
        if self.wanted != Wanted::Stopped {
            return;
        }
        let runs = |one: &Follow| matches!(one, Follow::Exec(_) | Follow::Run(_));
        let missed = paths.iter().filter(|path| {
            let follow = self.decide(rules, std::slice::from_ref(path)).follow;
            !rules.covers(&self.name, path) && follow.iter().any(runs)
        });
        let missed: Vec<PathBuf> = missed.cloned().collect();
        self.missed.extend(missed);
    }
}

/// So many paths stand in a notice.
const PATHS_TOLD: usize = 20;

impl Session {
    /// Paths were made, changed or removed on the host.
    pub(super) fn on_changed(&mut self, paths: Vec<PathBuf>, same: &[PathBuf], age: Duration) {
        let Some(rules) = self.rules.clone() else {
            return;
        };
        let now = self.now;
        let mut concerned = BTreeSet::new();
        for machine in self.machines.values_mut() {
            machine.note_contents(&paths, same);
        }
        self.pause_what_goes_round(&rules, &paths);
        for (name, machine) in &mut self.machines {
            if machine.wanted != Wanted::Run {
                machine.miss(&rules, &paths);
                continue;
            }
            for path in &paths {
                let needs = machine.decide(&rules, std::slice::from_ref(path));
                machine.set_aside(&rules, std::slice::from_ref(path));
                if !needs.is_nothing() {
                    if machine.pending.is_empty() {
                        machine.noticed = None;
                    }
                    machine.pending.insert(path.clone());
                    if let Some((rule, pause)) = rules.settle(service_of(name), path) {
                        machine.settling.saved(rule, pause, path, now);
                    }
                    concerned.insert(path.clone());
                    machine.saved_while_it_runs();
                    machine.saved_while_it_dies();
                    let first = machine.saved.map_or(now, |(first, _)| first);
                    machine.saved = Some((first, now));
                }
            }
        }
        if concerned.is_empty() {
            return;
        }
        let told = concerned
            .iter()
            .take(PATHS_TOLD)
            .map(|path| self.shown_path(path))
            .collect();
        let cause = self.notice_timed(
            None,
            None,
            Some(age),
            NoticeEvent::FilesChanged {
                count: concerned.len(),
                paths: told,
            },
        );
        for machine in self.machines.values_mut() {
            if machine.pending.iter().any(|path| concerned.contains(path)) {
                let since = machine.noticed.map_or(now, |noticed| noticed.since);
                machine.noticed = Some(Noticed { cause, since });
                // What is under way has its own cause.
                machine.update.get_or_insert_with(|| Update {
                    cause: Some(cause),
                    began: now,
                    ..Update::default()
                });
            }
        }
    }

    /// Paths came and went. Where nobody reads files, nobody has met them.
    pub(super) fn on_passed(&mut self, paths: Vec<PathBuf>) {
        if !self.machines.values().all(Machine::at_rest) {
            self.on_changed(paths, &[], Duration::ZERO);
        }
    }

    /// Looks whether one of these is written by what it triggers itself.
    fn pause_what_goes_round(&mut self, rules: &Rules, paths: &[PathBuf]) {
        let now = self.now;
        for path in paths {
            let writable = self.containers_write(path);
            let mut round = Vec::new();
            for (name, machine) in &mut self.machines {
                let needs = machine.decide(rules, std::slice::from_ref(path));
                // A task runs again for whatever it reads.
                let follows = !needs.follow.is_empty() || (machine.task && !needs.is_nothing());
                if machine.wanted == Wanted::Run
                    && !is_beside(name)
                    && follows
                    && machine.goes_round(path, writable, now)
                {
                    round.push(name.clone());
                }
            }
            for name in round {
                self.pause(&name, path);
            }
        }
    }

    /// Decides what the pending saves of a service need, and begins with it.
    pub(super) fn plan_update(&mut self, name: &str) {
        let Some(rules) = self.rules.clone() else {
            return;
        };
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let attached = machine.attached.is_some() && machine.running();
        let idle = machine.container.is_some() && !machine.running();
        if machine.container.is_some() && !attached && !idle {
            // The agent is about to compare everything anyway, but what follows must not be lost.
            return;
        }
        let paths = match attached || idle {
            true => machine.take_due(now),
            false => {
                machine.settling = Settling::default();
                std::mem::take(&mut machine.pending).into_iter().collect()
            }
        };
        if paths.is_empty() {
            return;
        }
        let decision = machine.decide(&rules, &paths);
        let ruled_out = machine.ruled_out(&rules, &paths, &decision);
        machine.set_aside(&rules, &paths);
        machine.try_again();
        if !(decision.sync.is_empty() && decision.follow.is_empty()) {
            machine.take_up_undone(now);
        }
        let action = action_words(&decision);
        let noticed = match machine.pending.is_empty() {
            true => machine.noticed.take(),
            false => machine.noticed,
        };
        if decision.sync.is_empty() && decision.follow.is_empty() {
            if let Some(machine) = self.machines.get_mut(name) {
                machine.update = None;
                machine.saved = None;
            }
            return;
        }
        let cause = noticed.map(|noticed| noticed.cause);
        let seq = self.notice_timed(
            Some(name),
            cause.or_else(|| self.cause_of(name)),
            noticed.map(|noticed| now.saturating_sub(noticed.since)),
            NoticeEvent::UpdatePlanned {
                action,
                reason: decision.reason.clone(),
                ruled_out,
            },
        );
        let since = noticed.map(|noticed| noticed.since);
        self.remember_update(name, (seq, since), &paths);
        self.begin_update(name, decision.sync, paths, attached);
    }

    fn begin_update(
        &mut self,
        name: &str,
        mut sync: Vec<PathBuf>,
        paths: Vec<PathBuf>,
        running: bool,
    ) {
        let (needs, now) = (self.needs(name, &paths), self.now);
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        machine.asked_anew(&needs);
        match machine.container_id() {
            Some(container) if !sync.is_empty() => {
                // Another save is another reason to try.
                machine.unsynced.saved(&paths);
                let again = machine.unsynced.paths().cloned();
                let mut again: Vec<PathBuf> = again.filter(|path| !paths.contains(path)).collect();
                machine.planned = paths;
                machine.planned.extend(again.iter().cloned());
                sync.append(&mut again);
                machine.large.saved(&sync);
                machine.passed.note(&sync, now);
                self.cancel_large(name);
                let op = self.begin(name, Doing::Sync);
                self.emit(Effect::Sync {
                    op,
                    container,
                    running,
                    paths: sync,
                });
            }
            Some(_) if running => {
                let before = machine.looking.take();
                let alone = machine.follow.is_empty() || before.is_some();
                machine.add_follow(needs);
                if alone && !is_beside(name) {
                    self.look(name, paths, before);
                }
            }
            Some(_) => self.wake(name, needs),
            // Nothing runs that could be disturbed: what follows need not wait.
            None => {
                machine.saved = None;
                let runs = |need: &&Follow| matches!(need, Follow::Run(_));
                machine.add_follow(needs.iter().filter(runs).cloned().collect());
                if needs.contains(&Follow::Rebuild) {
                    self.rebuild(name);
                } else {
                    self.step_image(name);
                }
            }
        }
    }

    pub(super) fn on_synced(&mut self, name: &str, synced: &Synced) {
        if self.tried_again(name, synced) {
            return;
        }
        let cause = self.cause_of(name);
        let began = self.update_began(name);
        let took = began.map(|began| self.now.saturating_sub(began));
        self.notice_timed(
            Some(name),
            cause,
            took,
            NoticeEvent::Synced {
                files: synced.files,
                bytes: synced.bytes,
            },
        );
        self.note_mirrored(name, cause, &synced.mirrored);
        let asked = self.machines.get(name).map(|it| it.planned.clone());
        self.note_unsynced(name, asked.as_deref(), &synced.problems);
        let complete = synced.problems.is_empty();
        if synced.files > 0 {
            self.acted(name, "synced");
        }
        let needs = self.needs_of_synced(name, synced);
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        if !machine.running() {
            machine.written = Some(self.now);
            machine.run_due |= machine.task && synced.files > 0;
            return match synced.files {
                0 if needs.is_empty() && !machine.task => {}
                0 if needs.is_empty() => self.sync_over(name, complete),
                _ => self.wake(name, needs),
            };
        }
        machine.run_due |= machine.task && synced.files > 0;
        for problem in &synced.problems {
            machine.passed.forget(&problem.path);
        }
        machine.add_follow(needs);
        if machine.leave_large(synced) {
            return;
        }
        self.sync_over(name, synced.files == 0 && complete);
    }

    /// Saves are live, or were already where `nothing` was sent; if nothing follows, that is all.
    pub(super) fn sync_over(&mut self, name: &str, nothing: bool) {
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        if !machine.follow.is_empty() {
            return;
        }
        if machine.pending.is_empty() {
            machine.saved = None;
        }
        let update = machine.update.as_ref();
        let earlier = update.is_some_and(|update| !update.actions.is_empty());
        if nothing && !earlier {
            // Equal content: nothing happened, but what was planned is over.
            self.acted(name, "unchanged");
            self.update_over(name, None);
        } else if !nothing || machine.ready {
            self.update_over(name, None);
        }
    }

    /// What could not be brought over was tried again: still in vain is worth no word.
    fn tried_again(&mut self, name: &str, synced: &Synced) -> bool {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name) else {
            return false;
        };
        if !machine.unsynced.alone {
            return false;
        }
        if synced.files > 0 {
            let paths = synced.changed.clone();
            machine.update.get_or_insert_with(|| Update {
                began: now,
                paths: shortened(paths.iter()),
                ..Update::default()
            });
            return false;
        }
        let planned = std::mem::take(&mut machine.planned);
        self.note_unsynced(name, Some(&planned), &synced.problems);
        true
    }

    /// All that is synced was brought into one that does not run. Its next start reads it, but the
    /// commands that it asks for would be asked for by nobody else: the next comparison finds
    /// nothing that differs.
    pub(super) fn on_pushed(&mut self, name: &str, synced: &Synced) {
        if self.on_looked_at(name, synced) {
            return;
        }
        let needs = self.needs_of_attached(name, &synced.changed);
        let commands = needs.iter().any(|need| matches!(need, Follow::Exec(_)));
        if let Some(machine) = self.machines.get_mut(name) {
            machine.written = Some(self.now);
            if commands {
                machine.add_follow(needs);
            }
        }
    }

    /// What would follow a change must not follow a touch; only the image is looked at again, which
    /// costs nothing where it is the same.
    fn needs_of_synced(&mut self, name: &str, synced: &Synced) -> Vec<Follow> {
        let Some(rules) = self.rules.clone() else {
            return Vec::new();
        };
        let Some(machine) = self.machines.get_mut(name) else {
            return Vec::new();
        };
        let planned = std::mem::take(&mut machine.planned);
        let asked: HashSet<PathBuf> = machine.decide(&rules, &planned).sync.into_iter().collect();
        let not_synced = planned.iter().filter(|path| !asked.contains(*path));
        let live: Vec<PathBuf> = not_synced.chain(&synced.changed).cloned().collect();
        let mut needs = self.needs(name, &live);
        if !needs.contains(&Follow::Rebuild)
            && self.needs(name, &planned).contains(&Follow::Rebuild)
        {
            needs.push(Follow::Rebuild);
        }
        needs
    }

    /// The trees were compared: what had to be brought over may need more than that.
    pub(super) fn on_attached(&mut self, name: &str, transport: Transport, changed: &[PathBuf]) {
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        machine.attached = Some(transport);
        machine.answered = true;
        machine.compared = true;
        machine.attach_tries = 0;
        // What an earlier agent was told may not have arrived.
        self.told_proxy = None;
        self.note_brought(name, changed);
    }

    /// What differed is in it now. What its process has not read yet is followed by nothing but
    /// commands, and by these once it is compared.
    pub(super) fn note_brought(&mut self, name: &str, paths: &[PathBuf]) {
        let files = paths.len();
        if files > 0 {
            self.notice(Some(name), None, NoticeEvent::Synced { files, bytes: 0 });
        }
    }

    /// What the process that runs has not read yet is followed by what it asks for.
    pub(super) fn follow_attached(&mut self, name: &str, paths: &[PathBuf]) {
        let mut needs = self.needs_of_attached(name, paths);
        if let Some(machine) = self.machines.get_mut(name) {
            // What a task makes of its own files would restart it for ever.
            needs.retain(|need| !machine.task || matches!(need, Follow::Exec(_)));
            machine.add_follow(needs);
        }
    }

    /// What was removed by `mirror` asks for nothing: a process that makes it at each start would be
    /// restarted for ever.
    pub(super) fn note_mirrored(&mut self, name: &str, cause: Option<u64>, paths: &[PathBuf]) {
        let count = paths.len();
        if count == 0 {
            return;
        }
        let told = paths.iter().take(PATHS_TOLD);
        let paths = told.map(|path| self.shown_path(path)).collect();
        self.notice(Some(name), cause, NoticeEvent::Mirrored { count, paths });
    }

    pub(super) fn on_brought_back(
        &mut self,
        name: &str,
        files: &[PathBuf],
        problems: Vec<Problem>,
    ) {
        for Problem { path, message } in problems {
            let message = format!("not brought back: {}: {message}", self.shown_path(&path));
            self.warn_once(name, message);
        }
        let count = files.len();
        if count > 0 {
            let told = files.iter().take(PATHS_TOLD);
            let paths = told.map(|path| self.shown_path(path)).collect();
            self.notice(Some(name), None, NoticeEvent::BroughtBack { count, paths });
        }
    }

    /// Says what a comparison has found.
    pub(super) fn note_compared(
        &mut self,
        name: &str,
        compared: Option<usize>,
        changed: &[PathBuf],
        refused: usize,
    ) {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let asked = std::mem::take(&mut machine.compare_asked);
        let took = machine.compare_began.take().map(|began| now - began);
        let synced = self.service(name).is_some_and(|it| !it.sync.is_empty());
        if !synced && !asked {
            return;
        }
        let told = changed.iter().take(PATHS_TOLD);
        let paths = told.map(|path| self.shown_path(path)).collect();
        self.notice_timed(
            Some(name),
            None,
            took,
            NoticeEvent::Compared {
                compared: compared.unwrap_or(changed.len()),
                changed: changed.len(),
                paths,
                refused,
            },
        );
    }

    fn remember_update(
        &mut self,
        name: &str,
        (seq, since): (u64, Option<Duration>),
        paths: &[PathBuf],
    ) {
        let told = shortened(paths.iter());
        let now = self.now;
        if let Some(machine) = self.machines.get_mut(name) {
            let update = machine.update.get_or_insert_with(|| Update {
                began: now,
                ..Update::default()
            });
            update.cause = Some(seq);
            update.since = since;
            update.paths = told;
            update.saved.extend(paths.iter().cloned());
        }
    }

    pub(super) fn shown_path(&self, path: &Path) -> String {
        let relative = self
            .stack
            .as_ref()
            .and_then(|stack| path.strip_prefix(&stack.root).ok());
        relative.unwrap_or(path).display().to_string()
    }
}

/// The first name, and how many there are besides.
pub(super) fn shortened<'p>(mut paths: impl ExactSizeIterator<Item = &'p PathBuf>) -> String {
    let count = paths.len();
    let first = paths.next().and_then(|path| path.file_name());
    let first = first.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    match count {
        0 | 1 => first,
        count => format!("{first} and {} more", count - 1),
    }
}

fn action_words(decision: &Decision) -> String {
    let mut words = Vec::new();
    if !decision.sync.is_empty() {
        words.push("sync");
    }
    words.extend(decision.follow.iter().map(Follow::word));
    if words.is_empty() {
        words.push("nothing");
    }
    words.join("+")
}
