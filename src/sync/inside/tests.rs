//! What a container has, by the real agent.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use super::*;
use crate::sync::test_agent::{TestAgent, paths};

fn told(found: &[Inside]) -> Vec<String> {
    let tell = |one: &Inside| format!("{} {:?}", one.path.display(), one.kind);
    found.iter().map(tell).collect()
}

#[tokio::test]
async fn a_tree_is_told_down_to_what_is_not_entered() {
    let agent = TestAgent::start().await;
    for path in ["a/b/c.txt", "node_modules/x/y.js", "top.txt"] {
        let path = agent.to(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "12345").unwrap();
    }
    symlink("/etc", agent.to("a/out")).unwrap();
    let enters = |path: &Path| path != Path::new("node_modules");
    let (found, problems) = list(
        &agent.connection,
        &agent.tree.to,
        paths([""]).to_vec(),
        enters,
    )
    .await
    .unwrap();
    assert_eq!(problems, []);
    assert_eq!(
        told(&found),
        [
            "a Folder",
            "node_modules Folder",
            "top.txt File",
            "a/b Folder",
            "a/out Symlink",
            "a/b/c.txt File"
        ]
    );
    assert_eq!(found.last().unwrap().size, 5);
}

#[tokio::test]
async fn many_folders_take_several_questions() {
    let agent = TestAgent::start().await;
    for number in 0..=FOLDERS {
        fs::create_dir(agent.to(&format!("{number:0>4}"))).unwrap();
    }
    fs::write(agent.to(&format!("{FOLDERS:0>4}/last.txt")), "").unwrap();
    let (found, problems) = list(&agent.connection, &agent.tree.to, paths([""]), |_| true)
        .await
        .unwrap();
    assert_eq!((found.len(), problems.len()), (FOLDERS + 2, 0));
}

#[tokio::test]
async fn a_file_is_fetched_whole_whatever_its_size() {
    let agent = TestAgent::start().await;
    for size in [0, 1, PIECE, PIECE + 1, 3 * PIECE] {
        let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        fs::write(agent.to("f"), &content).unwrap();
        let into = File::create(agent.from("f")).unwrap();
        let fetched = fetch(&agent.connection, &agent.tree.to, Path::new("f"), into);
        let fetched = fetched.await.unwrap().unwrap();
        assert_eq!(fetched.hash, devrun_wire::hash(&content));
        assert_eq!(fetched.size, size as u64);
        assert!(fs::read(agent.from("f")).unwrap() == content);
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let agent = TestAgent::start().await;
    let into = File::create(agent.from("f")).unwrap();
    let fetched = fetch(&agent.connection, &agent.tree.to, Path::new("f"), into);
    let problem = fetched.await.unwrap().unwrap_err();
    assert!(problem.message.contains("No such file"), "{problem:?}");
}
