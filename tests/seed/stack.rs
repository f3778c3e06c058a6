//! The stack of the repository under its true name and on its true ports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::kit::{self, Ran, Scratch, docker};

/// Ports and names are there once: one test at a time, also where threads run tests.
static ALONE: Mutex<()> = Mutex::new(());

const MINE: &str = "label=devrun.stack=app";

/// What a person may have set, and what would change what is tested.
const VARIABLES: [&str; 10] = [
    "PROXY_PORT",
    "BACKEND_PORT",
    "FRONTEND_PORT",
    "DB_PORT",
    "REDIS_PORT",
    "DB_NAME",
    "DB_USER",
    "DB_PASSWORD",
    "DEVRUN_PROFILES",
    "DEVRUN_PROJECT_NAME",
];

/// The services that are started when nothing is asked for.
pub(crate) const FIVE: [&str; 5] = ["db", "redis", "backend", "frontend", "proxy"];

/// A checkout of this repository whose stack has its own name, `app`.
pub(crate) struct Seed {
    checkout: Scratch,
    /// Volumes of the name `app` that were there before: somebody's data.
    volumes_before: BTreeSet<String>,
    _alone: MutexGuard<'static, ()>,
}

impl Seed {
    pub(crate) fn new() -> Seed {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        end_others();
        let volumes_before = volumes();
        Seed {
            checkout: Scratch::copy("seed", "."),
            volumes_before,
            _alone: alone,
        }
    }

    /// bash in the checkout; `devrun` is the program under test.
    pub(crate) fn bash(&self, line: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-c", line]).stdin(Stdio::null());
        self.prepare(&mut command);
        command
    }

    /// Gives a program what a person's shell in the checkout would.
    pub(crate) fn prepare(&self, command: &mut Command) {
        let program = Path::new(env!("CARGO_BIN_EXE_devrun")).parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .current_dir(&self.checkout.folder)
            .env("PATH", format!("{}:{path}", program.display()))
            .env("SHELL", "/bin/bash")
            .env("XDG_RUNTIME_DIR", &self.checkout.state)
            .env("NO_COLOR", "1");
        for name in VARIABLES {
            command.env_remove(name);
        }
    }

    pub(crate) fn run(&self, line: &str) -> Ran {
        Ran::of(self.bash(line).output().unwrap())
    }

    pub(crate) fn ok(&self, line: &str) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.code, 0, "{line}\n{}{}", ran.out, ran.err);
        ran
    }

    /// One service of `devrun status`.
    pub(crate) fn service(&self, name: &str) -> Value {
        let status: Value =
            serde_json::from_str(&self.ok("devrun status --format json").out).unwrap();
        let services = status["services"].as_array().unwrap();
        services
            .iter()
            .find(|service| service["name"] == name)
            .unwrap()
            .clone()
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = self.run("devrun status; devrun events | tail -50; devrun logs --tail 15");
            eprintln!("--- at the failure\n{}{}", said.out, said.err);
        }
        if self.run("devrun down").code != 0 {
            let session = self
                .run("devrun status --format json | grep -oP '\"session\":\\{\"pid\":\\K[0-9]+'");
            self.run(&format!("kill -9 {}", session.out.trim()));
        }
        remove_containers_and_networks();
        for name in volumes().difference(&self.volumes_before) {
            docker(&["volume", "rm", name]);
        }
    }
}

/// Stacks of this name that belong to other checkouts: ended as a person would, then removed.
fn end_others() {
    let roots = docker(&[
        "ps",
        "-a",
        "--filter",
        MINE,
        "--format",
        "{{.Label \"devrun.root-path\"}}",
    ]);
    for root in roots.out.lines().collect::<BTreeSet<_>>() {
        if Path::new(root).join("Stackfile.kdl").is_file() {
            let _ = Command::new(env!("CARGO_BIN_EXE_devrun"))
                .arg("down")
                .current_dir(root)
                .output();
        }
    }
    remove_containers_and_networks();
}

fn remove_containers_and_networks() {
    for id in docker(&["ps", "-aq", "--filter", MINE])
        .out
        .split_whitespace()
    {
        docker(&["rm", "-f", "-v", id]);
    }
    for id in docker(&["network", "ls", "-q", "--filter", MINE])
        .out
        .split_whitespace()
    {
        docker(&["network", "rm", id]);
    }
}

fn volumes() -> BTreeSet<String> {
    docker(&["volume", "ls", "-q", "--filter", MINE])
        .out
        .lines()
        .map(str::to_owned)
        .collect()
}

/// `docker inspect` of a service's container.
pub(crate) fn inspect(service: &str) -> Value {
    let said = docker(&["inspect", &format!("app-{service}")]);
    let mut all: Vec<Value> = serde_json::from_str(&said.out).unwrap();
    all.pop()
        .unwrap_or_else(|| panic!("no container app-{service}: {}", said.err))
}

/// The containers that there are: service to id.
pub(crate) fn containers() -> BTreeMap<String, String> {
    let format = "{{.Label \"devrun.service\"}} {{.ID}}";
    let all = docker(&["ps", "--no-trunc", "--filter", MINE, "--format", format]);
    all.out
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, id)| (name.into(), id.into()))
        .collect()
}

/// The JSON at an address, which must answer 200.
pub(crate) fn json(url: &str) -> Value {
    let answer = kit::get(url).unwrap_or_else(|| panic!("{url}: no answer"));
    assert_eq!(answer.status, 200, "{url}: {}", answer.body);
    serde_json::from_str(&answer.body)
        .unwrap_or_else(|error| panic!("{url}: {error}: {}", answer.body))
}
