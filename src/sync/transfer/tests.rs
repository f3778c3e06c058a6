//! What a save leads to in the container.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::apply;
use crate::sync::scan::PIECE;
use crate::sync::test_agent::{TestAgent, paths};
use crate::sync::{Sent, SyncOutcome};

async fn bring(agent: &TestAgent, sent: &mut Sent, changed: Vec<PathBuf>) -> SyncOutcome {
    apply(&agent.connection, &agent.tree, sent, changed)
        .await
        .unwrap()
}

/// All that lies in a folder, temporary names included.
fn all_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(all_below(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_saved_file_arrives_once_with_its_mode() {
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    agent.save("api/views.py", "one");
    fs::set_permissions(
        agent.from("api/views.py"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    let outcome = bring(&agent, &mut sent, paths(["api/views.py"])).await;
    assert_eq!(
        (outcome.files, outcome.bytes, &outcome.problems),
        (1, 3, &vec![])
    );
    assert_eq!(outcome.changed, paths(["api/views.py"]));
    assert_eq!(agent.content("api/views.py").unwrap(), b"one");
    let mode = fs::metadata(agent.to("api/views.py"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
    let outcome = bring(&agent, &mut sent, paths(["api/views.py", "api/views.py"])).await;
    assert_eq!((outcome.files, outcome.unchanged), (0, 1));
    agent.save("api/views.py", "two");
    assert_eq!(
        bring(&agent, &mut sent, paths(["api/views.py"]))
            .await
            .files,
        1
    );
    assert_eq!(agent.content("api/views.py").unwrap(), b"two");
}

#[tokio::test]
async fn a_removed_file_goes_and_what_the_container_made_stays() {
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    agent.save("pkg/a.py", "1");
    agent.save("pkg/sub/b.py", "2");
    bring(&agent, &mut sent, paths(["pkg"])).await;
    fs::write(agent.to("pkg/sub/made.pyc"), "x").unwrap();
    fs::write(agent.to("never-sent"), "x").unwrap();
    fs::remove_dir_all(agent.from("pkg")).unwrap();
    let outcome = bring(&agent, &mut sent, paths(["pkg", "pkg/a.py", "never-sent"])).await;
    assert_eq!((outcome.removed, &outcome.problems), (2, &vec![]));
    assert_eq!(
        all_below(Path::new(&agent.tree.to)),
        ["never-sent", "pkg", "pkg/sub", "pkg/sub/made.pyc"].map(|path| agent.to(path))
    );
    assert_eq!(sent.paths().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_an_editor_renames_away_for_a_moment_is_not_removed() {
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    agent.save("a.py", "old");
    bring(&agent, &mut sent, paths(["a.py"])).await;
    let container = agent.to("a.py");
    fs::rename(agent.from("a.py"), agent.from("a.py~")).unwrap();
    let over = AtomicBool::new(false);
    let watch = || {
        while !over.load(Ordering::Relaxed) {
            assert!(container.exists(), "it was absent in the container");
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(watch);
        let (agent, over) = (&agent, &over);
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let write = async { agent.save("a.py", "new") };
                let (outcome, ()) = tokio::join!(bring(agent, &mut sent, paths(["a.py"])), write);
                over.store(true, Ordering::Relaxed);
                assert_eq!((outcome.files, outcome.removed), (1, 0));
            });
        });
    });
    assert_eq!(agent.content("a.py").unwrap(), b"new");
}

#[tokio::test]
async fn a_new_folder_comes_with_what_takes_part_of_it() {
    let (mut agent, mut sent) = (TestAgent::start().await, Sent::default());
    agent.tree.filter = Arc::new(|path, is_folder| !(is_folder && path.ends_with("dist")));
    agent.save("new/x/a", "1");
    agent.save("new/dist/b", "2");
    fs::create_dir(agent.from("new/empty")).unwrap();
    symlink("x/a", agent.from("new/link")).unwrap();
    let outcome = bring(&agent, &mut sent, paths(["new"])).await;
    assert_eq!((outcome.files, &outcome.problems), (2, &vec![]));
    assert_eq!(
        all_below(Path::new(&agent.tree.to)),
        ["new", "new/empty", "new/link", "new/x", "new/x/a"].map(|path| agent.to(path))
    );
    assert_eq!(
        fs::read_link(agent.to("new/link")).unwrap(),
        Path::new("x/a")
    );
}

#[tokio::test]
async fn a_folder_under_a_name_that_another_one_had_replaces_its_content() {
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    agent.save("now/same", "1");
    agent.save("now/old", "2");
    bring(&agent, &mut sent, paths(["now"])).await;
    fs::remove_dir_all(agent.from("now")).unwrap();
    agent.save("now/same", "1");
    agent.save("now/new", "3");
    let outcome = bring(&agent, &mut sent, paths(["now"])).await;
    assert_eq!((outcome.files, outcome.removed), (1, 1));
    assert_eq!(
        all_below(Path::new(&agent.tree.to)),
        ["now", "now/new", "now/same"].map(|path| agent.to(path))
    );
}

#[tokio::test]
async fn file_folder_and_symlink_take_each_others_place() {
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    agent.save("x/y/z", "deep");
    bring(&agent, &mut sent, paths(["x"])).await;
    fs::remove_dir_all(agent.from("x")).unwrap();
    agent.save("x", "flat");
    let outcome = bring(&agent, &mut sent, paths(["x", "x/y", "x/y/z"])).await;
    assert_eq!(outcome.problems, []);
    assert_eq!(agent.content("x").unwrap(), b"flat");
    fs::remove_file(agent.from("x")).unwrap();
    symlink("nowhere", agent.from("x")).unwrap();
    bring(&agent, &mut sent, paths(["x"])).await;
    assert_eq!(fs::read_link(agent.to("x")).unwrap(), Path::new("nowhere"));
    fs::remove_file(agent.from("x")).unwrap();
    agent.save("x/y/z", "deep again");
    bring(&agent, &mut sent, paths(["x"])).await;
    assert_eq!(agent.content("x/y/z").unwrap(), b"deep again");
    assert_eq!(sent.paths().count(), 3);
}

#[tokio::test]
async fn what_a_folder_had_comes_back_with_it_after_a_file_had_its_place() {
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    let save = || {
        agent.save("x/y/z", "the same");
        fs::create_dir(agent.from("x/empty")).unwrap();
    };
    save();
    bring(&agent, &mut sent, paths(["x"])).await;
    fs::remove_dir_all(agent.from("x")).unwrap();
    agent.save("x", "a file for a moment");
    // Nobody says what was below: when it would be looked at, it is back.
    bring(&agent, &mut sent, paths(["x"])).await;
    fs::remove_file(agent.from("x")).unwrap();
    save();
    bring(&agent, &mut sent, paths(["x", "x/empty", "x/y/z"])).await;
    assert_eq!(agent.content("x/y/z").unwrap(), b"the same");
    assert!(agent.to("x/empty").is_dir());
}

#[tokio::test]
async fn large_files_arrive_whole_and_are_not_sent_twice() {
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    for size in [PIECE, PIECE + 1, 2 * PIECE, 30 * PIECE + 12_345] {
        let content: Vec<u8> = (0..size).map(|n| (n / 7 % 256) as u8).collect();
        agent.save("big", &content);
        let outcome = bring(&agent, &mut sent, paths(["big"])).await;
        assert_eq!((outcome.files, outcome.bytes), (1, size as u64));
        assert!(agent.content("big").unwrap() == content, "{size} bytes");
        assert_eq!(bring(&agent, &mut sent, paths(["big"])).await.unchanged, 1);
    }
    assert_eq!(all_below(Path::new(&agent.tree.to)), [agent.to("big")]);
}

#[tokio::test]
async fn dropped_half_way_it_leaves_the_old_file_and_nothing_beside_it() {
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    agent.save("big", "old");
    bring(&agent, &mut sent, paths(["big"])).await;
    agent.save("big", vec![1; 20 * PIECE]);
    {
        let work = bring(&agent, &mut sent, paths(["big"]));
        tokio::pin!(work);
        // A temporary name shows that pieces have arrived.
        while all_below(Path::new(&agent.tree.to)).len() < 2 {
            let step = std::future::poll_fn(|cx| work.as_mut().poll(cx));
            tokio::select! {
                _ = step => panic!("it was done before it was seen"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    let mut looks = 0;
    while all_below(Path::new(&agent.tree.to)).len() > 1 {
        // Each answer shows that the agent has come further in what was sent to it.
        let request = devrun_wire::frames::Request::Signal {
            pid: 1 << 30,
            signal: 0,
        };
        agent.connection.request(request).await.unwrap();
        looks += 1;
        assert!(looks < 10_000, "the temporary file stays");
    }
    assert_eq!(agent.content("big").unwrap(), b"old");
    let outcome = bring(&agent, &mut sent, paths(["big"])).await;
    assert_eq!(outcome.bytes, 20 * PIECE as u64);
}

#[tokio::test]
async fn a_refused_path_is_a_problem_and_the_others_arrive() {
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    let outside = agent.folder().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, agent.to("media")).unwrap();
    agent.save("media/a", vec![1; 3 * PIECE]);
    agent.save("media/b", "1");
    agent.save("ok", "1");
    let outcome = bring(&agent, &mut sent, paths(["media/a", "media/b", "ok"])).await;
    assert_eq!(outcome.files, 1);
    let refused: Vec<_> = outcome
        .problems
        .iter()
        .map(|problem| problem.path.clone())
        .collect();
    assert_eq!(refused.len(), 2, "{:?}", outcome.problems);
    assert!(refused.contains(&"media/a".into()) && refused.contains(&"media/b".into()));
    assert!(outcome.problems[0].message.contains("symlink out of"));
    assert!(all_below(&outside).is_empty());
    assert_eq!(sent.paths().collect::<Vec<_>>(), paths(["ok"]));
}

#[tokio::test]
async fn a_source_that_is_gone_empties_nothing() {
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    agent.save("a", "1");
    bring(&agent, &mut sent, paths(["a"])).await;
    fs::remove_dir_all(&agent.tree.from).unwrap();
    let outcome = bring(&agent, &mut sent, paths(["a", ""])).await;
    assert_eq!((outcome.removed, outcome.problems.len()), (0, 1));
    assert_eq!(agent.content("a").unwrap(), b"1");
}

#[tokio::test]
async fn names_that_are_not_text_arrive() {
    use std::os::unix::ffi::OsStrExt as _;
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    let name = PathBuf::from(std::ffi::OsStr::from_bytes(b"caf\xe9 -rf *"));
    fs::write(agent.tree.from.join(&name), "1").unwrap();
    assert_eq!(bring(&agent, &mut sent, vec![name.clone()]).await.files, 1);
    assert_eq!(
        fs::read(Path::new(&agent.tree.to).join(&name)).unwrap(),
        b"1"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changes_all_the_time_is_never_seen_torn() {
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    let over = Arc::new(AtomicBool::new(false));
    let path = agent.from("x");
    agent.save("x", vec![b'a'; 200_000]);
    let (stop, host) = (Arc::clone(&over), path.clone());
    // Writes beside and renames, as good editors do: each version is one letter throughout.
    let writer = std::thread::spawn(move || {
        for letter in (b'a'..=b'z').cycle() {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let beside = host.with_extension("tmp");
            fs::write(&beside, vec![letter; 150_000 + usize::from(letter) * 5_000]).unwrap();
            fs::rename(&beside, &host).unwrap();
        }
    });
    for _ in 0..100 {
        bring(&agent, &mut sent, paths(["x"])).await;
        let seen = agent.content("x").unwrap_or_default();
        assert!(seen.iter().all(|byte| Some(byte) == seen.first()), "torn");
    }
    over.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    bring(&agent, &mut sent, paths(["x"])).await;
    assert_eq!(agent.content("x").unwrap(), fs::read(&path).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_its_writer_has_not_closed_is_waited_for() {
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    agent.save("x", "the old one");
    bring(&agent, &mut sent, paths(["x"])).await;
    let mut writer = fs::File::create(agent.from("x")).unwrap();
    let brought = bring(&agent, &mut sent, paths(["x"]));
    // Truncated when it is looked at first, and complete before it is looked at again.
    let written = std::thread::spawn(move || {
        use std::io::Write as _;
        writer.write_all(b"the new one").unwrap();
        writer
    });
    assert_eq!(brought.await.problems, []);
    assert_eq!(agent.content("x").unwrap(), b"the new one");
    // Who keeps it open without writing is not waited for.
    let mut writer = written.join().unwrap();
    std::io::Write::write_all(&mut writer, b" and more").unwrap();
    assert_eq!(bring(&agent, &mut sent, paths(["x"])).await.problems, []);
    assert_eq!(agent.content("x").unwrap(), b"the new one and more");
}

#[test]
fn a_file_that_is_empty_while_it_is_open_is_not_taken_for_whole() {
    use crate::sync::scan::{OnHost, look};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    // As the kernel shows it for a moment while it truncates.
    let writer = fs::File::create(&path).unwrap();
    writer.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert!(matches!(look(&path).unwrap(), OnHost::Changing));
    drop(writer);
    assert!(matches!(look(&path).unwrap(), OnHost::Small { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_written_without_a_pause_is_not_waited_for_for_ever() {
    use std::io::Write as _;
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    let over = Arc::new(AtomicBool::new(false));
    let (stop, path) = (Arc::clone(&over), agent.from("log"));
    let writer = std::thread::spawn(move || {
        let mut log = fs::File::create(path).unwrap();
        while !stop.load(Ordering::Relaxed) {
            writeln!(log, "a line").unwrap();
            std::thread::park_timeout(std::time::Duration::from_millis(4));
        }
    });
    let mut brought = 0;
    for _ in 0..5 {
        brought += bring(&agent, &mut sent, paths(["log"])).await.files;
    }
    over.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert!(brought > 0, "it never arrives");
}

#[tokio::test]
async fn what_lies_behind_a_link_is_not_sent_in_its_place() {
    let (agent, mut sent) = (TestAgent::start().await, Sent::default());
    agent.save("one/a", "1");
    agent.save("two/a", "2");
    bring(&agent, &mut sent, paths(["one"])).await;
    // As a `git switch` does it, told in one batch.
    fs::remove_dir_all(agent.from("one")).unwrap();
    symlink("two", agent.from("one")).unwrap();
    let outcome = bring(&agent, &mut sent, paths(["one", "one/a", "two/a"])).await;
    assert_eq!(outcome.problems, []);
    assert_eq!(
        fs::read_link(agent.to("one")).unwrap(),
        Path::new("two"),
        "a folder took the place of the link"
    );
    assert_eq!(agent.content("one/a").unwrap(), b"2");
}
