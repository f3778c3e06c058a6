//! A save of a service behind the proxy.

use crate::kit::{Scratch, free_port, get, http};
use crate::stage::up;

#[test]
fn when_an_update_is_done_the_proxy_serves_it() {
    let stack = Scratch::copy("proxied", "examples/hello");
    let (page, web) = (free_port(), free_port());
    stack.write(".env", &format!("PORT={page}\nWEB_PORT={web}\n"));
    let mut session = up(&stack);
    let mut before = "Hello from devrun".to_owned();
    for round in 0..5 {
        let greeting = format!("Greeting {round}");
        stack.edit("server.py", &before, &greeting);
        let done = session.event("web", "update-done", 30);
        let answer = get(&format!("http://localhost:{page}/")).unwrap();
        assert!(
            answer.status == 200 && answer.body.contains(&greeting),
            "{done}\n{answer:?}\n{}",
            session.dump()
        );
        before = greeting;
    }
}

#[test]
fn who_asks_for_what_crashed_is_told_its_last_words() {
    let stack = Scratch::copy("words", "examples/hello");
    let (page, web) = (free_port(), free_port());
    stack.write(".env", &format!("PORT={page}\nWEB_PORT={web}\n"));
    let mut session = up(&stack);
    stack.edit("server.py", "def do_GET(self):", "def do_GET(self:");
    session.state("web", "failed", 60);
    let url = format!("http://localhost:{page}/");
    for accept in ["application/json", "text/html"] {
        let answer = http(&["-H", &format!("Accept: {accept}"), &url]).unwrap();
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.body.contains("exited with 1"), "{answer:?}");
        assert!(
            answer.body.contains("SyntaxError"),
            "{accept}: {}",
            answer.body
        );
    }
    let told = format!("503 GET localhost:{page}/ → web, which is failed, ");
    let lines = stack.ok(&["logs", "--grep", "\"web\"", "proxy"]).out;
    assert_eq!(lines.matches(&told).count(), 2, "{lines}");
    let lines = stack.ok(&[
        "logs", "--tail", "1", "--format", "json", "--grep", "failed", "proxy",
    ]);
    let line: serde_json::Value = serde_json::from_str(&lines.out).unwrap();
    assert_eq!(line["request"]["status"], 503, "{line}");
    assert!(line["request"]["generation"].is_u64(), "{line}");
}
