//! Which services are to run: names, profiles, and whom they need.

use std::collections::BTreeSet;

use devrun_stack::Stack;

use super::Session;
use super::machine::{ImageState, Wanted};
use crate::effect::Exit;
use crate::event::Request;

impl Session {
    pub(super) fn on_request(&mut self, request: Request) {
        match request {
            Request::Up {
                services,
                profiles,
                build,
                recreate,
            } => self.on_up(services, profiles, build, recreate),
            Request::Stop { services } => self.on_stop(&services),
            Request::Restart { services } => self.on_restart(services),
            Request::Attach { service } => self.on_attach(&service),
            Request::Detach { service } => self.on_detach(&service),
            Request::Trigger { services } => self.on_trigger(&services),
            Request::Sync { services } => self.on_sync(&services),
            Request::End { stop } => {
                self.ending = Some(stop);
                self.cancel_builds();
            }
        }
    }

    fn on_stop(&mut self, services: &[String]) {
        for name in &self.order {
            let Some(machine) = self.machines.get_mut(name) else {
                continue;
            };
            let all = services.is_empty() && machine.wanted == Wanted::Run;
            if all || services.contains(name) {
                machine.wanted = Wanted::Stopped;
                machine.stopped_outside = None;
                machine.failed = None;
                machine.crashed = None;
            }
        }
    }

    pub(super) fn on_up(
        &mut self,
        services: Vec<String>,
        profiles: Vec<String>,
        build: bool,
        recreate: bool,
    ) {
        self.settled = false;
        for profile in profiles {
            if !self.options.profiles.contains(&profile) {
                self.options.profiles.push(profile);
            }
        }
        let Some(stack) = self.stack.clone() else {
            return;
        };
        let wanted = wanted(&stack, &services, &self.options.profiles);
        for name in &wanted {
            let named = services.is_empty()
                || services
                    .iter()
                    .any(|it| stack.members(it).any(|member| member.name == *name));
            self.want(name, build && named, recreate && named);
        }
    }

    fn want(&mut self, name: &str, build: bool, recreate: bool) {
        let now = self.now;
        let up = self
            .service(name)
            .is_some_and(|service| self.dependencies_up(service));
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let before = std::mem::replace(&mut machine.wanted, Wanted::Run);
        let in_vain = machine.vain.is_some() || machine.routing.is_in_vain();
        if machine.failed.is_some() || in_vain || machine.image == ImageState::Failed {
            machine.try_again();
        }
        machine.take_up_undone(now);
        if recreate {
            machine.recreate = Some(asked_for());
        }
        if build && !matches!(machine.image, ImageState::Busy(_)) {
            machine.image = ImageState::Unknown {
                reason: asked_for(),
                whole: true,
            };
        }
        let pauses = machine.engine_restarts && machine.busy.is_none();
        if before == Wanted::Stopped {
            self.look_for_image_again(name);
        }
        if pauses && up && self.connected {
            // The engine's pause between two starts may be long by now.
            self.restart(name);
        }
    }

    /// Gives every service that is not decided yet its place.
    pub(super) fn choose(&mut self) {
        let Some(stack) = self.stack.clone() else {
            return;
        };
        let chosen = wanted(&stack, &self.options.services, &self.options.profiles);
        for (name, machine) in &mut self.machines {
            if machine.wanted == Wanted::Off && chosen.contains(name) {
                machine.wanted = Wanted::Run;
            }
        }
    }

    pub(super) fn on_signal(&mut self) {
        self.signals += 1;
        if self.signals > 1 || self.ending.is_some() {
            self.exit(Exit::Interrupted);
            return;
        }
        self.ending = Some(true);
        self.cancel_builds();
    }
}

/// Why something is done that nothing but a person's wish calls for.
pub(super) fn asked_for() -> String {
    "asked for".to_owned()
}

/// The services to run: those named, or all without a profile or with a chosen one; and whom they
/// depend on.
#[must_use]
pub fn wanted(stack: &Stack, named: &[String], profiles: &[String]) -> BTreeSet<String> {
    let mut open: Vec<String> = stack
        .services
        .iter()
        .filter(|service| {
            if named.is_empty() {
                service.profiles.is_empty()
                    || service
                        .profiles
                        .iter()
                        .any(|profile| profiles.contains(profile))
            } else {
                named.iter().any(|name| service.is_called(name))
            }
        })
        .map(|service| service.name.clone())
        .collect();
    let mut all = BTreeSet::new();
    while let Some(name) = open.pop() {
        if let Some(service) = stack.service(&name)
            && all.insert(name)
        {
            open.extend(
                service
                    .depends_on
                    .iter()
                    // One that is not required comes along only where it needs no profile.
                    .filter(|dependency| dependency.required || is_on(stack, &dependency.service))
                    .map(|dependency| dependency.service.clone()),
            );
        }
    }
    all
}

/// It starts without a profile being chosen.
fn is_on(stack: &Stack, name: &str) -> bool {
    stack
        .service(name)
        .is_some_and(|service| service.profiles.is_empty())
}
