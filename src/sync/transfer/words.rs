//! What the words of a rule do to what is brought over.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::sync::test_agent::{TestAgent, paths};
use crate::sync::verify::verify;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_single_file_has_another_name_inside() {
    let mut agent = TestAgent::start().await;
    agent.tree.file = Some(("dev.conf".into(), "default.conf".to_owned()));
    agent.tree.filter = Arc::new(|path, _| path == Path::new("dev.conf"));
    agent.save("dev.conf", "one");
    agent.save("other.conf", "no");
    fs::write(agent.to("dev.conf"), "the image's").unwrap();
    let mut sent = Sent::default();
    let first = agent.reconcile(&mut sent).await;
    assert_eq!(first.unwrap().changed, paths(["dev.conf"]));
    assert_eq!(agent.content("default.conf").unwrap(), b"one");
    assert_eq!(agent.content("dev.conf").unwrap(), b"the image's");
    assert_eq!(agent.content("other.conf"), None);

    agent.save("dev.conf", "two");
    apply(
        &agent.connection,
        &agent.tree,
        &mut sent,
        paths(["dev.conf"]),
    )
    .await
    .unwrap();
    assert_eq!(agent.content("default.conf").unwrap(), b"two");
    let verified = verify(&agent.connection, &agent.tree, &sent, |_| Vec::new()).await;
    assert_eq!(verified.unwrap().differences, []);

    fs::remove_file(agent.from("dev.conf")).unwrap();
    let outcome = apply(
        &agent.connection,
        &agent.tree,
        &mut sent,
        paths(["dev.conf"]),
    )
    .await;
    assert_eq!(outcome.unwrap().removed, 1);
    assert_eq!(agent.content("default.conf"), None);
    assert_eq!(agent.content("dev.conf").unwrap(), b"the image's");
}

#[tokio::test]
async fn a_single_file_does_not_replace_a_folder() {
    let mut agent = TestAgent::start().await;
    agent.tree.file = Some(("dev.conf".into(), "conf.d".to_owned()));
    agent.tree.filter = Arc::new(|path, _| path == Path::new("dev.conf"));
    agent.save("dev.conf", "one");
    fs::create_dir(agent.to("conf.d")).unwrap();
    fs::write(agent.to("conf.d/kept"), "kept").unwrap();
    let mut sent = Sent::default();
    for _ in 0..2 {
        let outcome = agent.reconcile(&mut sent).await.unwrap();
        let told: Vec<_> = outcome.problems.iter().map(|one| &one.message).collect();
        assert!(
            told.len() == 1 && told[0].contains("conf.d is a folder"),
            "{told:?}"
        );
    }
    apply(
        &agent.connection,
        &agent.tree,
        &mut sent,
        paths(["dev.conf"]),
    )
    .await
    .unwrap();
    assert_eq!(agent.content("conf.d/kept").unwrap(), b"kept");
}

#[tokio::test]
async fn modes_and_owners_are_as_the_rule_says() {
    let mut agent = TestAgent::start().await;
    let me = fs::metadata(agent.folder()).unwrap();
    let owner = if me.uid() == 0 {
        (1234, 4321)
    } else {
        (me.uid(), me.gid())
    };
    agent.tree.mode = Some(0o640);
    agent.tree.owner = Some(owner);
    agent.save("run.sh", "x");
    agent.save("deep/a", "a");
    fs::write(agent.to("run.sh"), "x").unwrap();
    let mut sent = Sent::default();
    let first = agent.reconcile(&mut sent).await;
    assert_eq!(first.unwrap().changed, paths(["deep", "deep/a", "run.sh"]));
    for path in ["run.sh", "deep/a", "deep"] {
        let found = fs::metadata(agent.to(path)).unwrap();
        assert_eq!((found.uid(), found.gid()), owner, "{path}");
    }
    assert_eq!(mode(&agent.to("run.sh")), 0o640);
    assert_eq!(mode(&agent.to("deep")), 0o750);
    // Equal, however often it is looked at.
    let again = agent.reconcile(&mut sent).await;
    let again = again.unwrap();
    assert_eq!((again.changed, again.unchanged), (Vec::new(), 3));
    // Another mode on the host changes nothing inside.
    fs::set_permissions(agent.from("run.sh"), fs::Permissions::from_mode(0o777)).unwrap();
    let outcome = apply(&agent.connection, &agent.tree, &mut sent, paths(["run.sh"])).await;
    assert_eq!(outcome.unwrap().unchanged, 1);
}

#[tokio::test]
async fn a_folder_that_is_only_a_way_is_made_where_something_is_in_it() {
    let mut agent = TestAgent::start().await;
    agent.tree.filter = Arc::new(|path, is_dir| is_dir || path.extension() == Some("py".as_ref()));
    agent.tree.makes = Arc::new(|_| false);
    agent.save("full/a.py", "a");
    agent.save("empty/a.txt", "a");
    let mut sent = Sent::default();
    let first = agent.reconcile(&mut sent).await;
    assert_eq!(first.unwrap().changed, paths(["full/a.py"]));
    assert!(!agent.to("empty").exists());
}
