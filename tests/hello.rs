//! The smallest examples: started, saved, ended.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends by panicking, its helpers too; they are modules beside each other"
)]

mod kit;

use kit::{Scratch, eventually, free_port, get, http};

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

#[test]
fn tls_serves_its_hosts_to_who_trusts_the_authority_and_takes_a_save() {
    let mut stack = Scratch::copy("tlsexample", "examples/tls");
    let (page, plain) = (free_port(), free_port());
    stack.write(".env", &format!("PORT={page}\nPLAIN={plain}\n"));
    let data = stack.state.join("data");
    let variable = ("XDG_DATA_HOME".to_owned(), data.display().to_string());
    stack.environment.push(variable);
    let mut session = stack.up(&[]);
    session.ready();
    let authority = data.join("devrun/authority.crt").display().to_string();
    let ask = |host: &str| {
        let here = format!("{host}:{page}:127.0.0.1");
        let url = format!("https://{host}:{page}/");
        http(&["--cacert", &authority, "--resolve", &here, &url])
    };
    for host in ["localhost", "shop.localhost", "www.localhost"] {
        let answer = ask(host).unwrap();
        assert_eq!(answer.body, "Hello over TLS\n", "{host}");
    }
    let sent = get(&format!("http://localhost:{plain}/")).unwrap();
    let there = format!("Location: https://localhost:{page}/");
    assert!(sent.head.contains(&there), "{}", sent.head);

    stack.edit("server.py", "Hello over TLS", "Good morning");
    session.event("web", "update-done", 60);
    eventually("the new page", 20, || {
        ask("localhost").filter(|answer| answer.body.contains("Good morning"))
    });
    let (code, _) = session.interrupt();
    assert_eq!(code, 0);
}
