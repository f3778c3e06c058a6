//! Images that need not stay are removed, and what is left of an agent's making.

use std::collections::BTreeMap;

use devrun_core::keep::{self, Old};

use super::agent_binary::AGENT;
use super::driver::Driver;
use crate::engine::{Engine, EngineError};

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

impl Driver {
    /// The same once the engine answers, the first time or again.
    pub(super) fn clear_left_overs(&self) {
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
        });
    }
}
