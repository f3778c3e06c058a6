//! The deciding machine: events in, effects out, no clock, no files, no engine.

pub mod addresses;
pub mod certificate;
pub mod early;
pub mod effect;
pub mod event;
#[cfg(test)]
mod invariants;
pub mod keep;
pub mod live;
pub mod make;
pub mod notice;
pub mod observed;
pub mod one_off;
pub mod plan;
pub mod routes;
pub mod session;
pub mod spec;
pub mod verdict;
