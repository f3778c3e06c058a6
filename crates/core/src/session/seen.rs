//! What is known of the container of one service.

use super::machine::Machine;
use crate::live::Live;
use crate::spec::{Container, ContainerState, label};

/// What a container is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Name {
    /// As its service says.
    #[default]
    Own,
    /// As one that stands beside another one; it gets its own once that is gone.
    Due,
    /// The same, and the engine does not give it another one.
    Next,
}

/// A container as far as the machine cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) running: bool,
    /// Hash in its label; a different one means that it has to be made anew.
    pub(crate) spec: String,
    /// Hash of each part of it.
    pub(crate) parts: String,
    /// When it started last, by the engine's clock.
    pub(crate) started_ns: i128,
    /// Its last exit.
    pub(crate) exit_code: Option<i64>,
    /// Limits and restart policy.
    pub(crate) live: Live,
    pub(crate) name: Name,
}

/// What a container that is being made is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Making {
    /// Hash of it.
    pub(crate) spec: String,
    /// Hash of each part.
    pub(crate) parts: String,
    pub(crate) live: Live,
}

impl Seen {
    /// Its process still runs, by what the engine tells now.
    pub(crate) fn goes_on_as(&self, now: &Container) -> bool {
        now.id == self.id
            && now.state == ContainerState::Running
            && now.started_ns <= self.started_ns
    }

    /// One that was just made, and does not run yet.
    pub(crate) fn made(id: String, made: Making) -> Seen {
        Seen {
            id,
            running: false,
            spec: made.spec,
            parts: made.parts,
            started_ns: 0,
            exit_code: None,
            live: made.live,
            name: Name::Own,
        }
    }

    pub(crate) fn of(container: &Container) -> Seen {
        Seen {
            id: container.id.clone(),
            running: matches!(container.state, ContainerState::Running),
            spec: container.label(label::SPEC).to_owned(),
            parts: container.label(label::PARTS).to_owned(),
            started_ns: container.started_ns,
            exit_code: container.exit_code,
            live: container.live,
            name: Name::Own,
        }
    }
}

impl Machine {
    /// There is none any more, so there is none either that the engine would start again.
    pub(super) fn loses_container(&mut self) {
        self.container = None;
        self.engine_restarts = false;
    }

    /// Its process is another one than that which was ready last.
    pub(crate) fn serves_anew(&self) -> bool {
        let seen = self.container.as_ref();
        seen.map(|seen| seen.started_ns) != self.served
    }

    /// It is not only found by this session.
    pub(crate) fn has_begun_here(&self) -> bool {
        self.was_ready || self.run_began.is_some()
    }
}
