//! Each variable of the document changes what it should, and nothing else.

use std::collections::BTreeSet;

use crate::kit::{Scratch, eventually, free_port, get, http};
use crate::stack::{Seed, containers, inspect, json};

#[test]
fn true_ports_a_port_changes_its_service_and_nothing_else() {
    let seed = Seed::new();
    seed.ok("devrun up -d");
    let cases = [
        ("BACKEND_PORT", "backend", "8000/tcp"),
        ("FRONTEND_PORT", "frontend", "5173/tcp"),
        ("DB_PORT", "db", "5432/tcp"),
        ("REDIS_PORT", "redis", "6379/tcp"),
    ];
    for (variable, service, inside) in cases {
        let port = free_port().to_string();
        let changed = changed_by(&seed, &format!("{variable}={port} devrun up -d"));
        assert_eq!(changed, BTreeSet::from([service.to_owned()]), "{variable}");
        let bound = inspect(service)["HostConfig"]["PortBindings"][inside].clone();
        assert!(
            bound
                .as_array()
                .unwrap()
                .iter()
                .all(|at| at["HostPort"] == port.as_str()),
            "{variable}: {bound}"
        );
        // What talked to the old one talks to the new one.
        eventually("the application answers", 30, || {
            get("http://localhost/api/v1/health/").filter(|it| it.status == 200)
        });
    }

    // The entry point's address is told to the backend, which tells it to browsers.
    let changed = changed_by(&seed, "PROXY_PORT=8080 devrun up -d proxy");
    assert_eq!(
        changed,
        BTreeSet::from(["backend".to_owned(), "proxy".to_owned()])
    );
    assert!(
        get("http://localhost/health").is_none(),
        "port 80 is still taken"
    );
    assert_eq!(
        json("http://localhost:8080/api/v1/config/frontend/")["apiUrl"],
        "http://localhost:8080"
    );
    let allowed = |origin: &str| {
        let origin = format!("Origin: {origin}");
        let answer = http(&["-H", &origin, "http://localhost:8080/api/v1/health/"]).unwrap();
        answer
            .head
            .to_lowercase()
            .contains("access-control-allow-origin")
    };
    assert!(allowed("http://localhost:8080"));
    assert!(!allowed("http://localhost"));
    assert_eq!(
        json("http://localhost:8080/api/")["items"],
        "http://localhost:8080/api/v1/items/"
    );
}

/// The services whose containers are others after this command.
fn changed_by(seed: &Seed, line: &str) -> BTreeSet<String> {
    let before = containers();
    seed.ok(line);
    let after = containers();
    assert_eq!(before.len(), after.len(), "{line}: {after:?}");
    after
        .into_iter()
        .filter(|(service, id)| before.get(service) != Some(id))
        .map(|(service, _)| service)
        .collect()
}

#[test]
fn the_database_is_called_and_opened_as_the_variables_say() {
    let stack = Scratch::copy("seed-db", ".");
    let ports: String = ["BACKEND_PORT", "DB_PORT", "REDIS_PORT"]
        .iter()
        .map(|name| format!("{name}={}\n", free_port()))
        .collect();
    stack.write(
        ".env",
        &format!("{ports}DB_NAME=shop\nDB_USER=clerk\nDB_PASSWORD=between us\n"),
    );
    stack.ok(&["up", "-d", "backend"]);
    let connected = stack
        .ok(&["exec", "backend", "python", "manage.py", "check_database"])
        .out;
    assert!(
        connected.contains("Connected to clerk@db:5432/shop"),
        "{connected}"
    );
    let locked_out = stack.run(&[
        "exec",
        "backend",
        "env",
        "DB_PASSWORD=postgres",
        "python",
        "manage.py",
        "check_database",
    ]);
    assert_eq!(locked_out.code, 1, "{locked_out:?}");
    assert!(
        locked_out.err.contains("password authentication failed"),
        "{locked_out:?}"
    );
    // A password is nobody's business: neither in the status nor in what happened.
    let said = stack.ok(&["events"]).out + &stack.ok(&["status", "--format", "json"]).out;
    assert!(!said.contains("between us"), "{said}");
    let redis = stack.ok(&["exec", "redis", "env"]).out;
    assert!(
        !redis.contains("shop") && !redis.contains("clerk"),
        "{redis}"
    );
}
