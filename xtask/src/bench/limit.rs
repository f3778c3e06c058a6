//! The limit for starting the five services: plain calls of the engine's own client in the same
//! order, each service asked every 10 ms.

use std::time::{Duration, Instant};

use super::{Error, docker, pause, side};

const DB: &str = "exec setpriv --reuid=postgres --regid=postgres --clear-groups sh -c 'initdb -D /tmp/d >/dev/null && exec postgres -D /tmp/d'";
const BACKEND: &str = "mkdir -p /srv/api/v1/health && cd /srv && echo ok > api/v1/health/index.html && exec python3 -m http.server 8000";
const PROXY: &str = "printf 'events{} http{ server { listen 80; location = /health { return 200 ok; } location /api/ { proxy_pass http://backend:8000; } location / { proxy_pass http://frontend:5173; } } }' > /tmp/n.conf && exec nginx -c /tmp/n.conf -g 'daemon off;'";
const NETWORK: &str = "devrun-bench-limit";
/// No service needs longer; a run that does is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// Milliseconds until all answer.
pub(super) fn start() -> Result<f64, Error> {
    remove();
    let began = Instant::now();
    docker(&["network", "create", NETWORK])?;
    create("db", &[], &["sh", "-c", DB])?;
    create("redis", &[], &["redis-server", "--bind", "0.0.0.0"])?;
    create("backend", &[], &["sh", "-c", BACKEND])?;
    create(
        "frontend",
        &[],
        &[
            "sh",
            "-c",
            "mkdir -p /srv && cd /srv && exec python3 -m http.server 5173",
        ],
    )?;
    create("proxy", &["-p", "127.0.0.1:18979:80"], &["sh", "-c", PROXY])?;
    std::thread::scope(|scope| {
        let redis = scope.spawn(|| docker(&["start", "devrun-bench-limit-redis"]).map(drop));
        docker(&["start", "devrun-bench-limit-db"])?;
        redis
            .join()
            .unwrap_or_else(|_| Err(side("the limit", "a thread ended badly")))
    })?;
    wait("db", &["pg_isready", "-h", "127.0.0.1", "-U", "postgres"])?;
    wait("redis", &["redis-cli", "ping"])?;
    for (name, probe) in [
        (
            "backend",
            ["curl", "-fsS", "http://localhost:8000/api/v1/health/"].as_slice(),
        ),
        (
            "frontend",
            ["wget", "-qO-", "http://localhost:5173"].as_slice(),
        ),
        (
            "proxy",
            ["wget", "-qO-", "http://localhost/health"].as_slice(),
        ),
    ] {
        docker(&["start", &format!("devrun-bench-limit-{name}")])?;
        wait(name, probe)?;
    }
    let took = began.elapsed().as_secs_f64() * 1000.0;
    remove();
    Ok(took)
}

fn create(name: &str, options: &[&str], command: &[&str]) -> Result<(), Error> {
    let full = format!("devrun-bench-limit-{name}");
    let mut arguments = vec![
        "create",
        "--name",
        &full,
        "--network",
        NETWORK,
        "--network-alias",
        name,
    ];
    arguments.extend(options);
    arguments.push("devrun-bench-fat");
    arguments.extend(command);
    docker(&arguments).map(drop)
}

fn wait(name: &str, probe: &[&str]) -> Result<(), Error> {
    let full = format!("devrun-bench-limit-{name}");
    let end = Instant::now() + PATIENCE;
    let mut arguments = vec!["exec", full.as_str()];
    arguments.extend(probe);
    while docker(&arguments).is_err() {
        if Instant::now() > end {
            return Err(side("the limit", &format!("{name} did not answer")));
        }
        pause(Duration::from_millis(10));
    }
    Ok(())
}

fn remove() {
    for name in ["db", "redis", "backend", "frontend", "proxy"] {
        // What is not there need not be removed.
        let _ = docker(&["rm", "-f", "-v", &format!("devrun-bench-limit-{name}")]);
    }
    let _ = docker(&["network", "rm", NETWORK]);
}
