//! Saves that wait: for quiet, or for somebody to say so.

use crate::kit::{Scratch, shell};
use crate::stage::{Picture, content, quiet};

const SIDE: &str = r#"
service side {
    build "side"
    init #true
    command "sleep" "infinity"
    sync "side/app" to="/app"
}
service cache { image "redis:7"; init #true }
"#;

fn stack(test: &str, words: &str) -> Scratch {
    let web = format!(
        "stack app\nservice web {{\n    build \"web\"\n    init #true\n    command \"sleep\" \"infinity\"\n    \
         sync \"web/app\" to=\"/app\"\n{words}\n}}\n{SIDE}"
    );
    let dockerfile = "FROM redis:7\nCOPY setup.txt /setup.txt\nCOPY app /app\n";
    let files = [
        ("Stackfile.kdl", web.as_str()),
        ("web/Dockerfile", dockerfile),
        ("web/setup.txt", "1\n"),
        ("web/app/page.html", "1\n"),
        ("side/Dockerfile", "FROM redis:7\nCOPY app /app\n"),
        ("side/app/page.html", "1\n"),
        ("made/0.txt", "1\n"),
    ];
    Scratch::new(test, &files)
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_generator_that_writes_slowly_triggers_once() {
    let words = "    on \"made/*.txt\" settle=\"3s\" { exec \"echo ran >> /tmp/ran\" }";
    let stack = stack("settle", words);
    let mut session = stack.up(&[]);
    session.ready();
    let before = Picture::of(&stack);
    let generator = "for one in 1 2 3 4 5 6 7 8; do echo $one > made/$one.txt; sleep 0.2; done";
    assert_eq!(shell(generator, &stack.folder).code, 0);
    // Whoever writes beside it waits for nothing.
    stack.write("web/app/page.html", "2\n");
    crate::kit::eventually("the page", 20, || {
        (content(&stack, "web", "/app/page.html") == "2\n").then_some(())
    });
    session.ready();
    assert_eq!(content(&stack, "web", "/tmp/ran"), "ran\n");
    assert_eq!(before.moved_to(&Picture::of(&stack)), NOTHING);
}

#[test]
fn with_a_manual_trigger_nothing_moves_until_somebody_says_so() {
    let words = "    trigger manual\n    on \"made/*.txt\" { restart }";
    let stack = stack("manual", words);
    let mut session = stack.up(&[]);
    session.ready();
    let before = Picture::of(&stack);
    stack.write("made/0.txt", "2\n");
    stack.write("web/app/page.html", "2\n");
    assert_eq!(quiet(&stack, &mut session, &before), NOTHING);
    assert_eq!(content(&stack, "web", "/app/page.html"), "1\n");
    assert_eq!(
        stack.service("web")["reason"],
        "2 saves wait for `devrun trigger web`"
    );
    stack.ok(&["trigger", "web"]);
    assert_eq!(before.moved_to(&Picture::of(&stack)), ["web restarted"]);
    assert_eq!(content(&stack, "web", "/app/page.html"), "2\n");

    // What the build reads waits as well.
    let before = Picture::of(&stack);
    stack.write("web/setup.txt", "2\n");
    assert_eq!(quiet(&stack, &mut session, &before), NOTHING);
    stack.ok(&["trigger"]);
    assert_eq!(
        before.moved_to(&Picture::of(&stack)),
        ["web replaced", "web has another image", "1 images made"]
    );
}
