//! `cargo xtask test`: every test, with all that they need.

use std::process::Command;

use crate::up::cargo;
use crate::{Failure, debian, ready, run};

/// Makes all ready and runs the tests whose names contain one of the filters, or all.
pub(crate) fn test(filters: &[&str]) -> Result<(), Failure> {
    ready()?;
    programs()?;
    let nextest = run::answer(cargo().args(["nextest", "--version"]))?.is_some();
    let mut command = runner(nextest);
    command.args(filters);
    Ok(run::shown(&mut command)?)
}

fn runner(nextest: bool) -> Command {
    let mut command = cargo();
    if nextest {
        command.args(["nextest", "run", "--workspace"]);
    } else {
        // One at a time: the tests on the engine share two cores with what they start.
        command
            .args(["test", "--workspace", "--"])
            .env("RUST_TEST_THREADS", "1");
    }
    command
}

/// Programs that tests call, with their packages: a real browser and its driver, the commands that
/// people type, a shell that runs in an image without anything else, and what engines elsewhere are
/// reached through: each test runs a server of its own, on 127.0.0.1 and with keys of its own.
const PROGRAMS: [(&str, &str); 12] = [
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("curl", "curl"),
    ("netstat", "net-tools"),
    ("script", "bsdutils"),
    ("git", "git"),
    ("busybox", "busybox-static"),
    ("ip", "iproute2"),
    ("ssh", "openssh-client"),
    ("sshd", "openssh-server"),
    ("openssl", "openssl"),
    ("xmllint", "libxml2-utils"),
];

fn programs() -> Result<(), Failure> {
    let missing: Vec<&str> = PROGRAMS
        .into_iter()
        .filter(|(program, _)| run::which(program).is_none())
        .map(|(_, package)| package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if debian::is_debian() && debian::can_install() {
        return Ok(debian::install(&missing)?);
    }
    run::say(&format!(
        "the tests that need them will fail; please install: {}",
        missing.join(", ")
    ));
    Ok(())
}
