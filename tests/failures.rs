//! What goes wrong, on the real engine: it is said with its reason and the way out, the rest goes
//! on, and what was mended heals.

mod kit;

#[path = "failures/services.rs"]
mod services;
