//! `cargo xtask up`: the whole application, from whatever state the machine is in.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::{Failure, ready, run};

/// Makes all ready, builds devrun and becomes it.
pub(crate) fn up(arguments: &[&str]) -> Result<(), Failure> {
    ready()?;
    run::shown(cargo().args(["build", "--package", "devrun", "--bin", "devrun"]))?;
    let program = run::target_profile()?.join("devrun");
    // Not a child: signals, terminal and exit code are then devrun's own.
    let source = Command::new(&program)
        .arg("up")
        .args(arguments)
        .current_dir(run::root())
        .exec();
    Err(run::Error::Start {
        program: program.display().to_string(),
        source,
    }
    .into())
}

/// The cargo that runs us, at the root of the checkout.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(run::root());
    command
}
