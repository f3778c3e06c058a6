//! KDL text to a validated [`Stack`]: no files, no clock, no engine.
//!
//! [`load`] answers with a whole stack or with every problem it found, each with its span.

mod context;
mod diagnostic;
pub mod dockerfile;
mod dotenv;
mod draft;
mod finish;
pub mod ignore;
mod line;
mod load;
mod merge;
mod model;
mod notes;
mod print;
mod read;
mod syntax;
mod value;
mod variables;
mod verify;
mod words;

pub use diagnostic::{Diagnostic, Rejected};
pub use load::{Host, Loaded, Options, PathKind, load};
pub use model::*;
pub use print::{Held, Printed, print};
pub use variables::port_variable;

#[cfg(test)]
mod tests;
