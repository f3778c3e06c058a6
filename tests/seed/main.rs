//! The document that devrun grew from, held against the real program, engine and ports.

#[path = "../kit/mod.rs"]
mod kit;

mod celery;
mod ci;
mod script;
mod stack;
mod tables;
mod terminal;
mod variables;
mod walk;
