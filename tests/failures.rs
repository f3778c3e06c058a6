//! What goes wrong, on the real engine: it is said with its reason and the way out, the rest goes
//! on, and what was mended heals.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends by panicking, its helpers too; they are modules beside each other"
)]

mod kit;

#[path = "failures/beside.rs"]
mod beside;
#[path = "failures/engine.rs"]
mod engine;
#[path = "failures/full.rs"]
mod full;
#[path = "failures/handed.rs"]
mod handed;
#[path = "failures/hands.rs"]
mod hands;
#[path = "failures/interrupted.rs"]
mod interrupted;
#[path = "failures/readiness.rs"]
mod readiness;
#[path = "failures/restarted.rs"]
mod restarted;
#[path = "failures/services.rs"]
mod services;
#[path = "failures/stackfile.rs"]
mod stackfile;
