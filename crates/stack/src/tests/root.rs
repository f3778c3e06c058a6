//! The repository's own Stackfile, against what the seed asks for.

use super::world::World;
use crate::{MountSource, Restart, Stack};

fn world() -> World {
    World::new(include_str!("../../../../Stackfile.kdl"))
        .file("examples/unified/backend/Dockerfile", "")
        .file(
            "examples/unified/backend/.env.docker",
            "DEBUG=true\nDB_PORT=1\n",
        )
        .file("examples/unified/frontend/Dockerfile", "")
        .file("examples/unified/frontend/.env.docker", "")
        .file("nginx/nginx.conf", "")
}

fn root(world: &World) -> Stack {
    match world.load().stack {
        Ok(stack) => stack,
        Err(rejected) => panic!("{:?}", miette::Report::new(rejected)),
    }
}

#[test]
fn names_ports_and_limits_are_those_of_the_seed() {
    let stack = root(&world());
    let table: Vec<String> = stack
        .services
        .iter()
        .map(|service| {
            let port = service.ports.first().map_or("-".into(), |port| {
                format!("{}:{}", port.host, port.container)
            });
            let amounts = [service.limits, service.reservations].map(|amount| {
                format!(
                    "{} {}M",
                    amount.cpus.unwrap_or(0.0),
                    amount.memory.unwrap_or(0) >> 20
                )
            });
            let start = service
                .healthcheck
                .as_ref()
                .map_or(0, |health| health.start_period.as_secs());
            format!(
                "{} {port} {} / {} start {start} {:?}",
                service.container_name, amounts[0], amounts[1], service.restart
            )
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"), @r"
    app-db 5432:5432 1 512M / 0.5 256M start 10 UnlessStopped
    app-redis 6379:6379 0.5 256M / 0.25 128M start 10 UnlessStopped
    app-backend 8000:8000 2 1024M / 0.5 512M start 40 UnlessStopped
    app-celery - 1 512M / 0.25 256M start 0 No
    app-frontend 5173:5173 2 2048M / 1 512M start 30 UnlessStopped
    app-proxy 80:80 0.5 256M / 0.25 128M start 10 UnlessStopped
    ");
    assert_eq!(stack.network, "app-network");
    assert_eq!(stack.url.as_deref(), Some("http://localhost"));
}

#[test]
fn the_backend_has_all_its_layers() {
    let stack = root(&world().shell("DB_PASSWORD", "geheim"));
    let backend = stack.service("backend").expect("declared");
    insta::assert_debug_snapshot!((
        &backend.source,
        &backend.environment,
        &backend.mounts,
        &backend.depends_on
    ));
    insta::assert_debug_snapshot!((
        &backend.sync,
        &backend.routes,
        &backend.command,
        &backend.healthcheck,
        &backend.logging
    ));
    assert_eq!(stack.secrets, ["geheim"]);
    assert!(backend.init && !stack.service("db").expect("declared").init);
}

#[test]
fn a_second_copy_shares_nothing() {
    let mut world = world().shell("PROXY_PORT", "8080");
    world.options.project_name = Some("other".into());
    let stack = root(&world);
    assert_eq!(stack.url.as_deref(), Some("http://localhost:8080"));
    assert_eq!(
        stack.service("backend").expect("declared").environment["CORS_ALLOWED_ORIGINS"],
        "http://localhost:8080"
    );
    assert_eq!(stack.network, "other-network");
    assert_eq!(stack.volumes[0].engine_name, "other-postgres-data");
    let db = stack.service("db").expect("declared");
    assert_eq!(db.container_name, "other-db");
    assert_eq!(
        db.mounts[0].source,
        MountSource::Volume("other-postgres-data".into())
    );
}

#[test]
fn an_empty_port_variable_publishes_nothing_and_routes_stay() {
    let stack = root(&world().shell("BACKEND_PORT", ""));
    let backend = stack.service("backend").expect("declared");
    assert_eq!(backend.ports, []);
    assert!(backend.routes.iter().all(|route| route.port == 8000));
}

#[test]
fn celery_runs_only_by_its_profile_and_is_not_restarted() {
    let stack = root(&world());
    let celery = stack.service("celery").expect("declared");
    assert_eq!(celery.profiles, ["with-celery"]);
    assert_eq!(celery.restart, Restart::No);
    assert_eq!(
        celery.environment["DB_PORT"], "5432",
        "environment lies above the env file"
    );
    assert_eq!(celery.environment["DEBUG"], "true");
}

#[test]
fn what_was_read_is_known_and_what_was_missed_too() {
    let reads = world().load().reads;
    let reads: Vec<&str> = reads.iter().filter_map(|path| path.to_str()).collect();
    assert_eq!(
        reads,
        [
            "/stack/.env",
            "/stack/Stackfile.kdl",
            "/stack/examples/unified/backend/.env.docker",
            "/stack/examples/unified/frontend/.env.docker",
        ]
    );
}
