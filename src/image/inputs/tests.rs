use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use devrun_stack::Build;

use super::{Contents, inputs_hash};

fn project() -> (tempfile::TempDir, Build) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir_all(root.join("src")).unwrap();
    fs::create_dir_all(root.join(".git")).unwrap();
    fs::write(root.join("Dockerfile"), "FROM scratch\nCOPY . /\n").unwrap();
    fs::write(root.join(".dockerignore"), "*.log\n").unwrap();
    fs::write(root.join("src/main.py"), "print(1)").unwrap();
    fs::write(root.join("requirements.txt"), "django").unwrap();
    let build = Build {
        context: root.to_owned(),
        dockerfile: root.join("Dockerfile"),
        args: [("A".to_owned(), "1".to_owned())].into(),
        ..Build::default()
    };
    (dir, build)
}

fn hash(build: &Build) -> String {
    inputs_hash(
        build,
        "linux/amd64",
        &[],
        &mut Contents::default(),
        |path| path == "src" || path.starts_with("src/"),
    )
    .unwrap()
}

/// Does `change` to a fresh project; whether the hash became another.
fn differs(change: impl FnOnce(&Path, &mut Build)) -> bool {
    let (dir, mut build) = project();
    let before = hash(&build);
    assert_eq!(before, hash(&build), "nothing changed");
    change(dir.path(), &mut build);
    before != hash(&build)
}

fn write(path: &str) -> impl FnOnce(&Path, &mut Build) {
    move |root, _| fs::write(root.join(path), "new").unwrap()
}

#[test]
fn what_goes_into_the_image_changes_the_hash() {
    assert!(differs(write("requirements.txt")));
    assert!(differs(write("new.txt")));
    assert!(differs(|root, _| fs::write(
        root.join("Dockerfile"),
        "FROM scratch"
    )
    .unwrap()));
    assert!(differs(|root, _| fs::remove_file(
        root.join("requirements.txt")
    )
    .unwrap()));
    assert!(differs(|root, _| fs::rename(
        root.join("requirements.txt"),
        root.join("other.txt")
    )
    .unwrap()));
    assert!(differs(|root, _| {
        fs::set_permissions(root.join("requirements.txt"), Permissions::from_mode(0o755)).unwrap();
    }));
    assert!(differs(|_, build| build.target = Some("dev".into())));
    assert!(differs(|_, build| build.network = Some("none".into())));
    assert!(differs(|_, build| drop(
        build.args.insert("A".into(), "2".into())
    )));
    assert!(differs(|_, build| drop(
        build.args.insert("B".into(), String::new())
    )));
}

#[test]
fn what_is_synced_or_ignored_or_gits_own_does_not() {
    assert!(!differs(write("src/main.py")));
    assert!(!differs(write("src/new.py")));
    assert!(!differs(write("debug.log")));
    assert!(!differs(write(".git/index")));
    assert!(!differs(|root, _| {
        fs::set_permissions(root.join("requirements.txt"), Permissions::from_mode(0o600)).unwrap();
    }));
    assert!(!differs(|root, _| {
        let file = fs::File::options()
            .write(true)
            .open(root.join("requirements.txt"));
        file.unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    }));
}

#[test]
fn another_checkout_of_the_same_files_has_the_same_hash() {
    assert_eq!(hash(&project().1), hash(&project().1));
}
