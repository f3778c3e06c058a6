//! The proxy at work: a new configuration is tested, applied and read back; which services get
//! requests is told by files. How commands and files get into the container is not known here.

mod begun;
mod config;
mod error;
mod inside;
mod states;

#[cfg(test)]
mod tests;

pub(crate) use begun::begun_otherwise;
pub(crate) use config::apply_config;
pub(crate) use error::ProxyError;
pub(crate) use inside::{Inside, InsideError, Ran};
pub(crate) use states::apply_states;
