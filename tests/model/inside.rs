//! The helper in the container: it reads all the time, and answers.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::tree::{Thing, Tree};

const PROGRAM: &str = include_str!("inside.py");

/// A conversation with the helper; it ends with the container's process.
#[derive(Debug)]
pub struct Inside {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Inside {
    /// `None` while the container does not run.
    pub fn start(container: &str) -> Option<Inside> {
        let mut child = Command::new("docker")
            .args(["exec", "-i", container, "python3", "-u", "-c", PROGRAM])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut inside = Inside {
            child,
            input,
            output,
        };
        inside.ask(&json!({"do": "prepare"}))?;
        Some(inside)
    }

    /// `None` where it is gone.
    fn ask(&mut self, ask: &Value) -> Option<Value> {
        self.input.write_all(format!("{ask}\n").as_bytes()).ok()?;
        let mut line = String::new();
        self.output.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    /// All that lies in the main target.
    pub fn list(&mut self) -> Option<Tree> {
        self.list_of("tree")
    }

    /// All that lies in one of the folders: a target, or `outside`.
    pub fn list_of(&mut self, which: &str) -> Option<Tree> {
        let listed = self.ask(&json!({"do": "list", "what": which}))?;
        let entries = listed.as_array()?.iter().map(|entry| {
            let mode = u32::try_from(entry[2].as_u64()?).ok()? & 0o777;
            let data = entry[3].as_str()?;
            let thing = match entry[1].as_str()? {
                "folder" => Thing::Folder { mode },
                "link" => Thing::Link { to: unhex(data) },
                _ => Thing::File {
                    mode,
                    content: data.to_owned(),
                },
            };
            Some((path_of(entry[0].as_str()?), thing))
        });
        entries.collect()
    }

    /// Reads all below that folder from now on; those files must never be away.
    pub fn watch(&mut self, folder: &Path, steady: &[PathBuf]) -> Option<()> {
        let steady: Vec<String> = steady.iter().map(|path| hex(path)).collect();
        self.ask(&json!({"do": "watch", "path": hex(folder), "steady": steady}))?;
        Some(())
    }

    /// What the readers should not have seen.
    pub fn seen(&mut self) -> Option<Vec<(PathBuf, String)>> {
        let seen = self.ask(&json!({"do": "seen"}))?;
        let wrong = seen["wrong"].as_array()?.iter();
        wrong
            .map(|one| Some((path_of(one[0].as_str()?), one[1].as_str()?.to_owned())))
            .collect()
    }

    /// The container makes a file; whether its folder was there and the file not.
    pub fn own(&mut self, path: &Path) -> bool {
        self.ask(&json!({"do": "own", "path": hex(path)})) == Some(Value::Bool(true))
    }

    /// Removes what the container made below that folder.
    pub fn clean(&mut self, folder: &Path) -> Option<()> {
        self.ask(&json!({"do": "clean", "path": hex(folder)}))
            .map(|_| ())
    }

    /// From now on nothing fits into the small target, or it does again.
    pub fn fill(&mut self, full: bool) -> Option<()> {
        self.ask(&json!({"do": "fill", "full": full})).map(|_| ())
    }

    /// How many agents there are.
    pub fn signal_agents(&mut self, number: i32) -> Option<u64> {
        self.ask(&json!({"do": "signal-agents", "number": number}))?
            .as_u64()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hex(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

fn path_of(text: &str) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(unhex(text)))
}
