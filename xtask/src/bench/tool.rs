//! devrun and Compose at work: programs that watch until they are ended.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Error, PATIENCE, pause, side};

/// Lines of a program that is in trouble.
const TAIL: usize = 10;

/// Every line that a program said, with the time at which it came.
type Said = Arc<Mutex<Vec<(Instant, String)>>>;

/// A program that runs on, and what it says.
#[derive(Debug)]
pub(super) struct Watching {
    name: String,
    child: Child,
    /// On both streams.
    said: Said,
}

impl Watching {
    pub(super) fn start(name: &str, command: &mut Command) -> Result<Self, Error> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| side(name, &error.to_string()))?;
        let said = Said::default();
        follow(child.stdout.take(), said.clone());
        follow(child.stderr.take(), said.clone());
        Ok(Self {
            name: name.to_owned(),
            child,
            said,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lines so far.
    pub(super) fn count(&self) -> usize {
        lock(&self.said).len()
    }

    /// Lines from that one on that have all of these words.
    pub(super) fn lines(&self, from: usize, words: &[&str]) -> Vec<(Instant, String)> {
        let said = lock(&self.said);
        let lines = said.iter().skip(from);
        let wanted = lines.filter(|(_, line)| words.iter().all(|word| line.contains(word)));
        wanted.cloned().collect()
    }

    /// Until it says all of these words in one line: the line, and when.
    pub(super) fn says(
        &mut self,
        from: usize,
        words: &[&str],
        patience: Duration,
    ) -> Result<(Instant, String), Error> {
        let end = Instant::now() + patience;
        loop {
            if let Some(first) = self.lines(from, words).into_iter().next() {
                return Ok(first);
            }
            let ended = self.child.try_wait().ok().flatten();
            if ended.is_some() || Instant::now() > end {
                let what = format!("did not say {words:?}, but:\n{}", self.tail());
                return Err(side(&self.name, &what));
            }
            pause(Duration::from_millis(1));
        }
    }

    fn tail(&self) -> String {
        let said = lock(&self.said);
        let from = said.len().saturating_sub(TAIL);
        let lines = said.iter().skip(from);
        lines.map(|(_, line)| format!("{line}\n")).collect()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // One that ended by itself cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(stream: Option<impl Read + Send + 'static>, said: Said) {
    let Some(stream) = stream else {
        return;
    };
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            lock(&said).push((Instant::now(), line));
        }
    });
}

fn lock(said: &Said) -> std::sync::MutexGuard<'_, Vec<(Instant, String)>> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How one of the two programs is called for one stack.
#[derive(Debug, Clone)]
pub(super) enum Tool {
    Devrun {
        program: PathBuf,
        stack: String,
        /// Holds the Stackfile.
        folder: PathBuf,
        /// Where sessions leave their sockets.
        state: PathBuf,
    },
    Compose {
        program: PathBuf,
        stack: String,
        folder: PathBuf,
    },
}

impl Tool {
    /// Holds the stack's own file.
    pub(super) fn folder(&self) -> &Path {
        match self {
            Self::Devrun { folder, .. } | Self::Compose { folder, .. } => folder,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Devrun { .. } => "devrun",
            Self::Compose { .. } => "compose",
        }
    }

    /// Of the one service.
    pub(super) fn container(&self) -> String {
        match self {
            Self::Devrun { stack, .. } => format!("{stack}-web"),
            Self::Compose { stack, .. } => format!("{stack}-web-1"),
        }
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        match self {
            Self::Devrun {
                program,
                stack,
                folder,
                state,
            } => {
                let mut command = Command::new(program);
                command
                    .args(["-p", stack])
                    .args(arguments)
                    .current_dir(folder)
                    .env("XDG_RUNTIME_DIR", state)
                    .env("NO_COLOR", "1")
                    .env_remove("DEVRUN_LOG");
                command
            }
            Self::Compose {
                program,
                stack,
                folder,
            } => {
                let mut command = Command::new(program);
                command
                    .args(["-p", stack, "-f", "compose.yml"])
                    .args(arguments)
                    .current_dir(folder);
                command
            }
        }
    }

    /// Runs it to its end.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<(), Error> {
        let output = self.command(arguments).output();
        let output = output.map_err(|error| side(self.name(), &error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        Err(side(self.name(), &String::from_utf8_lossy(&said)))
    }

    /// `devrun up` until all is ready; what it is to log is said as in `DEVRUN_LOG`.
    pub(super) fn up(&self, log: Option<&str>) -> Result<Watching, Error> {
        let mut command = self.command(&["up", "--format", "json"]);
        command.envs(log.map(|log| ("DEVRUN_LOG", log)));
        let mut watching = Watching::start(self.name(), &mut command)?;
        let (_, line) = watching.says(0, &["\"event\":\"settled\""], 3 * PATIENCE)?;
        if line.contains("\"ready\":true") {
            return Ok(watching);
        }
        let all = watching.lines(0, &["reason"]);
        let all: Vec<String> = all.into_iter().map(|(_, line)| line).collect();
        Err(side("devrun", &format!("not ready:\n{}", all.join("\n"))))
    }

    /// `compose watch` beside a stack that runs.
    pub(super) fn watch(&self) -> Result<Watching, Error> {
        let mut command = self.command(&["watch", "--no-up"]);
        let mut watching = Watching::start(self.name(), &mut command)?;
        watching.says(0, &["Watch enabled"], PATIENCE)?;
        Ok(watching)
    }

    /// Removes all of the stack from the engine.
    pub(super) fn remove(&self) -> Result<(), Error> {
        match self {
            Self::Devrun { .. } => self.run(&["down", "--volumes"]),
            Self::Compose { .. } => self.run(&["down", "--volumes", "--timeout", "0"]),
        }
    }
}
