//! A person reads the document from top to bottom and types each command, as written.

use std::collections::{BTreeSet, VecDeque};
use std::time::SystemTime;

use serde_json::Value;

use crate::kit::{self, Ran, docker, eventually, shell};
use crate::script::{Step, steps};
use crate::stack::{FIVE, Seed, containers, json};
use crate::terminal::{CTRL_C, CTRL_D, Terminal};

/// A row, an account and a key of this name are made, found again and removed.
fn mark() -> String {
    format!("seed-{}", std::process::id())
}

struct Walk {
    seed: Seed,
    left: VecDeque<Step>,
}

impl Walk {
    /// The next command of the document, which must read like this.
    fn step(&mut self, text: &str) -> Step {
        let step = self
            .left
            .pop_front()
            .unwrap_or_else(|| panic!("the document ends before `{text}`"));
        assert_eq!(step.text, text, "below {:?}", step.heading);
        step
    }

    /// Runs the next command to its end.
    fn run(&mut self, text: &str) -> Ran {
        let step = self.step(text);
        self.seed.run(&step.line())
    }

    /// Runs the next command, which must end well.
    fn ok(&mut self, text: &str) -> Ran {
        let ran = self.run(text);
        assert_eq!(ran.code, 0, "{text}\n{}{}", ran.out, ran.err);
        ran
    }

    /// The next command at a terminal.
    fn terminal(&mut self, text: &str) -> (Terminal, Vec<String>) {
        let step = self.step(text);
        (Terminal::open(&self.seed, &step.line()), step.typed)
    }

    /// The next command is a Python prompt: types what the document types, gives the answers.
    fn python(&mut self, text: &str) -> String {
        let (mut terminal, typed) = self.terminal(text);
        assert!(!typed.is_empty(), "{text}");
        terminal.expect(">>> ");
        let mut said = String::new();
        for line in typed {
            terminal.line(&line);
            said += &terminal.expect(">>> ");
        }
        terminal.keys(CTRL_D);
        assert_eq!(terminal.end().0, 0, "{text}");
        said
    }

    /// The next command shows the log of requests: the one with this path, once it is in it.
    fn logged(&mut self, text: &str, path: &str) -> Value {
        let step = self.step(text);
        eventually(&format!("{path} in the log of requests"), 10, || {
            let log = self.seed.ok(&step.line()).out;
            requests(&log).into_iter().find(|line| line["uri"] == path)
        })
    }

    fn start(&mut self) {
        let said = self.ok("./docker-dev.sh start");
        for service in FIVE {
            assert!(
                said.out.contains(&format!("  {service:<8}  ready")),
                "{service} in:\n{}",
                said.out
            );
        }
        assert!(said.out.contains("http://localhost/"), "{}", said.out);
        assert!(said.out.contains("celery    off"), "{}", said.out);
    }

    fn stop(&mut self) {
        self.ok("./docker-dev.sh stop");
        assert_eq!(
            docker(&["ps", "-aq", "--filter", "label=devrun.stack=app"]).out,
            ""
        );
    }
}

/// The five are shown as healthy, and nothing as anything else.
fn five_healthy(table: &str) {
    for service in FIVE {
        let row = table
            .lines()
            .find(|line| line.split_whitespace().next() == Some(service));
        let words: Vec<&str> = row
            .unwrap_or_else(|| panic!("{service} in:\n{table}"))
            .split_whitespace()
            .collect();
        assert_eq!(words[1..3], ["ready", "healthy"], "{table}");
    }
}

#[test]
fn true_ports_every_command_of_the_seed_does_what_it_says() {
    let mut walk = Walk {
        seed: Seed::new(),
        left: steps(),
    };
    one_command_starts_all(&mut walk);
    frontend_reaches_backend(&mut walk);
    all_stops_cleanly(&mut walk);
    data_persists(&mut walk);
    quick_start(&mut walk);
    configuration(&mut walk);
    health(&mut walk);
    logs(&mut walk);
    will_not_start(&mut walk);
    cannot_access(&mut walk);
    cannot_reach_backend(&mut walk);
    database(&mut walk);
    port_in_use(&mut walk);
    assert_eq!(walk.left.len(), 0, "not run: {:?}", walk.left);
}

fn one_command_starts_all(walk: &mut Walk) {
    walk.start();
    let before = containers();
    let again = walk.ok("docker compose up -d");
    assert!(again.out.contains("ready in"), "{}", again.out);
    assert_eq!(
        containers(),
        before,
        "a second start must leave all as it is"
    );
    five_healthy(&walk.ok("docker compose ps").out);
    let healthy = walk.ok("docker compose ps | grep healthy").out;
    assert_eq!(healthy.lines().count(), 5, "{healthy}");
    assert!(!healthy.contains("unhealthy"), "{healthy}");
    let page = walk.ok("curl http://localhost/").out;
    assert!(
        page.contains(r#"<div id="root">"#) && page.contains("/src/main.jsx"),
        "{page}"
    );
    let api: Value = serde_json::from_str(&walk.ok("curl http://localhost/api/").out).unwrap();
    assert_eq!(
        api["items"], "http://localhost/api/v1/items/",
        "links are those of the entry point"
    );
    assert_eq!(walk.ok("curl http://localhost/health").out.trim(), "ok");
}

fn frontend_reaches_backend(walk: &mut Walk) {
    let health: Value =
        serde_json::from_str(&walk.ok("curl http://localhost/api/v1/health/").out).unwrap();
    assert_eq!(
        health,
        serde_json::json!({"status": "ok", "database": "ok", "cache": "ok"})
    );
    let config: Value =
        serde_json::from_str(&walk.ok("curl http://localhost/api/v1/config/frontend/").out)
            .unwrap();
    let wanted = serde_json::json!({
        "apiUrl": "http://localhost", "appName": "Application (Docker Dev)", "enableDebug": true,
    });
    assert_eq!(config, wanted);
    let routed = walk.logged(
        "docker logs app-proxy | tail -20",
        "/api/v1/config/frontend/",
    );
    assert!(
        routed["upstream"].as_str().unwrap().ends_with(":8000"),
        "{routed}"
    );
    assert_eq!(routed["status"], 200);
}

/// The lines of a log that are JSON objects.
fn requests(log: &str) -> Vec<Value> {
    let objects = log
        .lines()
        .filter_map(|line| line.find('{').map(|at| &line[at..]));
    objects
        .filter_map(|text| serde_json::from_str(text).ok())
        .collect()
}

fn all_stops_cleanly(walk: &mut Walk) {
    let now = || {
        SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap()
            .as_secs_f64()
            .to_string()
    };
    let since = now();
    walk.stop();
    let ended = docker(&[
        "events",
        "--since",
        &since,
        "--until",
        &now(),
        "--filter",
        "label=devrun.stack=app",
        "--filter",
        "event=die",
        "--format",
        "{{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}",
    ]);
    let ended: Vec<(&str, &str)> = ended
        .out
        .lines()
        .filter_map(|line| line.split_once(' '))
        .collect();
    let order: Vec<&str> = ended.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        order[..3],
        ["app-proxy", "app-frontend", "app-backend"],
        "{ended:?}"
    );
    assert_eq!(
        order[3..].iter().collect::<BTreeSet<_>>(),
        BTreeSet::from([&"app-db", &"app-redis"]),
        "{ended:?}"
    );
    // 143 is SIGTERM, which is how they are asked; 137 would be SIGKILL.
    assert!(
        ended.iter().all(|(_, code)| ["0", "143"].contains(code)),
        "{ended:?}"
    );
    let again = walk.ok("docker compose down");
    assert!(again.err.contains("down already"), "{}", again.err);
    let table = walk.ok("docker compose ps").out;
    assert!(
        !table.contains("healthy") && table.matches("stopped").count() == 5,
        "{table}"
    );
    // Other programs may have ports that only begin like these.
    let listening = walk
        .run(r#"sudo netstat -tlnp | grep -E ":(80|8000|5173|5432|6379)""#)
        .out;
    let ours = [":80", ":8000", ":5173", ":5432", ":6379"];
    let taken = |line: &&str| {
        line.split_whitespace()
            .nth(3)
            .is_some_and(|address| ours.iter().any(|port| address.ends_with(port)))
    };
    assert_eq!(listening.lines().filter(taken).collect::<Vec<_>>(), [""; 0]);
    assert_eq!(
        docker(&["network", "ls", "-q", "--filter", "name=^app-network$"]).out,
        ""
    );
}

fn data_persists(walk: &mut Walk) {
    let mark = mark();
    let volumes = walk.ok("docker volume ls | grep app-").out;
    let wanted = [
        "postgres-data",
        "redis-data",
        "backend-media",
        "backend-static",
        "frontend-node-modules",
        "proxy-logs",
    ];
    for name in wanted {
        assert!(
            volumes
                .lines()
                .any(|line| line.ends_with(&format!(" app-{name}"))),
            "{name} in:\n{volumes}"
        );
    }
    let volume: Value =
        serde_json::from_str(&walk.ok("docker volume inspect app-postgres-data").out).unwrap();
    assert_eq!(volume[0]["Labels"]["devrun.stack"], "app");

    walk.start();
    let (mut terminal, _) =
        walk.terminal("docker compose exec backend python manage.py createsuperuser");
    terminal.expect("Username");
    terminal.line(&mark);
    terminal.expect("Email address:");
    terminal.line("someone@example.org");
    terminal.expect("Password:");
    terminal.line("of the seed 12");
    terminal.expect("Password (again):");
    terminal.line("of the seed 12");
    terminal.expect("Superuser created successfully");
    assert_eq!(terminal.end().0, 0);
    let made = shell(
        &format!(
            "echo 'content of {mark}' > /tmp/{mark}.txt; \
             curl -sSf -F name={mark} -F upload=@/tmp/{mark}.txt http://localhost/api/v1/items/; rm /tmp/{mark}.txt"
        ),
        kit::repository(),
    );
    let made: Value = serde_json::from_str(&made.out).unwrap_or_else(|_| panic!("{made:?}"));
    walk.seed
        .ok(&format!("devrun exec redis redis-cli set {mark} kept"));

    walk.stop();
    walk.start();
    let users = walk.python("docker compose exec backend python manage.py shell");
    assert!(users.contains(&format!("<User: {mark}>")), "{users}");
    let row = json(&format!("http://localhost/api/v1/items/{}/", made["id"]));
    assert_eq!(row["name"], mark.as_str());
    let upload = row["upload"].as_str().unwrap();
    assert!(upload.starts_with("http://localhost/media/"), "{upload}");
    assert_eq!(
        kit::get(upload).unwrap().body.trim(),
        format!("content of {mark}")
    );
    let key = walk
        .seed
        .ok(&format!("devrun exec redis redis-cli get {mark}"));
    assert_eq!(key.out.trim(), "kept");
    forget(walk, &mark, &made["id"]);
}

/// Somebody may keep data of their own in these volumes: takes the test's out of them.
fn forget(walk: &Walk, mark: &str, row: &Value) {
    let lines = format!(
        "from django.contrib.auth.models import User; from items.models import Item; \
         User.objects.filter(username='{mark}').delete(); item = Item.objects.get(id={row}); \
         item.upload.delete(); item.delete()"
    );
    walk.seed.ok(&format!(
        "devrun exec backend python manage.py shell -c \"{lines}\""
    ));
    walk.seed
        .ok(&format!("devrun exec redis redis-cli del {mark}"));
}

fn quick_start(walk: &mut Walk) {
    // Runs already, so that this says so and leaves all as it is.
    let before = containers();
    walk.ok("./docker-dev.sh start");
    assert_eq!(containers(), before);
    five_healthy(&walk.ok("./docker-dev.sh status").out);
    all_speak(&walk.ok("./docker-dev.sh logs").out);
    walk.stop();
}

/// Each of the five has said something, and each line says whose it is.
fn all_speak(log: &str) {
    let speakers: BTreeSet<&str> = log
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(speakers, BTreeSet::from(FIVE), "{log}");
}

fn configuration(walk: &mut Walk) {
    let said = walk.ok("docker compose up -d").out;
    for place in [
        "http://localhost/",
        "localhost:8000",
        "localhost:5173",
        "localhost:5432",
        "localhost:6379",
    ] {
        assert!(said.contains(place), "{place} in:\n{said}");
    }
    assert_eq!(containers().len(), 5);
    let config = json("http://localhost/api/v1/config/frontend/");
    for name in [
        "FRONTEND_API_URL=http://localhost",
        "FRONTEND_APP_NAME=Application (Docker Dev)",
        "FRONTEND_ENABLE_DEBUG=true",
    ] {
        let step = walk.step(name);
        let (name, value) = step.text.split_once('=').unwrap();
        let key = match name {
            "FRONTEND_API_URL" => "apiUrl",
            "FRONTEND_APP_NAME" => "appName",
            _ => "enableDebug",
        };
        let said = config[key]
            .as_str()
            .map_or_else(|| config[key].to_string(), str::to_owned);
        assert_eq!(said, value, "{name}");
    }
}

fn health(walk: &mut Walk) {
    five_healthy(&walk.ok("./docker-dev.sh status").out);
    for service in ["proxy", "backend", "frontend", "db", "redis"] {
        let step = walk.step(&format!(
            "docker inspect --format='{{{{.State.Health.Status}}}}' app-{service}"
        ));
        // The engine asks for the first time after the check's interval.
        let healthy = || (walk.seed.ok(&step.line()).out.trim() == "healthy").then_some(());
        eventually(&format!("the engine calls {service} healthy"), 60, healthy);
    }
}

fn logs(walk: &mut Walk) {
    all_speak(&walk.ok("./docker-dev.sh logs").out);
    let log = walk.ok("./docker-dev.sh logs backend").out;
    assert!(
        log.lines()
            .all(|line| line.split_whitespace().nth(1) == Some("backend")),
        "{log}"
    );
    let request = requests(&log)
        .into_iter()
        .find(|line| line["logger"] == "django.server");
    assert_eq!(
        request.unwrap_or_else(|| panic!("no request as JSON in:\n{log}"))["level"],
        "info"
    );

    let mark = mark();
    let (mut follows, _) = walk.terminal("docker compose logs -f backend");
    follows.expect("Starting development server");
    kit::get(&format!("http://localhost/api/?followed={mark}"));
    follows.expect(&format!("GET /api/?followed={mark}"));
    follows.keys(CTRL_C);
    assert_eq!(follows.end().0, 0, "Ctrl-C is how a person ends following");

    let (mut access, _) =
        walk.terminal("docker compose exec proxy tail -f /var/log/nginx/access.log");
    access.expect("\"uri\"");
    kit::get(&format!("http://localhost/?seen={mark}"));
    access.expect(&format!("\"uri\":\"/?seen={mark}\""));
    access.keys(CTRL_C);
    assert_eq!(access.end().0, 130, "the exit code is the command's own");
    let left = docker(&["top", "app-proxy", "-eo", "args"]).out;
    assert!(!left.contains("tail -f"), "{left}");
}

fn will_not_start(walk: &mut Walk) {
    five_healthy(&walk.ok("docker compose ps").out);
    assert!(
        walk.ok("./docker-dev.sh logs <service-name>")
            .out
            .contains("Starting development server")
    );
    walk.ok("docker compose build <service-name>");
    walk.ok("docker compose up -d <service-name>");
    five_healthy(&walk.seed.ok("devrun ps").out);
}

fn cannot_access(walk: &mut Walk) {
    assert_eq!(walk.ok("curl http://localhost/health").out.trim(), "ok");
    assert!(
        walk.ok("curl http://localhost/api/v1/health/")
            .out
            .contains(r#""status":"ok""#)
    );
    walk.logged("docker logs app-proxy | tail -50", "/api/v1/health/");
}

fn cannot_reach_backend(walk: &mut Walk) {
    let origins = walk.python("docker compose exec backend python manage.py shell");
    assert!(origins.contains("['http://localhost']"), "{origins}");
    let routes = walk
        .ok(r#"docker compose exec proxy cat /etc/nginx/nginx.conf | grep -A 10 "location /api""#)
        .out;
    assert!(
        routes.contains("proxy_pass") && routes.contains("backend:8000"),
        "{routes}"
    );
}

fn database(walk: &mut Walk) {
    let ready = walk.ok("docker compose exec db pg_isready -U postgres").out;
    assert!(ready.contains("accepting connections"), "{ready}");
    let connected = walk
        .ok("docker compose exec backend python manage.py check_database")
        .out;
    assert!(
        connected.contains("Connected to postgres@db:5432/backend_db (PostgreSQL 17"),
        "{connected}"
    );
    let log = walk.ok("docker compose logs db | tail -50").out;
    assert!(
        log.contains("database system is ready to accept connections"),
        "{log}"
    );
}

fn port_in_use(walk: &mut Walk) {
    let listening = walk.ok("sudo netstat -tlnp | grep :80").out;
    assert!(
        listening.lines().any(|line| line.contains(":80 ")),
        "{listening}"
    );
    walk.ok("docker compose up -d proxy");
    assert_eq!(
        kit::get("http://localhost:8080/health")
            .unwrap()
            .body
            .trim(),
        "ok"
    );
    assert!(
        kit::get("http://localhost/health").is_none(),
        "port 80 is free for whoever needed it"
    );
}
