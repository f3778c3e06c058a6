//! Where the kernel does not tell everything: limits, mounts, other machines' file systems. What
//! needs limits and mounts of its own runs as another process, in namespaces that it alone has.

use super::mirror::mirrors_by_and_by;
use super::*;
use std::process::Command as Program;

/// Set inside.
const ALONE: &str = "DEVRUN_TEST_ALONE";

/// Runs that test in namespaces of its own; true inside of them.
fn is_alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let may = Program::new("unshare").args(["-Urm", "true"]).status();
    if !may.is_ok_and(|status| status.success()) {
        // This machine lets nobody have namespaces; what runs inside cannot be tried here.
        return false;
    }
    let ran = Program::new("unshare")
        .arg("-Urm")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("watch::tests::elsewhere::{test}")])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
    false
}

fn limit(what: &str, count: u32) {
    let path = format!("/proc/sys/user/max_inotify_{what}");
    fs::write(path, count.to_string()).unwrap();
}

/// Thirty folders with a file each.
fn thirty(root: &Path) {
    for number in 0..30 {
        let folder = root.join(format!("src/d{number:02}/deep"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a"), "x").unwrap();
    }
}

fn polled(said: &[WatchEvent]) -> Option<usize> {
    said.iter().rev().find_map(|event| match event {
        WatchEvent::Polled { polled } => Some(polled.iter().map(|one| one.folders).sum()),
        _ => None,
    })
}

async fn until_nothing_is_polled(bench: &mut Bench) {
    while polled(&bench.said) != Some(0) {
        let next = bench.next().await;
        bench.said.push(next);
    }
}

#[tokio::test]
async fn beyond_the_limit_of_watches_folders_are_polled() {
    if !is_alone("beyond_the_limit_of_watches_folders_are_polled") {
        return;
    }
    limit("watches", 20);
    let mut bench = Bench::new(thirty).await;
    let says_how = |event: &&WatchEvent| matches!(event, WatchEvent::Lost { message, .. } if message.contains("sudo sysctl fs.inotify.max_user_watches="));
    assert_eq!(
        bench.said.iter().filter(says_how).count(),
        1,
        "{:?}",
        bench.said
    );
    assert!(polled(&bench.said).unwrap() > 30, "{:?}", bench.said);

    for number in 0..30 {
        bench.write(&format!("src/d{number:02}/deep/a"), "y");
    }
    let all: Vec<String> = (0..30)
        .map(|number| format!("src/d{number:02}/deep/a"))
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    bench.tells(&all).await;
    fs::create_dir_all(bench.path("src/d29/new/below")).unwrap();
    bench.write("src/d29/new/below/b", "x");
    fs::remove_file(bench.path("src/d28/deep/a")).unwrap();
    bench
        .tells(&["src/d29/new/below/b", "src/d28/deep/a"])
        .await;
    mirrors_by_and_by(&mut bench, 7).await;

    // Somebody does as was said.
    limit("watches", 10_000);
    bench.write("src/raised", "x");
    until_nothing_is_polled(&mut bench).await;
    bench.told().await;
    bench.write("src/d00/deep/last", "x");
    assert!(bench.told().await.contains(&"src/d00/deep/last".to_owned()));
}

#[tokio::test]
async fn without_an_instance_all_is_polled_until_there_is_one() {
    if !is_alone("without_an_instance_all_is_polled_until_there_is_one") {
        return;
    }
    limit("instances", 0);
    let mut bench = Bench::new(thirty).await;
    let says_how = |event: &WatchEvent| matches!(event, WatchEvent::Lost { message, .. } if message.contains("max_user_instances="));
    assert!(bench.said.iter().any(says_how), "{:?}", bench.said);
    bench.write("src/d07/deep/a", "y");
    bench.tells(&["src/d07/deep/a"]).await;
    limit("instances", 100);
    until_nothing_is_polled(&mut bench).await;
    bench.write("src/d07/deep/a", "z");
    assert_eq!(bench.told().await, ["src/d07/deep/a"]);
}

#[tokio::test]
async fn what_is_mounted_on_a_watched_folder_is_told() {
    if !is_alone("what_is_mounted_on_a_watched_folder_is_told") {
        return;
    }
    let mut bench = Bench::new(|root| {
        fs::create_dir_all(root.join("src/data/deep")).unwrap();
        fs::create_dir_all(root.join("src/out/deep")).unwrap();
        fs::write(root.join("src/data/deep/under"), "x").unwrap();
        fs::create_dir_all(root.join("other/deep")).unwrap();
        fs::write(root.join("other/deep/over"), "x").unwrap();
    })
    .await;
    let run = |root: &Path, words: &[&str]| {
        let status = Program::new(words[0])
            .args(&words[1..])
            .current_dir(root)
            .status();
        assert!(status.unwrap().success(), "{words:?}");
    };
    // Of no concern to anybody.
    run(&bench.root, &["mount", "--bind", "other", "src/out/deep"]);
    run(&bench.root, &["mount", "--bind", "other", "src/data"]);
    let wanted = ["src/data/deep/over", "src/data/deep/under"];
    bench.tells(&wanted).await;
    bench.write("src/data/deep/over", "y");
    bench.tells(&["src/data/deep/over"]).await;
    run(&bench.root, &["umount", "src/data"]);
    bench.tells(&wanted).await;
    bench.write("src/data/deep/under", "y");
    bench.tells(&["src/data/deep/under"]).await;
    // Over the root of all.
    run(&bench.root, &["mount", "--bind", "other", "src"]);
    bench.tells(&["src/deep/over", "src/data/deep/under"]).await;
    run(&bench.root, &["umount", "src"]);
    bench.tells(&["src/data/deep/under"]).await;
}

#[tokio::test]
async fn what_is_polled_by_choice_is_told_as_well() {
    let mut bench = Bench::by(Choice::Poll, thirty).await;
    assert!(polled(&bench.said).unwrap() > 60, "{:?}", bench.said);
    bench.write("src/d00/deep/a", "y");
    bench.tells(&["src/d00/deep/a"]).await;
    bench.mv("src", "aside");
    bench.tells(&["src/d00/deep/a", "src/d29/deep/a"]).await;
    bench.mv("aside", "src");
    bench.tells(&["src/d00/deep/a", "src/d29/deep/a"]).await;
    fs::create_dir(bench.path("late")).unwrap();
    bench.write("late/.env", "A=1");
    bench.tells(&["late/.env"]).await;
    for seed in 1..=2 {
        fs::remove_dir_all(bench.path("src")).unwrap();
        bench.tells(&["src"]).await;
        fs::create_dir(bench.path("src")).unwrap();
        mirrors_by_and_by(&mut bench, seed).await;
    }
}

/// How many watches all instances of this process have.
fn watches() -> usize {
    let infos = fs::read_dir("/proc/self/fdinfo").unwrap().flatten();
    let texts = infos.filter_map(|info| fs::read_to_string(info.path()).ok());
    texts
        .map(|text| {
            text.lines()
                .filter(|line| line.starts_with("inotify "))
                .count()
        })
        .sum()
}

#[tokio::test]
async fn what_is_pruned_costs_no_watches() {
    if !is_alone("what_is_pruned_costs_no_watches") {
        return;
    }
    let bench = Bench::new(|root| {
        fs::create_dir_all(root.join(".git/objects/aa")).unwrap();
        fs::write(root.join("src/.gitignore"), "node_modules/\ntarget/\n").unwrap();
        for folder in ["out", "lib/out", "lib/.git"] {
            for number in 0..50 {
                fs::create_dir_all(root.join(format!("src/{folder}/p{number}/deep"))).unwrap();
            }
        }
    })
    .await;
    // The checkout, `src`, `src/lib`, Git's two folders.
    assert_eq!(watches(), 5, "{:?}", bench.said);
}
