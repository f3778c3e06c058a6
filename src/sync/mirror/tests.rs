//! What goes and what stays, by the real agent.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use super::*;
use crate::sync::test_agent::TestAgent;

#[tokio::test]
async fn what_the_host_does_not_have_goes_and_what_is_ignored_stays() {
    let mut agent = TestAgent::start().await;
    agent.save("kept/ours.txt", "ours");
    let outside = agent.folder().join("outside.txt");
    fs::write(&outside, "x").unwrap();
    for path in [
        "own.txt",
        "kept/own.txt",
        "made/deep/own.txt",
        "cache/x",
        "half/cache/x",
        "new/back.py",
    ] {
        let path = agent.to(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "own").unwrap();
    }
    symlink(&outside, agent.to("link")).unwrap();
    agent.tree.filter = Arc::new(|path: &Path, _| !path.ends_with("cache"));
    let mut sent = Sent::default();
    agent.reconcile(&mut sent).await.unwrap();
    let kept = |path: &Path| path.ends_with("back.py");
    let outcome = sweep(&agent.connection, &agent.tree, &mut sent, kept)
        .await
        .unwrap();
    let mut gone = outcome.changed.clone();
    gone.sort();
    let expected = ["kept/own.txt", "link", "made/deep/own.txt", "own.txt"];
    assert_eq!(gone, expected.map(PathBuf::from));
    assert_eq!(outcome.problems, []);
    for (path, stays) in [
        ("kept/ours.txt", true),
        ("cache/x", true),
        ("half/cache/x", true),
        ("new/back.py", true),
        ("made", false),
        ("own.txt", false),
    ] {
        assert_eq!(agent.to(path).exists(), stays, "{path}");
    }
    assert!(outside.exists(), "nothing outside of the target is touched");
}

#[tokio::test]
async fn a_source_that_is_not_there_empties_nothing() {
    let agent = TestAgent::start().await;
    fs::write(agent.to("own.txt"), "own").unwrap();
    fs::remove_dir_all(&agent.tree.from).unwrap();
    let mut sent = Sent::default();
    let swept = sweep(&agent.connection, &agent.tree, &mut sent, |_| false).await;
    assert_eq!(swept.unwrap().removed, 0);
    assert!(agent.to("own.txt").exists());
}
