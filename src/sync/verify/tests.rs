//! What a comparison tells, and that it changes nothing.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::sync::test_agent::{TestAgent, paths};
use crate::sync::transfer::apply;

#[tokio::test]
async fn each_difference_is_told_with_its_kind() {
    let agent = TestAgent::start().await;
    for name in [
        "same",
        "content",
        "mode",
        "missing",
        "gone",
        "folder/in",
        "kind",
    ] {
        agent.save(name, name);
    }
    symlink("same", agent.from("link")).unwrap();
    let mut sent = Sent::default();
    let all = [
        "same", "content", "mode", "missing", "gone", "folder", "kind", "link",
    ];
    apply(&agent.connection, &agent.tree, &mut sent, paths(all))
        .await
        .unwrap();
    let look = |extra: Vec<PathBuf>| {
        let (agent, sent) = (&agent, sent.clone());
        async move {
            verify(&agent.connection, &agent.tree, &sent, |_| extra)
                .await
                .unwrap()
        }
    };
    let before = look(Vec::new()).await;
    assert_eq!(
        (before.compared, before.differences.len()),
        (9, 0),
        "{before:?}"
    );

    fs::write(agent.to("content"), "changed inside").unwrap();
    fs::set_permissions(agent.to("mode"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(agent.to("missing")).unwrap();
    fs::remove_file(agent.from("gone")).unwrap();
    fs::remove_file(agent.to("kind")).unwrap();
    fs::create_dir(agent.to("kind")).unwrap();
    fs::write(agent.to("own.txt"), "the container made it").unwrap();
    fs::write(agent.to("old.txt"), "from an earlier session").unwrap();
    let found = look(paths(["old.txt", "never.txt"])).await;
    let told: Vec<String> = found
        .differences
        .iter()
        .map(|(path, kind)| format!("{} {}", kind.word(), path.display()))
        .collect();
    assert_eq!(
        told,
        [
            "differs content",
            "extra gone",
            "differs kind",
            "missing missing",
            "mode mode",
            "extra old.txt"
        ]
    );
    assert_eq!(found.problems, []);
    assert_eq!(agent.content("content").unwrap(), b"changed inside");
    assert!(agent.to("gone").exists());
}
