//! What asks for nothing moves nothing, and is said.

use crate::kit::eventually;
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
    let asked = once_it_has_looked_for_left_overs(&relay);
    assert!(
        asked.iter().any(|one| one.contains("/restart")),
        "{asked:?}"
    );

    let mut save_again = |path: &str| {
        // In one go: whoever reads between an emptying and a writing sees another content.
        let beside = stack.path("beside");
        std::fs::write(&beside, stack.read(path)).unwrap();
        std::fs::rename(&beside, stack.path(path)).unwrap();
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

/// A while after it has begun, a session looks once more for containers of a killed one. What was
/// asked by then.
fn once_it_has_looked_for_left_overs(relay: &Relay) -> Vec<String> {
    const CONTAINERS: usize = 3;
    let is_list = |one: &String| one.contains("/containers/json") && one.contains("devrun.stack");
    eventually("the last look", 20, || {
        let asked = relay.asked();
        let mut lists = asked.iter().enumerate().filter(|(_, one)| is_list(one));
        // The first one is that of the beginning.
        let (last, _) = lists.nth(1)?;
        let each = asked[last + 1..].iter().filter(|one| one.contains("/json"));
        (each.count() >= CONTAINERS).then_some(asked)
    })
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
