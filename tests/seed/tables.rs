//! The tables and lists of the document, line by line, against what the engine says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::kit::{docker, get, http, shell};
use crate::stack::{Seed, inspect};

const M: u64 = 1 << 20;
const SIX: [&str; 6] = ["db", "redis", "backend", "frontend", "proxy", "celery"];

/// Service, CPU limit, memory limit, CPU reservation, memory reservation.
const RESOURCES: [(&str, f64, u64, f64, u64); 6] = [
    ("db", 1.0, 512 * M, 0.5, 256 * M),
    ("redis", 0.5, 256 * M, 0.25, 128 * M),
    ("backend", 2.0, 1024 * M, 0.5, 512 * M),
    ("frontend", 2.0, 2048 * M, 1.0, 512 * M),
    ("proxy", 0.5, 256 * M, 0.25, 128 * M),
    ("celery", 1.0, 512 * M, 0.25, 256 * M),
];

/// Service, health check, start period in seconds, whom it waits for.
const ORDER: [(&str, &str, u64, &[&str]); 6] = [
    ("db", "pg_isready", 10, &[]),
    ("redis", "redis-cli ping", 10, &[]),
    (
        "backend",
        "http://localhost:8000/api/v1/health/",
        40,
        &["db", "redis"],
    ),
    ("frontend", "http://localhost:5173", 30, &["backend"]),
    (
        "proxy",
        "http://localhost/health",
        10,
        &["frontend", "backend"],
    ),
    ("celery", "inspect ping", 0, &["db", "redis"]),
];

/// Volume, service, where.
const VOLUMES: [(&str, &str, &str); 7] = [
    ("app-postgres-data", "db", "/var/lib/postgresql/data"),
    ("app-redis-data", "redis", "/data"),
    ("app-backend-media", "backend", "/app/media"),
    ("app-backend-media", "celery", "/app/media"),
    ("app-backend-static", "backend", "/app/staticfiles"),
    ("app-frontend-node-modules", "frontend", "/app/node_modules"),
    ("app-proxy-logs", "proxy", "/var/log/nginx"),
];

#[test]
fn true_ports_the_engine_has_what_the_tables_of_the_seed_say() {
    let seed = Seed::new();
    seed.ok("devrun --profile with-celery up -d");
    let all: BTreeMap<&str, Value> = SIX
        .into_iter()
        .map(|service| (service, inspect(service)))
        .collect();
    resources(&all);
    policies_and_logging(&all);
    health_checks(&all);
    order(&seed, &all);
    network(&seed, &all);
    ports(&all);
    volumes(&all);
    routes(&seed);
}

fn resources(all: &BTreeMap<&str, Value>) {
    for (service, cpus, memory, reserved_cpus, reserved_memory) in RESOURCES {
        let host = &all[service]["HostConfig"];
        assert_eq!(
            host["NanoCpus"].as_f64(),
            Some(cpus * 1e9),
            "{service}: CPU limit"
        );
        assert_eq!(
            host["Memory"].as_u64(),
            Some(memory),
            "{service}: memory limit"
        );
        // The engine has no reservation of CPUs; its share is what comes nearest.
        assert_eq!(
            host["CpuShares"].as_f64(),
            Some(reserved_cpus * 1024.0),
            "{service}: CPU reservation"
        );
        assert_eq!(
            host["MemoryReservation"].as_u64(),
            Some(reserved_memory),
            "{service}: memory reservation"
        );
    }
    let sum = |field: &str| {
        all.values()
            .map(|it| it["HostConfig"][field].as_f64().unwrap())
            .sum::<f64>()
    };
    let gib = (1024 * M) as f64;
    assert_eq!(
        [sum("NanoCpus") / 1e9, sum("CpuShares") / 1024.0],
        [7.0, 2.75]
    );
    assert_eq!(
        [sum("Memory") / gib, sum("MemoryReservation") / gib],
        [4.5, 1.75]
    );
}

fn policies_and_logging(all: &BTreeMap<&str, Value>) {
    for (service, it) in all {
        let wanted = if *service == "celery" {
            "no"
        } else {
            "unless-stopped"
        };
        assert_eq!(
            it["HostConfig"]["RestartPolicy"]["Name"], wanted,
            "{service}"
        );
        let logging = serde_json::json!({"Type": "json-file", "Config": {"max-size": "10M", "max-file": "3"}});
        assert_eq!(it["HostConfig"]["LogConfig"], logging, "{service}");
    }
}

fn health_checks(all: &BTreeMap<&str, Value>) {
    for (service, test, start_period, _) in ORDER {
        let check = &all[service]["Config"]["Healthcheck"];
        assert!(
            check["Test"].to_string().contains(test),
            "{service}: {check}"
        );
        assert_eq!(
            check["StartPeriod"].as_u64().unwrap_or(0),
            start_period * 1_000_000_000,
            "{service}"
        );
    }
}

/// Each is started only after all that it waits for were ready.
fn order(seed: &Seed, all: &BTreeMap<&str, Value>) {
    let events: Vec<Value> = seed
        .ok("devrun events")
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let at = |service: &str, to: &str| {
        events.iter().position(|event| {
            event["event"] == "service-state" && event["service"] == service && event["to"] == to
        })
    };
    // The engine leaves zeros at the end out.
    let started = |service: &str| {
        all[service]["State"]["StartedAt"]
            .as_str()
            .unwrap()
            .trim_end_matches('Z')
            .to_owned()
    };
    for (service, _, _, waits_for) in ORDER {
        for dependency in waits_for {
            assert!(
                started(dependency) < started(service),
                "{service} was started before {dependency}"
            );
            assert!(
                at(dependency, "ready").unwrap() < at(service, "starting").unwrap(),
                "{service} was started before {dependency} was ready"
            );
        }
    }
}

fn network(seed: &Seed, all: &BTreeMap<&str, Value>) {
    for (service, it) in all {
        let networks: Vec<&String> = it["NetworkSettings"]["Networks"]
            .as_object()
            .unwrap()
            .keys()
            .collect();
        assert_eq!(networks, ["app-network"], "{service}");
    }
    assert_eq!(
        docker(&["network", "inspect", "-f", "{{.Driver}}", "app-network"])
            .out
            .trim(),
        "bridge"
    );
    let names = "import socket; [socket.gethostbyname(name) for name in ('db','redis','backend','frontend','proxy','celery')]";
    seed.ok(&format!("devrun exec backend python -c \"{names}\""));
    let inside = seed.ok("devrun exec frontend wget -qO- http://backend:8000/api/v1/health/");
    assert!(inside.out.contains(r#""status":"ok""#), "{}", inside.out);
}

/// Only these five, and only for this machine.
fn ports(all: &BTreeMap<&str, Value>) {
    let mut published = BTreeSet::new();
    for (service, it) in all {
        for (inside, at) in it["HostConfig"]["PortBindings"]
            .as_object()
            .into_iter()
            .flatten()
        {
            for at in at.as_array().unwrap() {
                assert!(
                    ["127.0.0.1", "::1"].contains(&at["HostIp"].as_str().unwrap()),
                    "{service}: {at}"
                );
                published.insert((
                    at["HostPort"].as_str().unwrap().to_owned(),
                    *service,
                    inside.clone(),
                ));
            }
        }
    }
    let wanted = [
        ("80", "proxy"),
        ("5432", "db"),
        ("6379", "redis"),
        ("5173", "frontend"),
        ("8000", "backend"),
    ];
    let wanted = wanted.map(|(port, service)| (port.to_owned(), service, format!("{port}/tcp")));
    assert_eq!(published, BTreeSet::from(wanted));
    assert_eq!(
        get("http://localhost:8000/api/v1/health/").unwrap().status,
        200
    );
    // Directly, Vite passes the API's paths on by itself.
    assert_eq!(
        get("http://localhost:5173/api/v1/health/").unwrap().status,
        200
    );
    for port in [5432, 6379] {
        assert!(
            std::net::TcpStream::connect(("localhost", port)).is_ok(),
            "{port}"
        );
    }
}

fn volumes(all: &BTreeMap<&str, Value>) {
    let mut mounted = BTreeSet::new();
    for (service, it) in all {
        assert_eq!(it["Name"], format!("/app-{service}"));
        for mount in it["Mounts"].as_array().unwrap() {
            let (name, to) = (
                mount["Name"].as_str().unwrap(),
                mount["Destination"].as_str().unwrap(),
            );
            if to == "/.devrun" {
                assert_eq!(mount["RW"], false, "{service}");
            } else {
                mounted.insert((name, *service, to));
            }
        }
    }
    assert_eq!(mounted, BTreeSet::from(VOLUMES));
}

/// The routing table.
fn routes(seed: &Seed) {
    let page = get("http://localhost/").unwrap();
    assert!(page.body.contains(r#"<div id="root">"#), "{page:?}");
    // A path of the application itself, which its own router reads.
    assert_eq!(get("http://localhost/some/page").unwrap().status, 200);
    assert_eq!(get("http://localhost/api/v1/items/").unwrap().status, 200);
    let admin = http(&["-L", "http://localhost/admin/"]).unwrap();
    assert!(
        admin.body.contains("/admin/login/") || admin.head.contains("/admin/login/"),
        "{admin:?}"
    );
    assert_eq!(
        get("http://localhost/static/admin/css/base.css")
            .unwrap()
            .status,
        200
    );
    assert_eq!(get("http://localhost/health").unwrap().body.trim(), "ok");

    let item = shell(
        "printf content | curl -sSf -F name=routed -F 'upload=@-;filename=routed.txt' http://localhost/api/v1/items/",
        crate::kit::repository(),
    );
    let item: Value = serde_json::from_str(&item.out).unwrap_or_else(|_| panic!("{item:?}"));
    assert_eq!(
        get(item["upload"].as_str().unwrap()).unwrap().body,
        "content"
    );
    http(&[
        "-X",
        "DELETE",
        &format!("http://localhost/api/v1/items/{}/", item["id"]),
    ])
    .unwrap();

    let client = get("http://localhost/@vite/client").unwrap();
    assert_eq!(client.status, 200);
    let token = client
        .body
        .split_once("wsToken = \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .unwrap()
        .0;
    let upgrade = format!(
        "curl -si --max-time 2 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
         -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' -H 'Sec-WebSocket-Protocol: vite-hmr' \
         -H 'Origin: http://localhost' 'http://localhost/ws?token={token}'"
    );
    let answer = seed.run(&upgrade).out;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
}
