//! A save of a service behind the proxy.

use crate::kit::{Scratch, free_port, get};
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
        assert!(answer.status == 200 && answer.body.contains(&greeting), "{done}\n{answer:?}\n{}", session.dump());
        before = greeting;
    }
}
