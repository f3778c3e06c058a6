//! The machine seen from outside: events in, lists of effects out.

mod bench;
mod brief;
mod circle;
mod edits;
mod ending;
mod engine;
mod failing;
mod first_start;
mod foreseen;
mod hold;
mod hooks;
mod large;
mod limits;
mod newest;
mod proxy;
mod random;
mod rerun;
mod saving;
mod settling;
mod shared;
mod simulation;
mod spent;
pub(crate) mod stacks;
mod tasks;
mod undone;
mod unsynced;
mod world;
