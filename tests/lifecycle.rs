//! How a stack lives: started in order, kept, stopped in reverse, and what the verbs say of it.

mod kit;

#[path = "lifecycle/order.rs"]
mod order;
#[path = "lifecycle/stopping.rs"]
mod stopping;
#[path = "lifecycle/verbs.rs"]
mod verbs;
