//! What readers see while files, folders and links change, and what stays untouched.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use devrun_wire::frames::{Entry, OTHER_OWNER, Response};
use tempfile::TempDir;

use super::{Piece, Writes};
use crate::inspect::inspect;
use crate::terms;
use crate::tree::{mkdir, remove, symlink as link};

fn root() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("app");
    fs::create_dir(&root).unwrap();
    let root = root.to_str().unwrap().to_owned();
    (folder, root)
}

fn piece<'a>(root: &'a str, path: &'a str, data: &'a [u8], last: bool) -> Piece<'a> {
    Piece {
        root,
        path: path.as_bytes(),
        mode: 0o640,
        data,
        last,
    }
}

fn put(root: &str, path: &str, data: &[u8]) -> Option<Response> {
    Writes::default().piece(1, &piece(root, path, data, true))
}

fn refusal(response: Option<Response>) -> String {
    match response {
        Some(Response::Refused { message, .. }) => message,
        other => panic!("not refused: {other:?}"),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_put_belongs_to_whom_the_host_says() {
    let (_keep, root) = root();
    let made = format!("{root}/made");
    terms::set(made.clone(), Vec::new(), (1234, 4321));
    terms::set(root.clone(), b"only".to_vec(), (5, 6));
    // What was there keeps its owner, until it is replaced.
    fs::create_dir_all(format!("{made}/old")).unwrap();
    fs::write(format!("{made}/old/a"), "x").unwrap();
    let mode = |path: &str| match &inspect(&made, &[path.into()]).unwrap()[..] {
        [Entry::File { mode, .. }] => *mode,
        other => panic!("{other:?}"),
    };
    assert_ne!(
        mode("old/a") & OTHER_OWNER,
        0,
        "the host sees the difference"
    );
    for path in ["old/a", "new/deep/b"] {
        assert_eq!(put(&made, path, b"x"), Some(Response::Done));
        assert_eq!(mode(path), 0o640);
    }
    link(&made, b"link", b"a").unwrap();
    mkdir(&made, b"folder", 0o700).unwrap();
    let owner = |path: &str| {
        let found = fs::symlink_metadata(Path::new(&made).join(path)).unwrap();
        (found.uid(), found.gid())
    };
    for path in ["old/a", "new", "new/deep", "new/deep/b", "link", "folder"] {
        assert_eq!(owner(path), (1234, 4321), "{path}");
    }
    assert_ne!(owner("old"), (1234, 4321));
    // Another root has other terms, or none but for one file.
    for (path, wanted) in [("b", None), ("only", Some(5))] {
        put(&root, path, b"x");
        let uid = fs::metadata(Path::new(&root).join(path)).unwrap().uid();
        assert!(
            wanted.is_none_or(|wanted| wanted == uid) && uid != 1234,
            "{path} {uid}"
        );
    }
}

#[test]
fn a_file_comes_with_its_folders_and_mode() {
    let (_keep, root) = root();
    assert_eq!(put(&root, "api/v1/views.py", b"new"), Some(Response::Done));
    let path = Path::new(&root).join("api/v1/views.py");
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
        0o640
    );
    assert_eq!(names(path.parent().unwrap()), ["views.py"]);
}

#[test]
fn a_root_that_is_not_there_is_made() {
    let (_keep, root) = root();
    assert_eq!(
        put(&format!("{root}/deep/er"), "a", b"1"),
        Some(Response::Done)
    );
    assert_eq!(fs::read(format!("{root}/deep/er/a")).unwrap(), b"1");
}

#[test]
fn pieces_of_several_files_are_joined_and_seen_only_when_whole() {
    let (_keep, root) = root();
    let mut writes = Writes::default();
    assert_eq!(writes.piece(1, &piece(&root, "one", b"a", false)), None);
    assert_eq!(writes.piece(2, &piece(&root, "two", b"x", false)), None);
    assert_eq!(writes.piece(1, &piece(&root, "one", b"b", false)), None);
    assert!(!Path::new(&root).join("one").exists());
    assert_eq!(
        writes.piece(1, &piece(&root, "one", b"c", true)),
        Some(Response::Done)
    );
    assert_eq!(
        writes.piece(2, &piece(&root, "two", b"y", true)),
        Some(Response::Done)
    );
    assert_eq!(fs::read(format!("{root}/one")).unwrap(), b"abc");
    assert_eq!(fs::read(format!("{root}/two")).unwrap(), b"xy");
    assert_eq!(names(Path::new(&root)), ["one", "two"]);
}

#[test]
fn what_is_taken_back_or_never_ends_leaves_nothing() {
    let (_keep, root) = root();
    put(&root, "file", b"old");
    let mut writes = Writes::default();
    assert_eq!(writes.piece(1, &piece(&root, "file", b"half", false)), None);
    assert_eq!(
        writes.piece(1, &piece(&root, "", b"", true)),
        Some(Response::Done)
    );
    assert_eq!(names(Path::new(&root)), ["file"]);
    assert_eq!(writes.piece(2, &piece(&root, "file", b"half", false)), None);
    drop(writes);
    assert_eq!(names(Path::new(&root)), ["file"]);
    assert_eq!(fs::read(format!("{root}/file")).unwrap(), b"old");
}

#[test]
fn a_refused_file_is_answered_once_and_its_pieces_dropped() {
    let (_keep, root) = root();
    let mut writes = Writes::default();
    refusal(writes.piece(1, &piece(&root, "../x", b"1", false)));
    assert_eq!(writes.piece(1, &piece(&root, "../x", b"2", false)), None);
    assert_eq!(writes.piece(1, &piece(&root, "../x", b"3", true)), None);
    assert_eq!(
        writes.piece(1, &piece(&root, "x", b"4", true)),
        Some(Response::Done)
    );
}

#[test]
fn nothing_leads_out_of_the_root() {
    let (keep, root) = root();
    let outside = keep.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "1").unwrap();
    symlink(&outside, format!("{root}/out")).unwrap();
    symlink("../outside", format!("{root}/near")).unwrap();
    for path in [
        "../a",
        "/etc/a",
        "a/../../b",
        "out/secret",
        "near/secret",
        "near/sub/new",
        ".",
    ] {
        refusal(put(&root, path, b"2"));
        assert!(mkdir(&root, &[path.as_bytes(), b"/d"].concat(), 0o755).is_err());
        assert!(link(&root, &[path.as_bytes(), b"/l"].concat(), b"x").is_err());
    }
    assert!(mkdir(&root, b"out", 0o755).is_err());
    remove(&root, b"out/secret").unwrap();
    assert_eq!(
        inspect(&root, &[b"out/secret".to_vec()]).unwrap(),
        [Entry::Absent]
    );
    assert_eq!(names(&outside), ["secret"]);
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"1");
    assert!(refusal(put(&root, "out/a", b"2")).contains("is a symlink out of"));
    // The link itself is ours to replace and to remove; what it points to is not.
    assert_eq!(put(&root, "near", b"a file now"), Some(Response::Done));
    remove(&root, b"out").unwrap();
    assert_eq!(names(Path::new(&root)), ["near"]);
    assert_eq!(names(&outside), ["secret"]);
}

#[test]
fn a_link_that_stays_inside_is_followed() {
    let (_keep, root) = root();
    fs::create_dir(format!("{root}/real")).unwrap();
    symlink("real", format!("{root}/alias")).unwrap();
    assert_eq!(put(&root, "alias/a", b"1"), Some(Response::Done));
    assert_eq!(fs::read(format!("{root}/real/a")).unwrap(), b"1");
}

#[test]
fn file_folder_and_link_take_each_others_place() {
    let (_keep, root) = root();
    let path = format!("{root}/x");
    put(&root, "x/inner/file", b"1");
    assert_eq!(put(&root, "x", b"file"), Some(Response::Done));
    assert_eq!(fs::read(&path).unwrap(), b"file");
    mkdir(&root, b"x", 0o750).unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o750
    );
    link(&root, b"x", b"nowhere").unwrap();
    assert_eq!(fs::read_link(&path).unwrap(), Path::new("nowhere"));
    put(&root, "x/y", b"below a former link");
    assert_eq!(
        fs::read(format!("{path}/y")).unwrap(),
        b"below a former link"
    );
    link(&root, b"y", b"y").unwrap();
    assert_eq!(
        put(&root, "y/z", b"a link that led to itself"),
        Some(Response::Done)
    );
    assert_eq!(names(Path::new(&root)), ["x", "y"]);
}

#[test]
fn removing_leaves_what_others_put_into_a_folder() {
    let (_keep, root) = root();
    put(&root, "pkg/a.py", b"1");
    fs::write(format!("{root}/pkg/made-inside"), "2").unwrap();
    remove(&root, b"pkg/a.py").unwrap();
    remove(&root, b"pkg").unwrap();
    assert_eq!(names(&Path::new(&root).join("pkg")), ["made-inside"]);
    remove(&root, b"pkg/made-inside").unwrap();
    remove(&root, b"pkg").unwrap();
    remove(&root, b"pkg").unwrap();
    remove(&root, b"never/was").unwrap();
    assert!(names(Path::new(&root)).is_empty());
}

#[test]
fn the_owner_of_a_replaced_file_stays() {
    let (_keep, root) = root();
    put(&root, "x", b"1");
    let path = format!("{root}/x");
    // Only root can give a file away.
    if chown(&path, Some(12_345), Some(23_456)).is_err() {
        return;
    }
    assert_eq!(put(&root, "x", b"2"), Some(Response::Done));
    let found = fs::metadata(&path).unwrap();
    assert_eq!(
        (found.uid(), found.gid(), found.mode() & 0o777),
        (12_345, 23_456, 0o640)
    );
}

#[test]
fn looking_tells_kinds_apart() {
    let (_keep, root) = root();
    put(&root, "dir/file", b"content");
    symlink("dir/file", format!("{root}/link")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(format!("{root}/socket")).unwrap();
    let paths = [
        "dir/file",
        "dir",
        "link",
        "socket",
        "none",
        "dir/file/none",
        "link/none",
    ];
    let paths = paths.map(|path| path.as_bytes().to_vec());
    let file = Entry::File {
        hash: devrun_wire::hash(b"content"),
        mode: 0o640,
        size: 7,
    };
    assert_eq!(
        inspect(&root, &paths).unwrap(),
        [
            file,
            Entry::Folder,
            Entry::Symlink(b"dir/file".to_vec()),
            Entry::Other,
            Entry::Absent,
            Entry::Absent,
            Entry::Absent
        ]
    );
    drop(socket);
    assert_eq!(
        inspect(&format!("{root}/no"), &paths[..1]).unwrap(),
        [Entry::Absent]
    );
    assert!(inspect("relative", &paths).is_err());
    assert!(inspect(&root, &[b"../x".to_vec()]).is_err());
}

#[test]
fn a_reader_sees_the_old_or_the_new_file_whole() {
    let (_keep, root) = root();
    let contents = [vec![b'a'; 300_000], vec![b'b'; 400_000]];
    put(&root, "x", &contents[0]);
    let path = format!("{root}/x");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !over.load(Ordering::Relaxed) {
                let now = fs::read(&path).unwrap();
                assert!(
                    contents.contains(&now),
                    "a torn file of {} bytes",
                    now.len()
                );
                seen += 1;
            }
            seen
        });
        for round in 0..200 {
            let mut writes = Writes::default();
            let (head, rest) = contents[round % 2].split_at(100_000);
            writes.piece(1, &piece(&root, "x", head, false));
            writes.piece(1, &piece(&root, "x", rest, true));
        }
        over.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
}

#[test]
fn a_name_is_never_absent_while_it_becomes_something_else() {
    let (_keep, root) = root();
    put(&root, "x", b"1");
    let path = Path::new(&root).join("x");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut looks = 0_u64;
            while !over.load(Ordering::Relaxed) {
                fs::symlink_metadata(&path).unwrap();
                looks += 1;
            }
            looks
        });
        for round in 0..300 {
            mkdir(&root, b"x", 0o755).unwrap();
            put(&root, "x/deep/y", b"1");
            link(&root, b"x", b"elsewhere").unwrap();
            put(&root, "x/y", b"2");
            put(&root, "x", format!("{round}").as_bytes());
            link(&root, b"x", b"again").unwrap();
            put(&root, "x", b"3");
        }
        over.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
    assert_eq!(names(Path::new(&root)), ["x"], "nothing is left beside");
}
