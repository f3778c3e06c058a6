//! Each word of the language, as `docker inspect` and the process itself see it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends by panicking, its helpers too; they are modules beside each other"
)]

mod kit;

#[path = "language/change.rs"]
mod change;
#[path = "language/contexts.rs"]
mod contexts;
#[path = "language/files.rs"]
mod files;
#[path = "language/ignored.rs"]
mod ignored;
#[path = "language/inspect.rs"]
mod inspect;
#[path = "language/life.rs"]
mod life;
#[path = "language/shared.rs"]
mod shared;
