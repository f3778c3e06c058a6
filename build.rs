//! Builds the agent, a static binary of the same machine, and packs it as the engine takes it: the
//! program carries it so.
#![allow(
    clippy::print_stdout,
    reason = "cargo reads what a build script prints"
)]

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

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
    let agent = fs::read(&built)?;
    fs::write(out.join("devrun-agent.tar.gz"), packed(&agent)?)?;
    fs::write(out.join("devrun-agent.size"), agent.len().to_le_bytes())?;
    // For the tests.
    fs::copy(built, out.join("devrun-agent"))?;
    Ok(())
}

/// Equal bytes for an equal agent.
fn packed(agent: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    let mut header = tar::Header::new_gnu();
    header.set_size(agent.len() as u64);
    header.set_mode(0o755);
    header.set_mtime(0);
    archive.append_data(&mut header, "agent", agent)?;
    archive.into_inner()?.finish()
}

fn variable(name: &str) -> Result<String, Box<dyn Error>> {
    env::var(name).map_err(|error| format!("{name}: {error}").into())
}
