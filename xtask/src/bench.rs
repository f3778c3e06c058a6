//! `cargo xtask bench NAME [--quick]`: devrun and its peer in one run, alternating.

mod figures;
mod idle;
mod limit;
mod peer;
mod start;

use std::path::PathBuf;

use crate::up::cargo;
use crate::{Failure, ready, run};

/// A bench did not come to its end, or a figure is short.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no bench {0}; there are: start, idle")]
    Unknown(String),
    #[error("{side} failed: {output}")]
    Side { side: String, output: String },
    #[error("{0} of the figures are short of what is wanted")]
    Short(usize),
}

const NAMES: [&str; 2] = ["start", "idle"];
/// Rounds of a whole run, and of a quick one.
const ROUNDS: usize = 5;
const QUICK_ROUNDS: usize = 2;

/// Runs a bench; an error where a figure is short.
pub(crate) fn bench(arguments: &[&str]) -> Result<(), Failure> {
    let quick = arguments.contains(&"--quick");
    let name = arguments
        .iter()
        .find(|argument| !argument.starts_with("--"))
        .copied()
        .unwrap_or_default();
    if !NAMES.contains(&name) {
        return Err(Error::Unknown(name.to_owned()).into());
    }
    ready()?;
    let devrun = release()?;
    let figures = if name == "idle" {
        idle::run(&devrun, quick)?
    } else {
        let compose = peer::compose()?;
        start::run(&devrun, &compose, if quick { QUICK_ROUNDS } else { ROUNDS })?
    };
    match figures.report() {
        0 => Ok(()),
        short => Err(Error::Short(short).into()),
    }
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
