//! From one session to all who listen, those included who come late.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::Stamped;

/// So many notices are kept for those who come late.
const KEPT: usize = 5000;

/// A listener's end.
pub(crate) type Feed = mpsc::UnboundedReceiver<Arc<Stamped>>;

/// Owned by the session's loop.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    kept: VecDeque<Arc<Stamped>>,
    listeners: Vec<mpsc::UnboundedSender<Arc<Stamped>>>,
}

impl Hub {
    pub(crate) fn publish(&mut self, stamped: Stamped) {
        let stamped = Arc::new(stamped);
        self.listeners
            .retain(|listener| listener.send(stamped.clone()).is_ok());
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(stamped);
    }

    /// What was published so far, as far back as it is kept.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Stamped> {
        self.kept.iter().map(AsRef::as_ref)
    }

    /// Everything from now on; before it, if wanted, what was kept.
    pub(crate) fn listen(&mut self, from_the_start: bool) -> Feed {
        let (sender, feed) = mpsc::unbounded_channel();
        if from_the_start {
            for stamped in &self.kept {
                // The receiver is still ours.
                let _ = sender.send(stamped.clone());
            }
        }
        self.listeners.push(sender);
        feed
    }
}
