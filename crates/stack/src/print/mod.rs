//! A stack as a Stackfile that says the same: variables filled in, templates and defaults
//! inserted, and at the end of a line where its value comes from, if it is not from there.

mod amounts;
mod build;
mod page;
mod service;
mod settings;
mod text;
mod top;
mod words;

pub use page::Printed;

use crate::model::Stack;
use page::Page;

/// What kind of text is about to be printed, for whom decides what may be seen of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// What is mostly a name, of an image or a path, however much it looks like a secret.
    Name,
    /// A person's own text, which may hold a secret.
    Text,
    /// A secret itself.
    Secret,
}

/// The lines of a Stackfile that loads to this stack, as far as `shown` changes no text.
#[must_use]
pub fn print(stack: &Stack, shown: &dyn Fn(&str, Held) -> String) -> Vec<Printed> {
    let mut page = Page::new(stack, shown);
    top::stack(&mut page);
    page.lines()
}
