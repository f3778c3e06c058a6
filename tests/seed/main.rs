//! The document that devrun grew from, held against the real program, engine and ports.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test that cannot go on says so and fails"
)]

#[path = "../kit/mod.rs"]
mod kit;

mod celery;
mod ci;
mod copies;
mod script;
mod stack;
mod tables;
mod variables;
mod walk;
