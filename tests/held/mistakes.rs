//! A person's own nginx configuration, with a mistake in it.

use crate::kit::{get, identity};
use crate::stage::{Open, app, up, url};

#[test]
fn one_is_shown_with_its_line_and_requests_go_on_until_it_is_mended() {
    let stack = app("mistake");
    let mut session = up(&stack);
    let mut socket = Open::socket(&stack);
    let before = identity(&stack.container("entry"));
    let word = || get(&format!("{}api/word", url(&stack))).map(|answer| answer.body);

    stack.edit("nginx.conf", "listen 80;", "listen 80;\n        gzzip on;");
    let told = session.wait("the mistake", 60, |event| event["event"] == "warning");
    let message = told["message"].as_str().unwrap();
    let wanted = "nginx.conf:7: [emerg] unknown directive \"gzzip\"";
    assert!(message.contains(wanted), "{message}");
    assert_eq!(word().as_deref(), Some("one"));

    // What is edited elsewhere meanwhile does not bring it in.
    let route = "route \"/api/*\" port=8000";
    let more = format!("{route}\n    route \"/more/*\" port=8000");
    stack.edit("Stackfile.kdl", route, &more);
    session.wait("it is still there", 60, |event| event["event"] == "warning");
    assert_eq!(word().as_deref(), Some("one"));

    stack.edit("nginx.conf", "gzzip on;", "gzip on;");
    session.wait("it is mended", 60, |event| {
        event["event"] == "routes-applied"
    });
    let both = get(&format!("{}more/word", url(&stack))).map(|answer| answer.body);
    assert_eq!(
        (word().as_deref(), both.as_deref()),
        (Some("one"), Some("one"))
    );
    // Who waits until what was saved is live finds it live.
    let third = format!("{route}\n    route \"/third/*\" port=8000");
    stack.edit("Stackfile.kdl", route, &third);
    stack.ok(&["wait"]);
    let third = get(&format!("{}third/word", url(&stack))).map(|answer| answer.body);
    assert_eq!(third.as_deref(), Some("one"));
    socket.echoes("still here");
    assert_eq!(identity(&stack.container("entry")), before);
}

#[test]
fn a_proxy_that_starts_anew_meanwhile_begins_with_what_worked() {
    let stack = app("mistake-start");
    let mut session = up(&stack);
    let word = || get(&format!("{}api/word", url(&stack))).map(|answer| answer.body);
    stack.edit("nginx.conf", "listen 80;", "listen 80;\n        gzzip on;");
    session.wait("the mistake", 60, |event| event["event"] == "warning");
    let told = stack.ok(&["status"]).out;
    assert!(told.contains("its routes are those of before"), "{told}");

    stack.ok(&["stop", "entry"]);
    stack.ok(&["start", "entry"]);
    assert_eq!(word().as_deref(), Some("one"));

    stack.edit("nginx.conf", "gzzip on;", "gzip on;");
    session.wait("it is mended", 60, |event| {
        event["event"] == "routes-applied"
    });
    stack.ok(&["wait"]);
    let told = stack.ok(&["status"]).out;
    assert!(!told.contains("those of before"), "{told}");
    assert_eq!(word().as_deref(), Some("one"));
}
