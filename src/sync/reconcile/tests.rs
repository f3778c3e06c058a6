//! Random trees on both sides: afterwards what the host has is equal, and the rest untouched.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::reconcile;
use crate::sync::stock::Stock;
use crate::sync::test_agent::{TestAgent, paths};
use crate::sync::transfer::apply;
use crate::sync::{Sent, SyncOutcome};

/// What lies at a path; the folders on the way are not named.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Thing {
    File(u8, bool),
    Link(&'static str),
    Folder,
}

type Layout = BTreeMap<PathBuf, Thing>;

fn layout() -> impl Strategy<Value = Layout> {
    let name = prop_oneof![Just("a"), Just("b"), Just("c")];
    let path = prop::collection::vec(name, 1..4).prop_map(|names| names.iter().collect());
    let link = prop_oneof![Just("nowhere"), Just("a"), Just("b/a"), Just("../outside")];
    let thing = prop_oneof![
        4 => (0u8..3, any::<bool>()).prop_map(|(content, exec)| Thing::File(content, exec)),
        1 => link.prop_map(Thing::Link),
        1 => Just(Thing::Folder),
    ];
    prop::collection::btree_map(path, thing, 0..8)
}

/// Puts a layout on disk; where two of its paths exclude each other the first one stays.
fn lay_out(root: &Path, layout: &Layout) {
    for (path, thing) in layout {
        let parents_are_folders = path.ancestors().skip(1).all(|parent| {
            let found = fs::symlink_metadata(root.join(parent));
            found.map_or(true, |found| found.is_dir())
        });
        let path = root.join(path);
        if !parents_are_folders || fs::symlink_metadata(&path).is_ok() {
            continue;
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match thing {
            Thing::File(content, exec) => {
                fs::write(&path, [*content; 10]).unwrap();
                let mode = if *exec { 0o755 } else { 0o644 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            Thing::Link(target) => symlink(target, &path).unwrap(),
            Thing::Folder => fs::create_dir(&path).unwrap(),
        }
    }
}

/// What is on disk: kind, content and mode of each path.
fn read_back(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let (kind, path) = (entry.file_type().unwrap(), entry.path());
            let what = if kind.is_dir() {
                folders.push(path.clone());
                "folder".to_owned()
            } else if kind.is_symlink() {
                format!("link to {}", fs::read_link(&path).unwrap().display())
            } else {
                let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
                format!("{mode:o} {:?}", fs::read(&path).unwrap())
            };
            found.insert(path.strip_prefix(root).unwrap().to_owned(), what);
        }
    }
    found
}

async fn make_equal(agent: &TestAgent, sent: &mut Sent, extra: &[PathBuf]) -> SyncOutcome {
    let extra = extra.to_vec();
    let tree = (&agent.tree, Stock::take(agent.tree.clone()));
    reconcile(&agent.connection, tree, sent, |_| extra, &|_| {})
        .await
        .unwrap()
}

/// Whether the host has something that cannot be a parent of `path` at one of its parents.
fn had_to_make_room(host: &BTreeMap<PathBuf, String>, path: &Path) -> bool {
    path.ancestors()
        .skip(1)
        .any(|parent| host.get(parent).is_some_and(|what| what != "folder"))
}

async fn check(host: Layout, container: Layout, extra: Vec<PathBuf>) {
    let agent = TestAgent::start().await;
    let outside = agent.folder().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("a"), "not ours").unwrap();
    let to = PathBuf::from(&agent.tree.to);
    lay_out(&agent.tree.from, &host);
    lay_out(&to, &container);
    let (host, before) = (read_back(&agent.tree.from), read_back(&to));
    let mut sent = Sent::default();
    let outcome = make_equal(&agent, &mut sent, &extra).await;
    let after = read_back(&to);
    let refused = |path: &Path| {
        outcome
            .problems
            .iter()
            .any(|problem| path.starts_with(&problem.path))
    };
    for (path, what) in host.iter().filter(|(path, _)| !refused(path)) {
        assert_eq!(after.get(path), Some(what), "{}", path.display());
    }
    for (path, what) in before.iter().filter(|(path, _)| !host.contains_key(*path)) {
        let ours = extra.contains(path);
        let now = after.get(path);
        // Also one on the way to what was ours: the host had it, and has it no more.
        let emptied = what == "folder" && extra.iter().any(|ours| ours.starts_with(path));
        if !had_to_make_room(&host, path) && !emptied {
            assert_eq!(now, (!ours).then_some(what), "{}", path.display());
        }
    }
    let made: Vec<_> = after
        .keys()
        .filter(|path| !before.contains_key(*path) && !host.contains_key(*path))
        .collect();
    assert!(made.is_empty(), "left behind: {made:?}");
    assert_eq!(read_back(agent.folder().join("outside").as_path()).len(), 1);
    if outcome.problems.is_empty() {
        assert_eq!(sent.paths().count(), host.len());
        let again = make_equal(&agent, &mut sent, &extra).await;
        assert_eq!((again.changed, again.unchanged), (vec![], host.len()));
    } else {
        // Only a link out of the target is refused.
        for problem in &outcome.problems {
            assert!(
                problem.message.contains("is a symlink out of"),
                "{problem:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_the_host_has_is_equal_and_the_rest_untouched(
        host in layout(), container in layout(), extra in layout()
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(host, container, extra.into_keys().collect()));
    }
}

#[tokio::test]
async fn after_it_a_removal_on_the_host_is_passed_on() {
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    agent.save("from-image", "1");
    fs::write(agent.to("from-image"), "1").unwrap();
    fs::write(agent.to("made-inside"), "1").unwrap();
    assert_eq!(make_equal(&agent, &mut sent, &[]).await.files, 0);
    fs::remove_file(agent.from("from-image")).unwrap();
    let changed = paths(["from-image", "made-inside"]);
    let outcome = apply(&agent.connection, &agent.tree, &mut sent, changed)
        .await
        .unwrap();
    assert_eq!(outcome.removed, 1);
    assert_eq!(agent.content("from-image"), None);
    assert!(agent.content("made-inside").is_some());
}

#[tokio::test]
async fn what_the_filter_leaves_out_is_neither_written_nor_removed() {
    let (mut agent, mut sent) = (TestAgent::start().await, Sent::default());
    agent.tree.filter = Arc::new(|path, _| !path.starts_with("node_modules"));
    agent.save("node_modules/x", "host");
    agent.save("src/a", "1");
    fs::create_dir(agent.to("node_modules")).unwrap();
    fs::write(agent.to("node_modules/x"), "container").unwrap();
    let outcome = make_equal(&agent, &mut sent, &paths(["node_modules/x"])).await;
    assert_eq!((outcome.files, outcome.removed), (1, 0));
    assert_eq!(agent.content("node_modules/x").unwrap(), b"container");
}

#[tokio::test]
async fn thousands_of_files_arrive_and_only_what_differs_is_sent_again() {
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    for number in 0..2_000 {
        agent.save(&format!("d{}/f{number}", number % 17), number.to_string());
    }
    assert_eq!(make_equal(&agent, &mut sent, &[]).await.files, 2_000);
    fs::write(agent.to("d3/f3"), "changed inside").unwrap();
    fs::remove_file(agent.to("d4/f4")).unwrap();
    let outcome = make_equal(&agent, &mut Sent::default(), &[]).await;
    assert_eq!(
        (outcome.changed, outcome.unchanged),
        (paths(["d3/f3", "d4/f4"]), 2_000 + 17 - 2)
    );
    assert_eq!(agent.content("d3/f3").unwrap(), b"3");
}

#[tokio::test]
async fn a_source_that_is_not_there_is_a_problem_and_removes_nothing() {
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    fs::write(agent.to("a"), "1").unwrap();
    fs::remove_dir(&agent.tree.from).unwrap();
    let outcome = make_equal(&agent, &mut sent, &paths(["a"])).await;
    assert_eq!((outcome.removed, outcome.problems.len()), (0, 1));
    assert!(agent.content("a").is_some());
}

#[tokio::test]
async fn a_folder_that_stayed_for_what_was_ignored_goes_with_it() {
    let (mut agent, mut sent) = (TestAgent::start().await, Sent::default());
    agent.save("d/left/f", "1");
    make_equal(&agent, &mut sent, &[]).await;
    // Ignored from now on, which another agent finds so.
    agent.tree.filter = Arc::new(|path, _| !path.starts_with("d/left"));
    let mut sent = Sent::default();
    make_equal(&agent, &mut sent, &[]).await;
    fs::remove_dir_all(agent.from("d")).unwrap();
    apply(&agent.connection, &agent.tree, &mut sent, paths(["d"]))
        .await
        .unwrap();
    assert!(agent.content("d/left/f").is_some());
    agent.tree.filter = Arc::new(|_, _| true);
    make_equal(&agent, &mut sent, &paths(["d/left/f"])).await;
    assert_eq!(read_back(Path::new(&agent.tree.to)).len(), 0);
}

#[tokio::test]
async fn a_link_out_of_the_target_makes_room_for_a_folder_and_what_it_leads_to_stays() {
    let agent = TestAgent::start().await;
    let outside = agent.folder().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("a"), "not ours").unwrap();
    fs::create_dir_all(agent.tree.from.join("sub/deep")).unwrap();
    fs::write(agent.tree.from.join("sub/deep/b"), "ours").unwrap();
    let to = PathBuf::from(&agent.tree.to);
    fs::create_dir_all(to.join("sub")).unwrap();
    symlink("../../outside", to.join("sub/deep")).unwrap();
    let outcome = make_equal(&agent, &mut Sent::default(), &[]).await;
    assert_eq!(outcome.problems, []);
    assert_eq!(read_back(&to), read_back(&agent.tree.from));
    assert_eq!(fs::read_to_string(outside.join("a")).unwrap(), "not ours");
    assert!(!outside.join("b").exists());
}
