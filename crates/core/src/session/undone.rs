//! What could not be done. What of it follows a save stays pending, is shown, and is tried again
//! with the next save and by `devrun trigger`. What the engine itself refuses is done in the next
//! stronger way, once.

use std::time::Duration;

use super::Session;
use super::machine::{Doing, ImageState, Machine, Update, Wanted};
use crate::event::Failure;
use crate::notice::NoticeEvent;
use crate::plan::Follow;

/// So late the engine may tell of what it did before it refused the rest.
const LATE: Duration = Duration::from_secs(10);

/// What a step that failed left undone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Undone {
    at: Duration,
    /// That step, and what would have come after it.
    pub(super) follow: Vec<Follow>,
    why: String,
    /// The saves that asked for it.
    update: Update,
}

const REFUSES: &str = "the engine does not ";
const START: &str = "start it";

impl Machine {
    /// Saves that are not live yet, or whose consequences are not over: at least one of them while
    /// an update is under way.
    pub(crate) fn unfinished(&self) -> usize {
        if self.wanted != Wanted::Run {
            return 0;
        }
        let under_way = self.update.is_some()
            || !self.follow.is_empty()
            || self.undone.is_some()
            || self.is_unsure();
        self.pending.len().max(usize::from(under_way)) + self.large.count()
    }

    /// Saves of which nothing has been begun.
    pub(crate) fn waiting_saves(&self) -> usize {
        self.pending.len().max(usize::from(!self.follow.is_empty()))
    }

    /// Another container is not needed because that one does not start: it runs.
    pub(super) fn starts_after_all(&mut self) {
        let only_to_start = |reason: &mut String| {
            let what = reason.strip_prefix(REFUSES);
            what.is_some_and(|what| what.starts_with(START))
        };
        self.recreate.take_if(only_to_start);
    }

    /// Its process has begun anew, whatever the engine refused before: that needs no other container.
    pub(super) fn begins_after_all(&mut self) {
        self.recreate.take_if(|reason| reason.starts_with(REFUSES));
    }

    fn leave_undone(&mut self, follow: Vec<Follow>, why: String, now: Duration) {
        let update = self.update.clone().unwrap_or_default();
        self.undone = (!follow.is_empty()).then_some(Undone {
            at: now,
            follow,
            why,
            update,
        });
    }

    /// Tries it again; what is asked for anew comes after it.
    pub(super) fn take_up_undone(&mut self, now: Duration) {
        let Some(undone) = self.undone.take() else {
            return;
        };
        self.retried.clone_from(&undone.follow);
        let since = std::mem::take(&mut self.follow);
        self.add_follow(undone.follow);
        self.add_follow(since.into());
        self.update.get_or_insert(Update {
            began: now,
            since: None,
            actions: Vec::new(),
            ..undone.update
        });
    }

    /// These are asked for by saves of now, whatever was tried in vain before.
    pub(super) fn asked_anew(&mut self, needs: &[Follow]) {
        self.retried.retain(|one| !needs.contains(one));
    }

    /// A process begins, which has read everything.
    pub(super) fn process_begins(&mut self) {
        if let Some(undone) = &mut self.undone {
            let stays = |one: &Follow| !matches!(one, Follow::Restart | Follow::Signal(_));
            undone.follow.retain(stays);
        }
        self.undone.take_if(|undone| undone.follow.is_empty());
    }

    /// A new container is compared with the host, which tells anew what follows; but for tasks, and
    /// not that its image is stale.
    pub(super) fn container_begins(&mut self) {
        if let Some(undone) = &mut self.undone {
            let stays = |one: &Follow| matches!(one, Follow::Run(_) | Follow::Rebuild);
            undone.follow.retain(stays);
        }
        self.undone.take_if(|undone| undone.follow.is_empty());
    }

    /// It failed at the end of the process that it was done in, which says more than the step.
    pub(super) fn undone_within(&mut self, most: Duration, now: Duration) {
        let late = |undone: &mut Undone| now.saturating_sub(undone.at) < most;
        if let Some(undone) = self.undone.take_if(late) {
            self.add_follow(undone.follow);
        }
    }

    /// Why a service that serves has not all that was saved, if a step failed.
    pub(super) fn why_undone(&self) -> Option<String> {
        let why = &self.undone.as_ref()?.why;
        Some(format!(
            "{why}; the next save, or `devrun trigger {}`, tries again",
            self.name
        ))
    }

    /// A restart, or a new container in its place, failed or was given up: it may have come as far
    /// as the end of the process, also where the engine tells of that only now.
    pub(super) fn note_end(&mut self, now: Duration) {
        self.restart_refused = Some(now + LATE);
        if let (Some(seen), Some((at, code))) = (&mut self.container, self.exited)
            && at > seen.started_ns
        {
            seen.running = false;
            seen.exit_code = Some(code);
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failure().is_some()
            || self.image == ImageState::Failed
            || self.undone.is_some()
            || self.vain.is_some()
            || self.unlimited.is_some()
            || self.routing.is_in_vain()
            || !self.unsynced.is_empty()
    }
}

impl Session {
    /// A step that follows a save failed. What runs goes on, and what would have followed does not,
    /// unless a later save asks for it too.
    pub(super) fn on_step_failed(&mut self, name: &str, step: Option<Follow>, told: Vec<String>) {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let again = step
            .as_ref()
            .is_some_and(|step| machine.retried.contains(step));
        let retried = std::mem::take(&mut machine.retried);
        let rest = std::mem::take(&mut machine.follow).into_iter();
        let (own, others): (Vec<_>, Vec<_>) = rest.partition(|one| !again || retried.contains(one));
        let why = told.first().cloned().unwrap_or_default();
        machine.leave_undone(step.into_iter().chain(own).collect(), why.clone(), now);
        if others.is_empty() {
            machine.saved = None;
            return self.update_over(name, Some(told));
        }
        machine.follow = others.into();
        self.warn(Some(name), format!("tried again in vain: {why}"));
    }

    /// What the engine refused is done in the next stronger way, once: a signal or a command by a
    /// restart (the command comes after it), a restart by a new container. False if that is not
    /// what to do.
    pub(super) fn stronger(
        &mut self,
        name: &str,
        doing: Doing,
        step: Option<&Follow>,
        failure: &Failure,
    ) -> bool {
        let Some(machine) = self.machines.get_mut(name) else {
            return false;
        };
        if !failure.refused || failure.port.is_some() || machine.stronger {
            return false;
        }
        let message = failure.message.replace('\n', " ");
        let what = match doing {
            Doing::Exec => "run its command",
            Doing::Signal => "send its signal",
            Doing::Attach => "compare its files",
            Doing::Restart => "restart it",
            Doing::Start => START,
            _ => return false,
        };
        let reason = format!("{REFUSES}{what} ({message})");
        machine.stronger = true;
        if matches!(doing, Doing::Restart | Doing::Start) {
            machine.recreate = Some(reason);
            return true;
        }
        if let Some(command @ Follow::Exec(_)) = step {
            machine.follow.push_front(command.clone());
        }
        self.warn(Some(name), format!("{reason}; it is restarted instead"));
        let planned = NoticeEvent::UpdatePlanned {
            action: "restart".to_owned(),
            reason,
            ruled_out: Vec::new(),
        };
        self.notice(Some(name), self.cause_of(name), planned);
        self.restart(name);
        true
    }

    /// What failed gets another chance, because somebody says so.
    pub(super) fn try_failed_again(&mut self, name: &str) {
        let now = self.now;
        let up = self
            .service(name)
            .is_some_and(|service| self.dependencies_up(service));
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        if machine.wanted != Wanted::Run || !machine.has_failed() {
            return;
        }
        machine.try_again();
        machine.take_up_undone(now);
        machine.unsynced.now(now);
        if machine.engine_restarts && machine.busy.is_none() && up && self.connected {
            // The engine's pause between two starts may be long by now.
            self.restart(name);
        }
    }
}
