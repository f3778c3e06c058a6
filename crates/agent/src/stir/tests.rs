//! The kernel tells what is made, and nothing is lost between two questions.

use std::fs;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use devrun_wire::frames::Response;
use tempfile::TempDir;

use super::Stir;

struct World {
    keep: TempDir,
    root: String,
    stir: Stir,
    told: Receiver<(u32, Response)>,
}

fn world() -> World {
    let keep = tempfile::tempdir().unwrap();
    fs::create_dir(keep.path().join("sub")).unwrap();
    let root = keep.path().to_str().unwrap().to_owned();
    let (sender, told) = channel();
    let stir = Stir::start(move |number, answer| drop(sender.send((number, answer)))).unwrap();
    World {
        keep,
        root,
        stir,
        told,
    }
}

impl World {
    fn wait(&self, number: u32) -> Vec<(u32, Response)> {
        let folders = [Vec::new(), b"sub".to_vec(), b"gone".to_vec()];
        self.stir.wait(number, &self.root, &folders).unwrap()
    }

    fn answer(&self) -> (u32, Vec<String>) {
        match self.told.recv_timeout(Duration::from_secs(20)).unwrap() {
            (number, Response::Stirred { folders, .. }) => (number, text(folders)),
            other => panic!("{other:?}"),
        }
    }
}

fn text(folders: Vec<Vec<u8>>) -> Vec<String> {
    let text = |folder: Vec<u8>| String::from_utf8(folder).unwrap();
    folders.into_iter().map(text).collect()
}

#[test]
fn what_is_made_is_told_with_its_folder() {
    let world = world();
    assert_eq!(world.wait(7), []);
    // Our own half-written files are nobody's business.
    fs::write(world.keep.path().join(".devrun-1-1"), "x").unwrap();
    fs::write(world.keep.path().join("sub/new.txt"), "x").unwrap();
    assert_eq!(world.answer(), (7, vec!["sub".to_owned()]));
}

#[test]
fn what_happens_between_two_questions_is_told_to_the_second() {
    let world = world();
    world.wait(1);
    fs::create_dir(world.keep.path().join("sub/folder")).unwrap();
    world.answer();
    fs::write(world.keep.path().join("after.txt"), "x").unwrap();
    let due = world.wait(2);
    let folders = match due.into_iter().next() {
        Some((2, Response::Stirred { folders, .. })) => text(folders),
        Some(other) => panic!("{other:?}"),
        // Not read yet when we asked.
        None => world.answer().1,
    };
    assert_eq!(folders, [""]);
}

#[test]
fn a_second_question_takes_the_place_of_the_first() {
    let world = world();
    world.wait(1);
    let due = world.wait(2);
    assert_eq!(due, [(1, Response::Done)]);
}

#[test]
fn new_folders_are_named_and_roots_do_not_disturb_each_other() {
    let world = world();
    world.wait(1);
    let inner = format!("{}/sub", world.root);
    assert_eq!(world.stir.wait(2, &inner, &[Vec::new()]).unwrap(), []);
    fs::create_dir(world.keep.path().join("sub/folder")).unwrap();
    let mut told = Vec::new();
    for _ in 0..2 {
        let (number, answer) = world.told.recv_timeout(Duration::from_secs(20)).unwrap();
        let Response::Stirred { folders, made } = answer else {
            panic!("{answer:?}");
        };
        told.push((number, text(folders), text(made)));
    }
    told.sort();
    let text = |text: &str| vec![text.to_owned()];
    let expected = [
        (1, text("sub"), text("sub/folder")),
        (2, text(""), text("folder")),
    ];
    assert_eq!(told, expected);
}
