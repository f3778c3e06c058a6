//! `update roll`: the new container starts beside the old one, which goes on until the new one is
//! ready. Of such a service there are two machines for a while, and each of them is stepped as any
//! other one: saves go to both, so the new one has all that is live when it takes the place.

use std::collections::BTreeSet;

use devrun_stack::Service;

use super::Session;
use super::doubled::{beside, is_beside, service_of};
use super::machine::{Doing, EXITS_TO_FAIL, ImageState, Machine, Update, Wanted};
use super::seen::{Name, Seen};
use crate::event::Failure;
use crate::make;
use crate::notice::RuledOut;
use crate::plan::Follow;
use crate::spec::{ContainerSpec, label};

/// What is known of the container beside another one, besides what is known of any.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Beside {
    /// Hash of what it is made of.
    spec: String,
    /// Why it is made although the old one is equal.
    asked: Option<String>,
    /// That is, for limits which the old one cannot have.
    for_limits: bool,
}

/// One that did not get ready.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Vain {
    spec: String,
    asked: Option<String>,
    failure: Failure,
}

impl Machine {
    /// Why a service that serves is of an older version than it was to be.
    pub(super) fn vain(&self) -> Option<&Failure> {
        self.vain.as_ref().map(|vain| &vain.failure)
    }

    pub(super) fn why_vain(&self) -> Option<String> {
        Some(format!(
            "{}, and the next save, or `devrun trigger {}`, tries again",
            self.vain()?.message,
            self.name
        ))
    }

    /// That very container was tried already, for that very reason.
    fn was_in_vain(&self, spec: &ContainerSpec, asked: Option<&String>) -> bool {
        let known = self.vain.as_ref();
        known.is_some_and(|vain| {
            Some(&vain.spec) == spec.labels.get(label::SPEC) && vain.asked.as_ref() == asked
        })
    }

    /// Its last words are known, or it has none.
    fn has_said_why(&self) -> bool {
        let words = |failure: &Failure| !failure.details.is_empty();
        let crashed = self.failed.is_none().then_some(self.crashed.as_ref());
        crashed.flatten().is_none_or(words) || self.exits > 2 * EXITS_TO_FAIL
    }

    /// All that was saved is in it, and it serves.
    fn may_take_over(&self) -> bool {
        self.ready && self.running() && self.attached.is_some() && self.at_rest()
    }
}

impl Session {
    /// There is something to protect: the container that is to make room serves, or did when this
    /// session came.
    pub(super) fn rolls(&self, name: &str, service: &Service) -> bool {
        let Some(machine) = self.machines.get(name) else {
            return false;
        };
        service.update.roll
            && !is_beside(name)
            && machine.running()
            && machine.failure().is_none()
            && (machine.ready || machine.run_began.is_none())
    }

    /// Begins with the new one, unless it is there already, or was tried in vain.
    pub(super) fn roll(&mut self, name: &str, service: &Service, spec: &ContainerSpec) {
        if self.is_doubled(name) {
            return;
        }
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let asked = machine.recreate.take();
        let for_limits = asked.is_none() && machine.recreate_for_limits.is_some();
        let asked = asked.or_else(|| machine.recreate_for_limits.clone());
        if machine.was_in_vain(spec, asked.as_ref()) {
            return;
        }
        machine.vain = None;
        let spec_of = |key: &str| spec.labels.get(key).map_or("", String::as_str);
        let before = machine.container.as_ref().map_or("", |seen| &seen.parts);
        let reason = match (&asked, &self.stack) {
            (None, Some(stack)) => make::reason(stack, service, before, spec_of(label::PARTS)),
            (asked, _) => asked.clone().unwrap_or_default(),
        };
        let successor = Machine {
            wanted: Wanted::Run,
            image: machine.image.clone(),
            manual: machine.manual,
            triggered: machine.triggered,
            paused: machine.paused.clone(),
            set_aside: machine.set_aside.clone(),
            beside: Some(Beside {
                spec: spec_of(label::SPEC).to_owned(),
                asked,
                for_limits,
            }),
            ..Machine::new(name)
        };
        self.machines.insert(beside(name), successor);
        self.tell_roll(name, reason);
        self.step_beside(name);
    }

    fn tell_roll(&mut self, name: &str, reason: String) {
        let because = "`update roll`: the old container serves until the new one is ready";
        let not = RuledOut {
            what: "recreate".to_owned(),
            because: because.to_owned(),
            path: None,
            file: None,
            line: None,
        };
        self.plan_for_stackfile(name, "roll", reason, vec![not]);
    }

    /// The next step of each that stands beside another one.
    pub(super) fn step_all_beside(&mut self) {
        let keys = self.machines.keys().filter(|key| is_beside(key));
        let names: BTreeSet<String> = keys.map(|key| service_of(key).to_owned()).collect();
        for name in names {
            self.step_beside(&name);
        }
    }

    fn step_beside(&mut self, name: &str) {
        if !self.connected {
            return;
        }
        let key = beside(name);
        self.cancel_large(&key);
        let Some(machine) = self.machines.get(&key) else {
            return;
        };
        let gone = machine.container.is_none() && machine.busy.is_none();
        let begun = machine.run_began.is_some();
        if machine.surplus {
            if gone {
                self.machines.remove(&key);
                self.look_again = true;
            }
            return;
        }
        if self.ending.is_some() || !self.has_place(name) {
            return self.give_back(name);
        }
        if self.is_left_alone(name) {
            self.inherit(name);
            self.look_again = true;
            return;
        }
        if self.is_superseded(name) {
            return match self.is_needed(name) {
                true => self.take_place(name),
                false => self.give_back(name),
            };
        }
        if machine.wanted == Wanted::Stopped {
            let message = "somebody stopped it".to_owned();
            self.machines.entry(key).and_modify(|it| {
                it.failed = Some(Failure {
                    message,
                    ..Failure::default()
                });
            });
            return self.give_up(name);
        }
        if machine.is_hopeless() && machine.has_said_why() {
            // The other one was removed, and a restart of it has yet to find that out.
            if self.has_container(name) {
                self.give_up(name);
            }
            return;
        }
        if gone && begun {
            return self.give_back(name);
        }
        if machine.may_take_over() {
            return self.take_place(name);
        }
        if machine.doing() == Some(Doing::Probe) && !machine.pending.is_empty() {
            // Perhaps it does not answer because of what was just mended.
            self.drop_busy(&key);
        }
        if self.prepared == super::Prepared::Yes {
            self.step_up(&key);
            self.step_large(&key);
            self.step_owed(&key);
        }
        let ready = self.machines.get(&key).is_some_and(Machine::may_take_over);
        self.look_again |= ready && self.may_leave(name);
    }

    /// Nothing is under way with the old one that has to come to its end.
    fn may_leave(&self, name: &str) -> bool {
        self.machines.get(name).is_some_and(|old| {
            !old.doing().is_some_and(Doing::replaces_process) && !old.is_attended()
        })
    }

    fn has_place(&self, name: &str) -> bool {
        let wanted = |machine: &Machine| machine.wanted == Wanted::Run;
        self.order.iter().any(|it| it == name) && self.machines.get(name).is_some_and(wanted)
    }

    /// Another one is wanted by now.
    fn is_superseded(&self, name: &str) -> bool {
        let (Some((service, machine)), Some(next)) =
            (self.pair(name), self.machines.get(&beside(name)))
        else {
            return true;
        };
        let ImageState::Have(image) = &machine.image else {
            return false;
        };
        let spec = self.spec(&service, image);
        let wanted = spec.as_ref().and_then(|spec| spec.labels.get(label::SPEC));
        let Some(own) = &next.beside else {
            return true;
        };
        // What is asked for again for the same reason is on its way.
        let asked_anew = machine.recreate.is_some() && machine.recreate != own.asked;
        let not_any_more = own.for_limits && machine.recreate_for_limits.is_none();
        asked_anew || not_any_more || wanted != Some(&own.spec)
    }

    /// The new one serves, and the old one does not.
    fn is_needed(&self, name: &str) -> bool {
        let serves = |key: &str| self.machines.get(key).is_some_and(Machine::serves);
        serves(&beside(name)) && !serves(name)
    }

    /// It is not wanted any more, and goes; whoever asked for it has still asked.
    pub(super) fn give_back(&mut self, name: &str) {
        let key = beside(name);
        let replaces = |machine: &Machine| machine.doing().is_some_and(Doing::replaces_process);
        if !self.machines.get(&key).is_some_and(replaces) {
            self.drop_busy(&key);
        }
        let Some(machine) = self.machines.get_mut(&key) else {
            return;
        };
        machine.becomes_surplus();
        let asked = machine.beside.take().filter(|it| !it.for_limits);
        let asked = asked.and_then(|it| it.asked);
        if let (Some(reason), Some(machine)) = (asked, self.machines.get_mut(name)) {
            machine.recreate.get_or_insert(reason);
        }
        self.cancel_large(&key);
        self.look_again = true;
    }

    /// It does not get ready: the old one goes on, and everybody can see why.
    fn give_up(&mut self, name: &str) {
        let (key, now) = (beside(name), self.now);
        self.drop_busy(&key);
        let Some(machine) = self.machines.get_mut(&key) else {
            return;
        };
        let failure = serves_on(machine.failure().cloned().unwrap_or_default());
        let Beside { spec, asked, .. } = machine.beside.take().unwrap_or_default();
        machine.becomes_surplus();
        self.cancel_large(&key);
        let mut told = vec![failure.message.clone()];
        told.extend(failure.details.iter().cloned());
        if let Some(machine) = self.machines.get_mut(name) {
            machine
                .recreate
                .take_if(|reason| Some(&*reason) == asked.as_ref());
            machine.vain = Some(Vain {
                spec,
                asked,
                failure,
            });
            machine.update.get_or_insert_with(|| Update {
                began: now,
                ..Update::default()
            });
        }
        self.acted(name, "rolled back");
        self.update_over(name, Some(told));
        self.look_again = true;
    }

    /// The new one is ready: it gets the requests, and the old one goes once it has answered its
    /// own.
    fn take_place(&mut self, name: &str) {
        if !self.may_leave(name) {
            return;
        }
        let mut leaving = Machine {
            container: self.inherit(name),
            wanted: Wanted::Off,
            ..Machine::new(name)
        };
        leaving.becomes_surplus();
        self.machines.insert(beside(name), leaving);
        self.acted(name, "rolled");
        self.update_over(name, None);
        self.follow_dependents(name);
        if let Some(machine) = self.machines.get_mut(name) {
            machine.was_ready = true;
            machine.served = machine.container.as_ref().map(|seen| seen.started_ns);
        }
        self.tidy_images(name);
        self.look_again = true;
    }

    /// There is none any more that it could stand beside.
    fn is_left_alone(&self, name: &str) -> bool {
        !self.has_container(name) && self.has_container(&beside(name)) && self.may_leave(name)
    }

    fn has_container(&self, name: &str) -> bool {
        let machine = self.machines.get(name);
        machine.is_some_and(|machine| machine.container.is_some())
    }

    /// What is known of the new one is known of the service from now on. Answers with the old one.
    fn inherit(&mut self, name: &str) -> Option<Seen> {
        self.drop_busy(name);
        if let Some(old) = self.machines.get_mut(name) {
            old.large.give_up();
        }
        self.cancel_large(name);
        let new = self.machines.remove(&beside(name))?;
        self.machines.get_mut(name)?.taken_over_by(new)
    }
}

/// What it failed of, with its last word, as that of one that nobody misses.
fn serves_on(failure: Failure) -> Failure {
    let mut said = failure.details.iter().rev().map(|line| line.trim());
    let said = said.find(|line| !line.is_empty());
    let said = said.map_or_else(String::new, |said| format!(": {said}"));
    Failure {
        message: format!(
            "its new version did not get ready ({}{said}); the one before serves",
            failure.message
        ),
        ..failure
    }
}

impl Machine {
    fn becomes_surplus(&mut self) {
        self.surplus = true;
        self.wanted = Wanted::Off;
        self.failed = None;
        self.crashed = None;
        self.exits = 0;
        self.pending.clear();
        self.follow.clear();
        self.suspect = None;
        self.large.give_up();
    }

    /// What is known of the process and its files is of the new one from now on; what the service is
    /// to be, and what its saves ask for beyond its container, stays. Answers with the old one.
    fn taken_over_by(&mut self, new: Machine) -> Option<Seen> {
        let beyond =
            |one: &Follow| matches!(one, Follow::Run(_) | Follow::Rebuild | Follow::Recreate);
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend(new.pending.iter().cloned());
        let own = std::mem::take(&mut self.follow).into_iter().filter(beyond);
        let follow = own.chain(new.follow.iter().cloned()).collect();
        let old = self.container.take();
        let named_beside = old.as_ref().is_none_or(|old| old.name == Name::Own);
        let container = new.container.map(|seen| Seen {
            name: if named_beside { Name::Due } else { Name::Own },
            ..seen
        });
        let asked = new.beside.as_ref().and_then(|it| it.asked.clone());
        let fresh = Machine::new(&self.name);
        let before = std::mem::replace(self, fresh);
        *self = Machine {
            wanted: match new.wanted {
                Wanted::Stopped => Wanted::Stopped,
                _ => before.wanted,
            },
            image: before.image,
            image_asked: before.image_asked,
            image_made: before.image_made,
            image_waits: before.image_waits,
            image_to_tidy: before.image_to_tidy,
            given_up_since: before.given_up_since,
            build_next: before.build_next,
            build_step: before.build_step,
            was_ready: before.was_ready,
            warned: before.warned,
            noticed: before.noticed,
            missed: before.missed,
            circle: before.circle,
            paused: before.paused,
            set_aside: before.set_aside,
            update: before.update,
            spent: before.spent,
            lately: before.lately,
            again: before.again,
            terminals: before.terminals,
            manual: before.manual,
            triggered: before.triggered,
            task: before.task,
            recreate: before.recreate.filter(|it| Some(it) != asked.as_ref()),
            waits_for: before.waits_for,
            shown: before.shown,
            restarts: before.restarts,
            beside: None,
            container,
            pending,
            follow,
            ..new
        };
        old
    }
}
