//! How long each part of an update, or of a start, takes.

use std::time::Duration;

use super::Session;
use super::machine::{Doing, Machine};
use super::notices::millis;
use crate::notice::{Part, Step};

/// The parts of what is going on with a service, until it is told how it ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spent {
    parts: Vec<(&'static str, Option<String>, Duration)>,
    /// The update that it is of, by its beginning.
    of: Option<Duration>,
    began: Duration,
    /// All time until then is in one of the parts.
    until: Option<Duration>,
    /// For what nothing is begun.
    held: Option<String>,
    /// Since when its image is looked for or made.
    image: Option<Duration>,
    /// The slowest step of the build.
    slowest: Option<(String, Duration)>,
}

impl Spent {
    pub(super) fn start(&mut self, now: Duration, of: Option<Duration>) {
        *self = Spent {
            of,
            began: now,
            until: Some(now),
            image: self.image.map(|since| since.max(now)),
            ..Spent::default()
        };
    }

    /// Nothing is begun now, because of this.
    pub(super) fn waits_for(&mut self, what: &str) {
        if self.held.as_deref() != Some(what) {
            self.held = Some(what.to_owned());
        }
    }

    fn add(&mut self, what: &'static str, of: Option<String>, took: Duration) {
        let same =
            |part: &&mut (&'static str, Option<String>, Duration)| part.0 == what && part.1 == of;
        match self.parts.iter_mut().find(same) {
            Some(part) => part.2 += took,
            None => self.parts.push((what, of, took)),
        }
    }

    /// Something begins; until now nothing was done, for that reason.
    fn begins(&mut self, now: Duration, why: Option<&str>) {
        let held = self.held.take().or(why.map(str::to_owned));
        if let Some(until) = self.until.filter(|until| *until < now)
            && self.image.is_none()
        {
            self.add("waited", held, now - until);
        }
        self.until = self.until.map(|until| until.max(now));
    }

    fn ends(&mut self, what: &'static str, since: Duration, now: Duration) {
        let Some(until) = self.until else {
            return;
        };
        if since < self.began {
            // It was for something else.
            let before = Some("what was under way".to_owned());
            self.add("waited", before, now.saturating_sub(self.began));
        } else {
            self.add(what, None, now.saturating_sub(since));
        }
        self.until = Some(until.max(now));
    }

    /// All parts, in order; afterwards there are none.
    pub(super) fn take(&mut self) -> Vec<Part> {
        let spent = std::mem::take(self);
        self.image = spent.image;
        let slowest = spent.slowest.map(|(name, took)| Step {
            name,
            took_ms: millis(took),
        });
        let part = |(what, of, took): (&str, Option<String>, Duration)| Part {
            slowest: slowest.clone().filter(|_| what == "built"),
            what: what.to_owned(),
            of,
            took_ms: millis(took),
        };
        spent.parts.into_iter().map(part).collect()
    }
}

impl Machine {
    /// Something begins; what there is to account for may be another thing than before.
    pub(super) fn account(&mut self, now: Duration, why: Option<&str>) {
        let of = self.update.as_ref().map(|update| update.began);
        let anew = self.spent.of != of || (of.is_none() && self.ready);
        if anew || self.spent.until.is_none() {
            self.spent.start(of.unwrap_or(now), of);
        }
        self.spent.begins(now, why);
    }

    /// What was under way on the container is over, or a part of it; what follows in the same
    /// operation begins now.
    pub(super) fn accounted(&mut self, what: &'static str, since: Duration, now: Duration) {
        let of = self.update.as_ref().map(|update| update.began);
        if self.spent.of != of && of.is_some() {
            self.spent.start(of.unwrap_or(now), of);
        }
        self.spent.ends(what, since, now);
        if let Some(busy) = &mut self.busy {
            busy.since = now;
        }
    }
}

impl Machine {
    /// A start is over; what it took is told with the state that follows, unless it was part of an
    /// update.
    pub(super) fn start_over(&mut self) {
        if self.update.is_none() {
            self.start_parts = self.spent.take();
        }
    }
}

impl Session {
    /// A part of the operation under way is over.
    pub(super) fn on_part(&mut self, name: &str, what: &'static str) {
        let now = self.now;
        if let Some(machine) = self.machines.get_mut(name)
            && let Some(since) = machine.busy.as_ref().map(|busy| busy.since)
        {
            machine.accounted(what, since, now);
        }
    }

    /// Nothing is begun for it now, because of another service.
    pub(super) fn waits_for(&mut self, name: &str, other: &str) {
        if let Some(machine) = self.machines.get_mut(name) {
            machine.spent.waits_for(other);
        }
    }

    pub(super) fn image_begins(&mut self, name: &str) {
        let now = self.now;
        if let Some(machine) = self.machines.get_mut(name) {
            machine.account(now, machine.quiet_before(None));
            machine.spent.image = Some(now);
            machine.spent.slowest = None;
        }
    }

    pub(super) fn image_step(&mut self, name: &str, step: &str, took: Duration) {
        if let Some(machine) = self.machines.get_mut(name)
            && let spent = &mut machine.spent
            && spent.slowest.as_ref().is_none_or(|(_, most)| *most < took)
        {
            spent.slowest = Some((step.to_owned(), took));
        }
    }

    /// It is there, or given up.
    pub(super) fn image_ends(&mut self, name: &str, what: &'static str) {
        let now = self.now;
        if let Some(machine) = self.machines.get_mut(name)
            && let Some(since) = machine.spent.image.take()
        {
            machine.spent.ends(what, since, now);
        }
    }
}

impl Machine {
    /// Why nothing was done before this begins, where it is not known otherwise.
    pub(super) fn quiet_before(&self, doing: Option<Doing>) -> Option<&'static str> {
        match doing {
            _ if self.update.is_none() => None,
            Some(Doing::Sync) if self.manual => Some("devrun trigger"),
            Some(Doing::Sync) => Some("settle"),
            None
            | Some(Doing::Exec | Doing::Signal | Doing::Restart | Doing::Create | Doing::Start) => {
                Some("quiet")
            }
            _ => None,
        }
    }
}

impl Doing {
    /// What it is called once it is over.
    pub(super) fn part(self) -> &'static str {
        match self {
            Doing::Create | Doing::Start => "started",
            Doing::Restart => "restarted",
            Doing::Update => "updated",
            Doing::Attach => "compared",
            Doing::Probe => "probed",
            Doing::Sync | Doing::Push => "synced",
            Doing::Exec => "ran",
            Doing::Hook => "post-start",
            Doing::Signal => "signalled",
            Doing::ProxyApply | Doing::ProxyRead => "routed",
            Doing::Rename => "renamed",
            Doing::Stop => "stopped",
            Doing::Explain => "explained",
        }
    }
}
