//! Images that need not stay are removed, and what is left of an agent's making.

use std::collections::BTreeMap;
use std::time::Duration;

use devrun_core::keep::{self, Old};
use devrun_core::spec::{Container, ContainerState, label};
use tokio::time::{Instant, sleep_until};

use super::agent_binary::AGENT;
use super::driver::Driver;
use super::load::root_hash;
use super::recipes;
use crate::engine::{Engine, EngineError};

/// An engine has made by then what it was asked for.
const LATE: Duration = Duration::from_secs(5);

/// A container that was replaced is removed by then, however many files it has.
const LEAVING: Duration = Duration::from_secs(60);
/// How often is looked whether it is.
const LOOK: Duration = Duration::from_millis(500);

/// What devrun made and nobody needs.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) images: Vec<Old>,
    /// With agents of other versions.
    pub(crate) volumes: Vec<String>,
}

/// Looks for it.
pub(crate) async fn left(
    engine: &Engine,
    stack: &devrun_stack::Stack,
) -> Result<Left, EngineError> {
    let stored = engine.stored_images(&stack.name).await?;
    let mut images = keep::old(&stored, &stack.name, &keep::kept(stack), true);
    images.extend(old_shared(engine, stack, true).await?);
    Ok(Left {
        images,
        volumes: engine.old_agent_volumes(AGENT).await?,
    })
}

/// The same among images that passes of `devrun ci` left for the next one.
pub(crate) async fn old_shared(
    engine: &Engine,
    stack: &devrun_stack::Stack,
    others: bool,
) -> Result<Vec<Old>, EngineError> {
    let stored = engine
        .stored_images(&keep::shared_name(&stack.name))
        .await?;
    Ok(keep::old_shared(stored, stack, others))
}

/// Removes an image, or the names of it that are ours.
pub(crate) async fn remove(engine: &Engine, image: &Old) -> Result<(), EngineError> {
    for name in &image.names {
        engine.remove_image(name).await?;
        recipes::forget(name);
    }
    Ok(())
}

/// A longer name with digits of that hash. Under one an image also goes on that loses its own to
/// one that is built anew: nothing that devrun made is without a name, by which it is known as such.
pub(super) fn longer_name(tag: &str, hash: &str) -> String {
    let digits: String = hash.chars().take(12).collect();
    format!("{tag}-{digits}")
}

/// Removes what sessions that were killed, or cut off, left of the making of their agents.
pub(crate) async fn clear_left_overs(engine: &Engine) -> Result<(), EngineError> {
    engine.clear_fillers(AGENT).await
}

/// The mark of what an operation of this session has aside.
pub(super) fn mark(operation: u64) -> String {
    format!("{}{operation}", marks())
}

fn marks() -> String {
    format!("{}-", std::process::id())
}

/// Removes containers without a place that others left, in this checkout: another one's session may
/// be at work under the same name. What was asked for just before a session was killed may be made
/// only now.
async fn clear_aside(
    engine: &Engine,
    (stack, root): (&str, &str),
    seen: Vec<Container>,
) -> Result<(), EngineError> {
    for container in seen {
        // It may have got its place since.
        let now = engine.inspect(&container.id).await?;
        clear_one(engine, root, now).await?;
    }
    sleep_until(Instant::now() + LATE).await;
    for container in engine.all_of(stack).await? {
        if !container.name.contains(&format!("-{}", marks())) {
            clear_one(engine, root, Some(container)).await?;
        }
    }
    Ok(())
}

/// Volumes without a name may hold data of one that has run.
async fn clear_one(
    engine: &Engine,
    root: &str,
    found: Option<Container>,
) -> Result<(), EngineError> {
    let ours = |it: &Container| it.is_aside() && it.label(label::ROOT) == root;
    match found.filter(ours) {
        Some(it) if it.state == ContainerState::Created => engine.discard(&it.id).await,
        Some(it) => engine.remove(&it.id, true).await,
        None => Ok(()),
    }
}

impl Driver {
    /// The same once the engine answers, the first time or again, and with it containers that are
    /// `aside`: nothing of ours is under way at this moment.
    pub(super) fn clear_left_overs(&self, aside: Vec<Container>) {
        let (engine, stack) = (self.engine.clone(), self.stack_name());
        let root = self.stack.as_ref().map(|stack| root_hash(&stack.root));
        tokio::spawn(async move {
            let of = (stack.as_str(), root.as_deref().unwrap_or_default());
            if let Err(error) = clear_aside(&engine, of, aside).await {
                tracing::debug!(%error, "containers without a place stay");
            }
        });
        let engine = self.engine.clone();
        tokio::spawn(async move {
            if let Err(error) = clear_left_overs(&engine).await {
                tracing::debug!(%error, "left-overs stay");
            }
        });
    }

    /// Nobody waits for it, and what is not removed now is removed next time.
    pub(super) fn tidy_images(&self, kept: BTreeMap<String, u32>) {
        let (engine, stack) = (self.engine.clone(), self.stack_name());
        tokio::spawn(async move {
            let end = Instant::now() + LEAVING;
            loop {
                let stored = match engine.stored_images(&stack).await {
                    Ok(stored) => stored,
                    Err(error) => return tracing::debug!(%error, "images are not tidied"),
                };
                for image in keep::old(&stored, &stack, &kept, false) {
                    match remove(&engine, &image).await {
                        Ok(()) => tracing::debug!(names = ?image.names, "image removed"),
                        Err(error) => tracing::debug!(%error, "an image stays"),
                    }
                }
                // Without the container that was replaced just now, its image may go as well.
                let waits = stored.iter().any(|image| image.leaves);
                if !waits || Instant::now() > end {
                    return;
                }
                sleep_until(Instant::now() + LOOK).await;
            }
        });
    }
}
