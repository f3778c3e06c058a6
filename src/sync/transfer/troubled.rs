//! The same with what goes wrong: agents are killed at any moment, and news are lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use proptest::prelude::*;

use super::apply;
use super::interleaved::{Work, picture, work};
use crate::sync::Sent;
use crate::sync::memory::Memory;
use crate::sync::reconcile::reconcile;
use crate::sync::stock::Stock;
use crate::sync::test_agent::TestAgent;

/// What happens while the news of some work are brought over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    /// The agent is killed when so many other things have happened.
    Killed(usize),
    /// The news are lost, and it is known that they are.
    Lost,
    /// What the container has is not known any more, to the same agent.
    Forgotten,
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        3 => Just(Trouble::None),
        2 => (0..40_usize).prop_map(Trouble::Killed),
        1 => Just(Trouble::Lost),
        1 => Just(Trouble::Forgotten),
    ]
}

/// As a session remembers for a container.
#[derive(Default)]
struct Remembered(Mutex<BTreeSet<PathBuf>>);

impl Remembered {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeSet<PathBuf>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Memory for Remembered {
    fn comes(&self, path: &Path) {
        self.with(|paths| paths.insert(path.to_owned()));
    }

    fn is_gone(&self, path: &Path) {
        self.with(|paths| paths.remove(path));
    }
}

async fn compare(agent: &TestAgent, sent: &mut Sent, remembered: &Remembered) {
    let from = agent.tree.from.clone();
    let below = |path: &PathBuf| path.strip_prefix(&from).map(Path::to_owned).ok();
    let extra: Vec<PathBuf> = remembered.with(|paths| paths.iter().filter_map(below).collect());
    let tree = (&agent.tree, Stock::take(agent.tree.clone()));
    let outcome = reconcile(&agent.connection, tree, sent, |_| extra, &|_| {}).await;
    assert_eq!(outcome.unwrap().problems, []);
    remembered.with(|paths| paths.extend(sent.paths().map(|path| from.join(path))));
}

/// Works in portions; with each comes its trouble. Both trees at the end.
async fn troubled(
    portions: Vec<(Vec<Work>, Trouble)>,
) -> (BTreeMap<PathBuf, String>, BTreeMap<PathBuf, String>) {
    let (mut agent, mut sent) = (TestAgent::start().await, Sent::default());
    let remembered = Arc::new(Remembered::default());
    agent.tree.memory = Arc::clone(&remembered) as Arc<dyn Memory>;
    let root = agent.tree.from.canonicalize().unwrap();
    fs::write(agent.to("own"), "the container made it").unwrap();
    for (works, trouble) in portions {
        let works = works.iter().filter_map(|work| work.really(&root));
        let news: Vec<PathBuf> = works.flat_map(|work| work.run(&root)).collect();
        match trouble {
            Trouble::None => {
                let brought = apply(&agent.connection, &agent.tree, &mut sent, news).await;
                assert_eq!(brought.unwrap().problems, []);
                continue;
            }
            Trouble::Killed(after) => {
                let killing = async {
                    for _ in 0..after {
                        tokio::task::yield_now().await;
                    }
                    agent.child.start_kill().unwrap();
                };
                let brought = apply(&agent.connection, &agent.tree, &mut sent, news);
                // It may have been quicker.
                let _ = tokio::join!(brought, killing);
                agent.start_again().await;
                sent = Sent::default();
            }
            Trouble::Lost => {}
            Trouble::Forgotten => sent = Sent::default(),
        }
        compare(&agent, &mut sent, &remembered).await;
    }
    let mut container = picture(Path::new(&agent.tree.to));
    assert!(container.remove(Path::new("own")).is_some());
    (picture(&agent.tree.from), container)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn whatever_goes_wrong_the_container_ends_with_the_tree_of_the_host(
        portions in prop::collection::vec((prop::collection::vec(work(), 0..12), trouble()), 1..8),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (host, container) = runtime.block_on(troubled(portions));
        prop_assert_eq!(host, container);
    }
}
