//! The language seen from outside: text in, stack or diagnostics out.
mod root;
mod world;
