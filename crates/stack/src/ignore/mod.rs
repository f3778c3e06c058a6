//! The files that say what is ignored, as the tools read them to which they belong.

mod dockerignore;
mod gitignore;

pub use dockerignore::{DockerIgnore, Problem};
pub use gitignore::{GitIgnore, Says};
