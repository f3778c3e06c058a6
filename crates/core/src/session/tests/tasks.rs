//! What the world does for the session: each effect takes its time, and may go wrong.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use devrun_stack::Probe;

use super::brief::begins;
use super::world::{Body, Files, TASKS, Todo, World, host_path};
use crate::effect::{Effect, PutFile};
use crate::event::{Event, Failure, Op, Outcome, Synced, Transport};
use crate::spec::{ContainerSpec, Image};

/// An effect under way.
#[derive(Debug, Clone)]
pub(super) struct Task {
    effect: Effect,
    began: Duration,
    /// The host's files when it began, which is what it reads.
    host: Files,
    /// What makes room was done; what takes its place is still to come.
    half: bool,
}

impl World {
    pub(super) fn take_on(&mut self, effect: Effect) {
        let Some(op) = begins(&effect).cloned() else {
            return;
        };
        let (from, to) = match &effect {
            Effect::Build { .. } => (50, 3000),
            Effect::Pull { .. } => (5, 1000),
            Effect::Create { .. } | Effect::Restart { .. } | Effect::Start { .. } => (30, 250),
            Effect::Stop { .. } | Effect::Remove { .. } => (30, 400),
            Effect::Exec { .. } | Effect::SyncLarge { .. } => (20, 2000),
            // It may come long after what it could have spared.
            Effect::Look { .. } => (1, 100),
            Effect::Probe { .. } => (2, 50),
            _ => (1, 20),
        };
        let task = Task {
            effect,
            began: self.now,
            host: self.host.clone(),
            half: false,
        };
        self.tasks.insert(op.clone(), task);
        let delay = self.random.millis(from, to);
        self.at(delay, Todo::Finish(op));
    }

    /// Nobody waits for it any more; the engine may do it all the same.
    pub(super) fn give_up(&mut self, op: &Op) {
        let Some(task) = self.tasks.remove(op) else {
            return;
        };
        let sent = matches!(
            task.effect,
            Effect::Create { .. }
                | Effect::Start { .. }
                | Effect::Restart { .. }
                | Effect::Stop { .. }
                | Effect::Remove { .. }
                | Effect::Sync { .. }
                | Effect::SyncLarge { .. }
                | Effect::Exec { .. }
                | Effect::ProxyApply { .. }
        );
        if sent && self.random.percent(50) {
            if !task.half {
                self.makes_room(&task.effect);
            }
            self.carry_out(&task);
        }
    }

    pub(super) fn finish(&mut self, op: &Op) {
        let Some(mut task) = self.tasks.remove(op) else {
            return;
        };
        if !task.half && self.makes_room(&task.effect) {
            task.half = true;
            self.tasks.insert(op.clone(), task);
            let delay = self.random.millis(5, 50);
            return self.at(delay, Todo::Finish(op.clone()));
        }
        if let Some(delay) = self.asks_again(&task) {
            self.tasks.insert(op.clone(), task);
            return self.at(delay, Todo::Finish(op.clone()));
        }
        let outcome = match self.ending {
            true => self.comes_no_further(&task.effect),
            false => self.carry_out(&task),
        };
        self.tell(Event::Done {
            op: op.clone(),
            outcome,
        });
    }

    /// The engine is about to end; it says so, or only that it does not do it.
    fn comes_no_further(&mut self, effect: &Effect) -> Outcome {
        let created = match effect {
            Effect::Create { spec, .. } if self.of_service(&spec.service).is_none() => {
                self.random.percent(50).then(|| self.make(spec))
            }
            _ => None,
        };
        // Without networks there is no session.
        let refused = self.random.percent(30) && !matches!(effect, Effect::Prepare { .. });
        Outcome::Failed(Failure {
            message: "transport is closing".to_owned(),
            created,
            refused,
            away: !refused,
            ..Failure::default()
        })
    }

    fn makes_room(&mut self, effect: &Effect) -> bool {
        match effect {
            Effect::Create {
                replaces: Some(old),
                ..
            } => self.remove(&old.container),
            Effect::Restart { container, .. } => self.end(container, 143, true),
            _ => return false,
        }
        true
    }

    /// A probe asks until it is answered well, or its time is over.
    fn asks_again(&mut self, task: &Task) -> Option<Duration> {
        let Effect::Probe {
            container, give_up, ..
        } = &task.effect
        else {
            return None;
        };
        let container = self.container(container).filter(|one| one.running)?;
        let patience = task.began + *give_up;
        let wait = container.well_from.min(patience).checked_sub(self.now)?;
        (!wait.is_zero()).then_some(wait)
    }

    fn carry_out(&mut self, task: &Task) -> Outcome {
        match &task.effect {
            Effect::Prepare { .. } => Outcome::Prepared { existing: vec![] },
            Effect::Pull { image, .. } => Outcome::Image {
                image: named(image, image.clone()),
                made: false,
            },
            Effect::Build {
                op, name, whole, ..
            } => self.build(&op.service, name, *whole, &task.host),
            Effect::Look { image, paths, .. } => self.look(image, paths),
            Effect::Create { spec, files, .. } => self.create(spec, files),
            Effect::Remove { container, .. } => {
                self.remove(container);
                Outcome::Removed
            }
            Effect::Rename {
                container, name, ..
            } => self.rename(container, name),
            Effect::Explain { .. } => Outcome::Explained {
                lines: vec!["last words".into()],
            },
            effect => self.in_container(effect, task),
        }
    }

    fn build(&mut self, service: &str, name: &str, whole: bool, host: &Files) -> Outcome {
        let inputs = host
            .iter()
            .filter(|(path, _)| self.rules.image_input(service, path));
        let inputs: Vec<(String, u64)> = inputs
            .map(|(path, version)| (path.display().to_string(), *version))
            .collect();
        let broken = inputs.iter().any(|(_, version)| version % 2 == 1);
        if broken || self.goes_wrong() {
            return failed("exit code 1");
        }
        let mut id = format!("sha256:{service} {inputs:?}");
        if whole {
            id.push_str(&format!(" {:?}", self.now));
        }
        let made = !self.images.contains_key(&id);
        if made {
            let context = host_path(service);
            let mut baked = host.clone();
            baked.retain(|path, _| path.starts_with(&context));
            self.images.insert(id.clone(), baked);
        }
        let image = named(&format!("{name}@{id}"), id);
        Outcome::Image { image, made }
    }

    /// Whether that image was made of the same versions of these files.
    fn look(&self, image: &str, paths: &[PathBuf]) -> Outcome {
        let id = image.split_once('@').map_or("", |(_, id)| id);
        let made_of = self.images.get(id);
        let same = |path| made_of.is_some_and(|files| files.get(path) == self.host.get(path));
        Outcome::Looked {
            same: paths.iter().all(same),
        }
    }

    /// The engine does not do what it does as a rule.
    fn refuses(&mut self, effect: &Effect, service: &str) -> bool {
        let can = matches!(
            effect,
            Effect::Start { .. }
                | Effect::Restart { .. }
                | Effect::Update { .. }
                | Effect::Exec { .. }
                | Effect::Signal { .. }
                | Effect::ProxyApply { .. }
        );
        if !can || self.refused.remove(service) || !self.random.percent(self.faults) {
            return false;
        }
        self.refused.insert(service.to_owned())
    }

    /// Something that only a person heals.
    fn goes_wrong(&mut self) -> bool {
        self.lasting && self.random.percent(self.faults)
    }

    fn create(&mut self, spec: &ContainerSpec, files: &[PutFile]) -> Outcome {
        // Perhaps it is not declared any more by now.
        let doubles = |stack: &devrun_stack::Stack| {
            let service = stack.service(&spec.service);
            service.is_none_or(|service| service.update.roll)
        };
        let mut others = self
            .containers
            .iter()
            .filter(|one| match doubles(&self.stack) {
                true => one.spec.name == spec.name,
                false => one.spec.service == spec.service,
            });
        if let Some(other) = others.next() {
            let message = format!("{} stands where {} is to be made", other.id, spec.name);
            self.collision = Some(message.clone());
            return failed(&message);
        }
        let id = self.make(spec);
        if self.goes_wrong() {
            return Outcome::Failed(Failure {
                message: "port 8000 of the host is taken".to_owned(),
                created: Some(id),
                ..Failure::default()
            });
        }
        self.put(&id, files);
        let brought = self.bring_early(&id);
        self.begin(&id);
        self.started(&id, brought)
    }

    fn rename(&mut self, id: &str, name: &str) -> Outcome {
        let others = self.containers.iter().filter(|one| one.id != id);
        if others.map(|one| &one.spec.name).any(|other| other == name) {
            self.collision = Some(format!("{id} cannot be called {name}"));
        }
        match self.container_mut(id) {
            Some(container) => {
                name.clone_into(&mut container.spec.name);
                Outcome::Renamed
            }
            None => gone(),
        }
    }

    /// Before its process begins it is given what the host has; a service, where that can be.
    fn bring_early(&mut self, id: &str) -> Vec<PathBuf> {
        let Some(service) = self.container(id).map(|one| one.spec.service.clone()) else {
            return Vec::new();
        };
        if !TASKS.contains(&service.as_str()) && self.random.percent(30) {
            return Vec::new();
        }
        let (host, rules) = (self.host.clone(), self.rules.clone());
        let all: Vec<_> = host.keys().cloned().collect();
        let Outcome::Synced(synced) = self.bring_over(&service, id, &host, &all) else {
            return Vec::new();
        };
        if let Some(container) = self.container_mut(id) {
            let asks = |path: &&PathBuf| rules.asks_for_command(&service, path);
            container
                .owed
                .extend(synced.changed.iter().filter(asks).cloned());
        }
        synced.changed
    }

    fn started(&self, id: &str, brought: Vec<PathBuf>) -> Outcome {
        let Some(container) = self.container(id) else {
            return gone();
        };
        Outcome::Started {
            container: id.to_owned(),
            started_ns: container.started_ns,
            warnings: vec![],
            brought,
        }
    }

    fn in_container(&mut self, effect: &Effect, task: &Task) -> Outcome {
        let (Effect::Start { container: id, .. }
        | Effect::Restart { container: id, .. }
        | Effect::Update { container: id, .. }
        | Effect::Attach { container: id, .. }
        | Effect::Probe { container: id, .. }
        | Effect::Sync { container: id, .. }
        | Effect::SyncLarge { container: id, .. }
        | Effect::Push { container: id, .. }
        | Effect::Exec { container: id, .. }
        | Effect::Signal { container: id, .. }
        | Effect::ProxyApply { container: id, .. }
        | Effect::ProxyRead { container: id, .. }
        | Effect::Stop { container: id, .. }) = effect
        else {
            panic!("{effect:?} is not to be carried out");
        };
        let Some(container) = self.container(id).cloned() else {
            return match effect {
                Effect::Stop { .. } => Outcome::Stopped { deaf: false },
                _ => gone(),
            };
        };
        if self.refuses(effect, &container.spec.service) {
            return Outcome::Failed(Failure {
                message: "the engine says no".to_owned(),
                refused: true,
                ..Failure::default()
            });
        }
        match effect {
            Effect::Start { .. } | Effect::Restart { .. } => {
                // To the engine, one that it is about to start again runs.
                let restarts = matches!(effect, Effect::Restart { .. });
                let mut brought = Vec::new();
                if let Effect::Start { files, .. } = effect {
                    self.put(id, files);
                }
                if !container.running && (restarts || !container.restarting) {
                    if !restarts {
                        brought = self.bring_early(id);
                    }
                    self.begin(id);
                }
                return self.started(id, brought);
            }
            Effect::Stop { .. } => {
                self.end(id, 143, true);
                return Outcome::Stopped { deaf: false };
            }
            Effect::Update { live, .. } => {
                if let Some(container) = self.container_mut(id) {
                    container.live = *live;
                }
                return Outcome::Updated;
            }
            Effect::Push { op, .. } => {
                let all: Vec<_> = task.host.keys().cloned().collect();
                let outcome = self.bring_over(&op.service, id, &task.host, &all);
                return with(outcome, &container.owed);
            }
            Effect::Sync {
                op,
                paths,
                running: false,
                ..
            } => {
                let outcome = self.bring_over(&op.service, id, &task.host, paths);
                if TASKS.contains(&op.service.as_str()) {
                    return with(outcome, &container.owed);
                }
                let (rules, service) = (self.rules.clone(), &op.service);
                let asks = |path: &&PathBuf| rules.asks_for_command(service, path);
                if let (Outcome::Synced(synced), Some(body)) = (&outcome, self.container_mut(id)) {
                    body.owed
                        .extend(synced.changed.iter().filter(asks).cloned());
                }
                return outcome;
            }
            _ => {}
        }
        if !container.running {
            return failed("the agent does not answer");
        }
        self.in_process(effect, task, &container)
    }

    fn in_process(&mut self, effect: &Effect, task: &Task, container: &Body) -> Outcome {
        match effect {
            Effect::Attach { op, .. } => {
                let all: Vec<_> = task.host.keys().cloned().collect();
                let Outcome::Synced(synced) =
                    self.bring_over(&op.service, &container.id, &task.host, &all)
                else {
                    return gone();
                };
                Outcome::Attached {
                    transport: Transport::Agent,
                    compared: Some(0),
                    owed: container.owed.iter().cloned().collect(),
                    mirrored: Vec::new(),
                    changed: synced.changed,
                    problems: vec![],
                    owes_hooks: false,
                }
            }
            Effect::Sync { op, paths, .. } => {
                let is_large =
                    |path: &&std::path::PathBuf| path.extension().is_some_and(|it| it == "big");
                let (large, small): (Vec<_>, Vec<_>) = paths.iter().partition(is_large);
                match self.bring_over(&op.service, &container.id, &task.host, &small) {
                    Outcome::Synced(synced) => Outcome::Synced(Synced {
                        large: large.into_iter().cloned().collect(),
                        ..synced
                    }),
                    other => other,
                }
            }
            Effect::SyncLarge { op, paths, .. } => {
                self.bring_over(&op.service, &container.id, &task.host, paths)
            }
            Effect::Probe { probe, .. } => {
                let tcp = matches!(probe, Probe::Tcp(_));
                if self.now < container.well_from || (!tcp && self.goes_wrong()) {
                    let output = "no answer".to_owned();
                    return Outcome::NotReady { output };
                }
                Outcome::Ready
            }
            Effect::Exec { .. } if self.goes_wrong() => failed("`npm ci` ended with 1"),
            Effect::Exec { .. } => {
                let package = host_path("backend/package.json");
                let version = container.files.get(&package).copied();
                if let Some(container) = self.container_mut(&container.id) {
                    container.installed = version.unwrap_or_default();
                }
                Outcome::Executed
            }
            Effect::Signal { .. } => Outcome::Signalled,
            Effect::ProxyApply { .. } if self.goes_wrong() => failed("nginx did not take it"),
            Effect::ProxyApply {
                config, generation, ..
            } => self.apply(&container.id, config, *generation),
            Effect::ProxyRead { generation, .. } => self.read(&container.nginx, *generation),
            other => panic!("{other:?} is not done in a process"),
        }
    }

    /// Writes these files as the host had them, as far as the service's rules cover them.
    fn bring_over(
        &mut self,
        service: &str,
        id: &str,
        host: &Files,
        paths: &[impl AsRef<Path>],
    ) -> Outcome {
        let rules = self.rules.clone();
        let Some(container) = self.container_mut(id) else {
            return gone();
        };
        let mut synced = Synced::default();
        let not_read = container.running || TASKS.contains(&service);
        for path in paths.iter().map(AsRef::as_ref) {
            let Some(version) = host.get(path).filter(|_| rules.covers(service, path)) else {
                continue;
            };
            if container.files.insert(path.to_owned(), *version) != Some(*version) {
                synced.files += 1;
                synced.changed.push(path.to_owned());
                if not_read && rules.may_follow(service, path) {
                    container.owed.insert(path.to_owned());
                }
            }
        }
        Outcome::Synced(synced)
    }
}

/// What was brought before, and has been followed by nothing, counts as well.
fn with(outcome: Outcome, owed: &BTreeSet<PathBuf>) -> Outcome {
    let Outcome::Synced(mut synced) = outcome else {
        return outcome;
    };
    synced.changed.extend(owed.iter().cloned());
    synced.changed.sort();
    synced.changed.dedup();
    synced.files = synced.changed.len();
    Outcome::Synced(synced)
}

fn named(name: &str, id: String) -> Image {
    Image {
        id,
        name: name.to_owned(),
        ..Image::default()
    }
}

fn failed(message: &str) -> Outcome {
    Outcome::Failed(Failure {
        message: message.to_owned(),
        ..Failure::default()
    })
}

fn gone() -> Outcome {
    Outcome::Failed(Failure {
        message: "there is no such container".to_owned(),
        container_gone: true,
        ..Failure::default()
    })
}
