//! What the lines for a container's shell do, in the shells of this machine, and what a tar tells.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use devrun_wire::frames::{Entry, OTHER_OWNER};
use tempfile::TempDir;

use super::batch::{Batch, Op};
use super::script::{self, Run, Said};
use super::{Facts, listing};

const STAGE: &str = ".devrun-7-0";

/// A target, and something beside it that must stay as it is.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("target")).unwrap();
        fs::create_dir(folder.path().join("outside")).unwrap();
        Place { folder }
    }

    fn target(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("target")
    }

    fn batch(&self) -> Batch {
        let id = fs::metadata(self.folder.path()).unwrap();
        use std::os::unix::fs::MetadataExt as _;
        let owner = (id.uid().into(), id.gid().into());
        let root = self.target().to_str().unwrap().to_owned();
        Batch::new(root, owner, Some(STAGE.to_owned())).unwrap()
    }

    /// Lays the batch down and runs its lines, as the deputy does.
    fn perform(&self, shell: &[&str], batch: &mut Batch) -> Said {
        let ops = batch.ops.clone();
        let ops: Vec<&Op> = ops.iter().collect();
        if let Some(tar) = batch.tar_of(&ops).unwrap() {
            tar::Archive::new(tar).unpack(self.target()).unwrap();
        }
        self.run(shell, batch, &ops)
    }

    fn run(&self, shell: &[&str], batch: &Batch, ops: &[&Op]) -> Said {
        let how = Run {
            gives: false,
            upload: Some("the disk is full"),
            keep: false,
        };
        let mut child = Command::new(shell[0])
            .args(&shell[1..])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = script::of(batch, ops, &how);
        child.stdin.take().unwrap().write_all(&lines).unwrap();
        let said = script::said(&child.wait_with_output().unwrap().stdout);
        assert!(said.whole, "{}", String::from_utf8_lossy(&lines));
        said
    }
}

fn in_each_shell(test: impl Fn(&Place, &[&str])) {
    for shell in [&["sh"][..], &["bash"], &["busybox", "sh"]] {
        if Command::new(shell[0])
            .args(&shell[1..])
            .arg("-c")
            .arg(":")
            .status()
            .is_ok()
        {
            test(&Place::new(), shell);
        }
    }
}

fn file(batch: &mut Batch, number: u32, path: &[u8], content: &str) {
    let content = (content.len() as u64, content.as_bytes());
    batch.file((number, path.to_vec()), 0o640, content).unwrap();
}

#[test]
fn files_links_and_folders_come_with_any_name_and_go_again() {
    let odd: [&[u8]; 8] = [
        b"plain",
        b"deep/er/file",
        b"with space/and\nline",
        b"it's \"q\" $(touch x) `y` *",
        b"-rf",
        b"--",
        b"back\\slash",
        b"not-\xff-utf8",
    ];
    in_each_shell(|place, shell| {
        let mut batch = place.batch();
        for (number, name) in (0..).zip(odd) {
            file(&mut batch, number, name, "text");
        }
        batch.link((20, b"link".to_vec()), b"deep/er").unwrap();
        batch.folder(21, b"empty/folder".to_vec(), 0o700).unwrap();
        let leads = b"../../-out $(touch y)'";
        batch.link((22, b"deep/out".to_vec()), leads).unwrap();
        let said = place.perform(shell, &mut batch);
        assert_eq!(said.ops.len(), 11);
        assert!(said.ops.iter().all(|(_, end)| end.is_ok()), "{said:?}");
        let at = |name: &[u8]| place.target().join(std::ffi::OsStr::from_bytes(name));
        for name in odd {
            assert_eq!(
                fs::read(at(name)).unwrap(),
                b"text",
                "{name:?} by {shell:?}"
            );
            let mode = fs::metadata(at(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o640);
        }
        assert_eq!(fs::read_link(at(b"link")).unwrap(), Path::new("deep/er"));
        let out = fs::read_link(at(b"deep/out")).unwrap();
        assert_eq!(out.as_os_str().as_bytes(), leads, "{shell:?}");
        let mode = fs::metadata(at(b"empty/folder"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);

        let mut batch = place.batch();
        for (number, name) in (0..).zip(odd) {
            batch.gone(number, name.to_vec()).unwrap();
        }
        for (number, name) in (10..).zip([
            &b"link"[..],
            b"deep/out",
            b"empty/folder",
            b"empty",
            b"absent/x",
        ]) {
            batch.gone(number, name.to_vec()).unwrap();
        }
        fs::write(at(b"deep/er/own"), "own").unwrap();
        batch.gone(30, b"deep/er".to_vec()).unwrap();
        let said = place.perform(shell, &mut batch);
        assert!(said.ops.iter().all(|(_, end)| end.is_ok()), "{said:?}");
        let mut left: Vec<_> = fs::read_dir(place.target())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["deep", "with space"], "{shell:?}");
        assert_eq!(fs::read(at(b"deep/er/own")).unwrap(), b"own");
    });
}

#[test]
fn what_is_in_the_way_is_replaced_and_no_link_leads_out() {
    in_each_shell(|place, shell| {
        let (target, outside) = (place.target(), place.folder.path().join("outside"));
        fs::create_dir_all(target.join("folder/below")).unwrap();
        fs::write(target.join("file"), "old").unwrap();
        fs::create_dir(target.join("real")).unwrap();
        symlink("real", target.join("inward")).unwrap();
        symlink(&outside, target.join("outward")).unwrap();
        symlink(&outside, target.join("replaced")).unwrap();
        symlink("/nowhere/at/all", target.join("dangling")).unwrap();
        fs::write(outside.join("theirs"), "theirs").unwrap();
        let mut batch = place.batch();
        file(&mut batch, 0, b"folder", "a file now");
        file(&mut batch, 1, b"file/below", "a folder now");
        file(
            &mut batch,
            2,
            b"inward/x",
            "through a link that stays inside",
        );
        file(&mut batch, 3, b"outward/x", "out");
        file(&mut batch, 4, b"replaced", "a file in place of a link");
        file(&mut batch, 5, b"dangling/x", "a folder in place of a link");
        batch.gone(6, b"outward/theirs".to_vec()).unwrap();
        batch.folder(7, b"outward".to_vec(), 0o755).unwrap();
        let said = place.perform(shell, &mut batch);
        let refused: Vec<u32> = said
            .ops
            .iter()
            .filter(|(_, end)| end.is_err())
            .map(|(number, _)| *number)
            .collect();
        assert_eq!(refused, [3, 7], "{shell:?} {said:?}");
        let why = said.ops[3].1.clone().unwrap_err();
        assert!(why.contains("is a symlink out of"), "{why}");
        let read = |path: &str| fs::read_to_string(target.join(path)).unwrap();
        assert_eq!(read("folder"), "a file now");
        assert_eq!(read("file/below"), "a folder now");
        assert_eq!(read("real/x"), "through a link that stays inside");
        assert_eq!(read("replaced"), "a file in place of a link");
        assert_eq!(read("dangling/x"), "a folder in place of a link");
        let names: Vec<_> = fs::read_dir(&outside).unwrap().collect();
        assert_eq!(names.len(), 1, "written, or removed, out of the target");
        assert!(!target.join(STAGE).exists());
    });
}

#[test]
fn what_did_not_arrive_whole_is_not_put_in_place() {
    in_each_shell(|place, shell| {
        fs::write(place.target().join("short"), "old").unwrap();
        let mut batch = place.batch();
        file(&mut batch, 0, b"short", "much longer than what arrived");
        file(&mut batch, 1, b"lacking", "never arrived");
        file(&mut batch, 2, b"whole", "all of it");
        let stage = place.target().join(STAGE);
        fs::create_dir(&stage).unwrap();
        fs::write(stage.join("0"), "much lon").unwrap();
        fs::write(stage.join("2"), "all of it").unwrap();
        let ops = batch.ops.clone();
        let said = place.run(shell, &batch, &ops.iter().collect::<Vec<_>>());
        let full = || Err("the disk is full".to_owned());
        assert_eq!(
            said.ops,
            [(0, full()), (1, full()), (2, Ok(()))],
            "{shell:?}"
        );
        assert_eq!(fs::read(place.target().join("short")).unwrap(), b"old");
        assert!(!place.target().join("lacking").exists());
    });
}

#[test]
fn a_tar_tells_what_lies_where_and_to_whom_it_belongs() {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, kind, content: &[u8], link: Option<&str>| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o640);
        header.set_uid(1000);
        header.set_gid(1001);
        header.set_size(content.len() as u64);
        match link {
            Some(link) => tar.append_link(&mut header, name, link).unwrap(),
            None => tar.append_data(&mut header, name, content).unwrap(),
        }
    };
    add("src/", tar::EntryType::Directory, b"", None);
    add("src/a.py", tar::EntryType::Regular, b"print()", None);
    add("src/link", tar::EntryType::Symlink, b"", Some("../etc"));
    add("src/hard", tar::EntryType::Link, b"", Some("src/a.py"));
    let bytes = tar.into_inner().unwrap();
    let listing = listing::of(bytes.as_slice(), b"lib").unwrap();
    let at = |path: &str, owner| listing::at(&listing, path.as_bytes(), owner);
    let content = |mode| Entry::File {
        hash: devrun_wire::hash(b"print()"),
        mode,
        size: 7,
    };
    assert_eq!(at("lib/a.py", None), content(0o640));
    assert_eq!(at("lib/hard", None), content(0o640), "the same content");
    assert_eq!(at("lib/a.py", Some((1000, 1001))), content(0o640));
    assert_eq!(at("lib/a.py", Some((0, 0))), content(0o640 | OTHER_OWNER));
    assert_eq!(at("lib", None), Entry::Folder);
    assert_eq!(at("lib/link", None), Entry::Symlink(b"../etc".to_vec()));
    assert_eq!(at("lib/link/passwd", None), Entry::Other);
    assert_eq!(at("lib/none", None), Entry::Absent);
}

#[test]
fn a_large_tree_beside_what_is_wanted_is_not_read_to_its_end() {
    let packed = |files: &[(&str, u64)]| {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, size) in files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(*size);
            let content = io::repeat(b'x').take(*size);
            tar.append_data(&mut header, name, content).unwrap();
        }
        tar.into_inner().unwrap()
    };
    let wanted = |path: &[u8]| path.starts_with(b"src") || path == b"a.py";
    let of = |tar: &[u8]| listing::of_wanted(tar, b"", wanted, 4_000).unwrap();
    let small = packed(&[
        ("app/a.py", 3),
        ("app/lib/x", 2_000),
        ("app/src/b.py", 9_000),
    ]);
    let found = of(&small).unwrap();
    let paths: Vec<&[u8]> = found.keys().map(Vec::as_slice).collect();
    assert_eq!(paths, [&b"a.py"[..], b"src/b.py"]);
    // What follows is broken, and is not looked at.
    let mut large = packed(&[("app/a.py", 3), ("app/lib/x", 3_000), ("app/lib/y", 3_000)]);
    large.truncate(6_000);
    assert_eq!(of(&large), None);
}

#[test]
fn a_tmpfs_is_known_wherever_the_target_lies_on_it() {
    let facts = Facts {
        owner: None,
        mounts: ["/app", "/app/code", "/data"].map(str::to_owned).to_vec(),
        tmpfs: vec!["/app".to_owned()],
    };
    for (path, on_tmpfs) in [
        ("/app", true),
        ("/app/x", true),
        ("/app/code", false),
        ("/app/code/deep", false),
        ("/application", false),
        ("/data", false),
    ] {
        assert_eq!(facts.is_on_tmpfs(path), on_tmpfs, "{path}");
    }
    assert_eq!(facts.mounted_below("/app/code"), Some("/app/code"));
    assert_eq!(facts.mounted_below("/application"), None);
}
