//! What a figure was measured on and with: absolute times mean nothing without it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run::{self, say};

/// This machine, at the beginning of a bench.
#[derive(Debug)]
pub(super) struct Machine {
    /// One line each, for people.
    pub(super) lines: Vec<String>,
}

/// More than this for each core is somebody else's work.
const CALM: f64 = 0.3;

impl Machine {
    pub(super) fn now(devrun: &Path) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let load = load();
        #[expect(clippy::cast_precision_loss, reason = "a number of cores")]
        let busy = load > CALM * cores as f64;
        if busy {
            say(&format!(
                "  this machine is busy (load {load:.1}): what follows is provisional"
            ));
        }
        let first_line = |path: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.lines().next().unwrap_or_default().trim().to_owned()
        };
        let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "?".to_owned());
        let memory = field("/proc/meminfo", "MemTotal");
        let memory = memory.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
        let lines = vec![
            format!(
                "{cores} cores ({processor}), {:.0} GB, load before {load:.1}",
                memory.unwrap_or(f64::NAN) / 1_000_000.0
            ),
            format!(
                "Linux {}, Docker Engine {}",
                first_line("/proc/sys/kernel/osrelease"),
                said("docker", &["version", "--format", "{{.Server.Version}}"])
            ),
            format!(
                "{} at {}, Docker Compose {}",
                said(&devrun.to_string_lossy(), &["--version"]),
                said("git", &["describe", "--always", "--dirty"]),
                super::peer::VERSION
            ),
            said("date", &["-u", "+%F"]),
        ];
        for line in &lines {
            say(&format!("  {line}"));
        }
        Self { lines }
    }
}

/// Of the last minute.
fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next();
    first.and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn said(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(run::root());
    run::answer(&mut command)
        .ok()
        .flatten()
        .unwrap_or_else(|| "?".to_owned())
}
