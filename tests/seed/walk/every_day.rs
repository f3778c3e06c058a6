//! Quick start, configuration and monitoring.

use super::{Walk, all_speak, five_healthy, mark, requests};
use crate::kit::terminal::CTRL_C;
use crate::kit::{self, docker, eventually};
use crate::stack::{containers, json};

pub(super) fn quick_start(walk: &mut Walk) {
    // Runs already, so that this says so and leaves all as it is.
    let before = containers();
    walk.ok("./docker-dev.sh start");
    assert_eq!(containers(), before);
    five_healthy(&walk.ok("./docker-dev.sh status").out);
    all_speak(&walk.ok("./docker-dev.sh logs").out);
    walk.stop();
}

pub(super) fn configuration(walk: &mut Walk) {
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

pub(super) fn health(walk: &mut Walk) {
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

pub(super) fn logs(walk: &mut Walk) {
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
