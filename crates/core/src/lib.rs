//! The deciding machine: events in, effects out, no clock, no files, no engine.

pub mod spec;
