//! What is printed: notices as lines for people or objects for programs, tables, diagnostics.

pub(crate) mod amount;
mod clock;
mod hub;
mod lines;
pub(crate) mod mask;
pub(crate) mod paint;
mod sheet;
mod stamped;
pub(crate) mod table;
mod words;

use std::fmt::Write;

pub(crate) use clock::Clock;
pub(crate) use hub::{Feed, Hub};
pub(crate) use lines::{Lines, Reader, Volume};
pub(crate) use sheet::Sheet;
pub(crate) use stamped::Stamped;
pub(crate) use words::{counted, first, parts, seconds};

/// A diagnostic of the Stackfile with its source line and carets.
pub(crate) fn diagnostic(diagnostic: &devrun_stack::Diagnostic) -> String {
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode());
    let mut text = String::new();
    // Writing to a string cannot fail; the plain message is better than nothing all the same.
    if handler.render_report(&mut text, diagnostic).is_err() {
        text.clear();
        let _ = write!(text, "{}: {}", diagnostic.location(), diagnostic.message());
    }
    text.trim_end().to_owned()
}
