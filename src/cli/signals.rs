//! Ctrl-C and the polite request to end.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Trouble;

/// Both, as one stream.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Signals, Trouble> {
        let listen =
            |kind| signal(kind).map_err(|error| Trouble::local("listening to signals", &error));
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// The next one of either.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
