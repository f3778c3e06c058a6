//! `cargo xtask simulate`: the session in a world where much goes wrong, from many more seeds than
//! the tests of every day have.

use crate::run;
use crate::up::cargo;

/// The tests that take their seeds from outside.
const TESTS: &str = "session::tests::simulation::";
const SEEDS: &str = "1-1000";

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("which seeds? cargo xtask simulate [--seeds FIRST-LAST]")]
    Seeds,
    #[error(transparent)]
    Run(#[from] run::Error),
}

/// Runs each test of the simulation with each of these seeds; one that fails is named.
pub(crate) fn simulate(arguments: &[&str]) -> Result<(), Error> {
    let seeds = match arguments {
        [] => SEEDS,
        ["--seeds", seeds] if are_seeds(seeds) => seeds,
        _ => return Err(Error::Seeds),
    };
    let mut command = cargo();
    command
        .args(["test", "--locked", "--package", "devrun-core", "--lib"])
        .args(["--profile", "simulation", "--", TESTS])
        .env("DEVRUN_SEED", seeds);
    Ok(run::shown(&mut command)?)
}

/// One, or the first and the last.
fn are_seeds(text: &str) -> bool {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => first <= last,
        _ => false,
    }
}
