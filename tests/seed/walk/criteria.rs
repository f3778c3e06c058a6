//! The four acceptance criteria.

use std::collections::BTreeSet;
use std::time::SystemTime;

use serde_json::Value;

use super::{Walk, five_healthy, mark};
use crate::kit::{self, docker, shell};
use crate::stack::{containers, json};

pub(super) fn one_command_starts_all(walk: &mut Walk) {
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

pub(super) fn frontend_reaches_backend(walk: &mut Walk) {
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

pub(super) fn all_stops_cleanly(walk: &mut Walk) {
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

pub(super) fn data_persists(walk: &mut Walk) {
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
