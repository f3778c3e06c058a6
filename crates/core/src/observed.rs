//! What the engine tells of the containers of a stack.

use crate::live::Capacity;
use crate::spec::{Container, Health};

/// From the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// A connection stands; this is all there is now. Replaces whatever was believed before.
    Connected {
        /// All containers of the stack, stopped ones too.
        containers: Vec<Container>,
        /// What its machine has.
        capacity: Capacity,
    },
    /// It broke; it is tried again until it stands.
    Disconnected {
        /// Why.
        message: String,
    },
    /// Something happened to a container.
    Container {
        /// Its id.
        id: String,
        /// The service it is of.
        service: String,
        /// What.
        what: Happened,
        /// When, by the engine's clock, nanoseconds since 1970.
        time_ns: i128,
    },
}

/// What happened to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// Its process started.
    Started,
    /// Its process ended.
    Exited {
        /// With this code.
        code: i64,
    },
    /// Somebody stopped it, and the engine will not start it again by itself. Comes after `Exited`.
    StoppedByHand,
    /// The kernel ended a process of it for want of memory.
    OutOfMemory,
    /// Its health check says so.
    Health(Health),
    /// It is gone.
    Removed,
}
