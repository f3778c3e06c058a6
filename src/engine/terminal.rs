//! `devrun exec`: a command in a container, on the terminal or the pipes of this process.

use std::io::{IsTerminal, Read};
use std::time::Duration;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::containers::short;
use super::demux::{Demux, Output};
use super::exec::ExecOptions;
use super::{Engine, EngineError, PROMPT, hijack, pause, within};

/// What a shell reports of a process that a signal ended.
const SIGNALLED: i64 = 128;

/// The keys of `exec`, as an address holds them.
pub(super) const ATTACH_KEYS: &str = "ctrl-%40%2Cctrl-_%2Cctrl-%5E%2Cctrl-%40";

impl Engine {
    /// Runs a command with the input and the outputs of this process and gives its exit code.
    /// With `tty` (only where input and output are terminals) the terminal becomes the command's.
    pub(crate) async fn exec_tty(
        &self,
        id: &str,
        argv: &[String],
        tty: bool,
    ) -> Result<i64, EngineError> {
        let tty = tty && std::io::stdin().is_terminal();
        let term = std::env::var("TERM").map(|term| format!("TERM={term}"));
        let env: Vec<String> = term.into_iter().filter(|_| tty).collect();
        let options = ExecOptions {
            user: None,
            stdin: true,
            tty,
            env: &env,
        };
        let (duplex, exit) = self.exec_start(id, argv, options).await?;
        let (reader, writer) = tokio::io::split(duplex);
        let _raw = tty
            .then(RawMode::enter)
            .transpose()
            .map_err(|error| local(&error))?;
        let input = tokio::spawn(forward(stdin_chunks(), writer));
        let resizing = tty.then(|| {
            let exit = exit.clone();
            tokio::spawn(follow_size(move |rows, columns| {
                let exit = exit.clone();
                async move { exit.resize(rows, columns).await }
            }))
        });
        let ended = tokio::select! {
            copied = copy_out(reader, tty) => copied,
            code = terminated() => Ok(Some(code)),
        };
        input.abort();
        resizing.iter().for_each(JoinHandle::abort);
        match ended {
            Ok(Some(code)) => Ok(code),
            Ok(None) => exit.code().await,
            Err(error) => Err(local(&error)),
        }
    }
}

impl Engine {
    /// Starts a container that [`Engine::create_attached`] made, gives its first process the input
    /// and the outputs of this one, and waits until it ends; its exit code. Ctrl-C where there is
    /// no terminal to take it is passed on; the second one kills.
    pub(crate) async fn run_attached(&self, id: &str, tty: bool) -> Result<i64, EngineError> {
        let path = format!(
            "/v{}/containers/{id}/attach?stream=1&stdin=1&stdout=1&stderr=1&detachKeys={ATTACH_KEYS}",
            self.docker.client_version()
        );
        let doing = format!("talking to {}", short(id));
        let duplex = hijack::post(&self.dialer, &path, String::new(), &doing).await?;
        let (reader, writer) = tokio::io::split(duplex);
        self.start(id).await?;
        let _raw = tty
            .then(RawMode::enter)
            .transpose()
            .map_err(|error| local(&error))?;
        let input = tokio::spawn(forward(stdin_chunks(), writer));
        let (engine, own) = (self.clone(), id.to_owned());
        let resize = move |rows, columns| {
            let (engine, own) = (engine.clone(), own.clone());
            async move { engine.resize_container(&own, rows, columns).await }
        };
        let resizing = tty.then(|| tokio::spawn(follow_size(resize)));
        let ended = tokio::select! {
            copied = copy_out(reader, tty) => copied,
            code = terminated() => Ok(Some(code)),
            never = self.pass_on_interrupts(id) => match never {},
        };
        input.abort();
        resizing.iter().for_each(JoinHandle::abort);
        match ended {
            Ok(Some(code)) => Ok(code),
            Ok(None) => self.wait(id).await,
            Err(error) => Err(local(&error)),
        }
    }

    async fn pass_on_interrupts(&self, id: &str) -> std::convert::Infallible {
        let Ok(mut interrupts) = signal(SignalKind::interrupt()) else {
            return std::future::pending().await;
        };
        let mut word = "INT";
        loop {
            if interrupts.recv().await.is_none() {
                return std::future::pending().await;
            }
            // One that has ended meanwhile says so by the end of its output.
            let _ = self.kill(id, word).await;
            word = "KILL";
        }
    }

    pub(super) async fn resize_container(&self, id: &str, rows: u16, columns: u16) -> bool {
        let options = bollard::query_parameters::ResizeContainerTTYOptions {
            h: rows.into(),
            w: columns.into(),
        };
        let call = self.docker.resize_container_tty(id, options);
        within("resizing the terminal", PROMPT, call).await.is_ok()
    }
}

pub(super) fn local(error: &std::io::Error) -> EngineError {
    EngineError::Local {
        doing: "on this terminal".into(),
        detail: error.to_string(),
    }
}

/// Copies until the command ends; a code only where nobody reads our output any more.
pub(super) async fn copy_out(
    reader: impl AsyncRead + Unpin,
    tty: bool,
) -> std::io::Result<Option<i64>> {
    let (mut stdout, mut stderr) = (tokio::io::stdout(), tokio::io::stderr());
    let copied = match tty {
        true => copy_raw(reader, &mut stdout).await,
        false => copy_apart(reader, &mut stdout, &mut stderr).await,
    };
    match copied {
        // As a program that writes to a closed pipe: SIGPIPE, without a message.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Some(SIGNALLED + 13)),
        other => other.map(|()| None),
    }
}

async fn copy_raw(
    mut reader: impl AsyncRead + Unpin,
    out: &mut (impl AsyncWrite + Unpin),
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        match reader.read(&mut buffer).await? {
            0 => return Ok(()),
            length => out.write_all(&buffer[..length]).await?,
        }
        out.flush().await?;
    }
}

async fn copy_apart(
    reader: impl AsyncRead + Unpin,
    stdout: &mut (impl AsyncWrite + Unpin),
    stderr: &mut (impl AsyncWrite + Unpin),
) -> std::io::Result<()> {
    let mut demux = Demux::new(reader);
    while let Some((output, bytes)) = demux.next().await? {
        match output {
            Output::Stdout => {
                stdout.write_all(bytes).await?;
                stdout.flush().await?;
            }
            Output::Stderr => {
                stderr.write_all(bytes).await?;
                stderr.flush().await?;
            }
        }
    }
    Ok(())
}

/// Reads the standard input on a thread of its own: a blocked read cannot be given up, and as a
/// task of the runtime it would hold up the end of the program until the next key.
pub(super) fn stdin_chunks() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(8);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = vec![0; 16 << 10];
        while let Ok(length) = stdin.read(&mut buffer) {
            if length == 0 || sender.blocking_send(buffer[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

async fn forward(mut chunks: mpsc::Receiver<Vec<u8>>, mut writer: impl AsyncWrite + Unpin) {
    while let Some(chunk) = chunks.recv().await {
        // The command has closed its input or has ended; its output will say so.
        if writer.write_all(&chunk).await.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}

/// Gives the command's terminal the size of ours, now and whenever it changes.
pub(super) async fn follow_size<R: Future<Output = bool>>(resize: impl Fn(u16, u16) -> R) {
    let Ok(mut changes) = signal(SignalKind::window_change()) else {
        return;
    };
    loop {
        // Right after the start the engine may not have the terminal yet.
        for attempt in 1..=10 {
            let Ok(size) = tcgetwinsize(std::io::stdin()) else {
                return;
            };
            if resize(size.ws_row, size.ws_col).await {
                break;
            }
            pause(Duration::from_millis(10 * attempt)).await;
        }
        if changes.recv().await.is_none() {
            return;
        }
    }
}

/// Comes back when this process is told to end, so that the terminal is restored first.
pub(super) async fn terminated() -> i64 {
    let (Ok(mut hangup), Ok(mut terminate)) = (
        signal(SignalKind::hangup()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = hangup.recv() => SIGNALLED + 1,
        _ = terminate.recv() => SIGNALLED + 15,
    }
}

/// The terminal passes every key on as it is, until this is dropped.
pub(super) struct RawMode(Termios);

impl RawMode {
    pub(super) fn enter() -> std::io::Result<Self> {
        let before = tcgetattr(std::io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        // What was typed already is meant for the command.
        tcsetattr(std::io::stdin(), OptionalActions::Drain, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.0);
    }
}
