//! The language seen from outside: text in, stack or diagnostics out.

mod anything;
mod dice;
mod files;
mod generated;
mod ignored;
mod meaning;
mod merging;
mod origins;
mod reference;
mod reuse;
mod root;
mod roundtrip;
mod settings;
mod syntax;
mod values;
mod world;
mod wrong;
