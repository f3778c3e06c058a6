//! Both ways into a container, on every kind of image: one day of saves, and what goes wrong.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends by panicking, its helpers too; they are modules beside each other"
)]

mod kit;

#[path = "transports/day.rs"]
mod day;
#[path = "transports/failures.rs"]
mod failures;
#[path = "transports/images.rs"]
mod images;
#[path = "transports/rules.rs"]
mod rules;
#[path = "transports/stage.rs"]
mod stage;
#[path = "transports/tree.rs"]
mod tree;
