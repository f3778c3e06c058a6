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

#[cfg(test)]
mod tests {
    use devrun_core::notice::{Notice, NoticeEvent};

    use super::*;

    fn publish(hub: &mut Hub, seq: u64) {
        hub.publish(Stamped::now(Notice {
            seq,
            cause: None,
            event: NoticeEvent::SessionEnded { code: 0 },
            service: None,
            took_ms: None,
        }));
    }

    fn heard(feed: &mut Feed) -> Vec<u64> {
        std::iter::from_fn(|| feed.try_recv().ok())
            .map(|stamped| stamped.notice.seq)
            .collect()
    }

    #[test]
    fn who_comes_late_hears_the_past_in_order_and_then_the_rest() {
        let mut hub = Hub::default();
        publish(&mut hub, 1);
        publish(&mut hub, 2);
        let mut late = hub.listen(true);
        let mut new = hub.listen(false);
        publish(&mut hub, 3);
        assert_eq!(heard(&mut late), [1, 2, 3]);
        assert_eq!(heard(&mut new), [3]);
    }

    #[test]
    fn who_left_does_not_keep_the_others_from_hearing() {
        let mut hub = Hub::default();
        drop(hub.listen(true));
        let mut stays = hub.listen(true);
        publish(&mut hub, 1);
        assert_eq!(heard(&mut stays), [1]);
        assert_eq!(hub.listeners.len(), 1);
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut hub = Hub::default();
        let all = u64::try_from(KEPT).unwrap() + 2;
        (1..=all).for_each(|seq| publish(&mut hub, seq));
        let heard = heard(&mut hub.listen(true));
        assert_eq!(heard.len(), KEPT);
        assert_eq!((heard.first(), heard.last()), (Some(&3), Some(&all)));
    }
}
