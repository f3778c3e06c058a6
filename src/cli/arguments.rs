//! What can be typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
pub(crate) struct Global {
    /// The Stackfile; else `Stackfile.kdl` is looked for upwards from here (before the verb: -f)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The same as --file, before the verb
    // Not global: `logs -f` follows, as everywhere.
    #[arg(short = 'f', value_name = "FILE", hide = true, conflicts_with = "file")]
    pub(crate) file_before: Option<PathBuf>,
    /// Another name for the stack: a second copy that shares nothing with the first
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        env = "DEVRUN_PROJECT_NAME"
    )]
    pub(crate) project_name: Option<String>,
    /// A profile to activate; repeatable
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "DEVRUN_PROFILES",
        value_delimiter = ','
    )]
    pub(crate) profile: Vec<String>,
    /// Variables, before those of `.env`
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// For people, or one JSON object (on streams: one a line)
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
    /// Colours; `NO_COLOR` is respected
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    /// Say more; twice: what devrun itself does
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Say only what failed
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
    /// Start what is declared, wait until it is ready, watch and update until Ctrl-C
    Up(Up),
    /// Stop the session, stop and remove containers and networks of the stack
    Down(Down),
    /// Stop services in reverse order; containers and data are kept
    Stop(Names),
    /// Start services that were stopped, in order of their dependencies
    Start(Names),
    /// Every service, its state and why it is in it
    #[command(visible_alias = "ps")]
    Status,
    /// Logs of all or some services, in order of time
    Logs(Logs),
    /// A command in the running container of a service
    Exec(Exec),
    /// Wait until services are ready and all saves are live
    Wait(Wait),
    /// What happens, one JSON object a line
    Events(Events),
    /// All that is wrong with the Stackfile
    Check,
    /// Once, without watching: start, wait, run tasks and checks, clean up, exit with the truth
    Ci(Ci),
}

/// `devrun up`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Up {
    /// Only these, with what they depend on; naming one of a profile activates it
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Return when all is ready (or failed); the session goes on in the background
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Start, but neither watch nor update
    #[arg(long)]
    pub(crate) no_watch: bool,
    /// Build images even if equal ones are there
    #[arg(long)]
    pub(crate) build: bool,
    /// Make containers anew even if they are equal
    #[arg(long)]
    pub(crate) recreate: bool,
    /// Show logs, of all services or of the one named
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
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

/// `devrun logs`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Logs {
    /// Only of these
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Go on with what is printed from now on
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only since then: `10m`, `2h`, or a time as `2025-01-31T12:00:00Z`
    #[arg(long, value_name = "T")]
    pub(crate) since: Option<String>,
    /// Only the last N lines of each; `all` for everything
    #[arg(long, value_name = "N", default_value = "100")]
    pub(crate) tail: String,
}

/// `devrun exec`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Exec {
    /// Where
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    /// What
    #[arg(
        value_name = "CMD",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) command: Vec<String>,
}

/// `devrun wait`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Wait {
    /// Only for these
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Give up after this long, exit code 4: `30s`, `5m`
    #[arg(long, value_name = "T", value_parser = duration, default_value = "5m")]
    pub(crate) timeout: Duration,
}

/// `devrun events`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Events {
    /// Go on with what happens from now on
    #[arg(long)]
    pub(crate) follow: bool,
}

/// `devrun ci`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Ci {
    /// Only these, with what they depend on
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// End of patience for everything together
    #[arg(long, value_name = "T", value_parser = duration, default_value = "30m")]
    pub(crate) timeout: Duration,
    /// Leave everything standing
    #[arg(long)]
    pub(crate) keep: bool,
}

impl Arguments {
    /// devrun's own diagnostics: from `-vv` on, or as `DEVRUN_LOG` says.
    pub(crate) fn start_tracing(&self) {
        let level = match self.global.verbose {
            0 | 1 => "off",
            2 => "devrun=debug",
            _ => "devrun=trace",
        };
        let filter = tracing_subscriber::EnvFilter::try_from_env("DEVRUN_LOG")
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .init();
    }

    pub(crate) fn color(&self) -> Color {
        self.global.color
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
