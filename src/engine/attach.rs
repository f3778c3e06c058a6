//! `devrun attach`: the terminal of this process on the first process of a container that runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use super::containers::short;
use super::terminal::{
    ATTACH_KEYS, RawMode, copy_out, follow_size, local, stdin_chunks, terminated,
};
use super::{Engine, EngineError, hijack};

/// Ctrl-P Ctrl-Q, as Docker's own client has it.
const LEAVE: [u8; 2] = [0x10, 0x11];
/// How long the engine may take to note the end of a process whose output has ended.
const NOTED: Duration = Duration::from_secs(5);
/// The same where our input has ended, upon which the engine closes the output as well.
const NOTED_AFTER_INPUT: Duration = Duration::from_secs(1);

/// How it came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attached {
    /// The person, or what was piped in, has come to an end; the process goes on.
    Left,
    /// The process ended, with this code.
    Ended(i64),
}

impl Engine {
    /// Input and outputs of this process become those of the container's first one, its terminal
    /// ours where it has one. Without `input` only its outputs are shown.
    pub(crate) async fn attach(
        &self,
        id: &str,
        tty: bool,
        input: bool,
    ) -> Result<Attached, EngineError> {
        let path = format!(
            "/v{}/containers/{id}/attach?stream=1&stdin={}&stdout=1&stderr=1&detachKeys={ATTACH_KEYS}",
            self.docker.client_version(),
            u8::from(input),
        );
        let doing = format!("talking to {}", short(id));
        // From now on, because the engine may start it again before its output is seen to end.
        let (engine, own) = (self.clone(), id.to_owned());
        let exit = Aborting(tokio::spawn(async move { engine.next_exit(&own).await }));
        let duplex = hijack::post(&self.dialer, &path, String::new(), &doing).await?;
        // Before anything is shown: whoever sees the first line may press it at once.
        let interrupts = signal(SignalKind::interrupt()).map_err(|error| local(&error))?;
        let (reader, writer) = tokio::io::split(duplex);
        let raw = tty && input && std::io::IsTerminal::is_terminal(&std::io::stdin());
        let _raw = raw
            .then(RawMode::enter)
            .transpose()
            .map_err(|error| local(&error))?;
        let (engine, own) = (self.clone(), id.to_owned());
        let resize = move |rows, columns| {
            let (engine, own) = (engine.clone(), own.clone());
            async move { engine.resize_container(&own, rows, columns).await }
        };
        let resizing = raw.then(|| tokio::spawn(follow_size(resize)));
        let input_over = AtomicBool::new(false);
        let ended = tokio::select! {
            copied = copy_out(reader, tty) => copied.map(|code| code.map(|_| Attached::Left)),
            () = typed(input, raw, writer, &input_over) => Ok(Some(Attached::Left)),
            // Where the process has a terminal, Ctrl-C is a key like others.
            () = interrupted(interrupts) => Ok(Some(Attached::Left)),
            _ = terminated() => Ok(Some(Attached::Left)),
        };
        resizing.iter().for_each(JoinHandle::abort);
        match ended {
            Ok(Some(attached)) => Ok(attached),
            Ok(None) => ended_with(exit, input_over.into_inner()).await,
            Err(error) => Err(local(&error)),
        }
    }
}

/// Ends with whoever waits for it.
struct Aborting(JoinHandle<Result<i64, EngineError>>);

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn ended_with(mut exit: Aborting, input_over: bool) -> Result<Attached, EngineError> {
    let patience = match input_over {
        true => NOTED_AFTER_INPUT,
        false => NOTED,
    };
    match tokio::time::timeout(patience, &mut exit.0).await {
        Ok(Ok(code)) => code.map(Attached::Ended),
        // It goes on, without us.
        Ok(Err(_)) | Err(_) => Ok(Attached::Left),
    }
}

/// Passes on what is typed; comes back when the keys for leaving were.
async fn typed(input: bool, raw: bool, mut writer: impl AsyncWrite + Unpin, over: &AtomicBool) {
    if !input {
        return std::future::pending().await;
    }
    let mut chunks = stdin_chunks();
    let mut keys = Keys::default();
    while let Some(chunk) = chunks.recv().await {
        let (pass, leave) = match raw {
            true => keys.take(&chunk),
            false => (chunk, false),
        };
        if writer.write_all(&pass).await.is_err() {
            break;
        }
        if leave {
            return;
        }
    }
    over.store(true, Ordering::Relaxed);
    let _ = writer.shutdown().await;
    // What the process has said until now is still shown: the engine closes the output then.
    std::future::pending().await
}

async fn interrupted(mut interrupts: Signal) {
    interrupts.recv().await;
}

/// Looks for the keys that leave.
#[derive(Debug, Default)]
struct Keys {
    /// The first of the two was typed last, and waits for what comes.
    begun: bool,
}

impl Keys {
    /// What is to be passed on, and whether to leave behind it.
    fn take(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut pass = Vec::with_capacity(typed.len() + 1);
        for &key in typed {
            match (std::mem::take(&mut self.begun), key) {
                (true, key) if key == LEAVE[1] => return (pass, true),
                (true, key) if key == LEAVE[0] => {
                    pass.push(key);
                    self.begun = true;
                }
                (true, key) => pass.extend([LEAVE[0], key]),
                (false, key) if key == LEAVE[0] => self.begun = true,
                (false, key) => pass.push(key),
            }
        }
        (pass, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_that_leave_are_found_wherever_they_fall() {
        let mut keys = Keys::default();
        assert_eq!(keys.take(b"p 1\r"), (b"p 1\r".to_vec(), false));
        assert_eq!(keys.take(b"a\x10"), (b"a".to_vec(), false));
        assert_eq!(keys.take(b"b"), (b"\x10b".to_vec(), false));
        assert_eq!(keys.take(b"\x10\x10"), (b"\x10".to_vec(), false));
        assert_eq!(keys.take(b"\x11rest"), (Vec::new(), true));
    }
}
