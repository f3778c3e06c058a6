//! A Stackfile, the first one or a changed one: what differs becomes wanted.

use std::collections::BTreeMap;
use std::sync::Arc;

use devrun_stack::{Service, Stack};

use super::machine::{ImageState, Machine};
use super::{Prepared, Session};
use crate::effect::Effect;
use crate::event::Stackfile;
use crate::notice::NoticeEvent;

impl Session {
    pub(super) fn on_stackfile(&mut self, stackfile: Stackfile) {
        match stackfile {
            Stackfile::Loaded {
                stack,
                rules,
                proxy_configs,
                warnings,
            } => {
                let first = self.stack.is_none();
                let before = self.stack.replace(stack.clone());
                self.rules = Some(rules.clone());
                self.proxy_configs = proxy_configs.into_iter().collect();
                self.order = stack
                    .services
                    .iter()
                    .map(|service| service.name.clone())
                    .collect();
                self.take_over(before.as_deref(), &stack);
                self.choose();
                if self.options.watch {
                    self.emit(Effect::Watch { rules });
                }
                if first {
                    self.say_hello(&stack);
                }
                for warning in warnings {
                    self.warn(None, warning);
                }
            }
            Stackfile::Rejected { message } => {
                self.warn(
                    None,
                    format!("the Stackfile is wrong, everything goes on as it was\n{message}"),
                );
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

    /// Machines for what is declared now; what is no longer declared is stopped by `down` alone.
    fn take_over(&mut self, before: Option<&Stack>, stack: &Stack) {
        let mut machines = BTreeMap::new();
        for service in &stack.services {
            let old = before.and_then(|before| before.service(&service.name));
            let machine = match (self.machines.remove(&service.name), old) {
                (Some(machine), Some(old)) => changed(machine, old, service),
                _ => {
                    let mut machine = Machine::new(&service.name);
                    machine.recreate = self.options.recreate;
                    if self.options.build {
                        machine.image = ImageState::Unknown {
                            reason: "asked for".to_owned(),
                            force: true,
                        };
                    }
                    machine
                }
            };
            machines.insert(service.name.clone(), machine);
        }
        self.machines = machines;
        let Some(before) = before else {
            return;
        };
        if before != stack {
            self.settled = false;
        }
        if (&before.network, &before.volumes) != (&stack.network, &stack.volumes) {
            self.prepared = Prepared::No;
        }
    }
}

/// A service was declared otherwise: what failed before gets another chance.
fn changed(mut machine: Machine, old: &Service, new: &Service) -> Machine {
    if old == new {
        return machine;
    }
    machine.try_again();
    if old.source != new.source && !matches!(machine.image, ImageState::Busy(_)) {
        machine.image = ImageState::Unknown {
            reason: "declared otherwise".to_owned(),
            force: false,
        };
    }
    if old.sync != new.sync {
        machine.attached = None;
    }
    if old.healthcheck != new.healthcheck {
        machine.ready = false;
    }
    machine
}
