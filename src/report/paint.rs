//! Colours, and the one way to stderr.

use std::io::Write;

use anstyle::{AnsiColor, Style};

use crate::cli::Color;

/// It works.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// It does not.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// It is on the way.
pub(crate) const BUSY: Style = AnsiColor::Yellow.on_default();
/// It matters less.
pub(crate) const DIM: Style = Style::new().dimmed();
/// A name.
pub(crate) const NAME: Style = Style::new().bold();

/// A line to stderr; nobody is left to tell if it cannot be written.
pub(crate) fn stderr_line(color: Color, text: &str) {
    let mut err = anstream::AutoStream::new(std::io::stderr(), crate::cli::color_choice(color));
    let _ = writeln!(err, "{}", super::mask::printed(text));
}

/// The colour of a state.
pub(crate) fn of_state(state: &str) -> Style {
    match state {
        "ready" | "done" => GOOD,
        "failed" | "unhealthy" => BAD,
        "off" | "stopped" => DIM,
        _ => BUSY,
    }
}
