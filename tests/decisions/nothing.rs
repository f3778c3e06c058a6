//! What asks for nothing moves nothing, and is said.

use crate::kit::relay::Relay;
use crate::stage::{Picture, done, quiet, stack, up};

const NOTHING: [&str; 0] = [];

#[test]
fn equal_content_moves_nothing_and_asks_the_engine_nothing() {
    let mut stack = stack("equal");
    let relay = Relay::between(&mut stack);
    let mut session = stack.up(&[]);
    session.ready();
    // The relay hears of what is asked.
    stack.write("web/app/main.py", "2\n");
    done(&mut session, "web");
    session.ready();
    let before = Picture::of(&stack);
    let asked = relay.asked();
    assert!(
        asked.iter().any(|one| one.contains("/restart")),
        "{asked:?}"
    );

    let mut save_again = |path: &str| {
        stack.write(path, &stack.read(path));
        let over = done(&mut session, "web");
        assert_eq!(over["action"], "unchanged", "{path}: {over}");
        relay.asked().split_off(asked.len())
    };
    // A rule restarts for the first, the second is only synced, and the image is made of the others.
    for path in [
        "web/app/main.py",
        "web/app/page.html",
        "web/setup.txt",
        "web/Dockerfile",
    ] {
        let more = save_again(path);
        assert!(more.is_empty(), "{path}: {more:?}");
    }
    assert_eq!(before.moved_to(&Picture::of(&stack)), NOTHING);
}

#[test]
fn what_no_rule_and_no_build_covers_moves_nothing_and_why_says_so() {
    let (stack, mut session) = up("uncovered");
    let before = Picture::of(&stack);
    stack.write("notes.txt", "2\n");
    assert_eq!(quiet(&stack, &mut session, &before), NOTHING);
    let told = session.dump();
    assert!(!told.contains("notes.txt"), "{told}");
    let why = stack.ok(&["why", "notes.txt"]).out;
    assert!(
        why.contains("does nothing") && why.contains("no tree that is synced"),
        "{why}"
    );
}
