//! Real files. A marker is written and removed after what is tested, and awaited: what was told
//! before it is all there was to tell.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use devrun_core::plan::IgnoreTexts;
use devrun_stack::{Location, Service, Source, Stack, Sync};
use tempfile::TempDir;

use super::*;

mod elsewhere;
mod git;
mod mirror;

/// Only a failure lasts that long.
const PATIENCE: Duration = Duration::from_secs(20);

fn stack(root: &Path, from: &Path) -> Stack {
    let at = Location::default();
    let sync = Sync {
        from: from.into(),
        to: "/app".into(),
        ignore: vec!["out/".into(), "*.pyc".into()],
        at: at.clone(),
        ..Sync::default()
    };
    let service = Service {
        name: "web".into(),
        container_name: "app-web".into(),
        source: Source::Image("web".into()),
        sync: vec![sync],
        ready_timeout: PATIENCE,
        at,
        ..Service::default()
    };
    Stack {
        name: "app".into(),
        file: root.join("Stackfile.kdl"),
        root: root.into(),
        network: "app-network".into(),
        services: vec![service],
        reads: vec![root.join("Stackfile.kdl"), root.join("env/web.env")],
        ..Stack::default()
    }
}

/// A checkout with a synced folder `src`, watched.
struct Bench {
    _dir: TempDir,
    root: PathBuf,
    watcher: Watcher,
    events: mpsc::Receiver<WatchEvent>,
    /// What was told besides batches.
    said: Vec<WatchEvent>,
}

impl Bench {
    async fn new(prepare: impl FnOnce(&Path)) -> Self {
        Self::by(Choice::Auto, prepare).await
    }

    async fn by(choice: Choice, prepare: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir(root.join("src")).unwrap();
        prepare(&root);
        let rules = Rules::compile(&stack(&root, &root.join("src")), &IgnoreTexts::new());
        let (sender, events) = mpsc::channel(1);
        let watcher = start(
            Arc::new(rules),
            vec![root.join("late/.env")],
            choice,
            sender,
        );
        let mut bench = Self {
            _dir: dir,
            root,
            watcher,
            events,
            said: Vec::new(),
        };
        loop {
            match bench.next().await {
                WatchEvent::Ready { .. } => return bench,
                other => bench.said.push(other),
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn mv(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    async fn next(&mut self) -> WatchEvent {
        let next = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        next.expect("an event comes in time")
            .expect("the watcher lives")
    }

    /// The paths of the next batch, relative to the checkout.
    async fn batch(&mut self) -> BTreeSet<String> {
        loop {
            match self.next().await {
                WatchEvent::Changed { paths, .. } => {
                    let rel = |path: PathBuf| {
                        path.strip_prefix(&self.root)
                            .unwrap_or(&path)
                            .display()
                            .to_string()
                    };
                    return paths.into_iter().map(rel).collect();
                }
                WatchEvent::Passed { .. } => {}
                polled @ WatchEvent::Polled { .. } => self.said.push(polled),
                other => panic!("a batch was expected, not {other:?}"),
            }
        }
    }

    /// Until all of these were told.
    async fn tells(&mut self, wanted: &[&str]) {
        let mut missing: BTreeSet<String> = wanted.iter().map(|&name| name.to_owned()).collect();
        while !missing.is_empty() {
            let batch = self.batch().await;
            missing.retain(|name| !batch.contains(name));
        }
    }

    /// All that was told of what has happened so far.
    async fn told(&mut self) -> Vec<String> {
        const MARKER: &str = "src/marker";
        let mut told = BTreeSet::new();
        for step in [true, false] {
            match step {
                true => self.write(MARKER, ""),
                false => fs::remove_file(self.path(MARKER)).unwrap(),
            }
            loop {
                let batch = self.batch().await;
                let done = batch.contains(MARKER);
                told.extend(batch);
                if done {
                    break;
                }
            }
        }
        told.remove(MARKER);
        told.into_iter().collect()
    }
}

#[tokio::test]
async fn a_file_that_is_truncated_and_written_is_told_whole() {
    let mut bench = Bench::new(|root| fs::write(root.join("src/a.py"), "old").unwrap()).await;
    let text = "a line of some length\n".repeat(5_000);
    for _ in 0..20 {
        bench.write("src/a.py", &text);
        assert_eq!(bench.batch().await, BTreeSet::from(["src/a.py".to_owned()]));
        assert_eq!(fs::read_to_string(bench.path("src/a.py")).unwrap(), text);
    }
}

#[tokio::test]
async fn vim_renames_away_and_writes_again() {
    let mut bench = Bench::new(|root| fs::write(root.join("src/a.py"), "old").unwrap()).await;
    for _ in 0..20 {
        bench.write("src/4913", "");
        fs::remove_file(bench.path("src/4913")).unwrap();
        bench.write("src/.a.py.swp", "swap");
        bench.mv("src/a.py", "src/a.py~");
        bench.write("src/a.py", "new");
        fs::remove_file(bench.path("src/a.py~")).unwrap();
        assert_eq!(bench.batch().await, BTreeSet::from(["src/a.py".to_owned()]));
        assert!(bench.path("src/a.py").exists());
    }
    assert_eq!(bench.told().await, [""; 0]);
}

#[tokio::test]
async fn others_write_beside_and_rename() {
    let mut bench = Bench::new(|root| fs::write(root.join("src/a.py"), "old").unwrap()).await;
    bench.write("src/a.py___jb_tmp___", "new");
    bench.mv("src/a.py", "src/a.py___jb_old___");
    bench.mv("src/a.py___jb_tmp___", "src/a.py");
    fs::remove_file(bench.path("src/a.py___jb_old___")).unwrap();
    assert_eq!(bench.told().await, ["src/a.py"]);

    bench.write("src/.goutputstream-1", "newer");
    bench.mv("src/.goutputstream-1", "src/a.py");
    assert_eq!(bench.batch().await, BTreeSet::from(["src/a.py".to_owned()]));

    // From outside of what is watched.
    bench.write("new", "newest");
    bench.mv("new", "src/b.py");
    assert_eq!(bench.told().await, ["src/b.py"]);
}

#[tokio::test]
async fn links_modes_and_writers_that_stay() {
    let mut bench = Bench::new(|root| fs::write(root.join("src/run"), "x").unwrap()).await;
    fs::set_permissions(bench.path("src/run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("run", bench.path("src/link")).unwrap();
    fs::hard_link(bench.path("src/run"), bench.path("src/hard")).unwrap();
    let mut log = fs::File::create(bench.path("src/open")).unwrap();
    log.write_all(b"line\n").unwrap();
    assert_eq!(
        bench.told().await,
        ["src/hard", "src/link", "src/open", "src/run"]
    );
    log.write_all(b"line\n").unwrap();
    assert_eq!(bench.batch().await, BTreeSet::from(["src/open".to_owned()]));
}

#[tokio::test]
async fn folders_made_with_their_content_at_once_are_told_whole() {
    let mut bench = Bench::new(|_| ()).await;
    let mut wanted = vec![];
    for round in 0..30 {
        let top = format!("src/r{round:02}");
        fs::create_dir_all(bench.path(&format!("{top}/b/c"))).unwrap();
        wanted.extend([top.clone(), format!("{top}/b"), format!("{top}/b/c")]);
        for name in ["one", "b/two", "b/c/three"] {
            bench.write(&format!("{top}/{name}"), "x");
            wanted.push(format!("{top}/{name}"));
        }
    }
    wanted.sort();
    assert_eq!(bench.told().await, wanted);
    bench.write("src/r07/b/c/three", "y");
    assert_eq!(bench.told().await, ["src/r07/b/c/three"]);
}

#[tokio::test]
async fn a_renamed_folder_is_gone_and_there() {
    let mut bench = Bench::new(|root| {
        fs::create_dir_all(root.join("src/old/deep")).unwrap();
        fs::write(root.join("src/old/deep/a"), "x").unwrap();
    })
    .await;
    bench.mv("src/old", "src/new");
    let wanted = [
        "src/new",
        "src/new/deep",
        "src/new/deep/a",
        "src/old",
        "src/old/deep",
        "src/old/deep/a",
    ];
    assert_eq!(bench.told().await, wanted);
    bench.write("src/new/deep/a", "y");
    assert_eq!(bench.told().await, ["src/new/deep/a"]);

    // Away from what is watched: the content is gone, and what happens to it there is not told.
    bench.mv("src/new", "elsewhere");
    assert_eq!(
        bench.told().await,
        ["src/new", "src/new/deep", "src/new/deep/a"]
    );
    bench.write("elsewhere/deep/a", "z");
    assert_eq!(bench.told().await, [""; 0]);
    bench.mv("elsewhere", "src/new");
    assert_eq!(
        bench.told().await,
        ["src/new", "src/new/deep", "src/new/deep/a"]
    );
}

#[tokio::test]
async fn removed_files_and_folders_are_told() {
    let mut bench = Bench::new(|root| {
        fs::create_dir_all(root.join("src/a/b")).unwrap();
        fs::write(root.join("src/a/b/c"), "x").unwrap();
        fs::write(root.join("src/d"), "x").unwrap();
    })
    .await;
    fs::remove_file(bench.path("src/d")).unwrap();
    assert_eq!(bench.told().await, ["src/d"]);
    fs::remove_dir_all(bench.path("src/a")).unwrap();
    assert_eq!(bench.told().await, ["src/a", "src/a/b", "src/a/b/c"]);
    // Removed and made again in one breath.
    fs::create_dir(bench.path("src/a")).unwrap();
    fs::remove_dir(bench.path("src/a")).unwrap();
    fs::create_dir(bench.path("src/a")).unwrap();
    bench.write("src/a/new", "x");
    assert_eq!(bench.told().await, ["src/a", "src/a/new"]);
    bench.write("src/a/new", "y");
    assert_eq!(bench.told().await, ["src/a/new"]);
}

#[tokio::test]
async fn what_is_ignored_is_neither_told_nor_watched() {
    let mut bench = Bench::new(|root| fs::create_dir_all(root.join("src/out/deep")).unwrap()).await;
    bench.write("src/out/deep/a", "x");
    bench.write("src/a.pyc", "x");
    bench.write("README.md", "x");
    fs::create_dir_all(bench.path("src/sub/out/x")).unwrap();
    fs::set_permissions(bench.path("src/out"), fs::Permissions::from_mode(0o700)).unwrap();
    bench.mv("src/out", "src/sub/out/y");
    fs::remove_dir_all(bench.path("src/sub/out")).unwrap();
    assert_eq!(bench.told().await, ["src/sub"]);
}

#[tokio::test]
async fn files_that_the_stack_reads_are_told_even_if_their_folder_comes_later() {
    let mut bench = Bench::new(|_| ()).await;
    bench.write("Stackfile.kdl", "stack app");
    assert_eq!(bench.told().await, ["Stackfile.kdl"]);
    fs::create_dir(bench.path("env")).unwrap();
    bench.write("env/web.env", "A=1");
    bench.write("env/other", "A=1");
    fs::create_dir(bench.path("late")).unwrap();
    bench.write("late/.env", "A=1");
    assert_eq!(bench.told().await, ["env/web.env", "late/.env"]);
    bench.write("late/.env", "A=2");
    assert_eq!(bench.told().await, ["late/.env"]);
}

#[tokio::test]
async fn a_root_that_was_removed_is_watched_again_when_it_is_back() {
    let mut bench = Bench::new(|root| fs::write(root.join("src/a"), "x").unwrap()).await;
    for _ in 0..5 {
        bench.mv("src", "aside");
        fs::remove_dir_all(bench.path("aside")).unwrap();
        fs::create_dir(bench.path("src")).unwrap();
        bench.write("src/a", "x");
        assert_eq!(bench.told().await, ["src", "src/a"]);
        bench.write("src/a", "y");
        assert_eq!(bench.told().await, ["src/a"]);
    }
}

#[tokio::test]
async fn after_an_overflow_all_is_watched_still() {
    let mut bench = Bench::new(|_| ()).await;
    bench.watcher.commands.send(Command::Overflow).unwrap();
    let lost = bench.next().await;
    assert!(matches!(lost, WatchEvent::Overflow { .. }), "{lost:?}");
    fs::create_dir(bench.path("src/new")).unwrap();
    bench.write("src/new/a", "x");
    assert_eq!(bench.told().await, ["src/new", "src/new/a"]);
}

#[tokio::test]
async fn what_comes_while_the_receiver_is_busy_is_one_batch() {
    let mut bench = Bench::new(|_| ()).await;
    let wanted: BTreeSet<String> = (0..500).map(|number| format!("src/f{number}")).collect();
    for name in &wanted {
        bench.write(name, "x");
    }
    let mut told = BTreeSet::new();
    let mut batches = 0;
    while told.len() < wanted.len() {
        told.extend(bench.batch().await);
        batches += 1;
    }
    assert_eq!(told, wanted);
    assert!(batches < 100, "{batches} batches");
}

#[tokio::test]
async fn while_git_holds_its_index_nothing_is_told() {
    let mut bench = Bench::new(|root| {
        fs::create_dir(root.join(".git")).unwrap();
        fs::write(root.join("src/old"), "x").unwrap();
    })
    .await;
    bench.write(".git/index.lock", "");
    for name in ["src/a", "src/b", "src/c"] {
        bench.write(name, "x");
    }
    fs::remove_file(bench.path("src/old")).unwrap();
    bench.write(".git/HEAD", "ref");
    bench.mv(".git/index.lock", ".git/index");
    let wanted = ["src/a", "src/b", "src/c", "src/old"].map(str::to_owned);
    assert_eq!(bench.batch().await, BTreeSet::from(wanted));
    bench.write("src/a", "y");
    assert_eq!(bench.batch().await, BTreeSet::from(["src/a".to_owned()]));
}

fn git(root: &Path, words: &[&str]) {
    let config = [
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.org",
        "-c",
        "init.defaultBranch=main",
    ];
    let git = std::process::Command::new("git")
        .args(config)
        .args(words)
        .current_dir(root)
        .output();
    let git = git.expect("git is installed");
    assert!(git.status.success(), "{words:?}: {git:?}");
}

#[tokio::test]
async fn a_checkout_of_another_branch_is_one_batch() {
    let mut bench = Bench::new(|root| {
        for number in 0..50 {
            fs::write(root.join(format!("src/f{number:02}")), "one").unwrap();
        }
        for words in [
            &["init", "-q"][..],
            &["add", "."],
            &["commit", "-qm", "one"],
            &["checkout", "-qb", "two"],
        ] {
            git(root, words);
        }
        for number in 0..40 {
            fs::write(root.join(format!("src/f{number:02}")), "two, and longer").unwrap();
        }
        fs::remove_file(root.join("src/f49")).unwrap();
        for words in [&["add", "-A"][..], &["commit", "-qm", "two"]] {
            git(root, words);
        }
    })
    .await;
    git(&bench.root, &["checkout", "-q", "main"]);
    let mut wanted: BTreeSet<String> = (0..40).map(|number| format!("src/f{number:02}")).collect();
    wanted.insert("src/f49".into());
    assert_eq!(bench.batch().await, wanted);
}

#[tokio::test]
async fn paths_are_told_as_the_rules_name_them() {
    let dir = tempfile::tempdir().unwrap();
    let real = dir.path().canonicalize().unwrap();
    fs::create_dir_all(real.join("project/src/deep")).unwrap();
    symlink("project", real.join("link")).unwrap();
    let root = real.join("link");
    let rules = Rules::compile(&stack(&root, &root.join("src")), &IgnoreTexts::new());
    let (sender, events) = mpsc::channel(1);
    let files = vec![real.join("project/src/.env")];
    let watcher = start(Arc::new(rules), files, Choice::Auto, sender);
    let mut bench = Bench {
        _dir: dir,
        root,
        watcher,
        events,
        said: Vec::new(),
    };
    assert!(matches!(bench.next().await, WatchEvent::Ready { files: 0 }));
    fs::write(real.join("project/src/deep/a"), "x").unwrap();
    assert_eq!(bench.told().await, ["src/deep/a"]);
}

#[tokio::test]
async fn other_rules_take_over() {
    let mut bench = Bench::new(|root| {
        fs::create_dir_all(root.join("more/deep")).unwrap();
        fs::write(root.join("more/deep/a"), "x").unwrap();
        fs::write(root.join("more/b"), "x").unwrap();
    })
    .await;
    let rules = Rules::compile(
        &stack(&bench.root, &bench.root.join("more")),
        &IgnoreTexts::new(),
    );
    bench.watcher.replace(Arc::new(rules), vec![]);
    assert_eq!(bench.next().await, WatchEvent::Ready { files: 2 });
    bench.write("src/a", "not any more");
    bench.write("more/deep/a", "y");
    assert_eq!(
        bench.batch().await,
        BTreeSet::from(["more/deep/a".to_owned()])
    );
}

#[test]
fn ignore_files_are_found_where_they_have_a_say() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("repo/app");
    for folder in ["src/deep", "src/ignored", "src/out", "other"] {
        fs::create_dir_all(root.join(folder)).unwrap();
        fs::write(root.join(folder).join(".gitignore"), folder).unwrap();
    }
    fs::create_dir(dir.path().join("repo/.git")).unwrap();
    fs::write(dir.path().join("repo/.gitignore"), "ignored/\n").unwrap();
    fs::write(dir.path().join(".gitignore"), "outside of the checkout\n").unwrap();
    let texts = ignore_texts(&stack(&root, &root.join("src")));
    let found: Vec<String> = texts
        .keys()
        .map(|path| path.strip_prefix(dir.path()).unwrap().display().to_string())
        .collect();
    assert_eq!(found, ["repo/.gitignore", "repo/app/src/deep/.gitignore"]);
}

#[test]
fn the_limit_names_its_mend() {
    let message = backend::limit_message(8192, Some(8192));
    assert!(
        message.contains("sudo sysctl fs.inotify.max_user_watches=524288"),
        "{message}"
    );
    assert!(backend::limit_message(1, Some(600_000)).contains("=1200000"));
}
