//! All that happens to files in a day, for one container.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::kit::{Scratch, docker};
use crate::stage::{By, TARGET, equal, inside, up};

/// Saves, then restarts and replacements, each followed by a look at what the container has.
pub fn whole(stack: &Scratch, by: By) {
    let session = up(stack, by);
    equal(stack, "the whole tree, at the start");
    saves(stack);
    names(stack);
    comings_and_goings(stack);
    links_lead_nowhere(stack);
    drop(session);
    between(stack, by);
}

fn saves(stack: &Scratch) {
    stack.write("app/first.txt", "second\n");
    equal(stack, "a save");
    fs::create_dir_all(stack.path("app/new/folder")).unwrap();
    stack.write("app/new/folder/file.txt", "new\n");
    equal(stack, "a new file in a new folder");
    fs::create_dir(stack.path("app/empty")).unwrap();
    equal(stack, "an empty folder");
    stack.write("app/run.sh", "#!/bin/sh\n");
    fs::set_permissions(stack.path("app/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    equal(stack, "an executable file");
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    fs::write(stack.path("app/large.bin"), large).unwrap();
    equal(stack, "a large file");
    symlink("first.txt", stack.path("app/link")).unwrap();
    symlink("nowhere/at all", stack.path("app/dangling")).unwrap();
    equal(stack, "symlinks");
    stack.write("app/link", "through the link\n");
    equal(stack, "a save through a symlink of the host");
}

fn names(stack: &Scratch) {
    let odd: [&[u8]; 8] = [
        b"with space.txt",
        b"new\nline.txt",
        b"it's \"quoted\".txt",
        b"-rf",
        b"$(touch x) `y` *?.txt",
        "Übung.txt".as_bytes(),
        b"back\\slash",
        b"not-\xff-utf8",
    ];
    for name in odd {
        fs::write(stack.path("app/new").join(OsStr::from_bytes(name)), name).unwrap();
    }
    equal(stack, "odd names");
    fs::create_dir(stack.path("app/-folder 'x'")).unwrap();
    stack.write("app/-folder 'x'/--", "dashes\n");
    equal(stack, "a folder with an odd name");
}

fn comings_and_goings(stack: &Scratch) {
    fs::rename(stack.path("app/first.txt"), stack.path("app/renamed.txt")).unwrap();
    equal(stack, "a rename");
    fs::remove_file(stack.path("app/run.sh")).unwrap();
    equal(stack, "a file deleted");
    fs::remove_dir_all(stack.path("app/new")).unwrap();
    equal(stack, "a folder deleted, with odd names in it");
    fs::rename(stack.path("app/lib"), stack.path("app/moved")).unwrap();
    equal(stack, "a folder renamed");
    fs::remove_file(stack.path("app/renamed.txt")).unwrap();
    fs::create_dir(stack.path("app/renamed.txt")).unwrap();
    stack.write("app/renamed.txt/below", "below\n");
    equal(stack, "a file became a folder");
    fs::remove_dir_all(stack.path("app/renamed.txt")).unwrap();
    stack.write("app/renamed.txt", "a file again\n");
    equal(stack, "and a file again");
    fs::remove_file(stack.path("app/link")).unwrap();
    fs::create_dir(stack.path("app/link")).unwrap();
    equal(stack, "a link became a folder");
}

/// The container makes a link out of the target where the host has a folder.
fn links_lead_nowhere(stack: &Scratch) {
    if crate::stage::names(stack).len() > 1 {
        return;
    }
    let made =
        format!("mkdir -p /tmp/out && rm -rf {TARGET}/moved && ln -s /tmp/out {TARGET}/moved");
    let ran = inside(stack, &made);
    if ran.code != 0 {
        // A root that cannot be written has nowhere to lead to.
        return;
    }
    stack.write("app/moved/escaped.txt", "out\n");
    stack.write("app/marker.txt", "marker\n");
    let text = crate::kit::eventually("the marker", 30, || {
        let ran = inside(stack, &format!("cat {TARGET}/marker.txt"));
        (ran.code == 0).then_some(ran.out)
    });
    assert_eq!(text, "marker\n");
    let told = crate::kit::eventually("the link told", 30, || {
        let status = stack.service("web").to_string();
        status.contains("is a symlink out of").then_some(status)
    });
    assert!(told.contains("app/moved/escaped.txt"), "{told}");
    let out = inside(stack, "ls -A /tmp/out").out;
    assert_eq!(out, "", "written through a link that the container made");
    let mended = format!("rm {TARGET}/moved");
    assert_eq!(inside(stack, &mended).code, 0);
    // It is tried again by itself; what lay behind the link comes back with the next comparison.
    stack.ok(&["restart", "web"]);
    equal(stack, "once the link is gone");
}

/// What changes while no session, or no process, is there.
fn between(stack: &Scratch, by: By) {
    fs::remove_file(stack.path("app/renamed.txt")).unwrap();
    stack.write("app/while-away.txt", "away\n");
    fs::remove_dir_all(stack.path("app/moved")).unwrap();
    let session = up(stack, by);
    equal(stack, "deleted and written while nobody watched");

    stack.ok(&["stop"]);
    fs::remove_file(stack.path("app/while-away.txt")).unwrap();
    stack.write("app/stopped.txt", "stopped\n");
    stack.ok(&["start"]);
    equal(stack, "deleted and written while it was stopped");

    stack.write("app/before-restart.txt", "restart\n");
    equal(stack, "before the restart");
    stack.ok(&["restart"]);
    stack.write("app/after-restart.txt", "restart\n");
    equal(stack, "after the restart");
    session.interrupt();

    for service in crate::stage::names(stack) {
        docker(&["rm", "-f", "-v", &stack.container(&service)]);
    }
    let _session = up(stack, by);
    equal(stack, "in a container that replaced the one before");
}
