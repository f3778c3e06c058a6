use std::fs;
use std::time::Duration;

use devrun_core::plan::IgnoreTexts;
use devrun_stack::{Action, Location, On, Service, Stack};
use tempfile::TempDir;

use super::*;

/// `on "models/*.json"`, in a folder with two of these.
fn folder() -> (TempDir, Arc<Rules>) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_owned();
    fs::create_dir_all(root.join("models/old")).unwrap();
    fs::write(root.join("models/a.json"), "one").unwrap();
    fs::write(root.join("models/b.json"), "one").unwrap();
    let on = On {
        patterns: vec!["models/*.json".into()],
        actions: vec![Action::Restart],
        settle: Duration::ZERO,
        at: Location::default(),
    };
    let service = Service {
        name: "web".into(),
        on: vec![on],
        ..Service::default()
    };
    let stack = Stack {
        file: root.join("Stackfile.kdl"),
        root,
        services: vec![service],
        ..Stack::default()
    };
    (dir, Arc::new(Rules::compile(&stack, &IgnoreTexts::new())))
}

async fn told(memory: &mut Memory, paths: &[&Path]) -> Vec<PathBuf> {
    let event = WatchEvent::Changed {
        paths: paths.iter().map(|path| path.to_path_buf()).collect(),
        same: Vec::new(),
        age: Duration::ZERO,
    };
    match memory.compare(event).await {
        WatchEvent::Changed { same, .. } => same,
        other => panic!("{other:?}"),
    }
}

async fn lost(memory: &mut Memory) -> Vec<PathBuf> {
    let event = WatchEvent::Overflow {
        changed: Vec::new(),
    };
    match memory.compare(event).await {
        WatchEvent::Overflow { changed } => changed,
        other => panic!("{other:?}"),
    }
}

/// Watched since a time after all of it was written, so that nothing is in doubt.
async fn remembering(rules: Arc<Rules>) -> (watch::Sender<Watched>, Memory) {
    let watched = Watched {
        since: i128::MAX,
        ..Watched::by(rules)
    };
    let sender = watch::Sender::new(watched);
    let mut memory = Memory::new(sender.subscribe());
    memory.take_in().await;
    (sender, memory)
}

#[tokio::test]
async fn what_was_only_touched_is_told_from_what_was_changed() {
    let (dir, rules) = folder();
    let (_watched, mut memory) = remembering(rules).await;
    let [a, b, other] = ["models/a.json", "models/b.json", "other"].map(|it| dir.path().join(it));
    fs::write(&a, "one").unwrap();
    fs::write(&b, "two").unwrap();
    fs::write(&other, "one").unwrap();
    assert_eq!(
        told(&mut memory, &[&a, &b, &other]).await,
        std::slice::from_ref(&a)
    );
    assert_eq!(told(&mut memory, &[&b]).await, std::slice::from_ref(&b));
    fs::remove_file(&b).unwrap();
    assert!(told(&mut memory, &[&b]).await.is_empty(), "it is gone");
    assert_eq!(told(&mut memory, &[&b]).await, std::slice::from_ref(&b));
}

#[tokio::test]
async fn lost_events_are_made_up_for() {
    let (dir, rules) = folder();
    let (_watched, mut memory) = remembering(rules).await;
    let [a, b, c] =
        ["models/a.json", "models/b.json", "models/c.json"].map(|it| dir.path().join(it));
    assert!(lost(&mut memory).await.is_empty());
    fs::write(&a, "one").unwrap();
    fs::remove_file(&b).unwrap();
    fs::write(&c, "new").unwrap();
    fs::write(dir.path().join("models/old/d.json"), "not named").unwrap();
    assert_eq!(lost(&mut memory).await, [b, c]);
    assert!(lost(&mut memory).await.is_empty());
}

#[tokio::test]
async fn what_was_written_since_it_is_watched_is_in_doubt() {
    let (dir, rules) = folder();
    let a = dir.path().join("models/a.json");
    let sender = watch::Sender::new(Watched {
        rules: Some(rules),
        since: 0,
    });
    let mut memory = Memory::new(sender.subscribe());
    assert!(
        told(&mut memory, &[&a]).await.is_empty(),
        "nothing is known yet"
    );
    memory.take_in().await;
    fs::write(dir.path().join("models/b.json"), "one").unwrap();
    let b = dir.path().join("models/b.json");
    assert!(told(&mut memory, &[&b]).await.is_empty());
    assert_eq!(told(&mut memory, &[&b]).await, std::slice::from_ref(&b));
}
