//! What can be typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCandidates;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::shell::services;

/// Runs what a Stackfile declares, and keeps it in step with every save.
#[derive(Debug, Parser)]
#[command(name = "devrun", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options of every verb.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every verb")]
pub(crate) struct Global {
    /// The Stackfile (before the verb also -f); else Stackfile.kdl here or in a folder above
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The same as --file, before the verb
    // Not global: `logs -f` follows, as everywhere.
    #[arg(short = 'f', value_name = "FILE", hide = true, conflicts_with = "file")]
    pub(crate) file_before: Option<PathBuf>,
    /// Another name for the stack: a second copy, which shares nothing with the first
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        env = "DEVRUN_PROJECT_NAME",
        hide_env_values = true
    )]
    pub(crate) project_name: Option<String>,
    /// Activate a profile; may be given more than once
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "DEVRUN_PROFILES",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub(crate) profile: Vec<String>,
    /// Read variables from this file too; they win over those of .env
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// Build at most so many images at once; else as many as there are cores, but four at least
    #[arg(
        long,
        global = true,
        value_name = "N",
        env = "DEVRUN_PARALLEL",
        hide_env_values = true,
        value_parser = at_least_one
    )]
    pub(crate) parallel: Option<usize>,
    /// Print text for people, or JSON: one object, or one a line where it is a stream
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
    /// When to use colours; NO_COLOR is respected
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    /// Say more; twice: also what devrun itself does
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// For whom the output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// When there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start the stack, wait until it is ready, then bring every save over, until Ctrl-C
    Up(Up),
    /// Stop and remove the stack's containers and networks; data is kept
    Down(Down),
    /// Stop services; containers and data are kept
    Stop(Names),
    /// Start services again, with what they depend on
    Start(Names),
    /// Restart services, each once what it depends on is ready again
    Restart(Names),
    /// Show every service, its state and why it is in it
    #[command(visible_alias = "ps")]
    Status,
    /// Show the logs of all or some services, in order of time
    Logs(Logs),
    /// Run a command in the running container of a service
    Exec(Exec),
    /// Run a command in a fresh container of a service, removed afterwards
    Run(Run),
    /// Put this terminal on the process of a service, for debuggers; saves wait meanwhile
    Attach(Attach),
    /// Build images that are not there yet, without starting anything
    Build(Build),
    /// Remove images that devrun made and nobody needs any more
    Prune(Prune),
    /// Say what happened and why, what saving a file would do, where a URL leads
    Why(Why),
    /// Wait until services are ready and all saves are live
    Wait(Wait),
    /// Bring over what waits for it: saves under `trigger manual`, paused rules, what failed
    Trigger(Names),
    /// Compare the files of running containers with the host, and bring over what differs
    Sync(Sync),
    /// Copy files that a container made or changed to the host; lists them first
    PullFiles(PullFiles),
    /// Print what happened in the session, one JSON object a line
    Events(Events),
    /// Show the stack as understood, values with their origin; secrets are masked
    Config(Config),
    /// Look at engine, machine and ports: each ok, or with the mend
    Doctor,
    /// Print the completions of a shell, names of services included
    Completions(Completions),
    /// Print the manual page, of devrun or of a verb
    Man(Man),
    /// Say everything that is wrong with the Stackfile; needs no engine
    Check,
    /// Start a copy of the stack, run its tasks and checks, remove it, say whether all passed
    Ci(Ci),
}

/// `devrun config`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Config {
    /// Print a Mermaid flowchart instead: who needs whom, and what triggers what
    #[arg(long)]
    pub(crate) graph: bool,
}

/// `devrun up`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Up {
    /// Only these, with what they depend on; one of a profile is activated by naming it
    #[arg(value_name = "SERVICE", add = ArgValueCandidates::new(services))]
    pub(crate) services: Vec<String>,
    /// Return once all is ready, or has failed; the session goes on in the background
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Start, but do not watch files
    #[arg(long)]
    pub(crate) no_watch: bool,
    /// Build images of all that they are made of now, synced files included
    #[arg(long)]
    pub(crate) build: bool,
    /// Make containers anew even if nothing they are made of has changed
    #[arg(long)]
    pub(crate) recreate: bool,
    /// Remove containers of services that are no longer in the Stackfile
    #[arg(long)]
    pub(crate) remove_orphans: bool,
    /// Say what would be done and why, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Show logs too, of all services or of the one named
    #[arg(long, value_name = "SERVICE", num_args = 0..=1, require_equals = true)]
    pub(crate) logs: Option<Option<String>>,
    /// The process that goes on in the background
    #[arg(long, hide = true)]
    pub(crate) background: bool,
}

/// `devrun down`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Down {
    /// Also remove the volumes that devrun made, with all data in them
    #[arg(long)]
    pub(crate) volumes: bool,
}

/// Services by name.
#[derive(Debug, Clone, Args)]
pub(crate) struct Names {
    /// Only these; all if none is named
    #[arg(value_name = "SERVICE", add = ArgValueCandidates::new(services))]
    pub(crate) services: Vec<String>,
}

/// `devrun sync`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Sync {
    /// Only these; all that sync something if none is named
    #[arg(value_name = "SERVICE", add = ArgValueCandidates::new(services))]
    pub(crate) services: Vec<String>,
    /// Only compare, list what differs, and end with 1 if something does
    #[arg(long)]
    pub(crate) verify: bool,
}

/// `devrun pull-files`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PullFiles {
    /// The service
    #[arg(value_name = "SERVICE", add = ArgValueCandidates::new(services))]
    pub(crate) service: String,
    /// Only files that match, as in .gitignore, relative to the synced folder
    #[arg(value_name = "PATTERN")]
    pub(crate) patterns: Vec<String>,
    /// Do not ask
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
    /// Only list what would come
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `devrun logs`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Logs {
    /// Only these; all if none is named
    #[arg(value_name = "SERVICE", add = ArgValueCandidates::new(services))]
    pub(crate) services: Vec<String>,
    /// Go on with new lines as they come, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only what is newer: 10m (ago), 2h, or a time like 2025-01-31T12:00:00Z
    #[arg(long, value_name = "T")]
    pub(crate) since: Option<String>,
    /// Only the last N lines of each service, or "all"
    #[arg(long, value_name = "N", default_value = "100")]
    pub(crate) tail: String,
    /// Only lines that hold this text; --tail then counts those
    #[arg(long, value_name = "TEXT")]
    pub(crate) grep: Option<String>,
}

/// `devrun exec`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Exec {
    /// The service
    #[arg(value_name = "SERVICE", add = ArgValueCandidates::new(services))]
    pub(crate) service: String,
    /// The command with its arguments, as it stands
    #[arg(
        value_name = "CMD",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) command: Vec<String>,
}

/// `devrun attach`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Attach {
    /// The service
    #[arg(value_name = "SERVICE", add = ArgValueCandidates::new(services))]
    pub(crate) service: String,
}

/// `devrun run`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Run {
    /// The service whose image, environment, network and volumes it gets
    #[arg(value_name = "SERVICE", add = ArgValueCandidates::new(services))]
    pub(crate) service: String,
    /// The command with its arguments, as it stands; else the service's own
    #[arg(
        value_name = "CMD",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) command: Vec<String>,
}

/// `devrun build`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Build {
    /// Only these; all that are built if none is named
    #[arg(value_name = "SERVICE", add = ArgValueCandidates::new(services))]
    pub(crate) services: Vec<String>,
    /// Run every step again, whatever an earlier build has left
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Ask the registry for newer base images first
    #[arg(long)]
    pub(crate) pull: bool,
}

/// `devrun prune`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Prune {
    /// Only list what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `devrun why`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Why {
    /// A service, a path or a URL; all services if there is none
    #[arg(value_name = "SERVICE|PATH|URL", add = ArgValueCandidates::new(services))]
    pub(crate) what: Option<String>,
}

/// `devrun wait`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Wait {
    /// Only for these; for all if none is named
    #[arg(value_name = "SERVICE", add = ArgValueCandidates::new(services))]
    pub(crate) services: Vec<String>,
    /// Give up after this long, with exit code 4: 30s, 5m
    #[arg(long, value_name = "T", value_parser = duration, default_value = "5m")]
    pub(crate) timeout: Duration,
}

/// `devrun events`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Events {
    /// Go on with what happens from now on, until Ctrl-C
    #[arg(long)]
    pub(crate) follow: bool,
}

/// `devrun ci`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Ci {
    /// Only these, with what they depend on
    #[arg(value_name = "SERVICE", add = ArgValueCandidates::new(services))]
    pub(crate) services: Vec<String>,
    /// Give up after this long, with exit code 4; for everything together
    #[arg(long, value_name = "T", value_parser = duration, default_value = "30m")]
    pub(crate) timeout: Duration,
    /// How long all must stay ready, beside the checks
    #[arg(long, value_name = "T", value_parser = duration, default_value = "2s")]
    pub(crate) settle: Duration,
    /// End with the exit code of this task, as soon as it ends; no checks
    #[arg(long, value_name = "TASK")]
    pub(crate) until: Option<String>,
    /// End at the first failure
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// So many restarts of a service, which its policy allows, are shown and are no failure
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) restarts_allowed: u32,
    /// So many checks run side by side
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) jobs: usize,
    /// Publish the ports that the Stackfile says, instead of free ones
    #[arg(long)]
    pub(crate) declared_ports: bool,
    /// Do not remove the copy, so that it can be looked at
    #[arg(long)]
    pub(crate) keep: bool,
    /// The same, where it did not pass
    #[arg(long)]
    pub(crate) keep_on_failure: bool,
    /// Write JUnit's XML: services, tasks and checks, with the files that checks collect
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write all that is known of the run as JSON, with timeline and critical path
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Write the whole log of each service, and what each check printed
    #[arg(long, value_name = "DIR")]
    pub(crate) logs: Option<PathBuf>,
}

/// `devrun completions`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Completions {
    /// For bash: source <(devrun completions bash)
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// `devrun man`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Man {
    /// The verb; devrun itself if there is none
    #[arg(value_name = "VERB")]
    pub(crate) verb: Option<String>,
}

impl Arguments {
    /// devrun's own diagnostics: from `-vv` on, or as `DEVRUN_LOG` says.
    pub(crate) fn start_tracing(&self) {
        let level = match self.global.verbose {
            0 | 1 => LevelFilter::OFF,
            2 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        };
        let asked = std::env::var("DEVRUN_LOG").ok();
        let asked = asked.filter(|asked| !asked.is_empty());
        let asked = asked.and_then(|asked| asked.parse().ok());
        let filter = asked.unwrap_or_else(|| Targets::new().with_target("devrun", level));
        tracing_subscriber::registry()
            .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr))
            .with(filter)
            .init();
    }

    pub(crate) fn color(&self) -> Color {
        self.global.color
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{text:?} is not a number from 1 on")),
    }
}

/// A number with its unit: `500ms`, `30s`, `5m`, `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .ok_or("a duration has a unit: 500ms, 30s, 5m, 1h")?;
    let (number, unit) = text.split_at(unit_at);
    let number: f64 = number
        .parse()
        .map_err(|_| format!("{number:?} is not a number"))?;
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{unit:?} is not a unit of time: ms, s, m, h")),
    };
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}
