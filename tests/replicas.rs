//! Several containers of one service, on the real engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends by panicking, its helpers too"
)]

mod kit;

use std::collections::BTreeSet;

use kit::{Scratch, Session, docker, eventually, free_port, get, said};

const PROGRAM: &str = "import http.server, socket

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write((socket.gethostname() + ' ' + open('/app/word').read()).encode())

print('listening', flush=True)
http.server.ThreadingHTTPServer(('', 8000), Handler).serve_forever()
";

fn app(test: &str) -> Scratch {
    let port = free_port();
    let stackfile = format!(
        "stack app
service web {{
    build \"web\"
    replicas 2
    route \"/*\" port=8000
    healthcheck tcp=8000 interval=\"1s\"
    sync to=\"/app\" {{ on \"*.py\" {{ restart }} }}
}}
service front {{
    image \"python:3.13-slim\"
    command \"sleep\" \"infinity\"
    init #true
    depends-on web
}}
proxy entry {{
    image \"nginx:1.26\"
    config \"nginx.conf\"
    depends-on web
    port {port} to=80
}}
"
    );
    let nginx = "events {}\nhttp {\n    server {\n        listen 80;\n        include devrun-routes;\n    }\n}\n";
    let mut stack = Scratch::new(
        test,
        &[
            ("Stackfile.kdl", stackfile.as_str()),
            ("nginx.conf", nginx),
            (
                "web/Dockerfile",
                "FROM python:3.13-slim\nCOPY . /app\nCMD [\"python\", \"/app/main.py\"]\n",
            ),
            ("web/main.py", PROGRAM),
            ("web/word", "one"),
        ],
    );
    stack
        .environment
        .push(("PORT".to_owned(), port.to_string()));
    stack
}

fn ready(stack: &Scratch) -> Session {
    let mut session = stack.up(&[]);
    session.ready();
    session
}

fn url(stack: &Scratch) -> String {
    format!("http://localhost:{}/", stack.environment[0].1)
}

fn ids(stack: &Scratch) -> BTreeSet<String> {
    let of = format!("label=devrun.stack={}", stack.name);
    let web = "label=devrun.replica-of=web";
    let ran = docker(&["ps", "-aq", "--no-trunc", "--filter", &of, "--filter", web]);
    ran.out.lines().map(|id| id[..12].to_owned()).collect()
}

/// Who answers, until all of these have.
fn all_answer(stack: &Scratch, wanted: &BTreeSet<String>) {
    let mut seen = BTreeSet::new();
    eventually("each one answers", 30, || {
        let answer = get(&url(stack)).filter(|it| it.status == 200)?;
        seen.extend(answer.body.split(' ').next().map(str::to_owned));
        (seen == *wanted).then_some(())
    });
}

fn names(stack: &Scratch) -> Vec<String> {
    let status = stack.status();
    let services = status["services"].as_array().unwrap().iter();
    let web = services.filter(|it| it["service"] == "web");
    web.map(|it| it["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_proxy_takes_turns_and_a_save_reaches_all() {
    let stack = app("replicas");
    let mut session = ready(&stack);
    assert_eq!(names(&stack), ["web-1", "web-2"]);
    let both = ids(&stack);
    assert_eq!(both.len(), 2);
    all_answer(&stack, &both);

    stack.write("web/word", "two");
    stack.ok(&["wait"]);
    for name in ["web-1", "web-2"] {
        assert_eq!(stack.ok(&["exec", name, "cat", "/app/word"]).out, "two");
    }
    // Whichever runs answers for the service; its log has the lines of both.
    assert_eq!(stack.ok(&["exec", "web", "cat", "/app/word"]).out, "two");
    let logs = stack.ok(&["logs", "web"]).out;
    assert!(
        logs.contains("web-1 |") && logs.contains("web-2 |"),
        "{logs}"
    );

    // One that is gone is not missed.
    stack.ok(&["stop", "web-2"]);
    let left = stack.service("web-1")["container"]["id"].as_str().unwrap()[..12].to_owned();
    for _ in 0..20 {
        let answer = get(&url(&stack)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.body.starts_with(&left), "{}", answer.body);
    }
    stack.ok(&["start", "web"]);
    session.state("web-2", "ready", 60);
    all_answer(&stack, &both);
}

#[test]
fn another_number_touches_the_last_ones_only() {
    let stack = app("scaled");
    let mut session = ready(&stack);
    let first = ids(&stack);
    let front = docker(&["inspect", "-f", "{{.Id}}", &stack.container("front")]).out;

    stack.edit("Stackfile.kdl", "replicas 2", "replicas 3");
    session.state("web-3", "ready", 60);
    let three = ids(&stack);
    assert!(three.is_superset(&first) && three.len() == 3, "{three:?}");
    all_answer(&stack, &three);

    stack.edit("Stackfile.kdl", "replicas 3", "replicas 1");
    eventually("the last two go", 60, || {
        (ids(&stack).len() == 1).then_some(())
    });
    let one = ids(&stack);
    assert!(one.is_subset(&first));
    all_answer(&stack, &one);
    assert_eq!(names(&stack), ["web-1"]);
    session.interrupt();

    // Without a session the next one sees to it.
    stack.edit("Stackfile.kdl", "replicas 1", "replicas 2");
    stack.ok(&["up", "-d"]);
    stack.ok(&["stop"]);
    stack.edit("Stackfile.kdl", "    replicas 2\n", "");
    stack.ok(&["up", "-d"]);
    eventually("the replicas go", 60, || {
        ids(&stack).is_empty().then_some(())
    });
    assert_eq!(stack.service("web")["state"], "ready");
    let after = docker(&["inspect", "-f", "{{.Id}}", &stack.container("front")]).out;
    assert_eq!(front, after, "who depends on them was not to be made anew");
    stack.ok(&["down"]);
    let left = docker(&[
        "ps",
        "-aq",
        "--filter",
        &format!("label=devrun.stack={}", stack.name),
    ]);
    assert_eq!(left.out, "");
}

#[test]
fn what_there_can_be_one_of_is_refused() {
    let stack = Scratch::new(
        "refused",
        &[(
            "Stackfile.kdl",
            "stack app\nservice web { image \"redis:7\"; port 8000; replicas 2; }\n",
        )],
    );
    let checked = stack.run(&["check"]);
    assert_eq!(checked.code, 2, "{}", said(&checked));
    assert!(
        checked.err.contains("one container alone can have a port"),
        "{}",
        checked.err
    );
}
