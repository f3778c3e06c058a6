//! The stack of both sides: a backend that records what it is asked, its database, a proxy.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::ground::{Ground, Programs, Stack, file, write};
use super::super::http::answers;
use super::super::tool::{Tool, Watching};
use super::super::{Error, PATIENCE, docker};
use crate::run;

/// Of devrun's proxy, of the other side's, and of two that are written by hand.
pub(super) const PORTS: [u16; 4] = [18971, 18972, 18973, 18974];
const STACK: &str = "devrun-bench-proxy";
/// Who saves again as soon as the update is over, nine times, is taken for a loop.
const BETWEEN_SAVES: Duration = Duration::from_secs(2);

/// One of the two programs, watching its stack.
#[derive(Debug)]
pub(super) struct Side {
    tool: Tool,
    watching: Watching,
    pub(super) port: u16,
    /// Removes the stack after the program that watches has ended.
    _stack: Stack,
}

/// What stands in the Stackfile.
#[derive(Debug, Clone, Default)]
pub(super) struct Declared {
    pub(super) rolls: bool,
    /// A route more.
    pub(super) route: Option<String>,
}

impl Side {
    pub(super) fn devrun(programs: &Programs, ground: &Ground) -> Result<Self, Error> {
        let state = ground.path().join("run");
        fs::create_dir_all(&state).map_err(|error| file(&state, error))?;
        let tool = Tool::Devrun {
            program: programs.devrun.clone(),
            stack: STACK.to_owned(),
            folder: folder(ground, "devrun")?,
            state,
        };
        let stack = Stack::new(&tool);
        declare(tool.folder(), &Declared::default())?;
        let side = Self {
            watching: tool.up(None)?,
            tool,
            port: PORTS[0],
            _stack: stack,
        };
        answers(side.port, "/api/image", Some("first"))?;
        Ok(side)
    }

    pub(super) fn compose(programs: &Programs, ground: &Ground) -> Result<Self, Error> {
        let tool = Tool::Compose {
            program: programs.compose.clone(),
            stack: format!("{STACK}-peer"),
            folder: folder(ground, "compose")?,
        };
        let path = tool.folder().join("compose.yml");
        let text = read(&path)?.replace("${PORT}", &PORTS[1].to_string());
        write(&path, &text)?;
        let stack = Stack::new(&tool);
        tool.run(&["up", "-d", "--build"])?;
        let side = Self {
            watching: tool.watch()?,
            tool,
            port: PORTS[1],
            _stack: stack,
        };
        answers(side.port, "/api/image", Some("first"))?;
        Ok(side)
    }

    /// Until the Stackfile that says this is in force.
    pub(super) fn declare(&mut self, declared: &Declared) -> Result<(), Error> {
        declare(self.tool.folder(), declared)
    }

    /// Saves what the backend is restarted for, until the new one answers.
    pub(super) fn restart(&mut self, word: &str) -> Result<(), Error> {
        let before = self.watching.count();
        let path = self.tool.folder().join("backend/main.py");
        let text = read(&run::root().join("benches/proxy/backend/main.py"))?;
        write(&path, &text.replace("\"first\"", &format!("{word:?}")))?;
        answers(self.port, "/api/word", Some(word))?;
        self.updated(before)
    }

    /// Saves what its image is built of.
    pub(super) fn rebuild(&mut self, word: &str) -> Result<(), Error> {
        let before = self.watching.count();
        write(&self.tool.folder().join("backend/image.txt"), word)?;
        answers(self.port, "/api/image", Some(word))?;
        self.updated(before)
    }

    /// The same with one that falls at each start, until devrun has given it up.
    pub(super) fn rebuild_in_vain(&mut self) -> Result<(), Error> {
        let before = self.watching.count();
        write(&self.tool.folder().join("backend/image.txt"), "never")?;
        self.updated(before)
    }

    fn updated(&mut self, before: usize) -> Result<(), Error> {
        if let Tool::Devrun { .. } = self.tool {
            let words = ["\"event\":\"update-done\"", "\"service\":\"backend\""];
            self.watching.says(before, &words, PATIENCE)?;
        }
        super::super::pause(BETWEEN_SAVES);
        Ok(())
    }

    /// Ends the backend's process, as a fault of its own would, until another one answers.
    pub(super) fn crash(&mut self) -> Result<(), Error> {
        let pid = self.pid()?;
        let killed = std::process::Command::new("kill")
            .args(["-9", &pid])
            .status();
        killed.map_err(|error| super::super::side("kill", &error.to_string()))?;
        let begin = Instant::now();
        while self.pid()? == pid && begin.elapsed() < PATIENCE {
            super::super::pause(Duration::from_millis(20));
        }
        answers(self.port, "/api/image", None)
    }

    fn pid(&self) -> Result<String, Error> {
        docker(&[
            "inspect",
            "-f",
            "{{.State.Pid}}",
            &self.container("backend"),
        ])
    }

    pub(super) fn container(&self, service: &str) -> String {
        match &self.tool {
            Tool::Devrun { stack, .. } => format!("{stack}-{service}"),
            Tool::Compose { stack, .. } => format!("{stack}-{service}-1"),
        }
    }

    /// How often the backend has recorded each number.
    pub(super) fn recorded(&self) -> Result<BTreeMap<String, u32>, Error> {
        let container = self.container("db");
        let ask = "select line from asked";
        let said = docker(&["exec", &container, "psql", "-U", "postgres", "-Atc", ask])?;
        let mut counts = BTreeMap::new();
        for line in said.lines() {
            let number = line.split(' ').nth(1).unwrap_or_default();
            *counts.entry(number.to_owned()).or_default() += 1;
        }
        Ok(counts)
    }

    /// Of the last process, from its beginning until it listens: milliseconds.
    pub(super) fn own_start(&self) -> Result<f64, Error> {
        let told = super::super::http::asked(self.port, "/api/start")?;
        Ok(told.parse().unwrap_or(f64::NAN) * 1000.0)
    }
}

/// A container of nginx beside the stack, whose configuration is written by hand; removed when
/// dropped.
#[derive(Debug)]
pub(super) struct ByHand {
    name: String,
    pub(super) port: u16,
}

impl ByHand {
    pub(super) fn start(side: &Side, config: &str, port: u16) -> Result<Self, Error> {
        let networks = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}\n{{end}}";
        let networks = docker(&["inspect", "-f", networks, &side.container("backend")])?;
        let network = networks.lines().next().unwrap_or_default();
        let name = format!("{STACK}-{config}");
        let file = run::root().join(format!("benches/proxy/{config}.conf"));
        let mount = format!("{}:/etc/nginx/nginx.conf:ro", file.display());
        let publish = format!("127.0.0.1:{port}:80");
        docker(&[
            "run",
            "-d",
            "--name",
            &name,
            "--network",
            network,
            "-p",
            &publish,
            "-v",
            &mount,
            "nginx:1.26",
        ])?;
        let by_hand = Self { name, port };
        answers(port, "/api/image", None)?;
        Ok(by_hand)
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        // What is left is removed by the next bench.
        let _ = docker(&["rm", "-f", "-v", &self.name]);
    }
}

fn folder(ground: &Ground, name: &str) -> Result<PathBuf, Error> {
    let folder = ground.path().join(name);
    let backend = folder.join("backend");
    fs::create_dir_all(&backend).map_err(|error| file(&backend, error))?;
    for path in [
        "backend/Dockerfile",
        "backend/main.py",
        "backend/image.txt",
        "neighbour.py",
        "nginx.conf",
        "variables.conf",
        "compose.yml",
    ] {
        let text = read(&run::root().join("benches/proxy").join(path))?;
        write(&folder.join(path), &text)?;
    }
    Ok(folder)
}

fn declare(folder: &Path, declared: &Declared) -> Result<(), Error> {
    let text = read(&run::root().join("benches/proxy/Stackfile.kdl"))?;
    write(&folder.join("Stackfile.kdl"), &filled(&text, declared))
}

fn filled(text: &str, declared: &Declared) -> String {
    let route = declared.route.as_deref().unwrap_or_default();
    let (_, text) = text.split_once('\n').unwrap_or(("", text));
    text.replace("UPDATE", if declared.rolls { "update roll" } else { "" })
        .replace("ROUTES", route)
        .replace("PORT", &PORTS[0].to_string())
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| file(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_be_filled_in() {
        let text = include_str!("../../../../benches/proxy/Stackfile.kdl");
        let declared = Declared {
            rolls: true,
            route: Some("\"/more/*\"".to_owned()),
        };
        let text = filled(text, &declared);
        assert!(text.contains("    update roll\n    route \"/api/*\" \"/more/*\" port=8000\n"));
        assert!(text.contains("port \"18971\" to=80"));
        assert!(!text.contains("UPDATE") && !text.contains("ROUTES"));
    }
}
