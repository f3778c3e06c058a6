//! Tasks that run again, because what they read is another one or a rule asks for it. Who waits for
//! a task to complete is not restarted or replaced meanwhile.

use std::time::Duration;

use devrun_stack::{Condition, Service};

use super::Session;
use super::machine::{Doing, ImageState, Machine, Wanted};
use super::wanted::asked_for;
use crate::effect::Effect;
use crate::event::Synced;
use crate::plan::Follow;

/// When a task that is held back may run.
pub(super) fn due(machine: &Machine) -> Option<Duration> {
    let waits = machine.task && !machine.running() && machine.busy.is_none();
    machine.circle.rests_until().filter(|_| waits)
}

impl Machine {
    /// It is done, and about to run again, or that is being found out.
    pub(super) fn is_due_again(&self) -> bool {
        let image = matches!(self.image, ImageState::Unknown { .. } | ImageState::Busy(_));
        let saved = !self.pending.is_empty() && !self.holds_saves();
        let asked = self.run_due || self.made_anew().is_some() || self.again;
        self.wanted == Wanted::Run && (asked || image || saved || self.busy.is_some())
    }

    /// A task that has run with all that there is now.
    fn has_run(&self) -> bool {
        self.completed && !self.is_due_again()
    }

    /// It was saved while its process begins, or runs unseen: what of it that reads is not known.
    pub(super) fn saved_while_it_runs(&mut self) {
        let begins = self.doing().is_some_and(Doing::replaces_process);
        self.run_due |= self.task && self.attached.is_none() && (begins || self.running());
    }
}

impl Session {
    /// Whether a task that does not run is held back, to see whether it is saved all the same.
    pub(super) fn task_rests(&mut self, name: &str) -> bool {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name) else {
            return false;
        };
        if !machine.task || machine.running() {
            return false;
        }
        machine.circle.could_fire(now);
        machine
            .circle
            .rests_until()
            .is_some_and(|until| until > now)
    }

    /// Whether it has done what it is for. One that is to run again has not, from now on.
    pub(super) fn is_done(&mut self, name: &str) -> bool {
        if self.machines.get(name).is_some_and(|it| !it.completed) {
            return false;
        }
        if self.looks_first(name) {
            return true;
        }
        let wanted = self.spec_hash(name);
        let Some(machine) = self.machines.get(name) else {
            return true;
        };
        let (Some(wanted), Some(seen)) = (wanted, &machine.container) else {
            return true;
        };
        if seen.spec == wanted && !machine.run_due && machine.made_anew().is_none() {
            return true;
        }
        if let Some(machine) = self.machines.get_mut(name) {
            machine.runs_again();
        }
        false
    }

    /// One that is done may have been so before the last saves: whether its container has what the
    /// host has is looked at once. True while that is under way.
    pub(super) fn looks_first(&mut self, name: &str) -> bool {
        let rules = self.rules.as_ref();
        let synced = rules.is_some_and(|rules| !rules.sync_rules(name).is_empty());
        let Some(machine) = self.machines.get_mut(name) else {
            return false;
        };
        if std::mem::replace(&mut machine.looked_at, true) || !synced {
            return false;
        }
        let Some(container) = machine.container_id() else {
            return false;
        };
        let op = self.begin(name, Doing::Push);
        self.emit(Effect::Push { op, container });
        true
    }

    /// What of it was found to differ; true if it is a task.
    pub(super) fn on_looked_at(&mut self, name: &str, synced: &Synced) -> bool {
        let Some(machine) = self.machines.get_mut(name).filter(|it| it.task) else {
            return false;
        };
        if synced.files > 0 {
            machine.run_due = true;
            self.note_brought(name, &synced.changed);
        } else if machine.completed {
            self.follows_over(name);
        }
        true
    }

    /// A task that does not run is to run again because of its saves.
    pub(super) fn wake_task(&mut self, name: &str, needs: &[Follow]) {
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        machine.saved = None;
        machine.run_due |= needs.iter().any(|need| *need != Follow::Rebuild);
        if needs.contains(&Follow::Recreate) {
            machine.recreate = Some(asked_for());
        }
        if needs.contains(&Follow::Rebuild) {
            self.rebuild(name);
        }
    }

    pub(super) fn complete(&mut self, name: &str) {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        // What was saved too late for this run is read by the next.
        let follow = std::mem::take(&mut machine.follow);
        let after = std::mem::take(&mut machine.after_rebuild);
        machine.undone = None;
        let runs = |follow: &Follow| *follow != Follow::Rebuild;
        machine.run_due |= follow.iter().chain(&after).any(runs);
        machine.saved = None;
        if follow.contains(&Follow::Rebuild) {
            self.rebuild(name);
        }
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        if machine.run_due {
            // What it is to read was saved while it ran.
            machine.runs_again();
            self.look_again = true;
            return;
        }
        machine.completed = true;
        machine.start_took = machine.start_began.take().map(|began| now - began);
        let began = machine.update.as_ref().map(|update| update.began);
        if began.is_some_and(|began| machine.run_began.is_some_and(|run| run >= began)) {
            self.acted(name, "ran again");
        }
        self.tidy_images(name);
        if self.machines.get(name).is_some_and(|it| it.looked_at) {
            self.follows_over(name);
        }
        self.update_over(name, None);
        if let Some(machine) = self.machines.get_mut(name) {
            machine.start_over();
        }
        // Those who waited may have been looked at already.
        self.look_again = true;
    }

    /// The task that keeps a service from being restarted or replaced, if one does.
    pub(super) fn task_in_the_way<'a>(&'a self, service: &Service) -> Option<&'a Machine> {
        service.depends_on.iter().find_map(|dependency| {
            let machine = self.machines.get(&dependency.service)?;
            let counts = machine.task
                && dependency.condition != Condition::Started
                && (dependency.required
                    || (machine.wanted == Wanted::Run && !machine.is_hopeless()));
            (counts && !machine.has_run()).then_some(machine)
        })
    }

    /// The task for which the next thing that follows a save waits, if it does.
    pub(super) fn follow_waits<'a>(&'a self, machine: &Machine) -> Option<&'a Machine> {
        match machine.follow.front()? {
            Follow::Restart | Follow::Recreate => {
                self.task_in_the_way(self.service(&machine.name)?)
            }
            Follow::Run(_) => {
                let task = self.machines.get(machine.waits_for.as_ref()?)?;
                let over = task.has_run() || self.will_not_run(task);
                (!over).then_some(task)
            }
            _ => None,
        }
    }

    fn will_not_run(&self, task: &Machine) -> bool {
        task.wanted != Wanted::Run || self.hopeless(task, 0)
    }

    /// Whether nothing more follows until somebody mends a task.
    pub(super) fn follow_waits_in_vain(&self, machine: &Machine) -> bool {
        let building = matches!(
            machine.image,
            ImageState::Unknown { .. } | ImageState::Busy(_)
        );
        let idle =
            machine.is_up() && machine.busy.is_none() && !building && machine.pending.is_empty();
        let idle = idle && machine.large.count() == 0;
        let task = self.follow_waits(machine).filter(|_| idle);
        task.is_some_and(|task| self.will_not_run(task))
    }

    /// Why what follows its saves waits, if it does for a task.
    pub(super) fn why_follow_waits(&self, machine: &Machine) -> Option<String> {
        let task = self.follow_waits(machine)?;
        let word = match task.failure() {
            Some(_) => "which failed",
            None => "which runs first",
        };
        Some(format!("what follows waits for {}, {word}", task.name))
    }

    /// The next step of a `run`: begins with it, or goes on once the task has ended. False if there
    /// is nothing to wait for any more.
    pub(super) fn step_run(&mut self, name: &str, task: &str) -> bool {
        let Some(machine) = self.machines.get_mut(name) else {
            return false;
        };
        let saved = machine.saved.map_or(self.now, |(_, last)| last);
        if machine.waits_for.replace(task.to_owned()).is_none() {
            machine.circle.fires(self.now);
            self.ask_to_run(task, saved);
        }
        let Some(machine) = self.machines.get(name) else {
            return false;
        };
        if self.follow_waits(machine).is_some() {
            let ready = machine.ready;
            self.waits_for(name, task);
            return ready;
        }
        let ran = self.machines.get(task).filter(|task| task.has_run());
        let failed = match ran {
            Some(_) => None,
            None => Some(self.why_it_did_not_run(task)),
        };
        let Some(machine) = self.machines.get_mut(name) else {
            return false;
        };
        machine.waits_for = None;
        let step = machine.follow.pop_front();
        self.look_again = true;
        // Saved meanwhile, it is to run again, whatever became of this run.
        let again = step
            .as_ref()
            .is_some_and(|step| machine.follow.contains(step));
        if machine.follow.is_empty() {
            machine.saved = None;
        }
        match failed {
            Some(told) if again => self.end_update(name, Some(told)),
            Some(told) => self.on_step_failed(name, step, told),
            None => self.step_over(name, &format!("ran {task}")),
        }
        false
    }

    /// Several may ask for it because of the same save: one run is enough.
    fn ask_to_run(&mut self, task: &str, saved: Duration) {
        let Some(machine) = self.machines.get(task) else {
            return;
        };
        if machine.run_began.is_some_and(|began| began > saved) || machine.run_due {
            return;
        }
        if machine.wanted == Wanted::Off {
            self.on_up(vec![task.to_owned()], Vec::new(), false, false);
        }
        if let Some(machine) = self.machines.get_mut(task) {
            machine.try_again();
            machine.run_due = true;
        }
        self.step(task);
    }

    fn why_it_did_not_run(&self, task: &str) -> Vec<String> {
        let Some(machine) = self.machines.get(task) else {
            return vec![format!("{task} is not declared any more")];
        };
        let Some(failure) = machine.failure() else {
            return vec![format!(
                "{task} did not run: {}",
                machine.shown.state.word()
            )];
        };
        let mut lines = vec![format!("{task}: {}", failure.message)];
        lines.extend(failure.details.iter().cloned());
        lines
    }
}

impl Machine {
    /// How it ended does not count any more.
    fn runs_again(&mut self) {
        self.completed = false;
        if let Some(seen) = &mut self.container {
            seen.exit_code = None;
        }
    }
}
