//! Builds the agent, whose bytes the program carries: a static binary of the same machine.
#![allow(
    clippy::print_stdout,
    reason = "cargo reads what a build script prints"
)]

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

/// What the outer cargo tells its build scripts, and would mean something else to an inner one.
const OTHERS_BUSINESS: [&str; 12] = [
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_INCREMENTAL",
    "CARGO_TARGET_DIR",
    "CARGO_UNSTABLE_BUILD_STD",
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTDOC",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
    "TARGET",
    "OUT_DIR",
];

fn main() -> Result<(), Box<dyn Error>> {
    for input in [
        "crates/agent",
        "crates/wire",
        "Cargo.lock",
        "Cargo.toml",
        "build.rs",
    ] {
        println!("cargo::rerun-if-changed={input}");
    }
    let source = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(variable("OUT_DIR")?);
    let target = variable("TARGET")?;
    // A folder of its own: the outer cargo holds the lock of the usual one.
    let target_dir = out.join("agent");
    let mut cargo = Command::new(variable("CARGO")?);
    for name in OTHERS_BUSINESS {
        cargo.env_remove(name);
    }
    // What the agent needs was fetched for the outer build, so the network is not asked again.
    cargo
        .args(["build", "--offline", "--quiet", "--package", "devrun-agent"])
        .args(["--profile", "agent", "--target", &target])
        .arg("--target-dir")
        .arg(&target_dir)
        .arg("--manifest-path")
        .arg(source.join("Cargo.toml"))
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    let status = cargo.status()?;
    if !status.success() {
        return Err(format!("the agent (crates/agent) does not build: {status}").into());
    }
    let built = target_dir.join(&target).join("agent").join("devrun-agent");
    std::fs::copy(built, out.join("devrun-agent"))?;
    Ok(())
}

fn variable(name: &str) -> Result<String, Box<dyn Error>> {
    env::var(name).map_err(|error| format!("{name}: {error}").into())
}
