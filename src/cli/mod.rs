//! The command line: arguments as typed to resolved options, one file a verb.

mod arguments;
mod attach;
mod build;
mod check;
mod ci;
mod client;
mod config;
mod context;
mod doctor;
mod down;
mod ending;
mod events;
mod exec;
mod help;
mod http;
mod labels;

mod logs;
mod output;
mod plan;
mod prune;
mod pull_files;
mod restart;
mod run;
#[cfg(test)]
mod sample;
mod shell;
mod signals;
mod start;
mod status;
mod stop;
mod sync;
mod trigger;
mod trouble;
mod up;
mod wait;
mod why;

use std::process::ExitCode;

use clap::FromArgMatches;

pub(crate) use arguments::Color;
use arguments::{Arguments, Verb};
pub(crate) use output::choice as color_choice;
pub(crate) use shell::complete;
pub(crate) use trouble::Trouble;

use crate::report::Clock;

/// What was typed; an error is printed already.
pub(crate) fn parse() -> Result<Arguments, ExitCode> {
    let mut command = help::command();
    let typed = command
        .try_get_matches_from_mut(std::env::args_os())
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    typed.map_err(|error| {
        let error = error.format(&mut command);
        let help = !error.use_stderr();
        // Nobody is left to tell if even this cannot be printed.
        let _ = error.print();
        if help {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        }
    })
}

/// Runs the verb; the program ends with the code.
pub(crate) async fn run(arguments: Arguments, clock: Clock) -> ExitCode {
    let Arguments { global, verb } = arguments;
    let color = global.color;
    let done = match verb {
        Verb::Up(options) => up::run(&global, &options, clock).await,
        Verb::Down(options) => down::run(&global, &options).await,
        Verb::Stop(options) => stop::run(&global, &options).await,
        Verb::Start(options) => start::run(&global, &options, clock).await,
        Verb::Restart(options) => restart::run(&global, &options, clock).await,
        Verb::Status => status::run(&global).await,
        Verb::Logs(options) => logs::run(&global, &options, clock).await,
        Verb::Attach(options) => attach::run(&global, &options).await,
        Verb::Trigger(options) => trigger::run(&global, &options, clock).await,
        Verb::Sync(options) => sync::run(&global, &options).await,
        Verb::PullFiles(options) => pull_files::run(&global, &options).await,
        Verb::Exec(options) => exec::run(&global, &options).await,
        Verb::Run(options) => run::run(&global, &options).await,
        Verb::Build(options) => build::run(&global, &options).await,
        Verb::Prune(options) => prune::run(&global, &options).await,
        Verb::Why(options) => why::run(&global, &options, clock).await,
        Verb::Wait(options) => wait::run(&global, &options).await,
        Verb::Events(options) => events::run(&global, &options).await,
        Verb::Config(options) => config::run(&global, &options).await,
        Verb::Doctor => doctor::run(&global).await,
        Verb::Completions(options) => shell::completions(&options),
        Verb::Man(options) => shell::man(&options),
        Verb::Check => check::run(&global),
        Verb::Ci(options) => ci::run(&global, &options, clock).await,
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(trouble) => trouble.report(color),
    }
}
