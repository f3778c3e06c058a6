//! `cargo xtask bench NAME [--quick]`: devrun and its peer in one run, alternating.

mod browser;
mod ci;
mod figures;
mod ground;
mod http;
mod idle;
mod leftovers;
mod limit;
mod machine;
mod page;
mod peer;
mod proxy;
mod start;
mod sync;
mod tool;
mod update;

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::up::cargo;
use crate::{Failure, ready, run};

/// A bench did not come to its end, or a figure is short.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no bench {0:?}; there are: ci, start, idle, proxy, sync, update")]
    Unknown(String),
    #[error("bench {bench}: there is no {what} {given:?}; there are: {known}")]
    Argument {
        bench: &'static str,
        what: &'static str,
        given: String,
        known: String,
    },
    #[error("{side} failed: {output}")]
    Side { side: String, output: String },
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{0} of the figures are short of what is wanted")]
    Short(usize),
}

/// What was typed behind `bench NAME`.
#[derive(Debug, Default)]
struct Options {
    quick: bool,
    /// Rows of `bench sync`; none is all.
    only: Vec<String>,
    /// Another program than the one of this checkout.
    devrun: Option<PathBuf>,
}

/// How long anything may take; what takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Rounds of a whole run, and of a quick one.
const ROUNDS: usize = 5;
const QUICK_ROUNDS: usize = 2;

/// Runs a bench; an error where a figure is short.
pub(crate) fn bench(arguments: &[&str]) -> Result<(), Failure> {
    let (name, rest) = arguments.split_first().unwrap_or((&"", &[]));
    let options = options(name, rest)?;
    let rounds = if options.quick { QUICK_ROUNDS } else { ROUNDS };
    let _one_at_a_time = one_at_a_time()?;
    ready()?;
    let devrun = match &options.devrun {
        Some(program) => program.clone(),
        None => release()?,
    };
    leftovers::remove();
    let machine = machine::Machine::now(&devrun);
    let figures = match *name {
        "ci" => ci::run(&devrun, &peer::compose()?, rounds)?,
        "idle" => idle::run(&devrun, options.quick)?,
        "proxy" => proxy::run(&devrun, &peer::compose()?, options.quick)?,
        "update" => update::run(&devrun, &peer::compose()?, rounds)?,
        "sync" => sync::run(&devrun, &peer::compose()?, rounds, &options.only)?,
        _ => start::run(&devrun, &peer::compose()?, rounds)?,
    };
    // What was measured in part, or in haste, does not replace what was measured with care.
    if !options.quick && options.only.is_empty() {
        page::write(name, &machine, &figures)?;
    }
    match figures.report() {
        0 => Ok(()),
        short => Err(Error::Short(short).into()),
    }
}

fn options(name: &str, arguments: &[&str]) -> Result<Options, Error> {
    let bench = match name {
        "ci" => "ci",
        "start" => "start",
        "idle" => "idle",
        "proxy" => "proxy",
        "sync" => "sync",
        "update" => "update",
        _ => return Err(Error::Unknown(name.to_owned())),
    };
    let wrong = |what, given: &str, known: String| Error::Argument {
        bench,
        what,
        given: given.to_owned(),
        known,
    };
    let mut options = Options::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match *argument {
            "--quick" => options.quick = true,
            "--devrun" => options.devrun = arguments.next().map(PathBuf::from),
            "--only" if bench == "sync" => {
                let row = arguments.next().copied().unwrap_or_default();
                if !sync::ROWS.contains(&row) {
                    return Err(wrong("row", row, sync::ROWS.join(", ")));
                }
                options.only.push(row.to_owned());
            }
            other => {
                let only = if bench == "sync" { ", --only ROW" } else { "" };
                let known = format!("--quick, --devrun PROGRAM{only}");
                return Err(wrong("option", other, known));
            }
        }
    }
    Ok(options)
}

/// Held while a bench runs: names and ports of two at once would be the same, and their figures
/// nobody's.
fn one_at_a_time() -> Result<File, Failure> {
    let path = std::env::temp_dir().join("devrun-bench.lock");
    let failed = |source| Error::File {
        path: path.clone(),
        source,
    };
    let file = File::create(&path).map_err(failed)?;
    if file.try_lock().is_err() {
        run::say("another bench is running; waiting for its end");
        file.lock().map_err(failed)?;
    }
    Ok(file)
}

/// devrun as people use it.
fn release() -> Result<PathBuf, Failure> {
    run::step("devrun, release build", || {
        run::quiet(
            "release",
            cargo().args([
                "build",
                "--release",
                "--package",
                "devrun",
                "--bin",
                "devrun",
            ]),
        )
    })?;
    let profile = run::target_profile()?;
    let target = profile.parent().map(PathBuf::from).unwrap_or(profile);
    Ok(target.join("release/devrun"))
}

/// What the engine's own client says to these arguments.
fn docker(arguments: &[&str]) -> Result<String, Error> {
    let output = Command::new("docker")
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => Err(side("docker", &String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(side("docker", &error.to_string())),
    }
}

/// One side of a bench did not do its work.
fn side(side: &str, output: &str) -> Error {
    Error::Side {
        side: side.to_owned(),
        output: output.trim().to_owned(),
    }
}

/// Lets time pass: a bench asks again and again for what nobody tells it of.
#[expect(
    clippy::disallowed_methods,
    reason = "the time itself is what is measured, and asking at a known pace is the measure"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::options;

    #[test]
    fn what_is_typed_is_understood_or_answered_with_what_there_is() {
        let read = options("sync", &["--quick", "--only", "save", "--only", "files"]);
        let read = read.unwrap();
        assert!(read.quick);
        assert_eq!(read.only, ["save", "files"]);
        let said = |name: &str, arguments: &[&str]| options(name, arguments).unwrap_err();
        assert_eq!(
            said("syn", &[]).to_string(),
            "there is no bench \"syn\"; there are: ci, start, idle, proxy, sync, update"
        );
        assert_eq!(
            said("idle", &["--only", "save"]).to_string(),
            "bench idle: there is no option \"--only\"; there are: --quick, --devrun PROGRAM"
        );
        let row = said("sync", &["--only", "saves"]).to_string();
        assert!(
            row.starts_with("bench sync: there is no row \"saves\"; there are: save, "),
            "{row}"
        );
    }
}
