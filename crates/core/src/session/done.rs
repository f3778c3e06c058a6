//! The ends of effects.

use std::time::Duration;

use super::engine::{ENGINE_ENDS, TOGETHER};
use super::machine::{Doing, ImageState};
use super::seen::{Making, Seen};
use super::{Prepared, Session};
use crate::effect::{Effect, Exit};
use crate::event::{Failure, Op, Outcome};
use crate::plan::Follow;
use crate::spec::{Image, label};

/// So long after it did not answer, the engine is asked again.
const ASKED_AGAIN: Duration = Duration::from_secs(1);

impl Session {
    pub(super) fn on_done(&mut self, op: &Op, outcome: Outcome) {
        if self.prepared == Prepared::Busy(op.clone()) {
            return self.on_prepared(outcome);
        }
        let name = self.machine_of(op);
        let Some(machine) = self.machines.get_mut(&name) else {
            return;
        };
        if machine.image == ImageState::Busy(op.clone()) {
            return self.on_image(&name, outcome);
        }
        if self.on_large_done(op, &outcome) || self.on_looked(op, &outcome) {
            return;
        }
        let Some(doing) = self.is_current(op) else {
            return;
        };
        let mut in_hand = None;
        self.on_part(&name, doing.part());
        if let Some(machine) = self.machines.get_mut(&name) {
            machine.busy = None;
            in_hand = machine.in_hand.take();
        }
        match outcome {
            Outcome::Failed(failure) => self.on_failed(&name, doing, in_hand, failure),
            outcome => self.on_success(&name, doing, outcome),
        }
    }

    fn on_prepared(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Prepared { existing } => {
                self.prepared = Prepared::Yes;
                self.ends_until = None;
                if !existing.is_empty() {
                    let names = existing.join(", ");
                    self.warn(
                        None,
                        format!("uses volumes that were there before: {names}"),
                    );
                }
            }
            Outcome::Failed(failure) if self.connected => {
                let until = *self.ends_until.get_or_insert(self.now + ENGINE_ENDS);
                if failure.away && self.now < until {
                    // The engine tells of its containers until it has ended.
                    self.prepared = Prepared::Later(self.now + ASKED_AGAIN);
                    return;
                }
                self.prepared = Prepared::Failed(failure.message.clone());
                let hint = failure.hint.map(|hint| format!("; {hint}"));
                self.warn(
                    None,
                    format!("{}{}", failure.message, hint.unwrap_or_default()),
                );
                self.exit(Exit::Failed);
            }
            _ => self.prepared = Prepared::No,
        }
    }

    fn on_image(&mut self, name: &str, outcome: Outcome) {
        if let Some(machine) = self.machines.get_mut(name) {
            machine.given_up_since = None;
        }
        let built = self
            .service(name)
            .is_some_and(|service| matches!(service.source, devrun_stack::Source::Build(_)));
        let made = !matches!(outcome, Outcome::Image { made: false, .. });
        self.image_ends(
            name,
            match (made, built) {
                (false, _) => "image",
                (true, true) => "built",
                (true, false) => "pulled",
            },
        );
        match outcome {
            Outcome::Image { image, made } => self.on_image_there(name, image, made),
            Outcome::Failed(failure) => self.on_image_failed(name, failure),
            _ => {}
        }
    }

    fn on_image_there(&mut self, name: &str, image: Image, made: bool) {
        let service = self.service(name);
        let is_proxy = service.is_some_and(|service| service.proxy.is_some());
        let built =
            service.is_some_and(|service| matches!(service.source, devrun_stack::Source::Build(_)));
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        if is_proxy {
            machine.last_image = Some(image.clone());
        }
        machine.image = ImageState::Have(image);
        machine.image_to_tidy |= built && made;
        if built {
            self.build_done(name, if made { "ok" } else { "unchanged" });
        }
        if made {
            self.acted(name, "rebuilt");
        }
        self.image_is_the_same(name);
    }

    /// Where the container need not be replaced, what waited for the image goes on in it.
    fn image_is_the_same(&mut self, name: &str) {
        let Some((service, machine)) = self.pair(name) else {
            return;
        };
        let ImageState::Have(image) = &machine.image else {
            return;
        };
        let wanted = self.spec(&service, image);
        let wanted = wanted.and_then(|spec| spec.labels.get(label::SPEC).cloned());
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let equal = machine.container.as_ref().map(|seen| &seen.spec) == wanted.as_ref();
        if !equal || machine.made_anew().is_some() {
            return;
        }
        let waited = std::mem::take(&mut machine.after_rebuild);
        machine.add_follow(waited);
        if machine.ready || (machine.completed && !machine.run_due) {
            let last = machine.update.as_ref().map(|update| update.actions.last());
            match last.flatten().map(String::as_str) {
                Some("rebuilt") => self.acted(name, "same image"),
                None if machine.follow.is_empty() => self.acted(name, "unchanged"),
                _ => {}
            }
            self.update_over(name, None);
        }
    }

    fn on_image_failed(&mut self, name: &str, failure: Failure) {
        if !self.connected {
            if let Some(machine) = self.machines.get_mut(name) {
                machine.image = ImageState::Unknown {
                    reason: "the engine was away".to_owned(),
                    whole: false,
                };
            }
            return;
        }
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        machine.image = ImageState::Failed;
        let newer = machine.build_next.is_some();
        self.build_done(name, "failed");
        if newer {
            // It was of files that are not there any more.
            return;
        }
        self.acted(name, "build failed");
        let mut details = vec![failure.message.clone()];
        details.extend(failure.details.iter().cloned());
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        // What runs goes on; only a service without a container has nothing to show.
        if machine.running() {
            self.update_over(name, Some(details));
        } else {
            machine.failed = Some(failure);
            machine.completed = false;
            self.update_over(name, Some(Vec::new()));
        }
    }

    fn on_success(&mut self, name: &str, doing: Doing, outcome: Outcome) {
        match outcome {
            Outcome::Started {
                container,
                started_ns,
                warnings,
                brought,
            } => {
                for warning in warnings {
                    self.warn_once(name, warning);
                }
                self.note_brought(name, &brought);
                self.on_started(name, doing, container, started_ns);
            }
            Outcome::Attached {
                transport,
                compared,
                mut changed,
                owed,
                mirrored,
                problems,
                owes_hooks,
            } => {
                self.note_mirrored(name, None, &mirrored);
                self.note_unsynced(name, None, &problems);
                self.note_compared(name, compared, &changed, problems.len());
                self.on_attached(name, transport, &changed);
                changed.extend(owed);
                self.follow_attached(name, &changed);
                if owes_hooks {
                    self.catch_up_hooks(name);
                }
            }
            Outcome::Synced(synced) if doing == Doing::Push => self.on_pushed(name, &synced),
            Outcome::Synced(synced) => self.on_synced(name, &synced),
            Outcome::Executed if doing == Doing::Hook => {
                self.on_hook_over(name);
            }
            Outcome::Executed => self.step_over(name, "ran its command"),
            Outcome::Signalled => self.step_over(name, "signalled"),
            Outcome::Updated => self.on_limited(name),
            Outcome::Ready => self.is_well(name),
            Outcome::Completed { code } => self.on_process_ended(name, code),
            Outcome::NotReady { output } => self.explain(
                name,
                Failure {
                    message: format!("not ready in time: {}", last_line(&output)),
                    details: output.lines().map(str::to_owned).collect(),
                    ..Failure::default()
                },
            ),
            Outcome::ProxyApplied { generation } if doing == Doing::ProxyRead => {
                self.on_proxy_read(name, generation);
                self.becomes_ready(name);
            }
            Outcome::ProxyApplied { generation } => self.on_proxy_applied(name, generation),
            Outcome::ProxyOther { answer } => self.on_proxy_other(name, &answer),
            Outcome::Explained { lines } => self.on_explained(name, lines),
            Outcome::Stopped { deaf } => self.on_stopped(name, deaf),
            Outcome::Removed => self.on_removed(name),
            Outcome::Renamed => self.on_renamed(name, true),
            Outcome::Prepared { .. }
            | Outcome::Image { .. }
            | Outcome::Looked { .. }
            | Outcome::Failed(_) => {}
        }
    }

    /// The session before did not come to all of what belongs to the start.
    fn catch_up_hooks(&mut self, name: &str) {
        let Some((service, _)) = self.pair(name) else {
            return;
        };
        if let Some(machine) = self.machines.get_mut(name)
            && machine.hooks.is_empty()
        {
            machine.hooks = service.post_start.into();
        }
    }

    fn on_hook_over(&mut self, name: &str) {
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        machine.hooks.pop_front();
        if machine.hooks.is_empty()
            && let Some(container) = machine.container_id()
        {
            self.emit(Effect::HooksOver { container });
        }
    }

    fn on_started(&mut self, name: &str, doing: Doing, id: String, started_ns: i128) {
        if doing == Doing::Restart {
            self.acted(name, "restarted");
        }
        let hooks = self.service(name).map(|service| service.post_start.clone());
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        machine.hooks = hooks.unwrap_or_default().into();
        let made = machine.making.take();
        let seen = machine.container.take();
        let kept = seen.as_ref().filter(|_| doing != Doing::Create);
        let seen_name = kept.map(|seen| seen.name);
        let of_before = |seen: Seen| Making {
            spec: seen.spec,
            parts: seen.parts,
            live: seen.live,
        };
        let made = match seen {
            Some(seen) if doing != Doing::Create => of_before(seen),
            _ => made.unwrap_or_default(),
        };
        let named = seen_name.unwrap_or_default();
        machine.container = Some(Seen {
            running: true,
            name: named,
            started_ns,
            ..Seen::made(id, made)
        });
        machine.engine_restarts = false;
        machine.forget_process();
        machine.begins_after_all();
        if doing == Doing::Create {
            machine.is_made_anew();
            machine.pushed = false;
        }
        if doing != Doing::Restart {
            self.note_proxy_files(name);
        } else if self
            .machines
            .get(name)
            .is_some_and(|it| it.follow.is_empty() && it.compared)
        {
            // The new process begins with what lies there, and the commands came before it; of one
            // that was never looked at nobody knows which ones.
            self.follows_over(name);
        }
        // It may have ended before we heard that it had started.
        let ended = self
            .machines
            .get(name)
            .and_then(|machine| machine.exited)
            .filter(|(time, _)| *time > started_ns);
        if let Some((_, code)) = ended {
            self.on_process_ended(name, code);
        }
    }

    /// One of the things that follow a save is over; the last one ends the update.
    pub(super) fn step_over(&mut self, name: &str, action: &str) {
        self.acted(name, action);
        let ready = self
            .machines
            .get(name)
            .is_some_and(|machine| machine.ready && machine.follow.is_empty());
        if ready {
            self.update_over(name, None);
        }
    }

    fn on_failed(&mut self, name: &str, doing: Doing, in_hand: Option<Follow>, failure: Failure) {
        if !self.connected {
            // Everything is looked at again once the engine is back.
            return;
        }
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        if failure.container_gone {
            machine.loses_container();
            machine.pending.extend(std::mem::take(&mut machine.planned));
            machine.forget_process();
            return;
        }
        if matches!(doing, Doing::Create | Doing::Restart) {
            machine.note_end(now);
        }
        if doing != Doing::Attach && self.stronger(name, doing, in_hand.as_ref(), &failure) {
            return;
        }
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        match doing {
            Doing::Exec | Doing::Signal => {
                self.on_step_failed(name, in_hand, told(failure));
            }
            Doing::Sync | Doing::Push => {
                machine.attached = None;
                machine.large.give_up();
                // One that is about to end well is not compared any more.
                machine.looked_at &= !(machine.task && doing == Doing::Sync);
                self.follow_planned(name);
                self.update_over(name, Some(told(failure)));
            }
            Doing::ProxyApply => self.on_proxy_refused(name, failure),
            Doing::Stop => self.on_not_stopped(name, failure),
            Doing::Explain => {}
            Doing::Rename => {
                self.on_renamed(name, false);
                self.warn(Some(name), failure.message);
            }
            Doing::Update => self.on_limits_refused(name, failure),
            Doing::Attach | Doing::Probe | Doing::ProxyRead => {
                let counts = doing != Doing::Probe || machine.attach_tries > 0;
                machine.attach_tries += u32::from(counts);
                machine.suspect = Some((now + TOGETHER, failure));
            }
            Doing::Create | Doing::Start | Doing::Restart | Doing::Hook => {
                // How its container ended before does not tell that it ran.
                machine.run_due |= machine.task && doing == Doing::Start;
                if let Some(id) = failure.created.clone() {
                    // The next try starts it, if it still is what it should be.
                    let made = machine.making.take().unwrap_or_default();
                    machine.container = Some(Seen::made(id, made));
                    machine.is_made_anew();
                }
                let hint = failure.port.and_then(|port| self.other_port(name, port));
                if let Some(machine) = self.machines.get_mut(name)
                    && !machine.surplus
                {
                    machine.failed = Some(Failure {
                        hint: hint.or(failure.hint.clone()),
                        ..failure
                    });
                }
                self.update_over(name, Some(Vec::new()));
            }
        }
    }

    /// Where the port that is taken was chosen: by a variable, else by its line.
    fn other_port(&self, name: &str, port: u16) -> Option<String> {
        let stack = self.stack.as_ref()?;
        let service = stack.service(name)?;
        let declared = service.ports.iter().find(|one| one.host == port)?;
        let owner = format!("service {}", service.declared_as());
        let value = format!("port {}/{}", declared.container, declared.protocol);
        let origin = stack.origins.of(&owner, &value);
        let variable = origin.and_then(|origin| origin.variables.first());
        let at = &declared.at;
        Some(match variable {
            Some(variable) => {
                let from = variable.from.as_ref().map(|from| format!(" ({from})"));
                let from = from.unwrap_or_default();
                format!("free it, or set {}{from} to another one", variable.name)
            }
            None => format!("free it, or publish another one at {at}"),
        })
    }

    /// It failed: the last lines of its log belong to the reason.
    pub(super) fn explain(&mut self, name: &str, failure: Failure) {
        if let Some(machine) = self.machines.get_mut(name) {
            machine.failed = Some(failure);
            machine.crashed = None;
            self.fetch_log(name);
        }
    }

    /// Whatever it failed of is told once the last lines of its log are there.
    pub(super) fn fetch_log(&mut self, name: &str) {
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        machine.start_began = None;
        if let Some(container) = machine.container_id() {
            let op = self.begin(name, Doing::Explain);
            self.emit(Effect::Explain { op, container });
        }
    }

    fn on_explained(&mut self, name: &str, lines: Vec<String>) {
        let lines = self.in_lines_of_people(name, lines);
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        if let Some(failure) = &mut machine.failed {
            failure.details.extend(lines);
        } else if let Some(failure) = &mut machine.crashed {
            failure.details = lines;
        }
        if self.successor(name).is_none() {
            self.update_over(name, Some(Vec::new()));
        }
    }
}

fn told(failure: Failure) -> Vec<String> {
    let mut lines = vec![failure.message];
    lines.extend(failure.details);
    lines
}

pub(super) fn last_line(text: &str) -> &str {
    text.lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("no answer")
}
