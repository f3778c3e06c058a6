//! `devrun check`: all that is wrong with the Stackfile; needs no engine.

use super::Trouble;
use super::arguments::{Format, Global};
use super::context::{load_options, print_diagnostics};
use crate::report::paint::stderr_line;
use crate::session::load::load;
use devrun_core::effect::Exit;

pub(super) fn run(global: &Global) -> Result<u8, Trouble> {
    let options = load_options(global)?;
    let loaded = load(&options).map_err(|error| Trouble::local("reading the Stackfile", &error))?;
    print_diagnostics(global, &loaded.warnings);
    match loaded.stack {
        Ok(stack) => {
            if global.format == Format::Text && !global.quiet {
                let (services, checks) = (stack.services.len(), stack.checks.len());
                stderr_line(
                    global.color,
                    &format!(
                        "{}: fine, {services} services, {checks} checks",
                        options.shown
                    ),
                );
            }
            Ok(Exit::Done.code())
        }
        Err(rejected) => {
            print_diagnostics(global, &rejected.0);
            Ok(Exit::Usage.code())
        }
    }
}
