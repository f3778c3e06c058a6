//! What the world is told, and what an update has done so far.

use std::time::Duration;

use devrun_stack::Source;

use super::Session;
use super::doubled::{is_beside, service_of};
use super::machine::ImageState;
use super::update::shortened;
use crate::effect::{Effect, Exit};
use crate::event::{Op, Progress};
use crate::notice::{Notice, NoticeEvent};

impl Session {
    /// Tells the world; answers with the notice's number.
    pub(super) fn notice(
        &mut self,
        service: Option<&str>,
        cause: Option<u64>,
        event: NoticeEvent,
    ) -> u64 {
        self.notice_timed(service, cause, None, event)
    }

    pub(super) fn notice_timed(
        &mut self,
        service: Option<&str>,
        cause: Option<u64>,
        took: Option<Duration>,
        event: NoticeEvent,
    ) -> u64 {
        if service.is_some_and(is_beside) && !matches!(event, NoticeEvent::Warning { .. }) {
            // Of a service there is one story, and who tells it is the one that serves.
            return self.next_seq;
        }
        let service = service.map(service_of);
        self.next_seq += 1;
        let seq = self.next_seq;
        self.emit(Effect::Notice(Notice {
            seq,
            cause,
            event,
            service: service.map(str::to_owned),
            took_ms: took.map(millis),
        }));
        seq
    }

    pub(super) fn warn(&mut self, service: Option<&str>, message: String) {
        self.notice(service, None, NoticeEvent::Warning { message });
    }

    /// A warning that would be the same at every start.
    pub(super) fn warn_once(&mut self, name: &str, message: String) {
        let new = self
            .machines
            .get_mut(name)
            .is_some_and(|machine| machine.warned.insert(message.clone()));
        if new {
            self.warn(Some(name), message);
        }
    }

    pub(super) fn notice_ended(&mut self, exit: Exit) {
        let code = exit.code();
        self.notice(None, None, NoticeEvent::SessionEnded { code });
    }

    /// What led to whatever is going on with a service.
    pub(super) fn cause_of(&self, name: &str) -> Option<u64> {
        self.machines.get(name)?.update.as_ref()?.cause
    }

    /// When the saves were noticed that are being brought over.
    pub(super) fn update_began(&self, name: &str) -> Option<Duration> {
        let update = self.machines.get(name)?.update.as_ref()?;
        Some(update.since.unwrap_or(update.began))
    }

    /// Notes what an update has done, for its last line.
    pub(super) fn acted(&mut self, name: &str, action: &str) {
        if let Some(update) = self
            .machines
            .get_mut(name)
            .and_then(|machine| machine.update.as_mut())
            && update.actions.last().map(String::as_str) != Some(action)
        {
            update.actions.push(action.to_owned());
        }
    }

    /// The update of a service, if there is one, is over; `failed` says why it did not work.
    pub(super) fn update_over(&mut self, name: &str, failed: Option<Vec<String>>) {
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let more = !machine.follow.is_empty()
            || !machine.pending.is_empty()
            || machine.build_next.is_some()
            || self.successor(name).is_some();
        if failed.is_none() && more {
            return;
        }
        self.end_update(name, failed);
    }

    /// Nothing of it is left to do, because what was asked for was taken back.
    pub(super) fn end_vain_update(&mut self, name: &str) {
        let Some(machine) = self.machines.get(name) else {
            return;
        };
        let Some(update) = &machine.update else {
            return;
        };
        let over = machine.ready
            && machine.at_rest()
            && machine.looking.is_none()
            && machine.after_rebuild.is_empty()
            && machine.undone.is_none()
            && !self.is_doubled(name)
            && !is_beside(name);
        if !over {
            return;
        }
        if update.actions.is_empty() {
            self.acted(name, "unchanged");
        }
        self.update_over(name, None);
    }

    /// As [`Session::update_over`], whatever else is still to come.
    pub(super) fn end_update(&mut self, name: &str, failed: Option<Vec<String>>) {
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let Some(update) = machine.update.take() else {
            return;
        };
        let parts = machine.spent.take();
        machine.circle.ends(self.now);
        self.note_live(name, &update);
        let took = self.now.saturating_sub(update.began);
        let outcome = match &failed {
            Some(_) => "failed",
            None if update.incomplete => "incomplete",
            None => "ok",
        };
        self.notice_timed(
            Some(name),
            update.cause,
            Some(took),
            NoticeEvent::UpdateDone {
                outcome: outcome.to_owned(),
                action: update.actions.join(", "),
                paths: match update.saved.is_empty() {
                    true => update.paths,
                    false => shortened(update.saved.iter()),
                },
                details: failed.unwrap_or_default(),
                parts,
            },
        );
    }

    /// How the build of a service ended.
    pub(super) fn build_done(&mut self, name: &str, outcome: &str) {
        let cause = self.cause_of(name);
        let image = self.machines.get(name).and_then(|it| match &it.image {
            ImageState::Have(image) => Some(image.name.clone()),
            _ => None,
        });
        self.notice(
            Some(name),
            cause,
            NoticeEvent::BuildDone {
                outcome: outcome.to_owned(),
                image: image.unwrap_or_default(),
            },
        );
    }

    /// What was looked for is not there.
    fn on_making(&mut self, op: &Op) {
        let name = &op.service;
        let built = self
            .service(name)
            .is_some_and(|service| matches!(service.source, Source::Build(_)));
        let cause = self.cause_of(name);
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        if machine.image != ImageState::Busy(op.clone()) {
            return;
        }
        machine.image_made = true;
        machine.image_waits = None;
        if let Some(reason) = machine.image_asked.take().filter(|_| built) {
            self.notice(Some(name), cause, NoticeEvent::BuildStarted { reason });
        }
    }

    pub(super) fn on_progress(&mut self, op: &Op, progress: Progress) {
        let name = op.service.clone();
        let cause = self.cause_of(&name);
        match progress {
            Progress::Making => self.on_making(op),
            Progress::Waits { reason } => {
                if let Some(machine) = self.machines.get_mut(&name)
                    && machine.image == ImageState::Busy(op.clone())
                {
                    machine.image_waits = Some(reason);
                }
            }
            Progress::Step {
                name: step,
                cached,
                took_ms,
            } => {
                if let Some(took) = took_ms.filter(|_| !cached) {
                    self.image_step(&name, &step, Duration::from_millis(took));
                }
                if let Some(machine) = self.machines.get_mut(&name) {
                    machine.build_step = Some(step.clone());
                }
                self.notice_timed(
                    Some(&name),
                    cause,
                    took_ms.map(Duration::from_millis),
                    NoticeEvent::BuildStep { name: step, cached },
                );
            }
            Progress::Part(what) => {
                if self.is_current(op).is_some() {
                    self.on_part(&self.machine_of(op), what.word());
                }
            }
            Progress::Pull { status } => {
                let event = NoticeEvent::BuildStep {
                    name: status,
                    cached: false,
                };
                self.notice(Some(&name), cause, event);
            }
            Progress::ProbeFailed { output } => {
                let known = self.is_current(op).is_some();
                let name = self.machine_of(op);
                if let Some(machine) = self.machines.get_mut(&name)
                    && known
                    && machine.last_probe.as_ref() != Some(&output)
                {
                    machine.last_probe = Some(output.clone());
                    self.notice(Some(&name), cause, NoticeEvent::ProbeFailed { output });
                }
            }
        }
    }
}

/// Milliseconds with three digits behind the point.
pub(super) fn millis(took: Duration) -> f64 {
    (took.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
