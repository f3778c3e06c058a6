//! The language seen from outside: text in, stack or diagnostics out.

mod anything;
mod files;
mod meaning;
mod origins;
mod reference;
mod reuse;
mod root;
mod settings;
mod syntax;
mod values;
mod world;
mod wrong;
