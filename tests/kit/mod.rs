//! The test kit: a stack of its own for each test, the real program, the real engine.
//!
//! A [`Scratch`] is a folder with a Stackfile and a project name that nobody else has. Everything
//! of that name is removed from the engine when it is dropped, also when the test fails.
#![allow(dead_code, reason = "each test program uses a part of the kit")]

pub mod browser;
pub mod own_engine;
pub mod relay;
pub mod session;
pub mod terminal;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub use session::Session;
pub use terminal::Terminal;

/// One test, one stack.
pub struct Scratch {
    pub folder: PathBuf,
    pub name: String,
    /// Where this test's sessions leave their sockets: never in the person's own folder.
    pub state: PathBuf,
    /// Variables that each command of this test gets.
    pub environment: Vec<(String, String)>,
    _keep: Option<tempfile::TempDir>,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Scratch {
    /// A folder with these files; `("Stackfile.kdl", "stack app …")` is one of them.
    pub fn new(test: &str, files: &[(&str, &str)]) -> Scratch {
        let keep = tempfile::Builder::new()
            .prefix("devrun-test-")
            .tempdir()
            .unwrap();
        let folder = keep.path().canonicalize().unwrap();
        for (path, text) in files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Scratch::at(test, folder, Some(keep))
    }

    /// A copy of a folder of the repository, relative to its root; `.` is all of it.
    pub fn copy(test: &str, folder: &str) -> Scratch {
        let keep = tempfile::Builder::new()
            .prefix("devrun-test-")
            .tempdir()
            .unwrap();
        let target = keep.path().canonicalize().unwrap();
        let source = repository().join(folder);
        // What git knows, so that neither `target` nor left-overs come along.
        let list = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(&source)
            .output()
            .unwrap();
        for path in String::from_utf8(list.stdout)
            .unwrap()
            .split_terminator('\0')
        {
            let to = target.join(path);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            if source.join(path).is_file() {
                std::fs::copy(source.join(path), to).unwrap();
            }
        }
        Scratch::at(test, target, Some(keep))
    }

    fn at(test: &str, folder: PathBuf, keep: Option<tempfile::TempDir>) -> Scratch {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("t-{test}-{}-{count}", std::process::id());
        let state = folder.with_extension("state");
        std::fs::create_dir_all(&state).unwrap();
        Scratch {
            folder,
            name,
            state,
            environment: Vec::new(),
            _keep: keep,
        }
    }

    /// `devrun ARGUMENTS…` in the folder, under the test's project name.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_devrun"));
        self.prepare(command.args(arguments));
        command.stdin(Stdio::null());
        command
    }

    /// In the folder, under the test's project name.
    fn prepare(&self, command: &mut Command) {
        command
            .current_dir(&self.folder)
            .env("DEVRUN_PROJECT_NAME", &self.name)
            .env("XDG_RUNTIME_DIR", &self.state)
            .env("NO_COLOR", "1")
            .env_remove("DEVRUN_PROFILES")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
    }

    /// `devrun ARGUMENTS` at a terminal; they stand as in a shell's line.
    pub fn terminal(&self, arguments: &str) -> Terminal {
        // No shell stays in between that Ctrl-C would end as well: not each does `exec` by itself.
        let line = format!("exec {} {arguments}", env!("CARGO_BIN_EXE_devrun"));
        Terminal::open(&line, |command| self.prepare(command))
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Runs it to its end, which must be a good one.
    pub fn ok(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "devrun {arguments:?}\n{}{}", ran.out, ran.err);
        ran
    }

    /// Starts `devrun up` in the foreground, with its event stream.
    pub fn up(&self, arguments: &[&str]) -> Session {
        Session::start(self, arguments)
    }

    /// `devrun status --format json`.
    pub fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.ok(&["status", "--format", "json"]).out).unwrap()
    }

    /// One service of the status.
    pub fn service(&self, name: &str) -> serde_json::Value {
        let status = self.status();
        let services = status["services"].as_array().unwrap();
        services
            .iter()
            .find(|service| service["name"] == name)
            .unwrap()
            .clone()
    }

    /// The container's name on the engine.
    pub fn container(&self, service: &str) -> String {
        format!("{}-{service}", self.name)
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    /// Saves a file.
    pub fn write(&self, path: &str, text: &str) {
        std::fs::write(self.path(path), text).unwrap();
    }

    /// Saves a file with one piece of it replaced; the piece must be there.
    pub fn edit(&self, path: &str, old: &str, new: &str) {
        let text = self.read(path);
        assert!(text.contains(old), "{path} does not contain {old:?}");
        self.write(path, &text.replace(old, new));
    }
}

impl Scratch {
    /// `down` ends a session only where the Stackfile is one: whatever still holds a lock is ended
    /// by its number.
    fn end_sessions(&self) {
        for item in std::fs::read_dir(self.state.join("devrun"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = item.path();
            if path.extension().is_none_or(|extension| extension != "lock") {
                continue;
            }
            let free = std::fs::File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
            if let Some(pid) = std::fs::read_to_string(&path).ok().filter(|_| !free) {
                let _ = Command::new("kill").args(["-9", pid.trim()]).status();
            }
        }
    }
}

impl Scratch {
    /// Ends and removes all of this test; for one that ends otherwise than by a drop.
    pub fn clear(&self) {
        // The session first, whatever became of it; then all that carries the test's name.
        let _ = self.command(&["down", "--volumes"]).output();
        self.end_sessions();
        for kind in ["container", "network", "volume"] {
            let label = format!("label=devrun.stack={}", self.name);
            // Of containers, those that are stopped are listed only when asked for.
            let ids = if kind == "container" { "-aq" } else { "-q" };
            let all = docker(&[kind, "ls", ids, "--filter", &label]);
            for id in all.out.split_whitespace() {
                let remove: &[&str] = if kind == "container" {
                    &["rm", "-f", "-v", "-v", id]
                } else {
                    &[kind, "rm", id]
                };
                docker(remove);
            }
        }
        // What another image stands on goes after that one.
        for _ in 0..2 {
            let label = format!("label=devrun.stack={}", self.name);
            let images = docker(&["images", "-q", "--filter", &label]);
            for id in images.out.split_whitespace() {
                docker(&["rmi", "-f", id]);
            }
        }
        let _ = std::fs::remove_dir_all(&self.state);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.clear();
    }
}

/// What a program came to.
#[derive(Debug, Clone)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: Output) -> Ran {
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Standard output and error together, for what may be in either.
pub fn said(ran: &Ran) -> String {
    format!("{}{}", ran.out, ran.err)
}

/// Which container it is, and since when its process runs: equal means that nobody touched it.
pub fn identity(container: &str) -> String {
    docker(&["inspect", "-f", "{{.Id}} {{.State.StartedAt}}", container]).out
}

/// The root of this repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `docker ARGUMENTS…`.
pub fn docker(arguments: &[&str]) -> Ran {
    Ran::of(Command::new("docker").args(arguments).output().unwrap())
}

/// A shell line, in that folder.
pub fn shell(line: &str, folder: &Path) -> Ran {
    Ran::of(
        Command::new("bash")
            .args(["-c", line])
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .unwrap(),
    )
}

/// A port that nobody has at this moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// All time-outs of the tests are multiplied by `DEVRUN_TEST_PATIENCE` (a number, 1 unless set).
pub fn patience(seconds: u64) -> Duration {
    let factor = std::env::var("DEVRUN_TEST_PATIENCE")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1.0);
    Duration::from_secs(seconds).mul_f64(factor)
}

/// Asks until there is an answer; panics with `what` and the last `None` where there is none in
/// time. For what offers no event to wait for.
pub fn eventually<T>(what: &str, seconds: u64, mut ask: impl FnMut() -> Option<T>) -> T {
    let answer = within(seconds, &mut ask);
    answer.unwrap_or_else(|| panic!("not within {seconds} s: {what}"))
}

/// Asks until there is an answer; `None` where there is none in time.
pub fn within<T>(seconds: u64, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + patience(seconds);
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= end {
            return answer;
        }
        pause();
    }
}

fn pause() {
    let_pass(Duration::from_millis(20));
}

/// For what is to happen at a moment by chance.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where tests poll what has no events"
)]
pub fn let_pass(time: Duration) {
    std::thread::sleep(time);
}

/// An answer over HTTP.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// `GET URL` with curl, as a person would; `None` where nothing answers.
pub fn get(url: &str) -> Option<Answer> {
    http(&[url])
}

/// curl with these arguments; status, head and body.
pub fn http(arguments: &[&str]) -> Option<Answer> {
    let output = Command::new("curl")
        .args(["-sS", "-i", "--max-time", "20"])
        .args(arguments)
        .output()
        .unwrap();
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut rest = text.as_str();
    // `100 Continue` and redirects come with heads of their own.
    loop {
        let (head, body) = rest.split_once("\r\n\r\n")?;
        let status: u16 = head.split_whitespace().nth(1)?.parse().ok()?;
        if status == 100 {
            rest = body;
            continue;
        }
        return Some(Answer {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        });
    }
}
