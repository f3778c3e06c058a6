//! What a proxy's process begins with: another configuration than devrun's, or one with a mistake.

use serde_json::Value;

use crate::kit::{Scratch, Session, free_port, get, http, said};

const STACKFILE: &str = r#"stack app
service web { image "redis:7"; init #true; route "/web/*" port=6379 }
proxy entry {
    image "nginx:1.26"
    config "nginx.conf"
    health "/health"
    bind "other.conf" to="/other.conf"
    port @port to=80
    command "nginx" "-g" "daemon off;"
}
"#;

const NGINX: &str = "\
user nginx;
events {}
http {
    server {
        listen 80;
        include devrun-routes;
    }
}
";

const OTHER: &str = "\
events {}
http { server { listen 80; location = /word { return 200 'theirs'; } } }
";

struct Stage {
    stack: Scratch,
    port: u16,
}

impl Stage {
    fn set(test: &str) -> Stage {
        let port = free_port();
        let stackfile = STACKFILE.replace("@port", &port.to_string());
        let files = [
            ("Stackfile.kdl", stackfile.as_str()),
            ("nginx.conf", NGINX),
            ("other.conf", OTHER),
        ];
        Stage {
            stack: Scratch::new(test, &files),
            port,
        }
    }

    fn says(&self, path: &str) -> Option<String> {
        let answer = get(&format!("http://localhost:{}{path}", self.port))?;
        Some(format!("{} {}", answer.status, answer.body))
    }

    fn why(&self) -> String {
        let entry = self.stack.service("entry");
        assert_eq!(entry["state"], "ready", "{entry}");
        entry["reason"].as_str().unwrap_or_default().to_owned()
    }
}

fn warned(session: &mut Session, words: &str) {
    session.wait(words, 60, |event| {
        let said = event["message"].as_str();
        event["event"] == "warning" && said.is_some_and(|said| said.contains(words))
    });
}

fn routed(event: &Value) -> bool {
    event["event"] == "routes-applied"
}

const NOT_BEGUN: &str = "nginx has not begun with the /etc/nginx/nginx.conf of devrun";

#[test]
fn one_that_reads_another_file_serves_and_says_what_to_do() {
    let stage = Stage::set("other-file");
    let command = "\"daemon off;\"";
    let other = "\"daemon off;\" \"-c\" \"/other.conf\"";
    stage.stack.edit("Stackfile.kdl", command, other);
    let mut session = stage.stack.up(&[]);
    warned(&mut session, NOT_BEGUN);
    warned(&mut session, "without `-c` in `command`");
    session.ready();
    let why = stage.why();
    assert!(
        why.contains("nginx does not say that it has its routes"),
        "{why}"
    );
    assert!(!session.seen.iter().any(routed), "{}", session.dump());
    assert_eq!(stage.says("/word").as_deref(), Some("200 theirs"));

    stage.stack.edit("Stackfile.kdl", other, command);
    session.wait("its routes", 60, routed);
    stage.stack.ok(&["wait"]);
    assert_eq!(stage.why(), "");
    assert_eq!(stage.says("/health").as_deref(), Some("200 ok\n"));
}

#[test]
fn what_an_entrypoint_has_written_over_is_put_right_at_each_start() {
    let stage = Stage::set("written-over");
    stage.stack.edit(
        "Stackfile.kdl",
        "\"nginx\" \"-g\" \"daemon off;\"",
        "\"cp /other.conf /etc/nginx/nginx.conf; exec nginx -g 'daemon off;'\"",
    );
    let mut session = stage.stack.up(&[]);
    warned(&mut session, NOT_BEGUN);
    session.ready();
    for start in 0..2 {
        if start > 0 {
            stage.stack.ok(&["restart", "entry"]);
            warned(&mut session, NOT_BEGUN);
            stage.stack.ok(&["wait"]);
        }
        assert_eq!(stage.why(), "");
        assert_eq!(stage.says("/health").as_deref(), Some("200 ok\n"));
    }
}

#[test]
fn a_mistake_in_a_line_of_a_route_is_told_at_the_first_start_and_mended_by_a_save() {
    let stage = Stage::set("first-line");
    let route = "port=6379 }";
    let wrong = "port=6379 { nginx \"gzzip off;\" } }";
    stage.stack.edit("Stackfile.kdl", route, wrong);
    let mut session = stage.stack.up(&[]);
    assert!(!session.settled(), "{}", session.dump());
    let entry = stage.stack.service("entry");
    assert_eq!(entry["state"], "failed", "{entry}");
    let line = "Stackfile.kdl:2: [emerg] unknown directive \"gzzip\": gzzip off;";
    let details = entry["details"].as_array().unwrap();
    assert!(details.iter().any(|it| it == line), "{entry}");
    let was_ready = session
        .seen
        .iter()
        .any(|event| event["service"] == "entry" && event["to"] == "ready");
    assert!(!was_ready, "{}", session.dump());

    stage.stack.edit("Stackfile.kdl", wrong, route);
    session.state("entry", "ready", 60);
    assert_eq!(stage.says("/health").as_deref(), Some("200 ok\n"));
}

#[test]
fn a_mistake_in_nginx_conf_fails_the_first_up_until_it_is_mended() {
    let stage = Stage::set("first-file");
    let stack = &stage.stack;
    stack.edit("nginx.conf", "listen 80;", "listen 80;\n        gzzip on;");
    let up = stack.run(&["up", "-d"]);
    assert_eq!(up.code, 1, "{}", said(&up));
    let line = "nginx.conf:6: [emerg] unknown directive \"gzzip\"";
    assert!(said(&up).contains(line), "{}", said(&up));
    assert_eq!(stack.run(&["wait"]).code, 1);

    stack.edit("nginx.conf", "gzzip on;", "gzip on;");
    stack.ok(&["wait"]);
    assert_eq!(stage.why(), "");
    assert_eq!(stage.says("/health").as_deref(), Some("200 ok\n"));
}

#[test]
fn a_block_for_some_hosts_beside_one_for_all_others_is_asked_by_its_name() {
    let stage = Stage::set("some-hosts");
    let stack = &stage.stack;
    stack.edit("Stackfile.kdl", "    health \"/health\"\n", "");
    let hosts = "server { listen 80 default_server; return 404; }
    server {
        server_name *.app.test app.localhost;
        location = /word { return 200 theirs; }";
    stack.edit("nginx.conf", "server {", hosts);
    let mut session = stack.up(&[]);
    session.ready();
    assert!(session.seen.iter().any(routed), "{}", session.dump());
    let word = || {
        let port = format!("http://127.0.0.1:{}/word", stage.port);
        http(&["-H", "Host: app.localhost", &port]).unwrap().body
    };
    assert_eq!(word(), "theirs");
    stack.edit("nginx.conf", "theirs", "another");
    session.wait("its routes", 60, routed);
    assert_eq!(word(), "another");
    let warned = |event: &Value| event["event"] == "warning";
    assert!(!session.seen.iter().any(warned), "{}", session.dump());
    assert!(stage.says("/word").unwrap().starts_with("404"));
}
