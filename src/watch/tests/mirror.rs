//! A mirror that does what is told ends up equal to the host, whatever happens there.

use std::collections::BTreeMap;

use super::*;

/// Makes one random change below `top`.
fn change(top: &Path, number: u64, random: &mut impl FnMut(u64) -> u64) {
    let mut name = |depth: u64| {
        let names = (0..=random(depth)).map(|_| format!("n{}", random(4)));
        top.join(names.collect::<PathBuf>())
    };
    let (one, two) = (name(3), name(3));
    // What is not possible there is no change.
    let _ = match random(7) {
        0 => fs::create_dir_all(&one),
        1 => fs::remove_dir_all(&one),
        2 => fs::remove_file(&one),
        3 => fs::rename(&one, &two),
        4 => fs::create_dir_all(&one).and_then(|()| fs::write(one.join("f"), number.to_string())),
        _ => fs::write(&one, number.to_string()),
    };
}

/// Does to the mirror what a sync would do because this path was told.
fn follow(host: &Path, mirror: &Path) {
    match fs::read(host) {
        Ok(content) => {
            let _ = fs::remove_dir_all(mirror);
            let _ = mirror.parent().map(fs::create_dir_all);
            fs::write(mirror, content).unwrap();
        }
        Err(_) if host.is_dir() => {
            let _ = fs::remove_file(mirror);
            fs::create_dir_all(mirror).unwrap();
        }
        Err(_) => {
            let _ = fs::remove_dir_all(mirror);
            let _ = fs::remove_file(mirror);
        }
    }
}

fn content(top: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut left = vec![top.to_path_buf()];
    while let Some(path) = left.pop() {
        if path.is_dir() && !path.is_symlink() {
            left.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
        let content = fs::read(&path).ok();
        found.insert(path.strip_prefix(top).unwrap().to_path_buf(), content);
    }
    found
}

fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}

#[tokio::test]
async fn a_mirror_that_follows_what_is_told_ends_up_equal() {
    for seed in 1..=3 {
        let mut random = random(seed);
        let mut bench = Bench::new(|_| ()).await;
        let mirror = tempfile::tempdir().unwrap();
        fs::create_dir(mirror.path().join("src")).unwrap();
        for round in 0..10 {
            for number in 0..40 {
                change(&bench.path("src"), round * 100 + number, &mut random);
            }
            for name in bench.told().await {
                follow(&bench.path(&name), &mirror.path().join(name));
            }
            assert_eq!(
                content(&mirror.path().join("src")),
                content(&bench.path("src")),
                "seed {seed}, round {round}"
            );
        }
    }
}

/// Without the kernel's order of events nobody knows when all was told, but it ends.
pub(super) async fn mirrors_by_and_by(bench: &mut Bench, seed: u64) {
    let mut random = random(seed);
    let mirror = tempfile::tempdir().unwrap();
    let copy = mirror.path().join("src");
    for path in content(&bench.path("src")).keys() {
        follow(&bench.path("src").join(path), &copy.join(path));
    }
    for round in 0..4 {
        for number in 0..60 {
            change(&bench.path("src"), round * 100 + number, &mut random);
        }
        while content(&copy) != content(&bench.path("src")) {
            for name in bench.batch().await {
                follow(&bench.path(&name), &mirror.path().join(name));
            }
        }
    }
}
