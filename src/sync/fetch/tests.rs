//! A file of the container comes whole, or not at all.

use std::fs::{self, File};

use super::*;
use crate::sync::test_agent::TestAgent;

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
        assert_eq!(fetched.version.size, size as u64);
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
