//! A file comes whole, over nothing that is there, and nowhere else.

use std::os::unix::fs::symlink;

use super::*;
use crate::sync::test_agent::TestAgent;

async fn landed(agent: &TestAgent, path: &str) -> Result<Landed, Problem> {
    let place = place(&agent.tree.from, Path::new(path)).await?;
    place.land(&agent.connection, &agent.tree.to).await.unwrap()
}

fn make(agent: &TestAgent, path: &str) {
    let path = agent.to(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "made").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[tokio::test]
async fn it_comes_with_its_folders_and_mode() {
    let agent = TestAgent::start().await;
    make(&agent, "a/b/new.py");
    landed(&agent, "a/b/new.py")
        .await
        .unwrap()
        .put_new()
        .await
        .unwrap();
    let path = agent.from("a/b/new.py");
    assert_eq!(fs::read(&path).unwrap(), b"made");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o640
    );
    assert_eq!(names(&agent.from("a/b")), ["new.py"]);
}

#[tokio::test]
async fn what_is_there_stays_also_if_it_comes_at_the_last_moment() {
    let agent = TestAgent::start().await;
    make(&agent, "new.py");
    let late = landed(&agent, "new.py").await.unwrap();
    agent.save("new.py", "mine");
    late.put_new().await.unwrap_err();
    assert_eq!(fs::read(agent.from("new.py")).unwrap(), b"mine");
    let refused = landed(&agent, "new.py").await.unwrap().replace(|_| false);
    assert_eq!(
        refused.await.unwrap_err().to_string(),
        "it was changed meanwhile"
    );
    assert_eq!(fs::read(agent.from("new.py")).unwrap(), b"mine");
    let replaced = landed(&agent, "new.py").await.unwrap().replace(|_| true);
    replaced.await.unwrap();
    assert_eq!(fs::read(agent.from("new.py")).unwrap(), b"made");
    assert_eq!(
        names(&agent.tree.from),
        ["new.py"],
        "nothing half-written is left"
    );
}

#[tokio::test]
async fn no_symlink_of_the_host_leads_out() {
    let agent = TestAgent::start().await;
    let outside = agent.folder().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, agent.from("out")).unwrap();
    fs::create_dir(agent.from("real")).unwrap();
    symlink("real", agent.from("in")).unwrap();
    for path in ["out/x.py", "in/x.py"] {
        make(&agent, path);
    }
    let problem = landed(&agent, "out/x.py").await.unwrap_err();
    assert!(
        problem.message.contains("leads out of what is synced"),
        "{problem:?}"
    );
    assert_eq!(names(&outside), [""; 0]);
    landed(&agent, "in/x.py")
        .await
        .unwrap()
        .put_new()
        .await
        .unwrap();
    assert!(agent.from("real/x.py").exists());
    assert!(landed(&agent, "../x.py").await.is_err());
    fs::write(agent.from("file"), "").unwrap();
    make(&agent, "file/x.py");
    assert!(landed(&agent, "file/x.py").await.is_err());
}
