//! Containers that are to end: what they are told first, how long they are waited for.
//!
//! How a container wants to be ended stands on it, so that `down` needs no Stackfile for it.

use std::time::Duration;

use devrun_core::spec::{Container, ContainerState, label};
use futures_util::future::join_all;

use super::agents::Agent;
use super::{deaf, leaving};
use crate::engine::{Engine, EngineError};

/// Of one that does not say.
const GRACE: Duration = Duration::from_secs(10);

/// What stands on a container about its end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Farewell {
    /// How long it may take, where it says so.
    grace: Option<Duration>,
    /// Commands that run inside before it is told.
    before: Vec<Vec<String>>,
}

impl Farewell {
    fn of(container: &Container) -> Farewell {
        let runs = container.state == ContainerState::Running;
        let commands = serde_json::from_str(container.label(label::PRE_STOP));
        Farewell {
            grace: container
                .label(label::GRACE)
                .parse()
                .ok()
                .map(Duration::from_millis),
            before: commands.ok().filter(|_| runs).unwrap_or_default(),
        }
    }
}

/// How a container that runs is to be ended.
pub(super) struct Leave {
    grace: Duration,
    before: Vec<Vec<String>>,
    /// Its first process cannot be told to end, so that waiting is of no use.
    deaf: bool,
}

/// Looks at what stands on it, and at its first process.
pub(super) async fn look(
    engine: &Engine,
    agent: Option<&Agent>,
    container: &str,
    grace: Duration,
) -> Result<Leave, EngineError> {
    let (found, deaf) = tokio::join!(engine.inspect(container), is_deaf(engine, agent, container));
    let farewell = found?.as_ref().map(Farewell::of).unwrap_or_default();
    Ok(Leave {
        grace: farewell.grace.unwrap_or(grace),
        before: farewell.before,
        deaf,
    })
}

impl Leave {
    /// Runs what is to run before, and answers how long the container is waited for.
    async fn prepare(&self, engine: &Engine, container: &str) -> Duration {
        for command in &self.before {
            // It ends all the same; what its last command says is in nobody's way.
            if let Err(error) = engine.exec_run(container, command, self.grace).await {
                tracing::debug!(%error, container, "a command before its end failed");
            }
        }
        match self.deaf {
            true => Duration::ZERO,
            false => self.grace,
        }
    }
}

async fn is_deaf(engine: &Engine, agent: Option<&Agent>, container: &str) -> bool {
    let Some(process) = engine.first_process(container).await else {
        return false;
    };
    if let Some(deaf) = deaf::on_this_machine(&process) {
        return deaf;
    }
    let signal = process.stop_signal;
    match agent {
        Some(agent) => agent.is_deaf(signal).await,
        None => match Agent::start(engine, container).await {
            Ok(agent) => {
                let deaf = agent.is_deaf(signal).await;
                agent.close().await;
                deaf
            }
            Err(_) => false,
        },
    }
}

/// Restarts the same container; answers as [`stop`] does.
pub(crate) async fn restart(
    engine: &Engine,
    agent: Option<&Agent>,
    container: &str,
    grace: Duration,
) -> Result<bool, EngineError> {
    let leave = look(engine, agent, container, grace).await?;
    let grace = leave.prepare(engine, container).await;
    engine.restart(container, grace).await.map(|()| leave.deaf)
}

/// Stops a container within its grace, or at once where its first process could not be told;
/// answers whether that was so.
pub(crate) async fn stop(
    engine: &Engine,
    agent: Option<&Agent>,
    container: &str,
    grace: Duration,
) -> Result<bool, EngineError> {
    let leave = look(engine, agent, container, grace).await?;
    stop_as(engine, container, leave).await
}

/// The same of one that was looked at.
pub(super) async fn stop_as(
    engine: &Engine,
    container: &str,
    leave: Leave,
) -> Result<bool, EngineError> {
    let grace = leave.prepare(engine, container).await;
    leaving::begins(container);
    let done = engine.stop(container, grace).await;
    leaving::over(container);
    match done {
        Err(error) if error.is_absent() => Ok(false),
        other => other.map(|()| leave.deaf),
    }
}

/// What was begun by whoever did not come to its end is done first: nobody is to decide by
/// containers that are about to stop.
pub(super) async fn finish(engine: &Engine, containers: &mut [Container]) {
    let told = containers
        .iter_mut()
        .filter(|it| leaving::is_under_way(&it.id));
    let ends = told.map(async |it| {
        if it.state != ContainerState::Running {
            return leaving::over(&it.id);
        }
        let grace = Farewell::of(it).grace.unwrap_or(GRACE);
        if let Err(error) = engine.stop(&it.id, grace).await {
            tracing::debug!(%error, "what was told to end goes on");
        }
        leaving::over(&it.id);
        if let Ok(Some(now)) = engine.inspect(&it.id).await {
            *it = now;
        }
    });
    join_all(ends).await;
}

/// Stops and removes a container; its volumes stay. Answers as [`stop`] does.
pub(crate) async fn remove(
    engine: &Engine,
    agent: Option<&Agent>,
    container: &str,
    grace: Duration,
) -> Result<bool, EngineError> {
    let deaf = stop(engine, agent, container, grace).await?;
    engine.remove(container, true).await?;
    Ok(deaf)
}
