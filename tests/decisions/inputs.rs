//! Each file that a stack is read from is an input like any other: a save of it moves what it is
//! about, and nothing else.

use serde_json::Value;

use crate::kit::{Scratch, Session, docker, eventually, free_port, get};
use crate::stage::Picture;

const STACKFILE: &str = r#"stack app
var VALUE "0"
secret token file="token.txt"
config-file settings file="settings.toml"
service web {
    build "web" dockerfile="../docker/web.Dockerfile"
    init #true
    command "sleep" "infinity"
    env-file "web.env"
    environment { VALUE "${VALUE}" }
    sync "web/app" to="/app"
}
service side {
    build "side"
    init #true
    command "sleep" "infinity"
    secret token
    config-file settings to="/settings.toml"
}
service cache { image "redis:7"; init #true; route "/cache" port=6379 }
proxy entry { image "nginx:1.26"; config "nginx.conf"; port @port to=80 }
"#;

const NGINX: &str = "\
events {}
http {
    server {
        listen 80;
        location = /version { return 200 'one'; }
        include devrun-routes;
    }
}
";

struct Stage {
    stack: Scratch,
    session: Session,
    before: Picture,
    port: u16,
}

fn up(test: &str) -> Stage {
    let port = free_port();
    let stackfile = STACKFILE.replace("@port", &port.to_string());
    let files = [
        ("Stackfile.kdl", stackfile.as_str()),
        ("nginx.conf", NGINX),
        (".env", "VALUE=1\n"),
        ("web.env", "OTHER=1\n"),
        ("token.txt", "first-token\n"),
        ("settings.toml", "a = 1\n"),
        (
            "docker/web.Dockerfile",
            "FROM redis:7\nCOPY . /all\nCOPY app /app\n",
        ),
        ("docker/web.Dockerfile.dockerignore", "notes.txt\n"),
        ("web/notes.txt", "1\n"),
        ("web/app/page.html", "1\n"),
        ("side/Dockerfile", "FROM redis:7\nCOPY data /data\n"),
        ("side/.dockerignore", "data/notes.txt\n"),
        ("side/data/notes.txt", "1\n"),
        ("side/data/page.html", "1\n"),
    ];
    let stack = Scratch::new(test, &files);
    let mut session = stack.up(&[]);
    session.ready();
    Stage {
        before: Picture::of(&stack),
        stack,
        session,
        port,
    }
}

impl Stage {
    /// What has moved since the last call, once this save is live.
    fn save(&mut self, path: &str, text: &str) -> Vec<String> {
        self.stack.write(path, text);
        self.moved()
    }

    fn moved(&mut self) -> Vec<String> {
        self.stack.ok(&["wait"]);
        let now = Picture::of(&self.stack);
        std::mem::replace(&mut self.before, now.clone()).moved_to(&now)
    }

    fn inside(&self, service: &str, line: &str) -> String {
        let container = self.stack.container(service);
        docker(&["exec", &container, "sh", "-c", line]).out
    }

    fn wrong(&self) -> Value {
        self.stack.status()["wrong"].clone()
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_variable_of_the_env_file_recreates_those_that_have_it() {
    let mut stage = up("dotenv");
    assert_eq!(stage.save(".env", "VALUE=2\n"), ["web replaced"]);
    assert_eq!(stage.inside("web", "echo $VALUE"), "2\n");
    let planned = stage.session.event("web", "update-planned", 60);
    let done = stage.session.event("web", "update-done", 60);
    assert_eq!(done["cause"], planned["seq"], "{planned} {done}");
    assert_eq!(done["outcome"], "ok", "{done}");
    assert_eq!(done["action"], "recreated", "{done}");
    // One that nobody has, and a comment.
    assert_eq!(stage.save(".env", "# x\nVALUE=2\nMORE=3\n"), NOTHING);
}

#[test]
fn a_file_of_variables_recreates_the_service_that_reads_it() {
    let mut stage = up("envfile");
    assert_eq!(stage.save("web.env", "OTHER=2\n"), ["web replaced"]);
    assert_eq!(stage.inside("web", "echo $OTHER"), "2\n");
    assert_eq!(stage.save("web.env", "# x\nOTHER=2\n"), NOTHING);
}

#[test]
fn a_broken_env_file_changes_nothing_and_is_shown_with_its_place_until_it_is_mended() {
    let mut stage = up("broken");
    for (path, good) in [(".env", "VALUE=1\n"), ("web.env", "OTHER=1\n")] {
        stage.stack.write(path, &format!("{good}what is this\n"));
        let place = format!("{path}:2");
        let wrong = eventually("what is wrong", 30, || {
            let wrong = stage.wrong().as_str()?.to_owned();
            wrong.contains(&place).then_some(wrong)
        });
        // Saves are brought over all the while, and do not take it away.
        stage.stack.write("web/app/page.html", path);
        eventually("the page", 30, || {
            (stage.inside("web", "cat /app/page.html") == path).then_some(())
        });
        assert_eq!(stage.wrong(), *wrong);
        assert_eq!(stage.before.moved_to(&Picture::of(&stage.stack)), NOTHING);
        stage.stack.write(path, good);
        eventually("nothing wrong", 30, || {
            stage.wrong().is_null().then_some(())
        });
        assert_eq!(stage.moved(), NOTHING);
    }
}

#[test]
fn a_dockerfile_outside_of_its_context_rebuilds_its_service() {
    let mut stage = up("dockerfile");
    let text = "FROM redis:7\nCOPY . /all\nCOPY app /app\nLABEL more=1\n";
    assert_eq!(
        stage.save("docker/web.Dockerfile", text),
        ["web replaced", "web has another image", "1 images made"]
    );
}

#[test]
fn an_ignore_file_of_a_dockerfile_rebuilds_its_service_where_it_lets_in_something_else() {
    let mut stage = up("ignorefile");
    let moved = stage.save("docker/web.Dockerfile.dockerignore", "nothing\n");
    assert_eq!(
        moved,
        ["web replaced", "web has another image", "1 images made"]
    );
    assert_eq!(stage.inside("web", "cat /all/notes.txt"), "1\n");
}

#[test]
fn an_ignore_file_of_a_context_rebuilds_its_service_where_it_lets_in_something_else() {
    let mut stage = up("dockerignore");
    assert_eq!(
        stage.save("side/.dockerignore", "nothing\n"),
        ["side replaced", "side has another image", "1 images made"]
    );
    assert_eq!(stage.inside("side", "cat /data/notes.txt"), "1\n");
}

#[test]
fn the_configuration_of_nginx_is_applied_where_it_runs_and_a_broken_one_is_not() {
    let mut stage = up("nginx");
    let url = format!("http://localhost:{}/version", stage.port);
    let version = || get(&url).map(|answer| answer.body);
    let until = |wanted: &str| {
        eventually(wanted, 30, || (version()? == wanted).then_some(()));
    };
    assert_eq!(version().as_deref(), Some("one"));
    assert_eq!(
        stage.save("nginx.conf", &NGINX.replace("one", "two")),
        NOTHING
    );
    until("two");
    assert_eq!(
        stage.save("nginx.conf", &NGINX.replace("return", "retrun")),
        NOTHING
    );
    assert_eq!(version().as_deref(), Some("two"));
    assert_eq!(
        stage.save("nginx.conf", &NGINX.replace("one", "three")),
        NOTHING
    );
    until("three");
}

#[test]
fn a_secret_and_a_config_file_recreate_those_that_have_them() {
    let mut stage = up("secret");
    assert_eq!(stage.save("token.txt", "second-token\n"), ["side replaced"]);
    assert_eq!(
        stage.inside("side", "cat /run/secrets/token"),
        "second-token\n"
    );
    assert_eq!(stage.save("settings.toml", "a = 2\n"), ["side replaced"]);
    assert_eq!(stage.inside("side", "cat /settings.toml"), "a = 2\n");
    // The same again.
    assert_eq!(stage.save("settings.toml", "a = 2\n"), NOTHING);
}
