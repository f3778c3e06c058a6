//! From nothing to ready: image, dependencies, container, agent, probe.

use std::time::Duration;

use devrun_stack::{Condition, Healthcheck, Probe, Service, Source};

use super::doubled::service_of;
use super::machine::{Doing, ImageState, Machine, Wanted};
use super::seen::{Making, Seen};
use super::{Prepared, Session};
use crate::effect::{Effect, Old, PutFile};
use crate::event::Op;
use crate::live::Live;
use crate::make;
use crate::notice::{NoticeEvent, RuledOut};
use crate::plan::Follow;
use crate::spec::{ContainerSpec, label};

/// How long a service with a route and no health check may take until its port answers.
const PORT_PATIENCE: Duration = Duration::from_secs(60);
/// So often an agent may be lost before it has compared the trees.
const ATTACH_TRIES: u32 = 3;
/// How long one answer of a port may take.
const PORT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a process may take to end by itself; the engine's own default.
pub(super) const GRACE: Duration = Duration::from_secs(10);

impl Session {
    /// Makes networks and volumes, once.
    pub(super) fn prepare(&mut self) {
        let due = match self.prepared {
            Prepared::No => true,
            Prepared::Later(at) => at <= self.now,
            _ => false,
        };
        if !self.connected || !due || self.ending.is_some() {
            return;
        }
        let Some(stack) = self.stack.clone() else {
            return;
        };
        let op = self.op("");
        self.prepared = Prepared::Busy(op.clone());
        self.emit(Effect::Prepare {
            op,
            networks: stack.networks.clone(),
            volumes: stack.volumes.clone(),
        });
    }

    /// The next step of a service that is to run.
    pub(super) fn step_up(&mut self, name: &str) {
        self.step_build_next(name);
        self.step_image(name);
        let Some(machine) = self.machines.get(name) else {
            return;
        };
        if machine.busy.is_some() || self.task_rests(name) || self.step_name(name) {
            return;
        }
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        machine.pending.append(&mut machine.missed);
        if !machine.pending.is_empty() && !machine.holds_saves() {
            self.plan_update(name);
            // An image that could not be made may be tried again for them.
            self.step_image(name);
        }
        let Some(machine) = self.machines.get(name) else {
            return;
        };
        if machine.busy.is_some() || machine.failed.is_some() {
            return;
        }
        if machine.again && self.step_again(name) {
            return;
        }
        if self.is_done(name) {
            return;
        }
        if self.step_suspect(name) {
            return;
        }
        let Some(machine) = self.machines.get(name) else {
            return;
        };
        let lost = self
            .service(name)
            .is_some_and(|service| self.lost_network(service));
        if machine.can_follow() && !lost && self.step_follow(name) {
            return;
        }
        if self.step_unsynced(name) {
            return;
        }
        self.rebuild_for_nobody(name);
        self.step_container(name);
    }

    /// Whether it waits to be told why something failed; nothing that could be told comes too late.
    fn step_suspect(&mut self, name: &str) -> bool {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name) else {
            return false;
        };
        if let Some((_, failure)) = machine.suspect.take_if(|(until, _)| *until <= now) {
            // Whoever ended the agent need not do so again.
            if (1..ATTACH_TRIES).contains(&machine.attach_tries) {
                return false;
            }
            let served = machine.was_ready && machine.attach_tries > 0;
            if served && self.stronger(name, Doing::Attach, None, &failure) {
                return true;
            }
            self.explain(name, failure);
            return true;
        }
        machine.suspect.is_some()
    }

    pub(super) fn step_image(&mut self, name: &str) {
        let Some(machine) = self.machines.get(name) else {
            return;
        };
        let ImageState::Unknown { reason, whole } = machine.image.clone() else {
            return;
        };
        if machine.failed.is_some() {
            return;
        }
        let (Some(stack), Some(service)) = (self.stack.clone(), self.service(name).cloned()) else {
            return;
        };
        let op = self.op(name);
        self.image_begins(name);
        if let Some(machine) = self.machines.get_mut(name) {
            machine.image = ImageState::Busy(op.clone());
            machine.image_asked = Some(reason);
            machine.image_made = false;
            machine.image_waits = None;
        }
        match &service.source {
            Source::Image(image) => self.emit(Effect::Pull {
                op,
                image: image.clone(),
                policy: service.pull,
                platform: service.settings.platform.clone(),
            }),
            Source::Build(build) => {
                self.emit(Effect::Build {
                    op,
                    build: build.clone(),
                    name: make::image_name(&stack, &service),
                    whole,
                });
            }
        }
    }

    /// Compares the container with what it should be.
    fn step_container(&mut self, name: &str) {
        self.forget_limits(name);
        let Some(stack) = self.stack.clone() else {
            return;
        };
        let (Some(service), Some(machine)) =
            (stack.service(service_of(name)), self.machines.get(name))
        else {
            return;
        };
        match &machine.image {
            ImageState::Have(_) => {}
            // What runs goes on although there is no other image, or while there is none yet.
            ImageState::Failed if machine.running() => return self.step_as_it_is(name, service),
            ImageState::Busy(_) if machine.running() && machine.was_ready => {
                return self.step_as_it_is(name, service);
            }
            ImageState::Failed if !machine.engine_restarts => return self.build_again(name),
            _ => return,
        }
        let Some(wanted) = self.spec_hash(name) else {
            return;
        };
        let equal = |seen: &Seen| seen.spec == wanted;
        let unchanged = |machine: &Machine| {
            machine.made_anew().is_none() && machine.container.as_ref().is_some_and(equal)
        };
        if self.machines.get(name).is_some_and(unchanged) && self.step_limits(name, service) {
            return;
        }
        let held = self.held_by(service).map(|other| other.name.clone());
        let Some(machine) = self.machines.get(name) else {
            return;
        };
        match &machine.container {
            // What was declared otherwise waits as saves do.
            Some(seen)
                if machine.made_anew().is_some() || (!equal(seen) && !machine.is_attended()) =>
            {
                let running = seen.running;
                match held {
                    None => self.step_another(name, service),
                    Some(other) => {
                        self.waits_for(name, &other);
                        if running {
                            self.step_running(name, service);
                        }
                    }
                }
            }
            // There is one that is to take its place already, or one that still has its name.
            None if self.is_doubled(name) => {}
            None => match held {
                None => {
                    if let Some(spec) = self.spec_now(name) {
                        self.create(name, spec, None);
                    }
                }
                Some(other) => self.waits_for(name, &other),
            },
            Some(seen) if !seen.running => {
                if service.task && seen.exit_code == Some(0) {
                    if !self.looks_first(name) {
                        self.complete(name);
                    }
                } else if !machine.engine_restarts {
                    match held {
                        None => self.start(name),
                        Some(other) => self.waits_for(name, &other),
                    }
                } else if held.is_none() && self.begins_otherwise(name) {
                    self.make_anew(name, service);
                }
            }
            Some(_) => {
                self.step_running(name, service);
                self.end_vain_update(name);
            }
        }
    }

    /// What its container holds was mended, and the engine would start it with that again.
    fn make_anew(&mut self, name: &str, service: &Service) {
        if let Some(machine) = self.machines.get_mut(name) {
            machine.recreate = Some("its configuration was edited".to_owned());
            machine.try_again();
        }
        self.step_another(name, service);
    }

    /// There is one, and it is to be another one.
    fn step_another(&mut self, name: &str, service: &Service) {
        let Some(spec) = self.spec_now(name) else {
            return;
        };
        if !self.is_doubled(name) && !self.rolls(name, service) {
            return self.replace(name, spec);
        }
        self.roll(name, service, &spec);
        // What goes on meanwhile is stepped as if nothing else were wanted.
        if self.machines.get(name).is_some_and(Machine::running) {
            self.step_running(name, service);
        }
    }

    /// One that goes on without another image has its limits all the same.
    fn step_as_it_is(&mut self, name: &str, service: &Service) {
        if !self.step_limits(name, service) {
            self.step_running(name, service);
        }
    }

    /// The version that went on although its image could not be made anew is gone.
    fn build_again(&mut self, name: &str) {
        if let Some(machine) = self.machines.get_mut(name) {
            machine.try_again();
            self.step_image(name);
        }
    }

    /// The process runs: agent, then probe, then ready.
    fn step_running(&mut self, name: &str, service: &Service) {
        let Some(machine) = self.machines.get(name) else {
            return;
        };
        let Some(container) = machine.container_id() else {
            return;
        };
        if machine.attached.is_none() {
            if machine.comparison_waits() {
                return;
            }
            let now = self.now;
            if let Some(machine) = self.machines.get_mut(name) {
                machine.compare_began = Some(now);
            }
            let op = self.begin(name, Doing::Attach);
            self.emit(Effect::Attach { op, container });
        } else if let Some(command) = machine.hooks.front().cloned() {
            let op = self.begin(name, Doing::Hook);
            self.emit(Effect::Exec {
                op,
                container,
                command,
            });
        } else if service.proxy.is_some() && self.routes_are_due(name) {
            self.apply_proxy_config(name, container);
        } else if !machine.ready && !service.task {
            match self.probe(service) {
                Some((probe, timeout, give_up)) => {
                    let op = self.begin(name, Doing::Probe);
                    self.emit(Effect::Probe {
                        op,
                        container,
                        probe,
                        timeout,
                        give_up: give_up.min(service.ready_timeout),
                    });
                }
                None => self.is_well(name),
            }
        }
    }

    fn replace(&mut self, name: &str, spec: ContainerSpec) {
        let Some(machine) = self.machines.get(name) else {
            return;
        };
        let Some(seen) = machine.container.clone() else {
            return;
        };
        let parts = spec.labels.get(label::PARTS).map_or("", String::as_str);
        let declared = self.stack.as_ref().zip(self.service(name));
        let reason = match (machine.made_anew(), declared) {
            (None, Some((stack, service))) => make::reason(stack, service, &seen.parts, parts),
            (reason, _) => reason.cloned().unwrap_or_default(),
        };
        let old = Old {
            container: seen.id,
            grace: GRACE,
        };
        let ruled_out = not_chosen(&reason);
        let by_stackfile = machine.made_anew().is_none() && machine.has_begun_here();
        if by_stackfile {
            self.plan_for_stackfile(name, "recreate", reason, ruled_out);
        } else {
            let planned = NoticeEvent::UpdatePlanned {
                action: "recreate".to_owned(),
                reason,
                ruled_out,
            };
            self.notice(Some(name), self.cause_of(name), planned);
        }
        self.acted(name, "recreated");
        self.create(name, spec, Some(old));
    }

    fn create(&mut self, name: &str, mut spec: ContainerSpec, replaces: Option<Old>) {
        let files = self.files(name);
        self.name_made(name, &mut spec);
        let label = |key: &str| spec.labels.get(key).cloned().unwrap_or_default();
        let making = Some(Making {
            spec: label(label::SPEC),
            parts: label(label::PARTS),
            live: Live::of_spec(&spec).within(self.capacity),
        });
        if let Some(machine) = self.machines.get_mut(name) {
            machine.making = making;
            // The new one is compared with the host, which tells anew what follows.
            let stays = |one: &Follow| matches!(one, Follow::Rebuild | Follow::Run(_));
            machine.follow.retain(stays);
            machine.container_begins();
            machine.after_rebuild.clear();
        }
        let op = self.begin(name, Doing::Create);
        self.starts(name);
        self.emit(Effect::Create {
            op,
            spec: Box::new(spec),
            replaces,
            files,
        });
    }

    fn start(&mut self, name: &str) {
        let Some(container) = self.machines.get(name).and_then(Machine::container_id) else {
            return;
        };
        let files = self.files(name);
        let op = self.begin(name, Doing::Start);
        self.starts(name);
        self.emit(Effect::Start {
            op,
            container,
            files,
        });
    }

    /// What its container has to hold before it starts.
    fn files(&mut self, name: &str) -> Vec<PutFile> {
        let mut files = self.service(name).map(make::files).unwrap_or_default();
        files.extend(self.proxy_files(name));
        files
    }

    /// Restarts the process of a container, because `what` asks for it.
    pub(super) fn restart(&mut self, name: &str) {
        let Some(machine) = self.machines.get(name) else {
            return;
        };
        let Some(container) = machine.container_id() else {
            return;
        };
        if let Some(machine) = self.machines.get_mut(name) {
            machine.in_hand = Some(Follow::Restart);
        }
        let op = self.begin(name, Doing::Restart);
        self.starts(name);
        self.emit(Effect::Restart {
            op,
            container,
            grace: GRACE,
        });
    }

    fn starts(&mut self, name: &str) {
        let now = self.now;
        if let Some(machine) = self.machines.get_mut(name) {
            machine.start_began.get_or_insert(now);
            machine.again = false;
            machine.completed = false;
            machine.run_due = false;
            machine.looked_at = true;
            machine.run_began = Some(now);
            if machine.task {
                machine.circle.fires(now);
            }
            // One that is to be replaced, or begun anew, may be told until it ends.
            let answered = machine.answered && machine.running();
            machine.forget_process();
            machine.answered = answered;
            machine.process_begins();
            machine.process_is_new(now);
            machine.engine_starts = 0;
            machine.restart_refused = None;
        }
    }

    /// Its probe was answered well, or there is none.
    pub(super) fn is_well(&mut self, name: &str) {
        if !self.reads_back(name) {
            self.becomes_ready(name);
        }
    }

    pub(super) fn becomes_ready(&mut self, name: &str) {
        let now = self.now;
        if let Some(machine) = self.machines.get_mut(name) {
            machine.ready = true;
            machine.failed = None;
            machine.crashed = None;
            machine.stronger = false;
            machine.start_took = machine.start_began.take().map(|began| now - began);
            if machine.beside.is_some() {
                // It does not serve before it has the place.
                return;
            }
        }
        self.update_over(name, None);
        let is_new = self.machines.get(name).is_some_and(Machine::serves_anew);
        if is_new {
            self.follow_dependents(name);
        }
        if let Some(machine) = self.machines.get_mut(name) {
            machine.start_over();
            machine.was_ready = true;
            machine.served = machine.container.as_ref().map(|seen| seen.started_ns);
        }
        self.tidy_images(name);
    }

    pub(super) fn dependencies_up(&self, service: &Service) -> bool {
        self.held_by(service).is_none()
    }

    /// The first dependency that is not there yet, or whoever has to make room first.
    pub(super) fn held_by<'a>(&'a self, service: &Service) -> Option<&'a Machine> {
        let mut needed = service.depends_on.iter();
        let held = needed.find_map(|dependency| {
            let machine = self.machines.get(&dependency.service)?;
            if !dependency.required && (machine.wanted != Wanted::Run || machine.is_hopeless()) {
                return None;
            }
            let up = match dependency.condition {
                // One whose process is being replaced has not started yet.
                Condition::Started => {
                    let replaced = machine.doing().is_some_and(Doing::replaces_process);
                    (machine.running() && !replaced) || machine.completed
                }
                Condition::Healthy | Condition::Completed if machine.task => {
                    machine.completed && !machine.is_due_again()
                }
                Condition::Healthy => machine.is_up(),
                Condition::Completed => machine.completed,
            };
            (!up).then_some(machine)
        });
        held.or_else(|| self.in_its_place(service))
    }

    pub(super) fn pair(&self, name: &str) -> Option<(Service, &Machine)> {
        Some((self.service(name)?.clone(), self.machines.get(name)?))
    }

    /// What tells that a service is ready: the question, the patience for one answer and for all.
    fn probe(&self, service: &Service) -> Option<(Probe, Duration, Duration)> {
        if let Some(check) = &service.healthcheck {
            return Some((check.test.clone(), check.timeout, patience(check)));
        }
        let route = self.route_to(service)?;
        Some((Probe::Tcp(route.port), PORT_TIMEOUT, PORT_PATIENCE))
    }

    pub(super) fn is_current(&self, op: &Op) -> Option<Doing> {
        let busy = self.machines.get(&self.machine_of(op))?.busy.as_ref()?;
        (busy.op == *op).then_some(busy.doing)
    }
}

/// Why a container that is declared otherwise is neither restarted, nor its image built.
fn not_chosen(reason: &str) -> Vec<RuledOut> {
    let Some(parts) = reason.strip_prefix("changed: ") else {
        return Vec::new();
    };
    let not = |what: &str, because: String| RuledOut {
        what: what.to_owned(),
        because,
        path: None,
        file: None,
        line: None,
    };
    let kept = format!("a container keeps what it was made with ({parts})");
    let mut all = vec![not("restart", kept)];
    let of_image = |part: &str| part.split(' ').next() == Some("image");
    if !parts.split(", ").any(of_image) {
        all.push(not("rebuild", "its image is the same".to_owned()));
    }
    all
}

/// As long as the engine itself would wait until it calls the service unhealthy.
fn patience(check: &Healthcheck) -> Duration {
    check.start_period + check.interval * check.retries.max(1)
}
