//! From an effect to the task that does it.

use std::time::Duration;

use devrun_core::effect::{Effect, Old, PutFile};
use devrun_core::event::{Failure, MakingPart, Op, Outcome, Progress, Synced};
use devrun_core::spec::ContainerSpec;
use devrun_stack::{Command, Mount, MountSource, Probe};

use super::containers::{First, agent_volume};
use super::driver::{Driver, Input};
use super::early::{Early, Of};
use super::inside::Hands;
use super::making::{Maker, Wanted, others_stand_on};
use super::replacing::Replacing;
use super::tidying::mark;
use super::{containers, hooks, images, large, looking, owed, pushing, reading, trees};
use crate::probe::{Answer, Probed, until_ready};
use crate::proxy::{apply_config, begun_otherwise};

/// How long a command of an `on` rule may take.
pub(super) const COMMAND_PATIENCE: Duration = Duration::from_secs(15 * 60);

impl Driver {
    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Notice(notice) => {
                let told = reading::with_lines(notice, self.stack.as_deref());
                self.publish(told);
            }
            Effect::Exit(exit) => self.end(exit),
            Effect::Cancel { op } => self.cancel(&op),
            Effect::TidyImages { kept } => self.tidy_images(kept),
            Effect::Watch { rules } => self.watch(rules),
            Effect::HooksOver { container } => hooks::over(&container),
            Effect::FollowsOver { container } => owed::over(&container),
            Effect::ProxyStates { container, states } => self.tell_proxy(container, states),
            Effect::Prepare {
                op,
                networks,
                volumes,
            } => {
                let engine = self.engine.clone();
                let labels = self.stack.as_deref().map(containers::labels);
                let labels = labels.unwrap_or_default();
                self.work(op, containers::prepare(engine, labels, networks, volumes));
            }
            Effect::Pull {
                op,
                image,
                policy,
                platform,
            } => {
                let named = images::Named {
                    reference: image,
                    policy,
                    platform,
                };
                let task =
                    images::pull(self.engine.clone(), op.clone(), named, self.inputs.clone());
                self.work(op, task);
            }
            Effect::Build {
                op,
                build,
                name,
                whole,
            } => {
                let stack = self.stack.as_deref();
                let wanted = Wanted {
                    first: stack.is_some_and(|stack| others_stand_on(stack, &op.service)),
                    build: *build,
                    name,
                    stack: self.stack_name(),
                    whole,
                    force: false,
                    no_cache: false,
                    pull: false,
                };
                self.build(op, wanted);
            }
            Effect::Look { op, image, paths } => {
                let known = self.looked.get(&op.service).cloned();
                self.work(op, looking::look(known, image, paths));
            }
            Effect::SyncLarge {
                op,
                container,
                paths,
            } => match self.agents.get(&container).cloned() {
                Some(agent) => self.work(op, large::sync(agent, paths)),
                None => self.work(op, std::future::ready(large::no_agent())),
            },
            effect => self.perform_on_container(effect),
        }
    }

    fn build(&mut self, op: Op, wanted: Wanted) {
        let Some(rules) = self.rules.clone() else {
            return self.work(op, std::future::ready(no_stackfile()));
        };
        let maker = Maker {
            engine: self.engine.clone(),
            rules,
            places: self.places.clone(),
            shared: self.shared.clone(),
        };
        let task = images::build(maker, op.clone(), wanted, self.inputs.clone());
        self.work(op, task);
    }

    fn perform_on_container(&mut self, effect: Effect) {
        let engine = self.engine.clone();
        match effect {
            Effect::Create {
                op,
                spec,
                replaces,
                files,
            } => self.create(op, *spec, replaces, files),
            Effect::Start {
                op,
                container,
                files,
            } => {
                let first = self.first(&op.service, files);
                self.look_ahead(&op.service);
                self.work(op, async move {
                    containers::start(&engine, &container, Of::Itself, &first).await
                });
            }
            Effect::Update {
                op,
                container,
                live,
                memory_swap,
            } => self.work(op, containers::update(engine, container, live, memory_swap)),
            Effect::Restart {
                op,
                container,
                grace,
            } => self.restart(op, container, grace),
            Effect::Stop {
                op,
                container,
                grace,
            } => self.stop(op, container, grace, false),
            Effect::Remove {
                op,
                container,
                grace,
            } => self.stop(op, container, grace, true),
            Effect::Rename {
                op,
                container,
                name,
            } => self.work(op, containers::rename(engine, container, name)),
            Effect::Explain { op, container } => {
                self.work(op, containers::explain(engine, container))
            }
            Effect::Attach { op, container } => self.attach(op, container),
            Effect::Sync {
                op,
                container,
                running,
                paths,
            } => match self.agents.get(&container).cloned().filter(|_| running) {
                Some(agent) => self.work(op, trees::sync(agent, paths)),
                None => self.push(op, container, paths),
            },
            Effect::Push { op, container } => self.push_all(op, container),
            Effect::Probe {
                op,
                container,
                probe,
                timeout,
                give_up,
            } => {
                self.probe(op, container, probe, timeout, give_up);
            }
            Effect::Exec {
                op,
                container,
                command,
            } => self.exec(op, container, command),
            Effect::Signal {
                op,
                container,
                signal,
            } => self.work(op, containers::signal(engine, container, signal)),
            Effect::ProxyApply {
                op,
                container,
                config,
                certificate,
                generation,
                url,
            } => {
                self.apply_proxy(op, &container, (config, certificate), (generation, url));
            }
            Effect::ProxyRead {
                op,
                container,
                generation,
                url,
            } => self.work(op, read_proxy(self.hands(&container), generation, url)),
            // Those without a container were taken by `perform`.
            _ => {}
        }
    }

    /// Told of each part of an operation that is over.
    pub(super) fn parts_of(&self, op: &Op) -> impl Fn(MakingPart) + use<> {
        let (inputs, op) = (self.inputs.clone(), op.clone());
        move |part| {
            // Only a time would be missed.
            let _ = inputs.try_send(Input::Progress {
                op: op.clone(),
                progress: Progress::Part(part),
            });
        }
    }

    fn create(&mut self, op: Op, spec: ContainerSpec, replaces: Option<Old>, files: Vec<PutFile>) {
        let first = self.first(&op.service, files);
        self.look_ahead(&op.service);
        let (engine, cell) = (self.engine.clone(), self.agent_volume.clone());
        let over = self.parts_of(&op);
        let Some(old) = replaces else {
            let told = self.proxy_knows();
            return self.work(op, async move {
                // Beside another one it takes the name of, and the proxy has to go by addresses.
                told.await;
                match agent_volume(&engine, &cell, &spec.image_id).await {
                    Ok(volume) => containers::create(engine, spec, first, volume, over).await,
                    Err(failure) => Outcome::Failed(failure),
                }
            });
        };
        let agent = self.agents.get(&old.container).cloned();
        let drained = self.drained(&op, &old.container);
        let (given, mark) = (self.given.clone(), mark(op.number));
        let saves = self.watch.then(|| self.ahead.saves());
        self.work(op, async move {
            let volume = match agent_volume(&engine, &cell, &spec.image_id).await {
                Ok(volume) => volume,
                Err(failure) => return Outcome::Failed(failure),
            };
            let replacing = Replacing {
                engine,
                spec,
                old,
                first,
                agent,
                volume,
                given,
                mark,
                saves,
            };
            replacing.run(drained, over).await
        });
    }

    fn stop(&mut self, op: Op, container: String, grace: Duration, remove: bool) {
        let agent = self.agents.get(&container).cloned();
        let drained = self.drained(&op, &container);
        let engine = self.engine.clone();
        self.work(op, async move {
            drained.await;
            match remove {
                true => containers::discard(engine, agent, container, grace).await,
                false => containers::stop(engine, agent, container, grace).await,
            }
        });
    }

    fn restart(&mut self, op: Op, container: String, grace: Duration) {
        let agent = self.agents.get(&container).cloned();
        if self.has_hooks(&op.service) {
            hooks::owed(&container);
        }
        self.look_ahead(&op.service);
        let drained = self.drained(&op, &container);
        let engine = self.engine.clone();
        self.work(op, async move {
            drained.await;
            containers::restart(engine, agent, container, grace).await
        });
    }

    /// What is compared once the container runs can be looked at until then. Without news of saves
    /// it would be too early.
    fn look_ahead(&mut self, service: &str) {
        if let Some(rules) = self.rules.as_ref().filter(|_| self.watch) {
            self.ahead.begin(service, rules);
        }
    }

    /// Commands belong to each of its starts.
    fn has_hooks(&self, service: &str) -> bool {
        let stack = self.stack.as_ref();
        stack
            .and_then(|stack| stack.service(service))
            .is_some_and(|service| !service.post_start.is_empty())
    }

    /// What comes before the start of its process.
    fn first(&self, service: &str, files: Vec<PutFile>) -> First {
        First {
            files,
            owes_hooks: self.has_hooks(service),
            early: self.early(service),
        }
    }

    fn early(&self, service: &str) -> Option<Early> {
        let found = self.stack.as_ref()?.service(service)?;
        let volume = |mount: &Mount| match mount.source {
            MountSource::Volume(_) => Some(mount.target.clone()),
            MountSource::Bind(_) => None,
        };
        Some(Early {
            rules: self.rules.clone()?,
            service: service.to_owned(),
            is_task: found.task,
            volumes: found.mounts.iter().filter_map(volume).collect(),
        })
    }

    fn attach(&mut self, op: Op, container: String) {
        let Some(rules) = self.rules.clone() else {
            return self.work(op, std::future::ready(no_stackfile()));
        };
        // Whatever agent there was, it belonged to the process before.
        self.agents.remove(&container);
        let service = op.service.clone();
        let ahead = (self.ahead.end(&service), self.ahead.gate());
        let engine = self.engine.clone();
        let declared = self.stack.as_ref().and_then(|it| it.service(&service));
        let is_proxy = declared.is_some_and(|service| service.proxy.is_some());
        self.spawn(op, async move {
            let attached = trees::attach(engine.clone(), rules, (service, container), ahead);
            match attached.await {
                (outcome, Some(agent)) if is_proxy => {
                    (outcome, Some(agent.beside_nginx(&engine).await))
                }
                attached => attached,
            }
        });
    }

    fn push_all(&mut self, op: Op, container: String) {
        let Some(early) = self.early(&op.service) else {
            return self.work(op, std::future::ready(no_stackfile()));
        };
        let engine = self.engine.clone();
        self.work(op, async move {
            Outcome::Synced(match early.is_task {
                true => early.refresh(&engine, &container, &[]).await,
                false => early.bring(&engine, &container, Of::Nobody).await,
            })
        });
    }

    fn push(&mut self, op: Op, container: String, paths: Vec<std::path::PathBuf>) {
        let Some(rules) = self.rules.clone() else {
            return self.work(op, std::future::ready(no_stackfile()));
        };
        let (engine, service) = (self.engine.clone(), op.service.clone());
        if let Some(early) = self.early(&service).filter(|early| early.is_task) {
            return self.work(op, async move {
                Outcome::Synced(early.refresh(&engine, &container, &paths).await)
            });
        }
        // Its next process reads what lies there; that a command is to follow, nobody else would know
        // if this were cut off.
        let commanding = paths.iter().map(std::path::PathBuf::as_path);
        let commanding = commanding.filter(|path| rules.asks_for_command(&service, path));
        owed::note(&rules, (&service, &container), commanding);
        self.work(op, async move {
            match pushing::push(&engine, &rules, &service, &container, Some(&paths)).await {
                Ok(synced) => Outcome::Synced(Synced {
                    files: synced.files.max(1),
                    ..synced
                }),
                Err(failure) => Outcome::Failed(failure),
            }
        });
    }

    pub(super) fn hands(&self, container: &str) -> Hands {
        Hands {
            engine: self.engine.clone(),
            container: container.to_owned(),
            agent: self
                .agents
                .get(container)
                .filter(|agent| agent.is_inside())
                .cloned(),
        }
    }

    fn probe(
        &mut self,
        op: Op,
        container: String,
        probe: Probe,
        timeout: Duration,
        give_up: Duration,
    ) {
        let hands = self.hands(&container);
        let (inputs, number) = (self.inputs.clone(), op.clone());
        self.work(op, async move {
            let tell = |output: &str| {
                let progress = Progress::ProbeFailed {
                    output: output.to_owned(),
                };
                let _ = inputs.try_send(Input::Progress {
                    op: number.clone(),
                    progress,
                });
            };
            match until_ready(|| ask(&hands, &probe, timeout), give_up, tell).await {
                Probed::Ready => Outcome::Ready,
                Probed::NotReady(output) => Outcome::NotReady { output },
                Probed::Lost(message) => Outcome::Failed(Failure {
                    message,
                    ..Failure::default()
                }),
            }
        });
    }

    fn exec(&mut self, op: Op, container: String, command: Command) {
        let hands = self.hands(&container);
        self.work(op, async move {
            match hands
                .with_authorities(&command.argv(), COMMAND_PATIENCE)
                .await
            {
                Ok(ran) if ran.code == 0 => Outcome::Executed,
                Ok(ran) => Outcome::Failed(Failure {
                    message: format!("`{}` ended with {}", shown(&command), ran.code),
                    details: ran.output.lines().map(str::to_owned).collect(),
                    ..Failure::default()
                }),
                Err(error) => Outcome::Failed(Failure {
                    message: error.message,
                    container_gone: error.container_gone,
                    refused: error.refused,
                    ..Failure::default()
                }),
            }
        });
    }

    fn apply_proxy(
        &mut self,
        op: Op,
        container: &str,
        (config, certificate): (String, Option<PutFile>),
        (generation, url): (u64, String),
    ) {
        let hands = self.hands(container);
        self.work(op, async move {
            match apply_config(&hands, &config, certificate, generation, &url).await {
                Ok(generation) => Outcome::ProxyApplied { generation },
                Err(error) => Outcome::Failed(error.into()),
            }
        });
    }

    pub(super) fn stack_name(&self) -> String {
        self.stack
            .as_ref()
            .map_or_else(String::new, |stack| stack.name.clone())
    }
}

async fn read_proxy(hands: Hands, generation: u64, url: String) -> Outcome {
    match begun_otherwise(&hands, generation, &url).await {
        Ok(None) => Outcome::ProxyApplied { generation },
        Ok(Some(answer)) => Outcome::ProxyOther { answer },
        Err(error) => Outcome::Failed(error.into()),
    }
}

async fn ask(hands: &Hands, probe: &Probe, timeout: Duration) -> Answer {
    use crate::proxy::Inside;
    let ran = match probe {
        Probe::Command(command) => hands.command(&command.argv(), timeout).await,
        Probe::Http(url) => hands.http(url, timeout).await,
        Probe::Tcp(port) => hands.tcp(*port, timeout).await,
        Probe::Log(text) => return hands.logged(text, timeout).await,
    };
    match ran {
        Ok(ran) if ran.code == 0 => Answer::Good,
        Ok(ran) if ran.output.is_empty() => Answer::Bad(format!("ended with {}", ran.code)),
        Ok(ran) => Answer::Bad(ran.output),
        Err(error) => Answer::Lost(error.message),
    }
}

fn shown(command: &Command) -> String {
    match command {
        Command::Shell(line) => line.clone(),
        Command::Argv(words) => words.join(" "),
    }
}

fn no_stackfile() -> Outcome {
    Outcome::Failed(Failure {
        message: "there is no valid Stackfile".to_owned(),
        ..Failure::default()
    })
}
