//! Images on top of those of the example, the same for both sides.

use std::process::Command;

use serde_json::Value;

use super::super::ground::Programs;
use super::super::{Error, side};
use crate::run;

const STACK: &str = "devrun-bench-sync";

/// The image of that service of the example, with the files of `benches/sync/FOLDER`.
pub(super) fn derived(
    programs: &Programs,
    service: &str,
    folder: &str,
    image: &str,
) -> Result<(), Error> {
    let base = run::step(&format!("the example's {service}"), || {
        base(programs, service)
    })?;
    let mut build = Command::new("docker");
    // The classic builder: this client may have no other.
    build
        .env("DOCKER_BUILDKIT", "0")
        .args(["build", "--quiet", "--tag", image, "--build-arg"])
        .arg(format!("BASE={base}"))
        .arg(run::root().join("benches/sync").join(folder));
    run::quiet("bench-image", &mut build).map_err(|error| side("docker", &error.to_string()))
}

/// Built by devrun, because the example's builds need more than the engine's own client may have.
fn base(programs: &Programs, service: &str) -> Result<String, Error> {
    let output = Command::new(&programs.devrun)
        .args(["-p", STACK, "build", "--format", "json", service])
        .current_dir(run::root())
        .output()
        .map_err(|error| side("devrun", &error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let image = said.lines().find_map(|line| {
        let built: Value = serde_json::from_str(line).ok()?;
        Some(built["image"].as_str()?.to_owned())
    });
    image
        .filter(|_| output.status.success())
        .ok_or_else(|| side("devrun", &String::from_utf8_lossy(&output.stderr)))
}
