//! What a container has, by the real agent.

use std::fs;
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
