//! Where the time of a transfer goes, for whoever measures it.

use std::time::Duration;

use tokio::time::Instant;

use super::SyncOutcome;

/// The stations of one transfer.
#[derive(Debug)]
pub(super) struct Clock {
    began: Instant,
    /// Spent waiting for the host's disk.
    pub(super) read: Duration,
    sent: Option<Instant>,
}

impl Clock {
    pub(super) fn start() -> Clock {
        Clock {
            began: Instant::now(),
            read: Duration::ZERO,
            sent: None,
        }
    }

    /// Nothing more will be sent; answers are to come.
    pub(super) fn all_sent(&mut self) {
        self.sent = Some(Instant::now());
    }

    /// All answers are there.
    pub(super) fn tell(&self, outcome: &SyncOutcome) {
        let sent = self.sent.unwrap_or(self.began);
        let count = outcome.files + outcome.removed;
        let bytes = outcome.bytes;
        tracing::debug!(count, bytes, us = micros(self.read), "save.read");
        let sending = sent.duration_since(self.began).saturating_sub(self.read);
        tracing::debug!(count, bytes, us = micros(sending), "save.sent");
        tracing::debug!(
            count,
            bytes,
            us = micros(sent.elapsed()),
            "save.acknowledged"
        );
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
