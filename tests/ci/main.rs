//! `devrun ci` on the real engine: what it says, writes and leaves for each way to end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends by panicking, its helpers too; they are modules beside each other"
)]

#[path = "../kit/mod.rs"]
mod kit;

mod caches;
mod ends;
mod fails;
mod passes;
mod schema;
mod stage;
