//! What was known of the files and is not any more: trees are compared again, images looked for.

use std::path::PathBuf;
use std::time::Duration;

use devrun_stack::Source;

use super::Session;
use super::doubled::{beside, is_beside};
use super::machine::{Doing, ImageState, Update, Wanted};
use crate::effect::Effect;
use crate::keep;
use crate::plan::Follow;
use crate::spec::label;

/// A build is given up for a newer save. Where that goes on for so long, one is let finish, and its
/// image used: whoever saves more often than a build takes would otherwise never see any of it.
const STARVING: Duration = Duration::from_secs(60);

impl Session {
    /// Events were lost: every running service is compared with the host again.
    pub(super) fn on_overflow(&mut self, changed: Vec<PathBuf>) {
        self.warn(
            None,
            "the kernel dropped file events; all files are compared again".to_owned(),
        );
        let names: Vec<String> = self.machines.keys().cloned().collect();
        for name in names {
            self.compare_again(&name);
            self.look_for_image_again(&name);
        }
        if !changed.is_empty() {
            self.on_changed(changed, &[], Duration::ZERO);
        }
    }

    /// Its trees are not known to be equal any more, not even by a comparison under way.
    pub(super) fn compare_again(&mut self, name: &str) {
        if let Some(machine) = self.machines.get_mut(name) {
            machine.attached = None;
            machine.looked_at = false;
            // What is on its way is of a moment before, and must not come after.
            machine.large.give_up();
            if machine.doing() == Some(Doing::Attach) {
                self.drop_busy(name);
            }
        }
    }

    /// Somebody wants to be sure: even where a terminal is on the process.
    pub(super) fn on_sync(&mut self, services: &[String]) {
        self.settled = false;
        for name in services
            .iter()
            .flat_map(|name| [name.clone(), beside(name)])
        {
            if let Some(machine) = self.machines.get_mut(&name)
                && machine.running()
            {
                machine.compare_asked = !is_beside(&name);
                self.compare_again(&name);
            }
        }
    }

    /// Saves were not looked at for a while.
    pub(super) fn look_for_image_again(&mut self, name: &str) {
        let service = self.service(name);
        if service.is_some_and(|it| matches!(it.source, Source::Build(_))) {
            self.look_for_image(name, "files may have changed");
        }
    }

    /// Its image is not known to be the right one any more, not even one that is being made.
    pub(super) fn look_for_image(&mut self, name: &str, reason: &str) {
        if is_beside(name) {
            return;
        }
        let service = self.service(name);
        let built = service.is_some_and(|it| matches!(it.source, Source::Build(_)));
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let whole = matches!(machine.image, ImageState::Unknown { whole: true, .. });
        let image = ImageState::Unknown {
            reason: reason.to_owned(),
            whole,
        };
        machine.build_next = None;
        if let ImageState::Busy(op) = std::mem::replace(&mut machine.image, image) {
            let told = built && machine.image_made;
            self.image_ends(name, "given-up");
            self.emit(Effect::Cancel { op });
            if told {
                self.build_done(name, "superseded");
            }
        }
    }

    /// What their images begin with was pulled, or named so, by somebody. It counts as a save of
    /// something that is built: whoever does not run looks for its image at its start.
    pub(super) fn on_base_changed(&mut self, base: &str, services: &[String]) {
        let now = self.now;
        for name in services {
            let Some(machine) = self.machines.get_mut(name) else {
                continue;
            };
            if machine.wanted != Wanted::Run {
                continue;
            }
            machine.try_again();
            let update = machine.update.get_or_insert_with(|| Update {
                began: now,
                ..Update::default()
            });
            update.paths = format!("{base} is another image");
            update.saved.clear();
            if machine.running() {
                machine.saved.get_or_insert((now, now));
                machine.add_follow(vec![Follow::Rebuild]);
            } else {
                self.wake(name, vec![Follow::Rebuild]);
            }
        }
    }

    /// Its new image is live: older ones may go. What `ci` makes goes with its run.
    pub(super) fn tidy_images(&mut self, name: &str) {
        let (Some(stack), Some(machine)) = (self.stack.clone(), self.machines.get_mut(name)) else {
            return;
        };
        if std::mem::take(&mut machine.image_to_tidy) && self.options.run.is_none() {
            let kept = keep::kept_of(&stack, name);
            self.emit(Effect::TidyImages { kept });
        }
    }

    /// The image is stale; what runs goes on until another one is there.
    pub(super) fn rebuild(&mut self, name: &str) {
        if is_beside(name) {
            return;
        }
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let reason = machine
            .update
            .as_ref()
            .map_or_else(|| "asked for".to_owned(), |update| update.paths.clone());
        machine.failed = None;
        if matches!(machine.image, ImageState::Busy(_)) {
            let since = *machine.given_up_since.get_or_insert(now);
            if now.saturating_sub(since) >= STARVING {
                machine.build_next = Some(reason);
                return;
            }
        }
        self.look_for_image(name, &reason);
        self.step_image(name);
    }

    /// The image that was let finish is in use, or of no use: now the newest is built.
    pub(super) fn step_build_next(&mut self, name: &str) {
        let machine = self.machines.get(name);
        let Some(reason) = machine.and_then(|machine| machine.build_next.clone()) else {
            return;
        };
        let Some((service, machine)) = self.pair(name) else {
            return;
        };
        let in_use = match &machine.image {
            ImageState::Busy(_) | ImageState::Unknown { .. } => false,
            ImageState::Failed => true,
            ImageState::Have(image) => {
                let spec = self.spec(&service, image);
                let spec = spec.and_then(|spec| spec.labels.get(label::SPEC).cloned());
                let runs = machine.container.as_ref().map(|seen| &seen.spec);
                (runs.is_some() && runs == spec.as_ref())
                    || machine.failed.is_some()
                    || machine.vain().is_some()
                    || !self.dependencies_up(&service)
            }
        };
        if in_use {
            self.look_for_image(name, &reason);
            self.step_image(name);
        }
    }
}
