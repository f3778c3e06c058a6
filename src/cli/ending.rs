//! Stops and removes containers in reverse order of their dependencies, side by side where they
//! do not depend on each other.

use devrun_core::session::DEAF;
use devrun_core::spec::{Container, ContainerState, label};
use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};

use super::Trouble;
use crate::engine::{Engine, EngineError};
use crate::session::{GRACE, stop};

/// What becomes of containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// They are kept.
    Stop,
    /// They go, their volumes stay.
    Remove,
    /// They go, and with them the volumes that nobody gave a name.
    Discard,
}

/// Removes them all; tells each. Answers with how many there were.
pub(super) async fn remove_all(
    engine: &Engine,
    containers: Vec<Container>,
    how: End,
    tell: impl Fn(&str),
) -> Result<usize, Trouble> {
    let count = containers.len();
    in_reverse(engine, containers, how, tell).await?;
    Ok(count)
}

/// Stops those that run; they are kept.
pub(super) async fn stop_all(
    engine: &Engine,
    containers: Vec<Container>,
    tell: impl Fn(&str),
) -> Result<usize, Trouble> {
    let running: Vec<Container> = containers
        .into_iter()
        .filter(|container| {
            matches!(
                container.state,
                ContainerState::Running | ContainerState::Restarting | ContainerState::Paused
            )
        })
        .collect();
    let count = running.len();
    in_reverse(engine, running, End::Stop, tell).await?;
    Ok(count)
}

async fn in_reverse(
    engine: &Engine,
    mut left: Vec<Container>,
    how: End,
    tell: impl Fn(&str),
) -> Result<(), Trouble> {
    let mut ends = JoinSet::new();
    while !left.is_empty() {
        let (now, later) = split(left);
        let mut gone = Vec::new();
        for container in now {
            let (runs, ended) = oneshot::channel::<()>();
            gone.push(ended);
            ends.spawn(end(engine.clone(), container, how, runs));
        }
        // Nothing is sent: who holds the other half lets go of it.
        join_all(gone).await;
        while let Some(ended) = ends.try_join_next() {
            say(ended, &tell)?;
        }
        left = later;
    }
    while let Some(ended) = ends.join_next().await {
        say(ended, &tell)?;
    }
    Ok(())
}

/// What one container's end came to.
type Ended = Result<Vec<String>, EngineError>;

fn say(ended: Result<Ended, JoinError>, tell: &impl Fn(&str)) -> Result<(), Trouble> {
    let lines = ended.map_err(|error| Trouble::local("ending a container", &error))??;
    lines.iter().for_each(|line| tell(line));
    Ok(())
}

/// Ends one. It lets go of `runs` the moment its process is gone: what it depends on need not wait
/// until the engine has cleared up behind it.
async fn end(engine: Engine, container: Container, how: End, runs: oneshot::Sender<()>) -> Ended {
    let id = &container.id;
    let mut stopping = std::pin::pin!(stop(&engine, None, id, GRACE));
    let stopped = tokio::select! {
        stopped = &mut stopping => {
            drop(runs);
            stopped
        }
        Ok(_) = engine.wait(id), if container.state == ContainerState::Running => {
            drop(runs);
            stopping.await
        }
    };
    let deaf = stopped?;
    let word = match how {
        End::Stop => "stopped",
        End::Remove => {
            engine.remove(id, true).await?;
            "removed"
        }
        End::Discard => {
            engine.discard(id).await?;
            "removed"
        }
    };
    let mut lines = vec![format!("  {} {word}", container.name)];
    if deaf {
        lines.push(format!("  warning {}: {DEAF}", container.name));
    }
    Ok(lines)
}

/// Those on which nobody else of them depends, and the rest. A circle, which only a foreign hand
/// can have made, goes all at once.
pub(super) fn split(containers: Vec<Container>) -> (Vec<Container>, Vec<Container>) {
    let needed: Vec<String> = containers
        .iter()
        .flat_map(|container| container.label(label::DEPENDS_ON).split(','))
        .map(str::to_owned)
        .collect();
    let (later, now): (Vec<_>, Vec<_>) = containers
        .into_iter()
        .partition(|container| needed.iter().any(|name| name == container.service()));
    if now.is_empty() {
        (later, now)
    } else {
        (now, later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sample;

    fn container(service: &str, depends_on: &str) -> Container {
        sample::container(
            service,
            [(label::SERVICE, service), (label::DEPENDS_ON, depends_on)],
        )
    }

    fn waves(containers: Vec<Container>) -> Vec<Vec<String>> {
        let mut waves = Vec::new();
        let mut left = containers;
        while !left.is_empty() {
            let (now, later) = split(left);
            waves.push(
                now.iter()
                    .map(|container| container.service().to_owned())
                    .collect(),
            );
            left = later;
        }
        waves
    }

    #[test]
    fn who_depends_on_others_goes_first() {
        let all = vec![
            container("db", ""),
            container("api", "db,redis"),
            container("redis", ""),
            container("proxy", "api"),
        ];
        assert_eq!(
            waves(all),
            [vec!["proxy"], vec!["api"], vec!["db", "redis"]]
        );
    }

    #[test]
    fn a_circle_goes_at_once() {
        let all = vec![container("a", "b"), container("b", "a")];
        assert_eq!(waves(all), [vec!["a", "b"]]);
    }
}
