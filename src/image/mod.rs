//! Images: what goes into a build, whether it has to be built at all, and building it.
//!
//! A build is BuildKit's, through the engine's own HTTP API. The engine asks for what it needs
//! (files of the context, secrets, credentials) over a *session*, a connection that it turns
//! around; so only files that changed since the last build travel.

mod build;
mod contents;
mod context;
mod credentials;
mod dockerfile;
mod endpoint;
mod ensure;
mod filesync;
mod inputs;
mod progress;
mod reading;
mod recipe;
mod secrets;
mod session;
mod ssh;
mod stages;

pub(crate) use build::{BuildError, BuildRequest, build, written};
pub(crate) use contents::{Contents, look as content_of};
pub(crate) use context::ContextError;
pub(crate) use endpoint::{Connection, Endpoint};
pub(crate) use ensure::image_tag;
pub(crate) use inputs::{folder_hash, inputs_hash};
pub(crate) use progress::{Step, StepState};
pub(crate) use reading::{changed_since, line_reading};
pub(crate) use recipe::{Change, Difference, Recipe};
pub(crate) use secrets::{SecretSource, own_authorities};
pub(crate) use stages::stage_of;
