//! From a sync to a new container: each rung moves what it says, and nothing else.

use crate::kit::Scratch;
use crate::stage::{Picture, content, done, save, up};

const NOTHING: [&str; 0] = [];

#[test]
fn a_sync_touches_no_process() {
    let (stack, mut session) = up("sync");
    assert_eq!(
        save(&stack, &mut session, "web/app/page.html", "2\n"),
        NOTHING
    );
    assert_eq!(content(&stack, "web", "/app/page.html"), "2\n");
}

#[test]
fn a_sync_with_a_command_runs_it_once_in_the_same_process_s_container() {
    let (stack, mut session) = up("exec");
    assert_eq!(
        save(&stack, &mut session, "web/app/tool.sh", "2\n"),
        NOTHING
    );
    assert_eq!(content(&stack, "web", "/tmp/ran"), "2\n");
}

#[test]
fn a_sync_with_a_signal_reaches_the_process_that_goes_on() {
    let (stack, mut session) = up("signal");
    assert_eq!(
        save(&stack, &mut session, "web/app/web.conf", "2\n"),
        NOTHING
    );
    crate::kit::eventually("the signal", 20, || {
        (content(&stack, "web", "/tmp/heard") == "heard\n").then_some(())
    });
}

#[test]
fn a_sync_with_a_restart_keeps_the_container() {
    let (stack, mut session) = up("restart");
    let moved = save(&stack, &mut session, "web/app/main.py", "2\n");
    assert_eq!(moved, ["web restarted"]);
    assert_eq!(content(&stack, "web", "/app/main.py"), "2\n");
}

#[test]
fn a_process_that_catches_nothing_is_killed_at_once_and_its_container_kept() {
    let text = "stack app\nservice web {\n    image \"redis:7\"\n    init #false\n    \
        command \"sleep\" \"infinity\"\n    stop-grace-period \"30m\"\n    \
        sync \"app\" to=\"/app\" { on \"*.py\" { restart } }\n}\n";
    let files = [("Stackfile.kdl", text), ("app/main.py", "1\n")];
    let stack = Scratch::new("deaf", &files);
    let mut session = stack.up(&[]);
    session.ready();
    // Half an hour is what it would have.
    let moved = save(&stack, &mut session, "app/main.py", "2\n");
    assert_eq!(moved, ["web restarted"]);
}

#[test]
fn a_recreate_makes_a_container_of_the_same_image() {
    let (stack, mut session) = up("recreate");
    let moved = save(&stack, &mut session, "web/app/all.fresh", "2\n");
    assert_eq!(moved, ["web replaced"]);
    assert_eq!(content(&stack, "web", "/app/all.fresh"), "2\n");
}

#[test]
fn of_a_strong_and_a_weak_rule_in_one_save_only_the_strong_one_is_done() {
    let (stack, mut session) = up("both");
    let before = Picture::of(&stack);
    // What is saved while the first save is on its way belongs to it.
    stack.write("web/app/web.conf", "2\n");
    stack.write("web/app/main.py", "2\n");
    done(&mut session, "web");
    assert_eq!(before.moved_to(&Picture::of(&stack)), ["web restarted"]);
    assert_eq!(
        content(&stack, "web", "/tmp/heard"),
        "",
        "signalled as well"
    );

    let before = Picture::of(&stack);
    stack.write("web/app/tool.sh", "2\n");
    stack.write("web/app/main.py", "3\n");
    stack.write("web/setup.txt", "2\n");
    let planned = done(&mut session, "web");
    assert_eq!(planned["action"], "synced, rebuilt, recreated", "{planned}");
    assert_eq!(
        before.moved_to(&Picture::of(&stack)),
        ["web replaced", "web has another image", "1 images made"]
    );
    assert_eq!(content(&stack, "web", "/tmp/ran"), "", "it ran as well");
}
