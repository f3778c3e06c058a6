//! Running other programs: what is long shows that it goes on, and its output
//! is seen only when it fails.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Lines of a failed program's output that are shown.
const TAIL: usize = 25;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{program} cannot be started: {source}")]
    Start {
        program: String,
        source: std::io::Error,
    },
    #[error("{program} failed; the end of what it said (all of it is in {}):\n\n{tail}", log.display())]
    Failed {
        program: String,
        log: PathBuf,
        tail: String,
    },
    #[error("{program} ended with {}", code.map_or("a signal".into(), |code| format!("exit code {code}")))]
    Ended { program: String, code: Option<i32> },
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// One line for the person at the terminal.
pub(crate) fn say(line: &str) {
    // Where nobody can read it, there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Does a piece of work under a name, and says how long it took.
pub(crate) fn step<T, E>(name: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    say(&format!("  {name} …"));
    let start = Instant::now();
    let outcome = work();
    let seconds = start.elapsed().as_secs_f64();
    let word = if outcome.is_ok() {
        "done in"
    } else {
        "failed after"
    };
    say(&format!("  {name}: {word} {seconds:.1} s"));
    outcome
}

/// Runs a program to its end with its output in a log file.
pub(crate) fn quiet(name: &str, command: &mut Command) -> Result<(), Error> {
    quiet_from(name, command, Stdio::null())
}

/// As [`quiet`], for a program that reads.
pub(crate) fn quiet_from(name: &str, command: &mut Command, input: Stdio) -> Result<(), Error> {
    let log = log_path(name)?;
    let output = create(&log)?;
    let errors = output
        .try_clone()
        .map_err(|source| file_error(&log, source))?;
    let status = command
        .stdin(input)
        .stdout(output)
        .stderr(errors)
        .status()
        .map_err(|source| start_error(command, source))?;
    if status.success() {
        return Ok(());
    }
    let tail = tail(&log);
    Err(Error::Failed {
        program: line(command),
        log,
        tail,
    })
}

/// Runs a program on this terminal.
pub(crate) fn shown(command: &mut Command) -> Result<(), Error> {
    let status = command
        .status()
        .map_err(|source| start_error(command, source))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Ended {
        program: line(command),
        code: status.code(),
    })
}

/// Runs a short program; its output, or `None` where it failed.
pub(crate) fn answer(command: &mut Command) -> Result<Option<String>, Error> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| start_error(command, source))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success().then_some(text))
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

/// The program of that name, where the shell would find it.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// Held while engine and images are made ready: two at once would both
/// install and both build. It ends with the process, whatever ends that.
pub(crate) fn lock() -> Result<File, Error> {
    let user = std::env::var("USER").unwrap_or_default();
    let path = std::env::temp_dir().join(format!("devrun-xtask-{user}.lock"));
    let file = create(&path)?;
    if file.try_lock().is_err() {
        say("another cargo xtask is making engine and images ready; waiting for it");
        file.lock().map_err(|source| file_error(&path, source))?;
    }
    Ok(file)
}

/// The folder that holds this program, and beside it what cargo built.
pub(crate) fn target_profile() -> Result<PathBuf, Error> {
    let own = std::env::current_exe().map_err(|source| file_error(Path::new("xtask"), source))?;
    Ok(own.parent().unwrap_or(&own).to_owned())
}

fn log_path(name: &str) -> Result<PathBuf, Error> {
    let directory = target_profile()?.join("xtask-logs");
    fs::create_dir_all(&directory).map_err(|source| file_error(&directory, source))?;
    Ok(directory.join(format!("{name}.log")))
}

fn create(path: &Path) -> Result<File, Error> {
    File::create(path).map_err(|source| file_error(path, source))
}

fn file_error(path: &Path, source: std::io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        source,
    }
}

fn start_error(command: &Command, source: std::io::Error) -> Error {
    Error::Start {
        program: line(command),
        source,
    }
}

/// A command as a person would type it.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
