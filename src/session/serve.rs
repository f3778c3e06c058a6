//! The session's socket: other commands ask, the loop answers.

use devrun_wire::session::{Ask, Tell};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::Input;
use crate::report::mask;

/// Takes connections for as long as the session lives.
pub(super) async fn serve(
    listener: UnixListener,
    inputs: mpsc::Sender<Input>,
    talking: mpsc::Sender<()>,
) {
    loop {
        tokio::select! {
            () = inputs.closed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    tokio::spawn(talk(stream, inputs.clone(), talking.clone()));
                }
                Err(error) => tracing::debug!(%error, "the socket"),
            },
        }
    }
}

/// One question, and its answers until either side ends.
async fn talk(stream: UnixStream, inputs: mpsc::Sender<Input>, _talking: mpsc::Sender<()>) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let Ok(Some(line)) = lines.next_line().await else {
        return;
    };
    let (reply, mut answers) = mpsc::unbounded_channel();
    let mut terminal_on = None;
    match serde_json::from_str::<Ask>(&line) {
        Ok(ask) => {
            if let Ask::Attach { service } = &ask {
                terminal_on = Some(service.clone());
            }
            if inputs.send(Input::Ask { ask, reply }).await.is_err() {
                return;
            }
        }
        Err(error) => {
            let message = format!("this session is of another version of devrun: {error}");
            let _ = reply.send(Tell::Refused { message });
            drop(reply);
        }
    }
    let told = async {
        while let Some(told) = answers.recv().await {
            let Ok(line) = serde_json::to_string(&told) else {
                return;
            };
            // Whoever listens need not know what is secret here.
            let line = format!("{}\n", mask::printed(&line));
            if writer.write_all(line.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = told => {}
        // Whoever asked went away.
        _ = lines.next_line() => {}
    }
    drop(answers);
    if let Some(service) = terminal_on {
        let _ = inputs.send(Input::TerminalGone { service }).await;
    }
}
