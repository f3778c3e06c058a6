//! No room: what was there stays whole, and it is said what is full.

use crate::kit::{Scratch, docker, eventually};

#[test]
fn a_save_that_finds_no_room_leaves_the_old_file_and_heals() {
    let stack = Scratch::new(
        "full",
        &[
            (
                "Stackfile.kdl",
                "stack app\nservice web {\n    image \"redis:7\"\n    command \"sleep\" \"infinity\"\n    \
                 init #true\n    tmpfs \"/live\" size=\"1M\"\n    sync \"live\" to=\"/live\"\n}\n",
            ),
            ("live/note.txt", "one\n"),
        ],
    );
    let inside = || docker(&["exec", &stack.container("web"), "cat", "/live/note.txt"]).out;
    let mut session = stack.up(&[]);
    session.ready();
    assert_eq!(inside(), "one\n");

    stack.write("live/note.txt", &"x".repeat(3_000_000));
    let warning = session.wait("the warning", 60, |event| event["event"] == "warning");
    let message = warning["message"].as_str().unwrap();
    for part in [
        "live/note.txt",
        "No space left on device",
        "a tmpfs has its own size",
    ] {
        assert!(message.contains(part), "{part:?} is not in {message}");
    }
    assert_eq!(inside(), "one\n");
    let left = docker(&["exec", &stack.container("web"), "ls", "-A", "/live"]).out;
    assert_eq!(left, "note.txt\n", "what was begun takes the room");

    stack.write("live/note.txt", "two\n");
    eventually("the save that fits", 60, || {
        (inside() == "two\n").then_some(())
    });
    let (code, errors) = session.interrupt();
    assert_eq!(code, 0, "{errors}");
}
