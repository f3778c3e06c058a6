//! From a save to what it needs: plan, sync, and what follows once it is quiet.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use devrun_stack::Source;

use super::Session;
use super::machine::{Doing, ImageState, Machine, Update, Wanted};
use crate::effect::Effect;
use crate::event::{Synced, Transport};
use crate::notice::NoticeEvent;
use crate::plan::{Decision, Follow};

/// What a save triggers waits until nothing was saved for so long, so that an editor's "save all"
/// restarts once; the sync itself does not wait.
const QUIET: Duration = Duration::from_millis(50);
/// But never longer than this after the first save.
const QUIET_AT_MOST: Duration = Duration::from_millis(500);
/// So many paths stand in a notice.
const PATHS_TOLD: usize = 20;

/// When what follows the last saves may begin.
pub(super) fn due(machine: &Machine) -> Option<Duration> {
    if machine.follow.is_empty() {
        return None;
    }
    let (first, last) = machine.saved?;
    Some((last + QUIET).min(first + QUIET_AT_MOST))
}

impl Session {
    /// Paths were made, changed or removed on the host.
    pub(super) fn on_changed(&mut self, paths: Vec<PathBuf>) {
        let Some(rules) = self.rules.clone() else {
            return;
        };
        let now = self.now;
        let mut concerned = BTreeSet::new();
        for (name, machine) in &mut self.machines {
            if machine.wanted != Wanted::Run {
                continue;
            }
            for path in &paths {
                let needs = rules.decide(name, std::slice::from_ref(path));
                if !needs.sync.is_empty() || !needs.follow.is_empty() {
                    machine.pending.insert(path.clone());
                    concerned.insert(path.clone());
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
        let cause = self.notice(
            None,
            None,
            NoticeEvent::FilesChanged {
                count: concerned.len(),
                paths: told,
            },
        );
        for machine in self.machines.values_mut() {
            if machine.pending.iter().any(|path| concerned.contains(path)) {
                let update = machine.update.get_or_insert_with(|| Update {
                    began: now,
                    ..Update::default()
                });
                update.cause = Some(cause);
            }
        }
    }

    /// Events were lost: every running service is compared with the host again.
    pub(super) fn on_overflow(&mut self) {
        self.warn(
            None,
            "the kernel dropped file events; all files are compared again".to_owned(),
        );
        let names: Vec<String> = self.machines.keys().cloned().collect();
        for name in names {
            self.compare_again(&name);
            self.look_for_image_again(&name);
        }
    }

    /// Its trees are not known to be equal any more, not even by a comparison under way.
    pub(super) fn compare_again(&mut self, name: &str) {
        if let Some(machine) = self.machines.get_mut(name) {
            machine.attached = None;
            if machine.doing() == Some(Doing::Attach) {
                self.drop_busy(name);
            }
        }
    }

    /// Saves were not looked at for a while.
    pub(super) fn look_for_image_again(&mut self, name: &str) {
        let service = self.service(name);
        if service.is_some_and(|it| matches!(it.source, Source::Build(_))) {
            self.look_for_image(name, "files may have changed");
        }
    }

    /// Its image is not known to be the right one any more, not even one that is being made.
    pub(super) fn look_for_image(&mut self, name: &str, reason: &str) {
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let force = matches!(machine.image, ImageState::Unknown { force: true, .. });
        let image = ImageState::Unknown {
            reason: reason.to_owned(),
            force,
        };
        if let ImageState::Busy(op) = std::mem::replace(&mut machine.image, image) {
            self.emit(Effect::Cancel { op });
        }
    }

    /// Decides what the pending saves of a service need, and begins with it.
    pub(super) fn plan_update(&mut self, name: &str) {
        let Some(rules) = self.rules.clone() else {
            return;
        };
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let attached = machine.attached.is_some() && machine.running();
        let idle = machine.container.is_some() && !machine.running();
        if machine.container.is_some() && !attached && !idle {
            // The agent is about to compare everything anyway, but what follows must not be lost.
            return;
        }
        let paths: Vec<PathBuf> = std::mem::take(&mut machine.pending).into_iter().collect();
        let decision = rules.decide(name, &paths);
        machine.try_again();
        let action = action_words(&decision);
        let cause = self.machines.get(name).and_then(|machine| {
            let update = machine.update.as_ref()?;
            update.cause
        });
        if decision.sync.is_empty() && decision.follow.is_empty() {
            if let Some(machine) = self.machines.get_mut(name) {
                machine.update = None;
                machine.saved = None;
            }
            return;
        }
        let seq = self.notice(
            Some(name),
            cause,
            NoticeEvent::UpdatePlanned {
                action,
                reason: decision.reason.clone(),
            },
        );
        self.remember_update(name, seq, &paths);
        self.begin_update(name, decision.sync, paths, attached);
    }

    fn begin_update(&mut self, name: &str, sync: Vec<PathBuf>, paths: Vec<PathBuf>, running: bool) {
        let needs = self.needs(name, &paths);
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        match machine.container_id() {
            Some(container) if !sync.is_empty() => {
                machine.planned = paths;
                let op = self.begin(name, Doing::Sync);
                self.emit(Effect::Sync {
                    op,
                    container,
                    running,
                    paths: sync,
                });
            }
            Some(_) if running => machine.add_follow(needs),
            Some(_) => self.wake(name, needs),
            // Nothing runs that could be disturbed: what follows need not wait.
            None => {
                machine.saved = None;
                if needs.contains(&Follow::Rebuild) {
                    self.rebuild(name);
                } else {
                    self.step_image(name);
                }
            }
        }
    }

    /// What follows a change of these paths. What would rebuild swallows nothing here, because the
    /// image may turn out to be the same.
    fn needs(&self, name: &str, paths: &[PathBuf]) -> Vec<Follow> {
        let (stale, others) = self.those_that_ask_for(&Follow::Rebuild, name, paths);
        let rebuild = (!stale.is_empty()).then_some(Follow::Rebuild);
        rebuild
            .into_iter()
            .chain(self.follows(name, &others))
            .collect()
    }

    /// What follows from the host's files that had to be brought into a container that is there.
    fn needs_of_attached(&self, name: &str, changed: &[PathBuf]) -> Vec<Follow> {
        // Whether the image is fresh was decided by its inputs already.
        let (_, live) = self.those_that_ask_for(&Follow::Rebuild, name, changed);
        // A new container begins with the image's files again: making yet another one would go
        // round in a circle, while a restart finds the files that were just brought over.
        let (anew, others) = self.those_that_ask_for(&Follow::Recreate, name, &live);
        let restart = (!anew.is_empty()).then_some(Follow::Restart);
        self.follows(name, &others)
            .into_iter()
            .chain(restart)
            .collect()
    }

    fn follows(&self, name: &str, paths: &[PathBuf]) -> Vec<Follow> {
        let rules = self.rules.as_ref();
        rules.map_or_else(Vec::new, |rules| rules.decide(name, paths).follow)
    }

    /// The paths that would be followed by this if they were alone, and the others.
    fn those_that_ask_for(
        &self,
        follow: &Follow,
        name: &str,
        paths: &[PathBuf],
    ) -> (Vec<PathBuf>, Vec<PathBuf>) {
        paths.iter().cloned().partition(|path| {
            self.follows(name, std::slice::from_ref(path))
                .contains(follow)
        })
    }

    /// It does not run, perhaps because of what was just mended: it gets another chance.
    fn wake(&mut self, name: &str, needs: Vec<Follow>) {
        let up = self
            .service(name)
            .is_some_and(|service| self.dependencies_up(service));
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        machine.saved = None;
        let rebuild = needs.contains(&Follow::Rebuild);
        let recreate = needs.contains(&Follow::Recreate);
        let commands = needs.iter().any(|need| matches!(need, Follow::Exec(_)));
        if rebuild || commands {
            machine.add_follow(needs);
        }
        if rebuild {
            machine.follow.clear();
            self.rebuild(name);
        } else if recreate {
            machine.recreate = true;
        } else if machine.engine_restarts && up {
            // The engine's pause between two starts may be long by now.
            self.restart(name);
        }
    }

    /// The saves could not be brought over. What differs is found by the next comparison, but not
    /// that the image is stale.
    pub(super) fn rebuild_planned(&mut self, name: &str) {
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let planned = std::mem::take(&mut machine.planned);
        if self.needs(name, &planned).contains(&Follow::Rebuild)
            && let Some(machine) = self.machines.get_mut(name)
        {
            machine.add_follow(vec![Follow::Rebuild]);
        }
    }

    /// The container that a new image was for is gone; the next one is to be made of it.
    pub(super) fn rebuild_for_nobody(&mut self, name: &str) {
        if let Some(machine) = self.machines.get_mut(name)
            && machine.container.is_none()
            && machine.follow.contains(&Follow::Rebuild)
        {
            machine.follow.clear();
            self.rebuild(name);
        }
    }

    /// Begins with the next thing that follows a save; false if there is nothing to begin with.
    pub(super) fn step_follow(&mut self, name: &str) -> bool {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name) else {
            return false;
        };
        let Some(container) = machine.container_id() else {
            return false;
        };
        if machine.follow.is_empty() {
            return false;
        }
        if due(machine).is_some_and(|due| due > now) {
            return machine.ready;
        }
        let Some(follow) = machine.follow.pop_front() else {
            return false;
        };
        if machine.follow.is_empty() {
            machine.saved = None;
        }
        if matches!(follow, Follow::Exec(_) | Follow::Signal(_)) {
            machine.in_hand = Some(follow.clone());
        }
        match follow {
            Follow::Exec(command) => {
                let op = self.begin(name, Doing::Exec);
                self.emit(Effect::Exec {
                    op,
                    container,
                    command,
                });
            }
            Follow::Signal(signal) => {
                let op = self.begin(name, Doing::Signal);
                self.emit(Effect::Signal {
                    op,
                    container,
                    signal,
                });
            }
            Follow::Restart => self.restart(name),
            Follow::Recreate => {
                machine.recreate = true;
                return false;
            }
            Follow::Rebuild => {
                self.rebuild(name);
                return false;
            }
        }
        true
    }

    /// The image is stale; what runs goes on until another one is there.
    pub(super) fn rebuild(&mut self, name: &str) {
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let reason = machine
            .update
            .as_ref()
            .map_or_else(|| "asked for".to_owned(), |update| update.paths.clone());
        machine.failed = None;
        self.look_for_image(name, &reason);
        self.step_image(name);
    }

    pub(super) fn on_synced(&mut self, name: &str, synced: &Synced) {
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
        let details: Vec<String> = synced
            .problems
            .iter()
            .map(|problem| format!("{}: {}", self.shown_path(&problem.path), problem.message))
            .collect();
        if !details.is_empty() {
            self.warn(Some(name), format!("not synced: {}", details.join("; ")));
        }
        if synced.files > 0 || !details.is_empty() {
            self.acted(name, "synced");
        }
        let needs = self.needs_of_synced(name, synced);
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        if !machine.running() {
            machine.written = Some(self.now);
            return match synced.files {
                0 if needs.is_empty() => {}
                _ => self.wake(name, needs),
            };
        }
        machine.add_follow(needs);
        if !machine.follow.is_empty() {
            return;
        }
        machine.saved = None;
        if synced.files == 0 && details.is_empty() {
            // Equal content: nothing happened that is worth a line.
            machine.update = None;
        } else {
            self.update_over(name, None);
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
        let asked = rules.decide(name, &planned).sync;
        let not_synced = planned.iter().filter(|path| !asked.contains(path));
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
        // What an earlier agent was told may not have arrived.
        self.told_proxy = None;
        if changed.is_empty() {
            return;
        }
        let needs = self.needs_of_attached(name, changed);
        if let Some(machine) = self.machines.get_mut(name) {
            machine.add_follow(needs);
        }
        self.notice(
            Some(name),
            None,
            NoticeEvent::Synced {
                files: changed.len(),
                bytes: 0,
            },
        );
    }

    /// Whoever asked to follow this service restarts, once it is ready again.
    pub(super) fn follow_dependents(&mut self, name: &str) {
        if !self
            .machines
            .get(name)
            .is_some_and(|machine| machine.was_ready)
        {
            return;
        }
        let Some(stack) = self.stack.clone() else {
            return;
        };
        let now = self.now;
        for service in &stack.services {
            let follows = service
                .depends_on
                .iter()
                .any(|dependency| dependency.follow && dependency.service == name);
            if !follows {
                continue;
            }
            if let Some(machine) = self.machines.get_mut(&service.name)
                && machine.running()
                && !machine.follow.contains(&Follow::Restart)
            {
                machine.add_follow(vec![Follow::Restart]);
                let update = machine.update.get_or_insert_with(|| Update {
                    began: now,
                    ..Update::default()
                });
                update.paths = format!("{name} was replaced");
            }
        }
    }

    fn remember_update(&mut self, name: &str, seq: u64, paths: &[PathBuf]) {
        let first = paths.first().and_then(|path| path.file_name());
        let first = first.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let told = match paths.len() {
            0 | 1 => first,
            count => format!("{first} and {} more", count - 1),
        };
        let now = self.now;
        if let Some(machine) = self.machines.get_mut(name) {
            let update = machine.update.get_or_insert_with(|| Update {
                began: now,
                ..Update::default()
            });
            update.cause = Some(seq);
            update.paths = told;
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

fn action_words(decision: &Decision) -> String {
    let mut words = Vec::new();
    if !decision.sync.is_empty() {
        words.push("sync");
    }
    for follow in &decision.follow {
        words.push(match follow {
            Follow::Exec(_) => "exec",
            Follow::Signal(_) => "signal",
            Follow::Restart => "restart",
            Follow::Recreate => "recreate",
            Follow::Rebuild => "rebuild",
        });
    }
    if words.is_empty() {
        words.push("nothing");
    }
    words.join("+")
}
