//! What an engine says about the machine that it runs on.

use std::path::PathBuf;

use super::{Engine, EngineError, PROMPT, within};

/// Where an engine keeps its data, and what its clock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    /// Where images, containers and volumes lie, on the engine's machine.
    pub(crate) data: Option<PathBuf>,
    /// RFC 3339; empty where the engine does not say it.
    pub(crate) time: String,
}

impl Engine {
    /// Asked anew each time, as the clock goes on.
    pub(crate) async fn about(&self) -> Result<About, EngineError> {
        let doing = "asking the engine about its machine";
        let info = within(doing, PROMPT, self.docker.info()).await?;
        Ok(About {
            data: info.docker_root_dir.map(PathBuf::from),
            time: info.system_time.unwrap_or_default(),
        })
    }
}
