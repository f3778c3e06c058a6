//! One pass over the repository's own stack with six checks: `devrun ci` beside a script for Compose
//! that starts, checks and removes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::figures::Figures;
use super::ground::{Ground, file, write};
use super::start::timed;
use super::{Error, docker};
use crate::{Failure, run};

/// Of both sides; what is left of an interrupted run is known by it.
const STACK: &str = "devrun-bench-ci";
/// How long a pass may take.
const LIMIT: &str = "15m";
/// What is built.
const BUILT: [&str; 2] = ["backend", "frontend"];
/// Where systems keep all authorities in one file.
const BUNDLES: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
];
/// That file in the folder of a build, and where its Dockerfile looks for it.
const AUTHORITIES: &str = "host-ca.crt";
const PLACES: [&str; 2] = ["/run/secrets/host-ca", "/etc/ssl/certs/ca-certificates.crt"];

/// Times of passes, milliseconds.
#[derive(Debug, Default)]
struct Times {
    cold: Vec<f64>,
    warm: Vec<f64>,
    tuned: Vec<f64>,
}

/// Both sides, alternating.
pub(super) fn run(devrun: &Path, compose: &Path, rounds: usize) -> Result<Figures, Failure> {
    let ground = Ground::new("ci")?;
    let ours = Side::new(&ground, "devrun", devrun)?;
    let theirs = Side::new(&ground, "compose", compose)?;
    let (mut us, mut them) = (Times::default(), Times::default());
    for round in 0..rounds {
        run::say(&format!("  round {} of {rounds}", round + 1));
        // The order alternates, so that neither side always comes after the other.
        if round % 2 == 0 {
            ours.round(round, &mut us)?;
        }
        theirs.round(round, &mut them)?;
        if round % 2 == 1 {
            ours.round(round, &mut us)?;
        }
    }
    Ok(figures(&us, &them))
}

fn figures(us: &Times, them: &Times) -> Figures {
    let mut figures = Figures::default();
    figures.table(&["a pass with six checks", "median", "spread"]);
    let mut row = |name: &str, times: &[f64]| figures.row(name, times);
    let cold = row("devrun ci, cold: both images are built anew", &us.cold);
    let peer_cold = row("compose, cold, interval 5 s", &them.cold);
    let warm = row("devrun ci, warm: nothing has changed", &us.warm);
    let peer = row("compose, warm, interval 5 s", &them.warm);
    let tuned = row(
        "compose, warm, interval 500 ms, init everywhere",
        &them.tuned,
    );
    figures.at_most("ci.cold.ratio", cold / peer_cold, 1.0);
    figures.at_most("ci.warm.ratio", warm / peer, 0.5);
    figures.at_most("ci.warm.tuned_ratio", warm / tuned, 1.0);
    figures
}

/// One side with a copy of the checkout.
struct Side {
    program: PathBuf,
    folder: PathBuf,
    is_ours: bool,
}

impl Side {
    fn new(ground: &Ground, name: &str, program: &Path) -> Result<Self, Error> {
        let folder = ground.path().join(name);
        let root = run::root();
        for part in ["examples/unified", "nginx"] {
            copy(&root.join(part), &folder.join(part))?;
        }
        for part in ["compose.yml", "compose.sh", "peer.conf"] {
            copy(&root.join("benches/ci").join(part), &folder.join(part))?;
        }
        let text = read(&root.join("Stackfile.kdl"))?;
        // What is measured is one copy of the stack: the check that starts a second one is left out.
        let lines = text.lines().filter(|line| !line.contains("restart.sh"));
        let lines: Vec<&str> = lines.collect();
        let text = lines
            .join("\n")
            .replace("\nstack app\n", &format!("\nstack {STACK}\n"));
        write(&folder.join("Stackfile.kdl"), &(text + "\n"))?;
        let side = Self {
            is_ours: name == "devrun",
            program: program.to_owned(),
            folder,
        };
        side.clear();
        Ok(side)
    }

    /// Nothing of it is built; then all is.
    fn round(&self, round: usize, times: &mut Times) -> Result<(), Error> {
        self.anew(round)?;
        times.cold.push(self.pass(&[])?);
        times.warm.push(self.pass(&[])?);
        if !self.is_ours {
            let tuned = [("INTERVAL", "500ms"), ("INIT", "true")];
            times.tuned.push(self.pass(&tuned)?);
        }
        Ok(())
    }

    fn pass(&self, environment: &[(&str, &str)]) -> Result<f64, Error> {
        let mut command = match self.is_ours {
            true => Command::new(&self.program),
            false => Command::new("bash"),
        };
        match self.is_ours {
            true => command.args(["ci", "--timeout", LIMIT]),
            false => command
                .arg("compose.sh")
                .env("COMPOSE", &self.program)
                .env("LIMIT", LIMIT),
        };
        command.current_dir(&self.folder);
        command.envs(environment.iter().copied());
        timed(
            if self.is_ours { "devrun" } else { "compose" },
            &mut command,
        )
    }

    /// No layer of another round is of use, on neither side: each has a line of its own. Nor is an
    /// image: Compose takes one that is there, whatever it was built of. Mounts of a build are left
    /// out, for this peer's builder does not know them; the host's authorities are copied instead.
    fn anew(&self, round: usize) -> Result<(), Error> {
        self.clear();
        let bundle = BUNDLES.iter().map(Path::new).find(|path| path.exists());
        for service in BUILT {
            let own = run::root()
                .join("examples/unified")
                .join(service)
                .join("Dockerfile");
            let mut text = String::new();
            for line in read(&own)?.lines() {
                let words = line.split(' ').filter(|word| !word.starts_with("--mount="));
                let words: Vec<&str> = words.collect();
                if words.iter().all(|word| matches!(*word, "" | "\\")) && line.contains("--mount=")
                {
                    continue;
                }
                text += &words.join(" ");
                text.push('\n');
                if line.starts_with("FROM ") {
                    let salt = (std::process::id(), self.is_ours, round);
                    text += &format!("ENV BENCH=\"{salt:?}\"\n");
                    for place in PLACES.iter().filter(|_| bundle.is_some()) {
                        text += &format!("COPY {AUTHORITIES} {place}\n");
                    }
                }
            }
            let folder = self.folder.join("examples/unified").join(service);
            if let Some(bundle) = bundle {
                copy(bundle, &folder.join(AUTHORITIES))?;
            }
            write(&folder.join("Dockerfile"), &text)?;
        }
        Ok(())
    }

    /// What runs leave on purpose, or because they were interrupted.
    fn clear(&self) {
        let named = format!("reference={STACK}*");
        let images = docker(&["images", "--quiet", "--filter", &named]);
        for id in images.unwrap_or_default().lines() {
            let _ = docker(&["rmi", "--force", id]);
        }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        self.clear();
    }
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| file(path, error))
}

/// A file, or a folder with all in it but what is installed there.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    if from.is_dir() {
        fs::create_dir_all(to).map_err(|error| file(to, error))?;
        for entry in fs::read_dir(from)
            .map_err(|error| file(from, error))?
            .flatten()
        {
            let name = entry.file_name();
            if name != "node_modules" && name != "__pycache__" {
                copy(&entry.path(), &to.join(&name))?;
            }
        }
        return Ok(());
    }
    fs::copy(from, to).map_err(|error| file(from, error))?;
    Ok(())
}
