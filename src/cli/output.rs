//! Results go to stdout, everything else to stderr.

use std::io::Write;

use anstream::ColorChoice;
use devrun_core::effect::Exit;

use super::Trouble;
use super::arguments::Color;

/// Colours as asked for; `NO_COLOR` and pipes are respected by `auto`.
pub(crate) fn choice(color: Color) -> ColorChoice {
    match color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    }
}

/// A line of the result. A reader that went away ends the program quietly, as it ends `cat`.
pub(super) fn line(color: Color, text: &str) -> Result<(), Trouble> {
    let mut out = anstream::AutoStream::new(std::io::stdout(), choice(color));
    let text = crate::report::mask::printed(text);
    writeln!(out, "{text}").map_err(|_| Trouble::new(Exit::Done, ""))
}
