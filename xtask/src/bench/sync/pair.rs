//! Both programs side by side, each with a container of the same image and a tree of its own with
//! the same files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::ground::{Ground, Programs, Stack, file, write};
use super::super::tool::{Tool, Watching};
use super::super::{Error, docker, side};
use super::inside::Inside;
use crate::run;

/// Names of all that is made here begin with it.
pub(super) const PREFIX: &str = "devrun-bench-sync";
/// Below it lie the folders that are synced.
pub(super) const TO: &str = "/app";

/// What the two sides run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan<'a> {
    pub(super) name: &'a str,
    pub(super) image: &'a str,
    /// Words without quotes in them.
    pub(super) command: &'a [&'a str],
    /// Folders of the tree, and whether a change in them restarts.
    pub(super) folders: &'a [(&'a str, bool)],
    pub(super) cpus: Option<&'a str>,
    /// Outside for devrun, outside for Compose, inside.
    pub(super) ports: Option<[u16; 3]>,
}

/// One of the two programs, the tree that it watches, and its container. Its stack is removed when
/// it is dropped.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) tool: Tool,
    pub(super) tree: PathBuf,
    pub(super) inside: Inside,
    pub(super) watching: Watching,
    /// Removes the stack after the program that watches has ended.
    _stack: Stack,
}

impl Side {
    pub(super) fn is_devrun(&self) -> bool {
        matches!(self.tool, Tool::Devrun { .. })
    }

    pub(super) fn container(&self) -> String {
        self.tool.container()
    }

    /// devrun, watching; what it is to log is said as in `DEVRUN_LOG`.
    pub(super) fn devrun(tool: Tool, tree: PathBuf, log: Option<&str>) -> Result<Self, Error> {
        let stack = Stack::new(&tool);
        let watching = tool.up(log)?;
        Ok(Self {
            inside: Inside::of(&tool.container(), TO)?,
            tool,
            tree,
            watching,
            _stack: stack,
        })
    }

    /// Compose, watching, after these folders of the tree were brought over: its own first sync is
    /// off.
    pub(super) fn compose(
        tool: Tool,
        tree: PathBuf,
        folders: &[(&str, bool)],
    ) -> Result<Self, Error> {
        let stack = Stack::new(&tool);
        tool.run(&["up", "-d"])?;
        let container = tool.container();
        docker(&["exec", "--user", "0", &container, "mkdir", "-p", TO])?;
        for (folder, _) in folders {
            let from = format!("{}/{folder}", tree.display());
            docker(&["cp", &from, &format!("{container}:{TO}/")])?;
        }
        Ok(Self {
            inside: Inside::of(&container, TO)?,
            watching: tool.watch()?,
            tool,
            tree,
            _stack: stack,
        })
    }
}

/// Both sides.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) ours: Side,
    pub(super) theirs: Side,
}

/// What was measured of both.
#[derive(Debug, Default)]
pub(super) struct Both {
    pub(super) ours: Vec<f64>,
    pub(super) theirs: Vec<f64>,
}

impl Pair {
    /// `tree` fills the folder that it is given; the second side gets a copy.
    pub(super) fn start(
        programs: &Programs,
        ground: &Ground,
        plan: Plan<'_>,
        tree: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let [ours, theirs] = tools(programs, ground, plan)?;
        let trees = ["devrun", "compose"].map(|name| ground.path().join(name).join("tree"));
        let [our_tree, their_tree] = trees;
        fs::create_dir(&our_tree).map_err(|error| file(&our_tree, error))?;
        tree(&our_tree)?;
        let mut copy = Command::new("cp");
        run::quiet("copy", copy.arg("-a").args([&our_tree, &their_tree]))
            .map_err(|error| side("cp", &error.to_string()))?;
        Ok(Self {
            ours: Side::devrun(ours, our_tree, None)?,
            theirs: Side::compose(theirs, their_tree, plan.folders)?,
        })
    }

    /// Rounds of the same work on both, the order alternating, so that neither always comes first.
    pub(super) fn rounds(
        &mut self,
        rounds: usize,
        mut work: impl FnMut(&mut Side, usize) -> Result<Vec<f64>, Error>,
    ) -> Result<Both, Error> {
        let mut both = Both::default();
        for round in 0..rounds {
            if round % 2 == 0 {
                both.ours.extend(work(&mut self.ours, round)?);
            }
            both.theirs.extend(work(&mut self.theirs, round)?);
            if round % 2 == 1 {
                both.ours.extend(work(&mut self.ours, round)?);
            }
        }
        Ok(both)
    }
}

/// Both, with the same stack in the language of each.
pub(super) fn tools(
    programs: &Programs,
    ground: &Ground,
    plan: Plan<'_>,
) -> Result<[Tool; 2], Error> {
    let stack = format!("{PREFIX}-{}", plan.name);
    let [ours, theirs] = ["devrun", "compose"].map(|name| ground.path().join(name));
    // Short, because a socket's path may not be long.
    let state = ground.path().join("run");
    for folder in [&ours, &theirs, &state] {
        fs::create_dir_all(folder).map_err(|error| file(folder, error))?;
    }
    write(&ours.join("Stackfile.kdl"), &stackfile(plan))?;
    write(&theirs.join("compose.yml"), &compose_file(plan))?;
    Ok([
        Tool::Devrun {
            program: programs.devrun.clone(),
            stack: stack.clone(),
            folder: ours,
            state,
        },
        Tool::Compose {
            program: programs.compose.clone(),
            stack: format!("{stack}-peer"),
            folder: theirs,
        },
    ])
}

fn stackfile(plan: Plan<'_>) -> String {
    let words: Vec<String> = plan
        .command
        .iter()
        .map(|word| format!("{word:?}"))
        .collect();
    let mut text = format!(
        "stack bench\nservice web {{\n    image {:?}\n    init #true\n    command {}\n",
        plan.image,
        words.join(" ")
    );
    for (folder, restarts) in plan.folders {
        let on = if *restarts {
            " { on \"**\" { restart } }"
        } else {
            ""
        };
        text += &format!("    sync \"tree/{folder}\" to=\"{TO}/{folder}\"{on}\n");
    }
    if let Some(cpus) = plan.cpus {
        text += &format!("    limits cpus={cpus}\n");
    }
    if let Some([ours, _, inside]) = plan.ports {
        text += &format!("    port \"{ours}\" to={inside}\n");
    }
    text + "}\n"
}

fn compose_file(plan: Plan<'_>) -> String {
    let mut text = format!(
        "services:\n  web:\n    image: {:?}\n    init: true\n    command: {:?}\n",
        plan.image, plan.command
    );
    if let Some(cpus) = plan.cpus {
        text += &format!("    cpus: {cpus}\n");
    }
    if let Some([_, theirs, inside]) = plan.ports {
        text += &format!("    ports: [\"127.0.0.1:{theirs}:{inside}\"]\n");
    }
    text += "    develop:\n      watch:\n";
    for (folder, restarts) in plan.folders {
        let action = if *restarts { "sync+restart" } else { "sync" };
        text += &format!(
            "        - {{action: {action}, path: ./tree/{folder}, target: {TO}/{folder}}}\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Plan, compose_file, stackfile};

    #[test]
    fn both_sides_are_told_the_same() {
        let plan = Plan {
            name: "x",
            image: "python:3.13-slim",
            command: &["sleep", "infinity"],
            folders: &[("data", false), ("code", true)],
            cpus: Some("0.5"),
            ports: Some([18986, 18987, 8000]),
        };
        assert_eq!(
            stackfile(plan),
            "stack bench\nservice web {\n    image \"python:3.13-slim\"\n    init #true\n    \
             command \"sleep\" \"infinity\"\n    sync \"tree/data\" to=\"/app/data\"\n    \
             sync \"tree/code\" to=\"/app/code\" { on \"**\" { restart } }\n    limits cpus=0.5\n    \
             port \"18986\" to=8000\n}\n"
        );
        assert_eq!(
            compose_file(plan),
            "services:\n  web:\n    image: \"python:3.13-slim\"\n    init: true\n    \
             command: [\"sleep\", \"infinity\"]\n    cpus: 0.5\n    \
             ports: [\"127.0.0.1:18987:8000\"]\n    develop:\n      watch:\n        \
             - {action: sync, path: ./tree/data, target: /app/data}\n        \
             - {action: sync+restart, path: ./tree/code, target: /app/code}\n"
        );
    }
}
