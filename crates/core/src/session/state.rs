//! What people are told of a service: one of the states of the contract, and why.

use std::time::Duration;

/// What people are told of a service.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Shown {
    pub(crate) state: State,
    pub(crate) reason: Option<String>,
    pub(crate) since: Duration,
}

/// The states of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// For something else.
    Waiting,
    /// Its image is being built.
    Building,
    /// Its image is being pulled.
    Pulling,
    /// From the start of its process to the first good answer of its probe.
    Starting,
    /// It serves.
    Ready,
    /// It was ready and is being changed.
    Updating,
    /// It runs and its health check fails.
    Unhealthy,
    /// It cannot be had.
    Failed,
    /// Somebody stopped it.
    Stopped,
    /// A one-shot service that ended with 0.
    Done,
    /// Its profile is not chosen.
    #[default]
    Off,
}

impl State {
    /// The word of the contract.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Building => "building",
            State::Pulling => "pulling",
            State::Starting => "starting",
            State::Ready => "ready",
            State::Updating => "updating",
            State::Unhealthy => "unhealthy",
            State::Failed => "failed",
            State::Stopped => "stopped",
            State::Done => "done",
            State::Off => "off",
        }
    }
}
