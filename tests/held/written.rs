//! Services that a person's own nginx configuration asks by their names, without a route.

use crate::kit::{docker, free_port, get};
use crate::stage::{Open, app_with, up, url};

#[test]
fn one_at_another_address_is_asked_there() {
    // A port that is published again keeps the kernel waiting at the former address.
    let stack = app_with("written", &format!("port {} to=8000", free_port()));
    let own = "upstream own { server backend:8000; }
    server {
        location /own/ { proxy_pass http://own; proxy_connect_timeout 2s; }";
    stack.edit("nginx.conf", "server {", own);
    let mut session = up(&stack);
    let address = || {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        docker(&["inspect", "-f", format, &stack.container("backend")]).out
    };
    let own = || get(&format!("{}own/word", url(&stack))).unwrap();
    assert_eq!(own().body, "one");
    let mut socket = Open::socket(&stack);
    for round in 0..2 {
        let before = address();
        stack.write("backend/extra.txt", &format!("round {round}"));
        session.event("backend", "update-done", 60);
        stack.ok(&["wait"]);
        assert_ne!(address(), before);
        let answer = own();
        assert_eq!((answer.status, answer.body.as_str()), (200, "one"));
        session.wait("the other address", 60, |event| {
            event["event"] == "routes-applied"
        });
    }
    socket.echoes("still here");

    // One that nobody names needs no reload.
    stack.edit("nginx.conf", "backend:8000", "neighbour:9000");
    session.wait("the other name", 60, |event| {
        event["event"] == "routes-applied"
    });
    let so_far = session.seen.len();
    stack.write("backend/extra.txt", "round 2");
    session.event("backend", "update-done", 60);
    stack.ok(&["wait"]);
    session.catch_up();
    let more = session.seen.iter().skip(so_far);
    let more = more.filter(|event| event["event"] == "routes-applied");
    assert_eq!(more.count(), 0);
}
