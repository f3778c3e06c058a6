//! Troubleshooting.

use super::{Walk, five_healthy};
use crate::kit;

pub(super) fn will_not_start(walk: &mut Walk) {
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

pub(super) fn cannot_access(walk: &mut Walk) {
    assert_eq!(walk.ok("curl http://localhost/health").out.trim(), "ok");
    assert!(
        walk.ok("curl http://localhost/api/v1/health/")
            .out
            .contains(r#""status":"ok""#)
    );
    walk.logged("docker logs app-proxy | tail -50", "/api/v1/health/");
}

pub(super) fn cannot_reach_backend(walk: &mut Walk) {
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

pub(super) fn database(walk: &mut Walk) {
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

pub(super) fn port_in_use(walk: &mut Walk) {
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
