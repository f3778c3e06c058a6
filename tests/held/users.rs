//! nginx that is not root: its workers, as nearly everywhere, or all of it.

use crate::kit::{Scratch, docker};
use crate::stage::{headers, up};
use crate::tls::{app_with_tls, ask};

/// Starts, lets requests wait, takes another route with another certificate, and says what it
/// knows. The key is for `owner` alone.
fn serves(stack: &Scratch, tls: u16, owner: &str) {
    let mut session = up(stack);
    let entry = stack.container("entry");
    let key = || {
        let words = ["stat", "-c", "%U %a", "/run/devrun/tls.pem"];
        docker(&[&["exec", &entry][..], &words].concat()).out
    };
    let wanted = format!("{owner} 600\n");
    assert_eq!(key(), wanted);
    assert_eq!(ask(stack, "localhost", tls).unwrap().body, "one");

    let text = stack.read("backend/main.py").replace("\"one\"", "\"two\"");
    stack.write("backend/main.py", &text.replace("SLOW = 0", "SLOW = 1"));
    session.state("backend", "updating", 60);
    let waited = ask(stack, "localhost", tls).unwrap();
    assert_eq!((waited.status, waited.body.as_str()), (200, "two"));

    let route = "route \"/api/*\" port=8000";
    let more = format!("{route}\n    route \"/*\" host=\"shop.localhost\" port=8000");
    stack.edit("Stackfile.kdl", route, &more);
    session.wait("the other route", 60, |event| {
        event["event"] == "routes-applied"
    });
    assert_eq!(ask(stack, "shop.localhost", tls).unwrap().body, "two");
    assert_eq!(key(), wanted, "the other one too");

    stack.ok(&["stop", "backend"]);
    let stopped = ask(stack, "localhost", tls).unwrap();
    assert_eq!(
        (stopped.status, headers(&stopped, "state").as_str()),
        (503, "stopped")
    );
    let log = stack.ok(&["logs", "entry"]).out;
    assert!(log.contains("/api/word"), "{log}");
}

#[test]
fn workers_of_another_user_need_no_more_than_the_master_reads() {
    let (stack, tls) = app_with_tls("nobody-works");
    stack.edit("nginx.conf", "user nginx;", "user nobody nogroup;");
    stack.edit("nginx.conf", "    access_log off;\n", "");
    serves(&stack, tls, "root");
}

#[test]
fn one_that_is_root_nowhere_does_all_the_same() {
    let (stack, tls) = app_with_tls("nobody");
    stack.edit("nginx.conf", "user nginx;", "pid /tmp/nginx.pid;");
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("    {what}_temp_path /tmp/{what};\n"));
    stack.edit("nginx.conf", "    access_log off;\n", &temporary.concat());
    stack.edit("nginx.conf", "listen 80;", "listen 8080;");
    let config = "config \"nginx.conf\"";
    let nobody = format!("{config}\n    user \"nobody\"");
    stack.edit("Stackfile.kdl", config, &nobody);
    stack.edit("Stackfile.kdl", "to=80\n", "to=8080\n");
    stack.edit(
        "Stackfile.kdl",
        "to=443\n    tls",
        "to=8443\n    tls port=8443",
    );
    serves(&stack, tls, "nobody");
}
