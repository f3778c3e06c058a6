//! A Stackfile, the first one or a changed one: what differs becomes wanted.

use std::sync::Arc;

use devrun_stack::{Placed, Service, Stack, Trigger};

use super::doubled::beside;
use super::leaving::Leaving;
use super::machine::{ImageState, Machine, Wanted};
use super::replicas::is_surplus;
use super::wanted::asked_for;
use super::{Prepared, Session};
use crate::certificate;
use crate::effect::Effect;
use crate::event::Stackfile;
use crate::make;
use crate::notice::NoticeEvent;
use crate::plan::Rules;

impl Session {
    pub(super) fn on_stackfile(&mut self, stackfile: Stackfile) {
        match stackfile {
            Stackfile::Loaded {
                stack,
                rules,
                proxy_configs,
                certificate,
                warnings,
            } => {
                self.wrong = None;
                let first = self.stack.is_none();
                let before = self.stack.replace(stack.clone());
                let rules_before = self.rules.replace(rules.clone());
                self.proxy_configs = proxy_configs.into_iter().collect();
                // Who only wants to know what would be done makes none.
                if certificate.is_some() || certificate::wanted(&stack).is_none() {
                    self.certificate = certificate;
                }
                self.order = stack
                    .services
                    .iter()
                    .map(|service| service.name.clone())
                    .collect();
                self.take_over(before.as_deref(), &stack);
                for service in &stack.services {
                    let name = &service.name;
                    let other = |before: Arc<Rules>| rules.syncs_otherwise(&before, name);
                    if rules_before.clone().is_some_and(other) {
                        self.compare_again(name);
                        self.compare_again(&beside(name));
                    }
                }
                self.choose();
                self.try_edited_proxy();
                for name in self.order.clone() {
                    self.resume(&name);
                }
                if self.options.watch {
                    self.emit(Effect::Watch { rules });
                }
                if first {
                    self.say_hello(&stack);
                } else if before.is_some_and(|before| before != stack) {
                    self.notice(None, None, NoticeEvent::StackfileChanged);
                }
                for warning in warnings {
                    self.warn(None, warning);
                }
            }
            Stackfile::Rejected { message } => {
                self.wrong = Some(message.clone());
                self.warn(
                    None,
                    format!("the Stackfile is wrong, everything goes on as it was\n{message}"),
                );
            }
        }
    }

    /// A proxy that does not run may have failed of what was mended just now.
    fn try_edited_proxy(&mut self) {
        let Some(stack) = self.stack.clone() else {
            return;
        };
        for service in stack.services.iter().filter(|it| it.proxy.is_some()) {
            let edited = self.proxy_config_differs(&service.name);
            if let Some(machine) = self.machines.get_mut(&service.name)
                && edited
                && !machine.running()
            {
                machine.try_again();
            }
        }
    }

    fn say_hello(&mut self, stack: &Arc<Stack>) {
        let services = self
            .machines
            .values()
            .filter(|machine| machine.wanted == super::machine::Wanted::Run)
            .count();
        let file = stack
            .file
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        self.notice(
            None,
            None,
            NoticeEvent::SessionStarted {
                stack: stack.name.clone(),
                file,
                services,
            },
        );
    }

    /// Machines for what is declared now. Those of services that are no longer declared are kept:
    /// their containers are still there, and the name may be declared again.
    fn take_over(&mut self, before: Option<&Stack>, stack: &Stack) {
        for service in &stack.services {
            let known = self.machines.remove(&service.name);
            let old = before.and_then(|before| before.service(&service.name));
            let machine = match (known, old) {
                (Some(machine), Some(old)) => changed(machine, old, service),
                (known, _) => self.declared_anew(known, service),
            };
            let manual = service.trigger == Trigger::Manual && self.options.watch;
            let machine = Machine {
                manual,
                task: service.task,
                surplus: false,
                leaving: None,
                ..machine
            };
            self.machines.insert(service.name.clone(), machine);
            let differs =
                |old: &&Service| old.source.without_places() != service.source.without_places();
            if let Some(old) = old.filter(differs) {
                let reason = make::source(stack, old, service);
                self.look_for_image(&service.name, &reason);
            }
        }
        let Some(before) = before else {
            return;
        };
        self.let_go(before, stack);
        if before != stack {
            self.settled = false;
        }
        let made = |stack: &Stack| {
            let networks = stack.networks.without_places();
            (networks, stack.volumes.without_places())
        };
        if made(before) != made(stack) {
            if let Prepared::Busy(op) = self.prepared.clone() {
                self.emit(Effect::Cancel { op });
            }
            self.prepared = Prepared::No;
        }
    }

    fn declared_anew(&self, known: Option<Machine>, service: &Service) -> Machine {
        let mut machine = known.unwrap_or_else(|| Machine::new(&service.name));
        machine.recreate = self.options.recreate.then(asked_for);
        if self.options.build {
            machine.image = ImageState::Unknown {
                reason: asked_for(),
                whole: true,
            };
        }
        machine
    }

    /// What is no longer declared goes, if this session has started it; else it is left to `down`.
    fn let_go(&mut self, before: &Stack, stack: &Stack) {
        let mut left = Vec::new();
        for service in &before.services {
            let name = &service.name;
            if stack.service(name).is_some() {
                continue;
            }
            let Some(machine) = self.machines.get_mut(name) else {
                continue;
            };
            let ours = machine.wanted != Wanted::Off;
            let fresh = Machine::new(name);
            machine.large.give_up();
            let large = machine.large.take_given_up();
            let busy = machine.busy.take();
            let image = std::mem::replace(&mut machine.image, fresh.image.clone());
            *machine = Machine {
                container: machine.container.take(),
                making: machine.making.take(),
                exited: machine.exited,
                ended_by_us: machine.ended_by_us,
                engine_restarts: machine.engine_restarts,
                terminals: machine.terminals,
                ..fresh
            };
            machine.surplus = ours || is_surplus(stack, name, service.declared_as());
            machine.leaving = Some(Box::new(Leaving::new(before, service)));
            if machine.container.is_some() && !machine.surplus {
                left.push(service.container_name.clone());
            }
            match busy {
                // Half done is worse than done.
                Some(busy) if busy.doing.replaces_process() => machine.busy = Some(busy),
                Some(busy) => self.emit(Effect::Cancel { op: busy.op }),
                None => {}
            }
            let image = match image {
                ImageState::Busy(op) => Some(op),
                _ => None,
            };
            for op in large.into_iter().chain(image) {
                self.emit(Effect::Cancel { op });
            }
        }
        self.warn_about_undeclared(&left);
    }
}

/// A service was declared otherwise: what failed before gets another chance.
fn changed(mut machine: Machine, old: &Service, new: &Service) -> Machine {
    if old == new {
        return machine;
    }
    machine.try_again();
    if old.healthcheck != new.healthcheck || asks_another_port(old, new) {
        machine.ready = false;
    }
    machine
}

/// What is known of the port that was asked before does not tell that the one of its routes answers.
fn asks_another_port(old: &Service, new: &Service) -> bool {
    let asked = |service: &Service| {
        let route = service.routes.first();
        route
            .filter(|_| service.healthcheck.is_none())
            .map(|route| route.port)
    };
    asked(new).is_some() && asked(new) != asked(old)
}
