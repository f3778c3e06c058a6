//! A save is live: what is brought over, what follows, what is left alone, on small stacks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends by panicking, its helpers too; they are modules beside each other"
)]

mod kit;

#[path = "live/back.rs"]
mod back;
#[path = "live/between.rs"]
mod between;
#[path = "live/builds.rs"]
mod builds;
#[path = "live/circle.rs"]
mod circle;
#[path = "live/early.rs"]
mod early;
#[path = "live/editors.rs"]
mod editors;
#[path = "live/follows.rs"]
mod follows;
#[path = "live/git.rs"]
mod git;
#[path = "live/images.rs"]
mod images;
#[path = "live/large.rs"]
mod large;
#[path = "live/matching.rs"]
mod matching;
#[path = "live/mirror.rs"]
mod mirror;
#[path = "live/polled.rs"]
mod polled;
#[path = "live/proxied.rs"]
mod proxied;
#[path = "live/pulled.rs"]
mod pulled;
#[path = "live/rules.rs"]
mod rules;
#[path = "live/saves.rs"]
mod saves;
#[path = "live/stage.rs"]
mod stage;
#[path = "live/tasks.rs"]
mod tasks;
#[path = "live/verify.rs"]
mod verify;
