//! The smallest example: started, saved, ended.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends by panicking, its helpers too; they are modules beside each other"
)]

mod kit;

use kit::{Scratch, eventually, free_port, get};

#[test]
fn hello_starts_takes_a_save_and_leaves_nothing_running() {
    let stack = Scratch::copy("hello", "examples/hello");
    let (page, web) = (free_port(), free_port());
    stack.write(".env", &format!("PORT={page}\nWEB_PORT={web}\n"));
    let mut session = stack.up(&[]);
    session.ready();
    let url = format!("http://localhost:{page}/");
    let first = get(&url).unwrap();
    assert_eq!(first.status, 200, "{first:?}");

    stack.edit("server.py", "Hello from devrun", "Good morning");
    session.event("web", "update-done", 60);
    eventually("the new page", 20, || {
        get(&url).filter(|answer| answer.body.contains("Good morning"))
    });

    let (code, errors) = session.interrupt();
    assert_eq!((code, errors.as_str()), (0, ""));
    let left = kit::docker(&[
        "ps",
        "-q",
        "--filter",
        &format!("label=devrun.stack={}", stack.name),
    ]);
    assert_eq!(left.out, "", "containers still run");
    assert!(get(&url).is_none(), "the port is still taken");
}
