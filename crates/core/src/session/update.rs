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
        let stack = self.stack.clone();
        for (name, machine) in &mut self.machines {
            machine.attached = None;
            let service = stack.as_ref().and_then(|stack| stack.service(name));
            let built = service.is_some_and(|it| matches!(it.source, Source::Build(_)));
            if built && matches!(machine.image, ImageState::Have(_) | ImageState::Failed) {
                machine.image = ImageState::Unknown {
                    reason: "file events were lost".to_owned(),
                    force: false,
                };
            }
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
        self.begin_update(name, decision, attached);
    }

    fn begin_update(&mut self, name: &str, decision: Decision, running: bool) {
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        machine.add_follow(decision.follow);
        let rebuilds = machine.follow.contains(&Follow::Rebuild);
        match machine.container_id() {
            Some(container) if !decision.sync.is_empty() => {
                if !running && !rebuilds {
                    // It ended, perhaps because of what was just mended: it gets another chance.
                    machine.follow.clear();
                    machine.follow.push_back(Follow::Restart);
                }
                let op = self.begin(name, Doing::Sync);
                self.emit(Effect::Sync {
                    op,
                    container,
                    running,
                    paths: decision.sync,
                });
            }
            _ if rebuilds || machine.container.is_none() => self.rebuild_now(name, rebuilds),
            _ => {}
        }
    }

    /// Nothing runs that could be disturbed: what follows need not wait.
    fn rebuild_now(&mut self, name: &str, rebuilds: bool) {
        if let Some(machine) = self.machines.get_mut(name)
            && !machine.running()
        {
            machine.follow.clear();
            machine.saved = None;
            if rebuilds {
                self.rebuild(name);
            } else {
                self.step_image(name);
            }
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
        let superseded = match &machine.image {
            ImageState::Busy(op) => Some(op.clone()),
            _ => None,
        };
        let reason = machine
            .update
            .as_ref()
            .map_or_else(|| "asked for".to_owned(), |update| update.paths.clone());
        machine.image = ImageState::Unknown {
            reason,
            force: false,
        };
        machine.failed = None;
        if let Some(op) = superseded {
            self.emit(Effect::Cancel { op });
        }
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
        if synced.files == 0 && details.is_empty() {
            // Equal content: what would follow a change must not follow a touch.
            if let Some(machine) = self.machines.get_mut(name)
                && machine.running()
                && !machine.follow.contains(&Follow::Rebuild)
            {
                machine.follow.clear();
                machine.saved = None;
                machine.update = None;
            }
            return;
        }
        self.acted(name, "synced");
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        if machine.follow.is_empty() {
            machine.saved = None;
            self.update_over(name, None);
        } else if !machine.running() {
            machine.follow.clear();
            machine.saved = None;
            self.restart(name);
        }
    }

    /// The trees were compared: what had to be brought over may need more than that.
    pub(super) fn on_attached(&mut self, name: &str, transport: Transport, changed: &[PathBuf]) {
        let Some(rules) = self.rules.clone() else {
            return;
        };
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        machine.attached = Some(transport);
        // What an earlier agent was told may not have arrived.
        self.told_proxy = None;
        if changed.is_empty() {
            return;
        }
        // Whether the image is fresh was decided by its inputs already, so what would rebuild must
        // not swallow what the others ask for.
        let rebuilds = |path: &&PathBuf| {
            let decision = rules.decide(name, std::slice::from_ref(*path));
            decision.follow.contains(&Follow::Rebuild)
        };
        let others: Vec<PathBuf> = changed.iter().filter(|it| !rebuilds(it)).cloned().collect();
        machine.add_follow(rules.decide(name, &others).follow);
        machine.saved.get_or_insert((now, now));
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
                machine.saved.get_or_insert((now, now));
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
