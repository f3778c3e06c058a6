//! The host's side of a comparison, taken while the container still starts.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use devrun_core::early::Moment;
use devrun_core::plan::Rules;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{agreed, trees};
use crate::sync::stock::Stock;

/// How long a comparison waits until saves are noticed. Where they never are, that was told.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether saves are noticed. What is looked at before then could change without anybody hearing
/// of it.
#[derive(Debug, Clone)]
pub(super) struct Armed(watch::Receiver<usize>);

impl Armed {
    /// Until they are.
    pub(super) async fn wait(mut self) {
        let armed = self.0.wait_for(|awaited| *awaited == 0);
        // Where nobody arms any more, nobody waits for it.
        let _ = tokio::time::timeout(PATIENCE, armed).await;
    }
}

/// What was looked at for containers that start.
#[derive(Debug)]
pub(super) struct Ahead {
    /// How often it was asked to watch by other rules without an answer.
    awaited: watch::Sender<usize>,
    /// By service.
    taken: HashMap<String, Taken>,
    saves: Saves,
}

/// The trees of a service, as far as they were looked at, in order of declaration.
#[derive(Debug)]
pub(super) struct Taken {
    rules: Arc<Rules>,
    /// What changed later was perhaps looked at too early.
    began: Moment,
    stocks: JoinHandle<Vec<Option<Stock>>>,
}

impl Taken {
    /// What was taken by these rules, each with its place, and when that began at the earliest.
    pub(super) async fn by(self, rules: &Arc<Rules>) -> (Moment, Vec<Option<Stock>>) {
        if !Arc::ptr_eq(&self.rules, rules) {
            return (agreed::just_before_now(), Vec::new());
        }
        (self.began, self.stocks.await.unwrap_or_default())
    }
}

/// How often something was saved, or may have been.
#[derive(Debug, Clone, Default)]
pub(super) struct Saves(Arc<AtomicU64>);

impl Saves {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Default for Ahead {
    fn default() -> Self {
        Ahead {
            awaited: watch::Sender::new(0),
            taken: HashMap::new(),
            saves: Saves::default(),
        }
    }
}

impl Ahead {
    /// It is watched by other rules soon.
    pub(super) fn arming(&self) {
        self.awaited.send_modify(|awaited| *awaited += 1);
    }

    /// It is.
    pub(super) fn armed(&self) {
        self.awaited
            .send_modify(|awaited| *awaited = awaited.saturating_sub(1));
    }

    pub(super) fn gate(&self) -> Armed {
        Armed(self.awaited.subscribe())
    }

    pub(super) fn saves(&self) -> Saves {
        self.saves.clone()
    }

    /// A container of the service begins to start: its trees are looked at meanwhile.
    pub(super) fn begin(&mut self, service: &str, rules: &Arc<Rules>) {
        let (armed, by, name) = (self.gate(), Arc::clone(rules), service.to_owned());
        let stocks = tokio::spawn(async move {
            armed.wait().await;
            trees::take_stock(&by, &name)
        });
        let taken = Taken {
            rules: Arc::clone(rules),
            began: agreed::just_before_now(),
            stocks,
        };
        self.taken.insert(service.to_owned(), taken);
    }

    /// Its container runs, or will not.
    pub(super) fn end(&mut self, service: &str) -> Option<Taken> {
        self.taken.remove(service)
    }

    /// Something changed since, or may have.
    pub(super) fn forget(&mut self) {
        self.saves.0.fetch_add(1, Ordering::Relaxed);
        self.taken.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_looked_at_before_saves_are_noticed() {
        let ahead = Ahead::default();
        ahead.arming();
        ahead.arming();
        ahead.armed();
        let gate = tokio::spawn(ahead.gate().wait());
        tokio::task::yield_now().await;
        assert!(!gate.is_finished(), "one answer is still to come");
        ahead.armed();
        gate.await.unwrap();
        // One that nobody asked for changes nothing.
        ahead.armed();
        ahead.gate().wait().await;
    }
}
