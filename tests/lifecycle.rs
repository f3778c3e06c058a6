//! How a stack lives: started in order, kept, stopped in reverse, and what the verbs say of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends by panicking, its helpers too; they are modules beside each other"
)]

mod kit;

#[path = "lifecycle/addresses.rs"]
mod addresses;
#[path = "lifecycle/order.rs"]
mod order;
#[path = "lifecycle/stopping.rs"]
mod stopping;
#[path = "lifecycle/verbs.rs"]
mod verbs;
