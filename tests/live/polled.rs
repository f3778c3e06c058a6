//! Without the kernel's news.

use std::fs;

use crate::stage::{agree, comes, goes, starts, up, waiting};

#[test]
fn what_is_polled_is_live_and_status_says_that_it_is() {
    let files = [("app/main.py", "v = 0\n"), ("app/old/a.txt", "a\n")];
    let mut stack = waiting("polled", "on \"*.py\" { restart }", &files);
    stack
        .environment
        .push(("DEVRUN_WATCH".into(), "poll".into()));
    let mut session = up(&stack);
    let status = stack.status();
    let polled = &status["watch"]["polled"][0];
    assert_eq!(polled["why"], "DEVRUN_WATCH=poll", "{status}");
    assert!(polled["folders"].as_u64() >= Some(3), "{status}");

    stack.write("app/main.py", "v = 1\n");
    session.event("web", "update-done", 30);
    comes(&stack, "/app/main.py", "v = 1\n");
    assert_eq!(starts(&stack), 2);
    for number in 0..50 {
        fs::create_dir_all(stack.path(&format!("app/new/{number}"))).unwrap();
        stack.write(&format!("app/new/{number}/b.txt"), "b\n");
    }
    fs::rename(stack.path("app/old"), stack.path("app/moved")).unwrap();
    agree(&stack);
    fs::remove_dir_all(stack.path("app/new")).unwrap();
    goes(&stack, "/app/new/7/b.txt");
    agree(&stack);
    assert_eq!(starts(&stack), 2, "{}", session.dump());
}
