//! Saves that wait: while a terminal is on the process of a service, or until somebody says so.

use devrun_stack::Service;

use super::Session;
use super::machine::{ImageState, Machine};
use crate::spec::label;

impl Session {
    pub(super) fn on_attach(&mut self, name: &str) {
        if let Some(machine) = self.machines.get_mut(name) {
            machine.terminals += 1;
        }
    }

    /// The last terminal is gone: all that has waited is one batch.
    pub(super) fn on_detach(&mut self, name: &str) {
        if let Some(machine) = self.machines.get_mut(name) {
            machine.terminals = machine.terminals.saturating_sub(1);
        }
    }

    /// A terminal is on a process whose container is to be made anew, or changed.
    pub(super) fn replacement_waits(&self, service: &Service, machine: &Machine) -> bool {
        let (ImageState::Have(image), Some(seen)) = (&machine.image, &machine.container) else {
            return false;
        };
        machine.is_attended()
            && (seen.live != self.wanted_limits(service)
                || self
                    .spec(service, image)
                    .is_some_and(|spec| spec.labels.get(label::SPEC) != Some(&seen.spec)))
    }

    pub(super) fn on_trigger(&mut self, services: &[String]) {
        self.settled = false;
        let mut paused = Vec::new();
        let mut named = Vec::new();
        for (name, machine) in &mut self.machines {
            if !services.is_empty() && !services.contains(name) {
                continue;
            }
            machine.triggered |= machine.manual;
            named.push(name.clone());
            if !machine.paused.is_empty() {
                paused.push(name.clone());
            }
        }
        for name in paused {
            self.resume(&name);
        }
        for name in named {
            self.try_failed_again(&name);
            for task in self.failed_tasks_before(&name) {
                self.try_failed_again(&task);
            }
        }
    }

    /// What keeps that service's saves from being followed.
    fn failed_tasks_before(&self, name: &str) -> Vec<String> {
        let needed = self.service(name).into_iter();
        let needed = needed.flat_map(|service| &service.depends_on);
        let tasks = needed.filter_map(|needed| self.machines.get(&needed.service));
        let failed = tasks.filter(|machine| machine.task && machine.failure().is_some());
        failed.map(|machine| machine.name.clone()).collect()
    }

    /// What somebody asked for is live: from now on saves wait again.
    pub(super) fn rest_triggered(&mut self) {
        for machine in self.machines.values_mut() {
            if machine.triggered && machine.at_rest() && machine.update.is_none() {
                machine.triggered = false;
            }
        }
    }
}

/// For what saves wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// For the terminal on its process to leave.
    Terminal,
    /// For somebody to say so.
    Trigger,
}

pub(super) fn held(machine: &Machine) -> Option<Held> {
    match machine.is_attended() {
        true => Some(Held::Terminal),
        false => machine.awaits_trigger().then_some(Held::Trigger),
    }
}

/// What was saved and not begun with. A new declaration is a save too, and so is what a comparison
/// may find, unless it comes with another.
pub(super) fn waiting(machine: &Machine, replacement: bool) -> usize {
    let told = machine.waiting_saves() + usize::from(replacement);
    told.max(usize::from(machine.comparison_waits()))
}

/// Why a service that serves is not up to date, if its saves wait.
pub(super) fn why_saves_wait(machine: &Machine, replacement: bool) -> Option<String> {
    let count = waiting(machine, replacement);
    let saves = match count {
        1 => "1 save waits".to_owned(),
        _ => format!("{count} saves wait"),
    };
    if machine.is_attended() {
        return Some(match count {
            0 => "a terminal is on its process; saves wait meanwhile".to_owned(),
            _ if replacement => format!(
                "{saves} while a terminal is on its process; what is declared otherwise comes then"
            ),
            _ => format!("{saves} while a terminal is on its process"),
        });
    }
    (machine.awaits_trigger() && count > 0)
        .then(|| format!("{saves} for `devrun trigger {}`", machine.name))
        .or_else(|| machine.why_it_rests())
        .or_else(|| machine.why_paused())
}
