//! Agents in containers: started by an exec, talked to by whoever works on that container.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use devrun_core::event::Transport;
use devrun_core::make::AGENT;
use devrun_core::spec::ContainerState;
use devrun_wire::frames::{Request, Response, VERSION};
use devrun_wire::process::catches;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use super::deputies::{Container, archive_wanted};
use super::trees::{Trees, is_over};
use crate::engine::{Engine, EngineError};
use crate::sync::connection::{AgentConnection, Hello, SyncError};
use crate::sync::deputy;

/// How long an agent may take until it greets.
const GREETING: Duration = Duration::from_secs(10);

static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// An agent that answers, and what is known of the trees in its container.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    /// The container that it works in.
    pub(super) container: String,
    /// Tells it apart from the one before it in the same container.
    pub(super) number: u64,
    pub(super) connection: AgentConnection,
    /// One of root, beside a proxy whose user may not write nginx's files.
    root: Option<AgentConnection>,
    /// Where no agent can run, a deputy answers, by the engine's archive and exec calls.
    pub(super) transport: Transport,
    pub(super) hello: Hello,
    /// The trees that are kept in step. Whoever works on the container holds them for that long;
    /// there is one at a time.
    pub(super) trees: Arc<Mutex<Trees>>,
    /// Tasks that work with it until it is given up.
    pub(super) helpers: Arc<Helpers>,
}

/// Tasks that end with the last of those that hold them.
#[derive(Debug, Default)]
pub(super) struct Helpers(std::sync::Mutex<Vec<AbortHandle>>);

impl Helpers {
    pub(super) fn add(&self, task: AbortHandle) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(task);
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        let tasks = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        for task in tasks.drain(..) {
            task.abort();
        }
    }
}

/// One may have been killed while it started, which says nothing of the image.
const TRIES: u32 = 2;

/// So long after a process has ended the engine has said so.
const END_IS_TOLD: Duration = Duration::from_millis(200);

/// Which start of a container runs.
async fn running(engine: &Engine, container: &str) -> Result<i128, EngineError> {
    let found = engine.inspect(container).await?;
    let runs = |state| matches!(state, ContainerState::Running | ContainerState::Paused);
    let found = found.filter(|found| runs(found.state));
    found.map(|found| found.started_ns).ok_or_else(not_running)
}

fn not_running() -> EngineError {
    EngineError::NotRunning {
        doing: "starting an agent".to_owned(),
    }
}

impl Agent {
    /// Starts one in a running container, as its user.
    pub(super) async fn start(engine: &Engine, container: &str) -> Result<Agent, AgentError> {
        Agent::start_as(engine, container, None, None).await
    }

    /// Starts one as root, for what another one may not; what it makes belongs to that one's user.
    pub(super) async fn start_as_root(engine: &Engine, of: &Agent) -> Result<Agent, AgentError> {
        let owner = format!("{}:{}", of.hello.uid, of.hello.gid);
        Agent::start_as(engine, &of.container, Some("0"), Some(owner)).await
    }

    /// With another one that writes nginx's files, where its own user may not.
    pub(super) async fn beside_nginx(mut self, engine: &Engine) -> Agent {
        if self.is_inside() && self.hello.uid != 0 {
            match Agent::start_as_root(engine, &self).await {
                Ok(root) => self.root = Some(root.connection),
                // What cannot be written then is told by whoever wants to write it.
                Err(error) => tracing::debug!(%error, "no agent as root"),
            }
        }
        self
    }

    /// Whoever of the two may write more.
    pub(super) fn writer(&self) -> &AgentConnection {
        self.root.as_ref().unwrap_or(&self.connection)
    }

    /// Until one of the two has ended.
    fn watch_end(&self) -> impl Future<Output = ()> + use<> {
        let own = self.connection.watch_end();
        let root = self.root.as_ref().map(AgentConnection::watch_end);
        async move {
            match root {
                Some(root) => {
                    tokio::select! { _ = own => {}, _ = root => {} }
                }
                None => drop(own.await),
            }
        }
    }

    async fn start_as(
        engine: &Engine,
        container: &str,
        user: Option<&str>,
        owner: Option<String>,
    ) -> Result<Agent, AgentError> {
        let argv = [AGENT, "serve"].map(str::to_owned);
        let argv: Vec<String> = argv.into_iter().chain(owner).collect();
        let exec = engine.exec_stream(container, &argv, user).await?;
        let greeting = AgentConnection::start(exec.stdout, exec.stdin);
        let (connection, hello) = match tokio::time::timeout(GREETING, greeting).await {
            Ok(Ok(greeted)) => greeted,
            Ok(Err(error)) => {
                let said = exec.stderr.text();
                return Err(AgentError::NotGreeted { error, said });
            }
            Err(_) => {
                let seconds = GREETING.as_secs();
                return Err(AgentError::Silent { seconds });
            }
        };
        Ok(Agent::of(container, Transport::Agent, (connection, hello)))
    }

    /// Starts one, or a deputy where none can run. A container that is gone has neither.
    pub(super) async fn begin(engine: &Engine, container: &str) -> Result<Agent, AgentError> {
        if archive_wanted() {
            return Agent::deputy(engine, container).await;
        }
        let mut process = None;
        for _ in 0..TRIES {
            let error = match Agent::start(engine, container).await {
                Err(AgentError::Engine(error)) if is_over(&error) => return Err(error.into()),
                Err(error) => error,
                started => return started,
            };
            tracing::debug!(%error, "no agent");
            // Its end is seen by an agent before the engine tells it.
            let end = tokio::time::timeout(END_IS_TOLD, engine.next_exit(container)).await;
            if matches!(end, Ok(Ok(_))) {
                return Err(not_running().into());
            }
            let now = running(engine, container).await?;
            // It may have ended, as it does again and again, and taken the agent along.
            if process.replace(now).is_some_and(|before| before != now) {
                return Err(not_running().into());
            }
            if matches!(error, AgentError::Silent { .. }) {
                break;
            }
        }
        Agent::deputy(engine, container).await
    }

    /// One that works from this side, for containers in which none can run.
    async fn deputy(engine: &Engine, container: &str) -> Result<Agent, AgentError> {
        let remote = Container {
            engine: engine.clone(),
            id: container.to_owned(),
        };
        let facts = remote.facts().await;
        let greeted = deputy::start(remote, facts).await;
        let greeted = greeted.map_err(AgentError::Deputy)?;
        Ok(Agent::of(container, Transport::Archive, greeted))
    }

    fn of(
        container: &str,
        transport: Transport,
        (connection, hello): (AgentConnection, Hello),
    ) -> Agent {
        Agent {
            container: container.to_owned(),
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            connection,
            root: None,
            transport,
            hello,
            trees: Arc::default(),
            helpers: Arc::default(),
        }
    }

    /// Whether it runs inside, where it can run commands and ask questions as well.
    pub(super) fn is_inside(&self) -> bool {
        self.transport == Transport::Agent
    }

    /// Whether the container's first process cannot receive the signal by which it is told to
    /// end, as things are now: an entrypoint may have made room for another program.
    pub(super) async fn is_deaf(&self, stop_signal: u32) -> bool {
        let hello = Request::Hello { version: VERSION };
        match self.connection.request(hello).await {
            Ok(Response::Hello {
                pid1_catches,
                pid1_is_init,
                uid,
                ..
            }) => {
                let readable = pid1_catches != 0 || uid == 0;
                readable && !pid1_is_init && !catches(pid1_catches, stop_signal)
            }
            // Nobody can say: it gets its time.
            _ => false,
        }
    }

    /// Ends it, by ending its input.
    pub(super) async fn close(self) {
        let connection = self.connection.clone();
        drop(self);
        drop(connection);
        tokio::task::yield_now().await;
    }
}

/// Why there is no agent.
#[derive(Debug, thiserror::Error)]
pub(super) enum AgentError {
    /// The engine did not start it.
    #[error("{0}")]
    Engine(#[from] EngineError),
    /// It did not greet as an agent does.
    #[error("{error}; {said}")]
    NotGreeted {
        /// What is wrong with its greeting.
        error: SyncError,
        /// What came instead, from it or from who was to start it.
        said: String,
    },
    /// Nobody could stand in for it either.
    #[error("no agent runs in the container, and the engine's calls do not reach it: {0}")]
    Deputy(SyncError),
    /// It did not greet at all.
    #[error("the agent in the container did not answer within {seconds} s")]
    Silent { seconds: u64 },
}

impl super::driver::Driver {
    /// From now on this is the agent of its container; its end becomes an input.
    pub(super) fn adopt(&mut self, agent: Agent) {
        self.forget_proxy(&agent.container);
        let inputs = self.inputs.clone();
        let (container, number) = (agent.container.clone(), agent.number);
        let gone = agent.watch_end();
        tokio::spawn(async move {
            gone.await;
            let _ = inputs
                .send(super::Input::AgentGone { container, number })
                .await;
        });
        self.agents.insert(agent.container.clone(), agent);
    }

    pub(super) fn agent_gone(&mut self, container: String, number: u64) {
        let current = self
            .agents
            .get(&container)
            .is_some_and(|agent| agent.number == number);
        if current {
            self.agents.remove(&container);
            self.feed(devrun_core::event::Event::AgentGone { container });
        }
    }
}

/// Agents by container.
pub(super) type Agents = BTreeMap<String, Agent>;
