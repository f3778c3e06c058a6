//! KDL text to a validated [`Stack`]: no files, no clock, no engine.
//!
//! [`load`] answers with a whole stack or with every problem it found, each with its span.

mod model;

pub use model::*;
