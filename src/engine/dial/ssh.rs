//! An engine behind ssh: one connection of the system's `ssh`, so that its configuration, keys
//! and known hosts hold, and through it the engine's socket, as a socket that only we can reach.
//! Where the server there forbids that, each connection is a program of its own, as `docker` does it.

mod command;

use std::fs::Permissions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStdin};
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinHandle;

use super::LIMIT;
use crate::engine::locate::Ssh;

/// Begins the names of our folders; the number of the process that made it follows.
const PREFIX: &str = "devrun-ssh-";
const SOCKET: &str = "/var/run/docker.sock";
/// Begins the line in which the other machine says where its engine is; shells may greet before.
const MARK: &str = "devrun-engine:";
/// Ends with its input, and so with us, whatever ends us.
const ASK: &str = r#"sh -c 'echo "devrun-engine:$(docker context inspect --format "{{.Endpoints.docker.Host}}" 2>/dev/null)"; exec cat'"#;
/// How long the folder's name may be that ours is in: a socket's has 104 bytes on some systems, and
/// ssh makes its own under a longer name first.
const ROOM: usize = 55;
/// The question that every engine answers.
const PING: &[u8] = b"GET /_ping HTTP/1.0\r\n\r\n";
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long what ssh still says is awaited after its end.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How many of its lines are kept.
const KEPT: usize = 32;

/// The way to one machine; opened when first asked for, and again after it broke.
#[derive(Debug)]
pub(super) struct Tunnel {
    target: Ssh,
    running: AsyncMutex<Option<Running>>,
    said: Said,
}

/// The last lines that ssh wrote.
type Said = Arc<Mutex<Vec<String>>>;

#[derive(Debug)]
struct Running {
    ssh: Child,
    _input: ChildStdin,
    folder: TempDir,
    forwards: bool,
}

impl Tunnel {
    pub(super) fn new(target: Ssh) -> Tunnel {
        Tunnel {
            target,
            running: AsyncMutex::default(),
            said: Said::default(),
        }
    }

    pub(super) async fn open(&self) -> io::Result<UnixStream> {
        let mut running = self.running.lock().await;
        let alive = running
            .as_mut()
            .is_some_and(|running| matches!(running.ssh.try_wait(), Ok(None)));
        if !alive {
            // The old one is gone before the new one begins.
            *running = None;
            let started = tokio::time::timeout(LIMIT * 2, self.start()).await;
            *running = Some(started.map_err(|_| self.silent())??);
        }
        match running.as_ref() {
            Some(running) => self.connect(&running.folder, running.forwards).await,
            None => Err(self.silent()),
        }
    }

    pub(super) fn last_words(&self) -> Option<String> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        (!said.is_empty()).then(|| gist(&said))
    }

    fn silent(&self) -> io::Error {
        let seconds = (LIMIT * 2).as_secs();
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!(
                "ssh got no answer from {} within {seconds} s",
                self.target.host
            ),
        )
    }

    async fn start(&self) -> io::Result<Running> {
        let place = place();
        sweep(&place);
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            // Who gets in here has the engine, and with it that machine.
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(place)?;
        let mut ssh = command::master(&self.target, folder.path(), ASK)
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => {
                    io::Error::new(error.kind(), "the program ssh is not installed")
                }
                _ => error,
            })?;
        self.forget();
        let errors = ssh
            .stderr
            .take()
            .map(|errors| listen(errors, self.said.clone()));
        let (Some(input), Some(output)) = (ssh.stdin.take(), ssh.stdout.take()) else {
            return Err(io::Error::other("ssh has no input or output"));
        };
        let mut lines = BufReader::new(output).lines();
        let answer = loop {
            match lines.next_line().await? {
                None => return Err(self.ended(errors).await),
                Some(line) => {
                    if let Some((_, answer)) = line.split_once(MARK) {
                        break answer.trim().to_owned();
                    }
                }
            }
        };
        let there = self
            .target
            .path
            .clone()
            .map_or_else(|| forwarded(&answer), Ok)?;
        let forward = command::forwarding(&self.target, folder.path(), &there)
            .output()
            .await?;
        if !forward.status.success() {
            let said = String::from_utf8_lossy(&forward.stderr).trim().to_owned();
            return Err(io::Error::other(format!(
                "ssh cannot forward {there}: {said}"
            )));
        }
        let forwards = self.speaks(&folder, true).await;
        if !forwards && !self.speaks(&folder, false).await {
            return Err(self.ended(errors).await);
        }
        // What was said on the way to what works is no longer of interest.
        self.forget();
        Ok(Running {
            ssh,
            _input: input,
            folder,
            forwards,
        })
    }

    async fn connect(&self, folder: &TempDir, forwards: bool) -> io::Result<UnixStream> {
        if forwards {
            return UnixStream::connect(socket(folder)).await;
        }
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let input = OwnedFd::from(theirs);
        let output = input.try_clone()?;
        let mut child = command::dialing(&self.target, folder.path())
            .stdin(input)
            .stdout(output)
            .spawn()?;
        // It ends with either side of its connection.
        if let Some(errors) = child.stderr.take() {
            listen(errors, self.said.clone());
        }
        ours.set_nonblocking(true)?;
        UnixStream::from_std(ours)
    }

    /// Whether an engine answers on this way; one that is only slow does.
    async fn speaks(&self, folder: &TempDir, forwards: bool) -> bool {
        let asked = async {
            let mut stream = self.connect(folder, forwards).await?;
            stream.write_all(PING).await?;
            stream.read_u8().await
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(answer) => answer.is_ok(),
            Err(_) => true,
        }
    }

    fn forget(&self) {
        let said = self.said.lock();
        said.unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Why ssh ended, in its own words.
    async fn ended(&self, errors: Option<JoinHandle<()>>) -> io::Error {
        if let Some(errors) = errors {
            // What it started in turn may hold its output open.
            let _ = tokio::time::timeout(LAST_WORDS, errors).await;
        }
        let said = self.last_words();
        io::Error::other(said.unwrap_or_else(|| "ssh ended without a word".into()))
    }
}

/// A folder of this user, which the system empties; where its name is too long, another one.
fn place() -> PathBuf {
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let places = own.into_iter().chain([std::env::temp_dir()]);
    short(places).unwrap_or_else(|| "/tmp".into())
}

fn short(mut places: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    places.find(|folder| folder.as_os_str().len() <= ROOM && folder.is_dir())
}

/// Removes what processes left there that ended without being asked.
fn sweep(place: &Path) {
    for item in std::fs::read_dir(place).into_iter().flatten().flatten() {
        let name = item.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Those of other users stay.
            let _ = std::fs::remove_dir_all(item.path());
        }
    }
}

/// What matters of what ssh said: of the page about a changed key, which and where; else the end.
fn gist(said: &[String]) -> String {
    let told = ["IDENTIFICATION HAS CHANGED", "Offending"];
    let end = said.len().saturating_sub(2);
    let changed = said.iter().any(|line| line.contains(told[0]));
    let lines = said.iter().enumerate().filter(|(at, line)| match changed {
        true => told.iter().any(|sign| line.contains(sign)),
        false => *at >= end,
    });
    let lines: Vec<&str> = lines.map(|(_, line)| line.as_str()).collect();
    lines.join("; ")
}

fn socket(folder: &TempDir) -> PathBuf {
    folder.path().join("engine.sock")
}

/// What is forwarded, by what the other machine's `docker` says of its engine.
fn forwarded(answer: &str) -> io::Result<String> {
    match answer.split_once("://") {
        _ if answer.is_empty() => Ok(SOCKET.to_owned()),
        Some(("unix", path)) => Ok(path.to_owned()),
        Some(("tcp", address)) => Ok(address.trim_end_matches('/').to_owned()),
        _ => Err(io::Error::other(format!(
            "the engine there is in turn elsewhere, at {answer}"
        ))),
    }
}

fn listen(errors: impl AsyncRead + Send + Unpin + 'static, said: Said) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut lines = BufReader::new(errors).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            // Ssh draws a frame around the news of a changed key.
            let line = line.trim_matches(|c: char| c == '@' || c.is_whitespace());
            if line.is_empty() {
                continue;
            }
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.len() == KEPT {
                said.remove(0);
            }
            said.push(line.to_owned());
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{forwarded, gist, short, sweep};

    #[test]
    fn of_a_changed_key_it_is_told_which_and_of_all_else_the_end() {
        let of = |text: &str| gist(&text.lines().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(
            of(
                "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\nIT IS POSSIBLE\nSHA256:x.\nOffending ED25519 key in /k:1\nHost key verification failed."
            ),
            "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!; Offending ED25519 key in /k:1"
        );
        assert_eq!(of("welcome\nto\nnowhere"), "to; nowhere");
    }

    #[test]
    fn only_what_ended_processes_left_is_swept() {
        let place = tempfile::tempdir().unwrap();
        let own = format!("devrun-ssh-{}-a", std::process::id());
        // Larger than any number that the kernel gives.
        let names = ["devrun-ssh-4294967295-b", &own, "devrun", "other"];
        for name in names {
            std::fs::create_dir(place.path().join(name)).unwrap();
        }
        sweep(place.path());
        let left = names.map(|name| place.path().join(name).exists());
        assert_eq!(left, [false, true, true, true]);
    }

    #[test]
    fn sockets_are_made_where_their_names_fit() {
        let place = tempfile::tempdir_in("/tmp").unwrap();
        let long = place.path().join("x".repeat(60));
        std::fs::create_dir(&long).unwrap();
        let gone = place.path().join("gone");
        let places = [gone, long, place.path().to_owned()];
        assert_eq!(short(places.into_iter()), Some(place.path().to_owned()));
    }

    #[test]
    fn what_is_forwarded_is_what_docker_there_speaks_to() {
        let of = |answer| forwarded(answer).map_err(|error| error.to_string());
        assert_eq!(of("").as_deref(), Ok("/var/run/docker.sock"));
        assert_eq!(
            of("unix:///run/user/7/docker.sock").as_deref(),
            Ok("/run/user/7/docker.sock")
        );
        assert_eq!(of("tcp://127.0.0.1:2375").as_deref(), Ok("127.0.0.1:2375"));
        assert!(of("ssh://farther").unwrap_err().contains("elsewhere"));
    }
}
