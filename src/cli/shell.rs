//! `devrun completions` and `devrun man`: what a shell and a reader of manuals want.

use std::io::Write;

use clap::{CommandFactory, Parser};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, CompletionCandidate};
use devrun_core::effect::Exit;

use super::arguments::{Arguments, Completions, Man};
use super::context::load_options;
use super::{Trouble, help};
use crate::session::load::load;

/// By this variable a shell asks for words; it is in the script that it was given.
const VARIABLE: &str = "DEVRUN_COMPLETE";

/// Answers a shell that asks for words, and ends the program; comes back where none asks.
pub(crate) fn complete() {
    CompleteEnv::with_factory(Arguments::command)
        .var(VARIABLE)
        .complete();
}

/// The services of the Stackfile from here, for those who press Tab.
pub(super) fn services() -> Vec<CompletionCandidate> {
    // What stands on the line already is not told to us: it is the Stackfile of this folder.
    let found = Arguments::try_parse_from(["devrun", "check"])
        .ok()
        .and_then(|arguments| load_options(&arguments.global).ok())
        .and_then(|options| load(&options).ok())
        .and_then(|loaded| loaded.stack.ok());
    let services = found.map_or_else(Vec::new, |stack| stack.services);
    let declared = services
        .iter()
        .map(|service| service.declared_as().to_owned());
    let mut names: Vec<String> = declared.collect();
    names.extend(services.into_iter().map(|service| service.name));
    names.sort();
    names.dedup();
    names.into_iter().map(CompletionCandidate::new).collect()
}

pub(super) fn completions(options: &Completions) -> Result<u8, Trouble> {
    let shells = Shells::builtins();
    let name = options.shell.to_string();
    let Some(shell) = shells.completer(&name) else {
        return Err(Trouble::usage(format!("no completions for {name}")));
    };
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, "devrun", "devrun", "devrun", &mut script)
        .map_err(|error| Trouble::local("the script", &error))?;
    print(&script)
}

pub(super) fn man(options: &Man) -> Result<u8, Trouble> {
    let mut command = help::command();
    command.build();
    let page = match &options.verb {
        None => command,
        Some(verb) => match command.find_subcommand(verb) {
            Some(found) => found.clone(),
            None => return Err(Trouble::usage(format!("there is no verb {verb}"))),
        },
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page)
        .render(&mut text)
        .map_err(|error| Trouble::local("the page", &error))?;
    print(&text)
}

/// A reader that went away ends the program quietly, as it ends `cat`.
fn print(bytes: &[u8]) -> Result<u8, Trouble> {
    let written = std::io::stdout().write_all(bytes);
    written.map_err(|_| Trouble::new(Exit::Done, ""))?;
    Ok(Exit::Done.code())
}
