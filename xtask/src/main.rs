//! Development commands: what a fresh clone needs is one `cargo xtask` away.

mod bench;
mod debian;
mod engine;
mod fuzz;
mod images;
mod run;
mod simulate;
mod soak;
mod test;
mod tidy;
mod up;
mod workflow;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask up [ARGS…]        engine and base images made ready, then `devrun up ARGS…`
cargo xtask test [FILTER…]    engine and base images made ready, then the whole test suite
cargo xtask images            base images made ready
cargo xtask images --remove   stand-ins removed; pulled images stay
cargo xtask bench start       devrun beside Docker Compose, in one run (--quick: two rounds)
cargo xtask bench sync        a save until it is live, beside Docker Compose (--only ROW, --quick)
cargo xtask bench update      a change that rebuilds, beside Docker Compose (--quick)
cargo xtask bench proxy       requests while services change, beside Docker Compose (--quick)
cargo xtask bench idle        what a session costs while nothing happens (--quick: 20 s of it)
cargo xtask bench ci          a pass over the stack with six checks, beside Docker Compose (--quick)
cargo xtask fuzz [TARGET…]    what reads input from outside meets any input (--seconds N: 20 each)
cargo xtask simulate          deciding in a world where much goes wrong (--seeds 1-1000)
cargo xtask soak sync         files that change while all goes wrong (--minutes N, --seed S)
cargo xtask workflow          the example's workflow, linted by actionlint
cargo xtask tidy              sizes, imports, dependencies";

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Bench(#[from] bench::Error),
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error(transparent)]
    Fuzz(#[from] fuzz::Error),
    #[error(transparent)]
    Images(#[from] images::Error),
    #[error(transparent)]
    Run(#[from] run::Error),
    #[error(transparent)]
    Simulate(#[from] simulate::Error),
    #[error(transparent)]
    Soak(#[from] soak::Error),
    #[error(transparent)]
    Tidy(#[from] tidy::Error),
    #[error(transparent)]
    Workflow(#[from] workflow::Error),
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Engine(_) => 3,
            Self::Run(run::Error::Ended {
                code: Some(code), ..
            }) => u8::try_from(*code).unwrap_or(1),
            _ => 1,
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["up", rest @ ..] => up::up(rest),
        ["test", rest @ ..] => test::test(rest),
        ["images"] => ready(),
        ["images", "--remove"] => remove_stand_ins(),
        ["bench", rest @ ..] => bench::bench(rest),
        ["fuzz", rest @ ..] => fuzz::fuzz(rest).map_err(Failure::from),
        ["simulate", rest @ ..] => simulate::simulate(rest).map_err(Failure::from),
        ["soak", rest @ ..] => soak::soak(rest),
        ["workflow"] => workflow::lint().map_err(Failure::from),
        ["tidy"] => tidy::tidy().map_err(Failure::from),
        [] | ["help" | "--help" | "-h"] => {
            run::say(USAGE);
            Ok(())
        }
        _ => {
            run::say(&format!(
                "no such command: cargo xtask {}\n\n{USAGE}",
                arguments.join(" ")
            ));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            run::say(&format!("xtask: {failure}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

/// An engine that answers, and every base image on it.
fn ready() -> Result<(), Failure> {
    let _one_at_a_time = run::lock()?;
    engine::ensure()?;
    images::ensure()?;
    Ok(())
}

fn remove_stand_ins() -> Result<(), Failure> {
    let _one_at_a_time = run::lock()?;
    engine::ensure()?;
    images::remove()?;
    Ok(())
}
