//! Asks what a check asks.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use devrun_core::one_off::one_off;
use devrun_core::spec::label;
use devrun_stack::{Check, CheckTest, Command, Inside, Service, Source, Stack, Statuses};
use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::collect::{self, Collected};
use crate::cli::http;
use crate::engine::{Engine, EngineError, LogOptions, Tail};
use crate::session::load::root_hash;
use crate::session::places::Places;
use crate::session::single::{How, brought_over, image_of, prepared, rules_of};

/// What all checks of a run share.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) engine: Engine,
    pub(super) stack: Arc<Stack>,
    /// The value of [`label::RUN`].
    pub(super) run: String,
    /// So many images are built at once.
    pub(super) parallel: Option<usize>,
}

/// What an attempt came to.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Why it did not pass; empty if it did.
    pub(super) why: Vec<String>,
    pub(super) collected: Vec<Collected>,
    pub(super) warnings: Vec<String>,
}

impl Asked {
    fn failed(why: impl Into<String>) -> Asked {
        Asked {
            why: vec![why.into()],
            ..Asked::default()
        }
    }

    /// Of a command: its code, or none where its time ran out.
    fn of(limit: Duration, code: Option<i64>) -> Asked {
        match code {
            Some(0) => Asked::default(),
            Some(code) => Asked::failed(format!("ended with {code}")),
            None => Asked::failed(format!("no end after {}", seconds(limit))),
        }
    }
}

fn seconds(time: Duration) -> String {
    crate::report::seconds(time.as_secs_f64() * 1000.0)
}

impl Asking {
    /// One attempt; what a command prints can be read from `output` meanwhile.
    pub(super) async fn attempt(&self, check: &Check, output: &Tail) -> Asked {
        match &check.test {
            CheckTest::Http {
                address,
                status,
                contains,
            } => {
                let expected = (*status, contains.as_deref());
                self.http(address, expected, check.timeout).await
            }
            CheckTest::Exec { service, command } => {
                self.exec(check, service, command, output).await
            }
            CheckTest::Run { inside, command } => self.run(check, inside, command, output).await,
            CheckTest::Host { command } => self.host(check, command, output).await,
        }
    }

    /// What commands of checks find in their environment.
    fn variables(&self, check: &Check) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        variables.insert("DEVRUN_STACK".to_owned(), self.stack.name.clone());
        if let Some(url) = &self.stack.url {
            variables.insert("DEVRUN_URL".to_owned(), url.clone());
        }
        for service in &self.stack.services {
            if let Some(port) = service.ports.iter().find(|port| port.protocol == "tcp") {
                let name = devrun_stack::port_variable(&service.name);
                variables.insert(name, port.host.to_string());
            }
        }
        variables.extend(check.environment.clone());
        variables
    }

    async fn http(
        &self,
        address: &str,
        (status, contains): (Statuses, Option<&str>),
        limit: Duration,
    ) -> Asked {
        let url = match &self.stack.url {
            _ if address.contains("://") => address.to_owned(),
            Some(url) => format!("{url}{address}"),
            None => return Asked::failed("the stack has no proxy with a published port"),
        };
        let answer = match tokio::time::timeout(limit, http::get(&url)).await {
            Err(_) => return Asked::failed(format!("{url}: no answer after {}", seconds(limit))),
            Ok(Err(error)) => return Asked::failed(format!("{url}: {error}")),
            Ok(Ok(answer)) => answer,
        };
        let mut why = Vec::new();
        if !status.has(answer.status) {
            let wanted = match status {
                Statuses::FINE => String::new(),
                other => format!(", wanted is {other}"),
            };
            why.push(format!("{url} answered {}{wanted}", answer.status));
        }
        if let Some(text) = contains
            && !answer.body.contains(text)
        {
            why.push(format!("{url} answered without \"{text}\""));
        }
        if !why.is_empty() {
            why.extend(answer.body.lines().take(20).map(str::to_owned));
        }
        Asked {
            why,
            ..Asked::default()
        }
    }

    async fn exec(&self, check: &Check, service: &str, command: &Command, output: &Tail) -> Asked {
        let began = SystemTime::now();
        let containers = match self.engine.snapshot(&self.stack.name).await {
            Ok(containers) => containers,
            Err(error) => return Asked::failed(error.to_string()),
        };
        let found = containers.into_iter().find(|it| it.service() == service);
        let Some(container) = found else {
            return Asked::failed(format!("{service} has no container"));
        };
        let env: Vec<String> = self
            .variables(check)
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let argv = command.argv();
        let ran = self.engine.exec_told(&container.id, &argv, &env, output);
        let mut asked = match tokio::time::timeout(check.timeout, ran).await {
            Ok(Err(error)) => return Asked::failed(error.to_string()),
            Ok(Ok(code)) => Asked::of(check.timeout, Some(code)),
            Err(_) => Asked::of(check.timeout, None),
        };
        self.collect(check, &container.id, began, &mut asked).await;
        asked
    }

    async fn collect(&self, check: &Check, id: &str, began: SystemTime, asked: &mut Asked) {
        let Some(path) = &check.junit else { return };
        match collect::from_container(&self.engine, &self.stack, id, path, began).await {
            Ok(found) => asked.collected = found,
            Err(problem) => asked
                .warnings
                .push(format!("check {}: {problem}", check.name)),
        }
    }

    async fn run(&self, check: &Check, inside: &Inside, command: &Command, output: &Tail) -> Asked {
        let service = match inside {
            Inside::Service(name) => match self.stack.service(name) {
                Some(service) => service.clone(),
                None => return Asked::failed(format!("there is no service {name}")),
            },
            Inside::Image(image) => Service {
                name: check.name.clone(),
                source: Source::Image(image.clone()),
                ..Service::default()
            },
        };
        let made = self.made(check, &service, command).await;
        let id = match made {
            Ok(id) => id,
            Err(problem) => return Asked::failed(problem),
        };
        let began = SystemTime::now();
        let ran = self.started(&service, &id, output);
        let mut asked = match tokio::time::timeout(check.timeout, ran).await {
            Ok(Err(problem)) => Asked::failed(problem),
            Ok(Ok(code)) => Asked::of(check.timeout, Some(code)),
            Err(_) => Asked::of(check.timeout, None),
        };
        self.collect(check, &id, began, &mut asked).await;
        if let Err(error) = self.engine.discard(&id).await {
            asked.warnings.push(error.to_string());
        }
        asked
    }

    async fn made(
        &self,
        check: &Check,
        service: &Service,
        command: &Command,
    ) -> Result<String, String> {
        let stack = &self.stack;
        let rules = rules_of(stack);
        let told = |failure: devrun_core::event::Failure| failure.message;
        let places = Places::new(self.parallel);
        let of = (&**stack, &rules, &places);
        let (image, _) = image_of(&self.engine, of, service, How::default(), |_| {})
            .await
            .map_err(told)?;
        prepared(&self.engine, stack).await.map_err(told)?;
        let mut service = devrun_core::make::settled(stack, service, |_| None).into_owned();
        service.environment.extend(self.variables(check));
        let root = root_hash(&stack.root);
        for number in 1.. {
            let mut spec = one_off(stack, &service, &image, &root, number, &command.argv());
            spec.labels.insert(label::RUN.to_owned(), self.run.clone());
            match self.engine.create(&spec, None).await {
                Err(EngineError::NameTaken { .. }) => {}
                Ok(created) => return Ok(created.id),
                Err(error) => return Err(error.to_string()),
            }
        }
        Err("no name is left".to_owned())
    }

    async fn started(&self, service: &Service, id: &str, output: &Tail) -> Result<i64, String> {
        let rules = rules_of(&self.stack);
        let told = |error: EngineError| error.to_string();
        brought_over(&self.engine, &rules, service, id)
            .await
            .map_err(|failure| failure.message)?;
        self.engine.start(id).await.map_err(told)?;
        let follow = LogOptions {
            follow: true,
            tail: None,
            since: None,
        };
        let mut lines = self.engine.logs(id, follow);
        while let Some(line) = lines.next().await {
            let line = line.map_err(told)?;
            output.push(line.text.as_bytes());
            output.push(b"\n");
        }
        self.engine.wait(id).await.map_err(told)
    }

    async fn host(&self, check: &Check, command: &Command, output: &Tail) -> Asked {
        let began = SystemTime::now();
        let argv = command.argv();
        let Some((program, arguments)) = argv.split_first() else {
            return Asked::failed("there is no command");
        };
        let spawned = tokio::process::Command::new(program)
            .args(arguments)
            .envs(own_program())
            .envs(self.variables(check))
            .current_dir(&self.stack.root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => return Asked::failed(format!("{program}: {error}")),
        };
        let _group = Group::of(child.id());
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let ran = async {
            let ((), (), ended) =
                tokio::join!(copied(out, output), copied(err, output), child.wait());
            ended
        };
        let mut asked = match tokio::time::timeout(check.timeout, ran).await {
            Err(_) => Asked::of(check.timeout, None),
            Ok(Err(error)) => Asked::failed(error.to_string()),
            Ok(Ok(status)) => match status.code() {
                Some(code) => Asked::of(check.timeout, Some(code.into())),
                None => Asked::failed(format!("ended by a signal ({status})")),
            },
        };
        if let Some(path) = &check.junit {
            match collect::from_host(&self.stack.root.join(path), began) {
                Ok(found) => asked.collected = found,
                Err(problem) => asked
                    .warnings
                    .push(format!("check {}: {problem}", check.name)),
            }
        }
        asked
    }
}

async fn copied(from: Option<impl AsyncRead + Unpin>, to: &Tail) {
    let Some(mut from) = from else { return };
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        to.push(&buffer[..read]);
    }
}

/// So that a command can call the program that called it.
fn own_program() -> Option<(&'static str, std::path::PathBuf)> {
    Some(("DEVRUN", std::env::current_exe().ok()?))
}

/// A command of this machine with all that it started; ended with whoever waits for it.
struct Group {
    leader: Option<rustix::process::Pid>,
    /// Ends the group where this process is killed, which its input tells: no end of ours is as
    /// sure as that of a pipe.
    guard: Option<std::process::Child>,
}

impl Group {
    fn of(leader: Option<u32>) -> Group {
        let leader = leader.and_then(|pid| i32::try_from(pid).ok());
        let guard = leader.and_then(|leader| {
            std::process::Command::new("sh")
                .args(["-c", "read -r _; kill -s KILL -- \"-$0\""])
                .arg(leader.to_string())
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0)
                .spawn()
                .ok()
        });
        Group {
            leader: leader.and_then(rustix::process::Pid::from_raw),
            guard,
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            // Before its input ends.
            let _ = guard.kill();
            let _ = guard.wait();
        }
        if let Some(leader) = self.leader {
            // One that has ended is no group any more.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}
