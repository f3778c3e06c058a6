//! What follows a save: commands, signals, restarts, new containers and images, once it is quiet.

use std::path::PathBuf;
use std::time::Duration;

use devrun_stack::Service;

use super::Session;
use super::doubled::service_of;
use super::machine::{Doing, ImageState, Machine, Update};
use super::wanted::asked_for;
use crate::effect::Effect;
use crate::plan::Follow;
use crate::spec::label;

/// What a save triggers waits until nothing was saved for so long, so that an editor's "save all"
/// restarts once; the sync itself does not wait.
const QUIET: Duration = Duration::from_millis(50);
/// A build for a lone save waits less: one that the next save makes worthless is given up.
const QUIET_OF_BUILD: Duration = Duration::from_millis(20);
/// But never longer than this after the first save.
const QUIET_AT_MOST: Duration = Duration::from_millis(500);

/// When what follows the last saves may begin.
pub(super) fn due(machine: &Machine) -> Option<Duration> {
    if machine.follow.is_empty() {
        return None;
    }
    let (first, last) = machine.saved?;
    let lone = first == last;
    let quiet = match lone && machine.follow.contains(&Follow::Rebuild) {
        true => QUIET_OF_BUILD,
        false => QUIET,
    };
    let quiet = (last + quiet).min(first + QUIET_AT_MOST);
    Some(
        machine
            .circle
            .rests_until()
            .map_or(quiet, |until| until.max(quiet)),
    )
}

impl Session {
    /// What follows a change of these paths. What would rebuild swallows nothing here, because the
    /// image may turn out to be the same.
    pub(super) fn needs(&self, name: &str, paths: &[PathBuf]) -> Vec<Follow> {
        let (stale, others) = self.those_that_ask_for(&Follow::Rebuild, name, paths);
        let rebuild = (!stale.is_empty()).then_some(Follow::Rebuild);
        // A task of the same rule is to run whatever becomes of the image.
        let mut all = self.follows(name, &stale);
        all.retain(|follow| matches!(follow, Follow::Run(_)));
        all.extend(rebuild);
        let is_beside = |machine: &Machine| machine.beside.is_some();
        let others = match self.machines.get(name).is_some_and(is_beside) {
            // It is the new container that some ask for, which makes nothing of the rest pointless.
            true => self.those_that_ask_for(&Follow::Recreate, name, &others).1,
            false => others,
        };
        all.extend(self.follows(name, &others));
        all
    }

    /// What follows from the host's files that had to be brought into a container that is there.
    pub(super) fn needs_of_attached(&self, name: &str, changed: &[PathBuf]) -> Vec<Follow> {
        let rules = self.rules.as_ref();
        let name = service_of(name);
        rules.map_or_else(Vec::new, |rules| rules.after_comparison(name, changed))
    }

    fn follows(&self, name: &str, paths: &[PathBuf]) -> Vec<Follow> {
        let (Some(rules), Some(machine)) = (&self.rules, self.machines.get(name)) else {
            return Vec::new();
        };
        machine.decide(rules, paths).follow
    }

    /// The paths that would be followed by this if they were alone, and the others.
    fn those_that_ask_for(
        &self,
        follow: &Follow,
        name: &str,
        paths: &[PathBuf],
    ) -> (Vec<PathBuf>, Vec<PathBuf>) {
        paths.iter().cloned().partition(|path| {
            self.follows(name, std::slice::from_ref(path))
                .contains(follow)
        })
    }

    /// It does not run, perhaps because of what was just mended: it gets another chance.
    pub(super) fn wake(&mut self, name: &str, needs: Vec<Follow>) {
        let up = self
            .service(name)
            .is_some_and(|service| self.dependencies_up(service));
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        if machine.task {
            return self.wake_task(name, &needs);
        }
        machine.saved = None;
        let rebuild = needs.contains(&Follow::Rebuild);
        let recreate = needs.contains(&Follow::Recreate);
        let runs = |need: &Follow| matches!(need, Follow::Exec(_) | Follow::Run(_));
        if rebuild || needs.iter().any(runs) {
            machine.add_follow(needs);
        }
        if rebuild {
            machine.drop_rebuild();
            self.rebuild(name);
        } else if recreate {
            machine.recreate = Some(asked_for());
        } else if machine.engine_restarts && up {
            // The engine's pause between two starts may be long by now.
            self.restart(name);
        }
    }

    /// The saves could not be brought over. What differs is found by the next comparison, but not
    /// that the image is stale, nor what is asked for by files that are not brought over.
    pub(super) fn follow_planned(&mut self, name: &str) {
        let (Some(machine), Some(rules)) = (self.machines.get_mut(name), &self.rules) else {
            return;
        };
        let planned = std::mem::take(&mut machine.planned);
        let outside = planned.iter().filter(|path| !rules.covers(name, path));
        let outside: Vec<PathBuf> = outside.cloned().collect();
        let mut needs = self.needs(name, &outside);
        if self.needs(name, &planned).contains(&Follow::Rebuild) {
            needs.push(Follow::Rebuild);
        }
        if let Some(machine) = self.machines.get_mut(name)
            && !needs.is_empty()
        {
            machine.add_follow(needs);
        }
    }

    /// The container that a new image was for is gone; the next one is to be made of it.
    pub(super) fn rebuild_for_nobody(&mut self, name: &str) {
        if let Some(machine) = self.machines.get_mut(name)
            && machine.container.is_none()
            && machine.follow.contains(&Follow::Rebuild)
        {
            machine.drop_rebuild();
            self.rebuild(name);
        }
    }

    /// Nothing of what was brought into its container waits for something to follow any more.
    pub(super) fn follows_over(&mut self, name: &str) {
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        machine.owes = false;
        if let Some(container) = machine.container_id() {
            self.emit(Effect::FollowsOver { container });
        }
    }

    /// Says so once it is.
    pub(super) fn step_owed(&mut self, name: &str) {
        let over = self.machines.get(name).is_some_and(|machine| {
            machine.owes
                && !machine.task
                && machine.attached.is_some()
                && machine.busy.is_none()
                && machine.follow.is_empty()
                && machine.after_rebuild.is_empty()
                && machine.undone.is_none()
                && machine.large.count() == 0
        });
        if over {
            self.follows_over(name);
        }
    }

    /// Begins with the next thing that follows a save; false if there is nothing to begin with.
    pub(super) fn step_follow(&mut self, name: &str) -> bool {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name) else {
            return false;
        };
        let Some(container) = machine.container_id() else {
            return false;
        };
        if machine.follow.is_empty() {
            return false;
        }
        if !matches!(machine.image, ImageState::Busy(_)) {
            machine.circle.could_fire(now);
        }
        if due(machine).is_some_and(|due| due > now) {
            return machine.ready;
        }
        if let Some(Follow::Run(task)) = machine.follow.front().cloned() {
            return self.step_run(name, &task);
        }
        let (waits, ready) = match self.machines.get(name) {
            Some(machine) => {
                let task = self.follow_waits(machine);
                (task.map(|task| task.name.clone()), machine.ready)
            }
            None => return false,
        };
        if let Some(task) = waits {
            self.waits_for(name, &task);
            return ready;
        }
        let Some(machine) = self.machines.get_mut(name) else {
            return false;
        };
        let Some(follow) = machine.follow.pop_front() else {
            return false;
        };
        machine.circle.fires(now);
        if machine.follow.is_empty() {
            machine.saved = None;
        }
        if matches!(follow, Follow::Exec(_) | Follow::Signal(_)) {
            machine.in_hand = Some(follow.clone());
        }
        match follow {
            Follow::Exec(command) => {
                let op = self.begin(name, Doing::Exec);
                self.emit(Effect::Exec {
                    op,
                    container,
                    command,
                });
            }
            Follow::Signal(signal) => {
                let op = self.begin(name, Doing::Signal);
                self.emit(Effect::Signal {
                    op,
                    container,
                    signal,
                });
            }
            Follow::Restart => self.restart(name),
            Follow::Recreate => {
                machine.recreate = Some(asked_for());
                return false;
            }
            Follow::Rebuild => {
                self.rebuild(name);
                return false;
            }
            Follow::Run(_) => return false,
        }
        true
    }

    /// Whether it has the network of that service's present process already, or gets it with a new
    /// container anyway.
    fn has_its_network(&self, service: &Service, other: &str) -> bool {
        if service.settings.network_of() != Some(other) {
            return false;
        }
        let seen = |name: &str| self.machines.get(name)?.container.as_ref();
        let (Some(own), Some(others)) = (seen(&service.name), seen(other)) else {
            return true;
        };
        self.lost_network(service) || own.started_ns > others.started_ns
    }

    /// Whether it has the network of a container that is gone: no restart gives it back.
    pub(super) fn lost_network(&self, service: &Service) -> bool {
        if service.settings.network_of().is_none() {
            return false;
        }
        let Some(machine) = self.machines.get(&service.name) else {
            return false;
        };
        let (Some(seen), ImageState::Have(image)) = (&machine.container, &machine.image) else {
            return false;
        };
        let wanted = self.spec(service, image);
        wanted.is_some_and(|spec| spec.labels.get(label::SPEC) != Some(&seen.spec))
    }

    /// Whoever asked to follow this service restarts, once it is ready again.
    pub(super) fn follow_dependents(&mut self, name: &str) {
        if !self
            .machines
            .get(name)
            .is_some_and(|machine| machine.was_ready)
        {
            return;
        }
        let Some(stack) = self.stack.clone() else {
            return;
        };
        let now = self.now;
        for service in &stack.services {
            let follows = service
                .depends_on
                .iter()
                .any(|dependency| dependency.follow && dependency.service == name);
            if !follows || self.has_its_network(service, name) {
                continue;
            }
            if let Some(machine) = self.machines.get_mut(&service.name)
                && machine.running()
                && !machine.follow.contains(&Follow::Restart)
            {
                machine.add_follow(vec![Follow::Restart]);
                let update = machine.update.get_or_insert_with(|| Update {
                    began: now,
                    ..Update::default()
                });
                update.paths = format!("{name} was replaced");
                update.saved.clear();
            }
        }
    }
}
