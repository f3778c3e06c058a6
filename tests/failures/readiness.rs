//! PostgreSQL on a fresh volume: while it initialises, the image runs a temporary server that
//! answers on the socket only. Who asks there is told "ready" too early.

use crate::kit::{Scratch, said};

/// Initialising takes long enough for anybody to be fooled.
fn stack(test: &str, probe: &str) -> Scratch {
    let text = format!(
        r#"stack app
volume data
service db {{
    image "postgres:17"
    environment {{ POSTGRES_PASSWORD "secret" }}
    volume data to="/var/lib/postgresql/data"
    bind "./init.sh" to="/docker-entrypoint-initdb.d/init.sh" read-only=#true
    healthcheck "{probe}" interval="1s" start-period="60s"
}}
task once {{
    image "postgres:17"
    environment {{ PGPASSWORD "secret" }}
    command "psql -h db -U postgres -c 'select 1'"
    depends-on db
}}
"#
    );
    let init = "#!/bin/sh\nsleep 2\n";
    Scratch::new(test, &[("Stackfile.kdl", &text), ("init.sh", init)])
}

#[test]
fn who_depends_on_postgres_can_connect_at_once_each_time() {
    let stack = stack("pg", "pg_isready -h 127.0.0.1 -U postgres");
    for round in 1..=3 {
        let mut session = stack.up(&[]);
        assert!(session.settled(), "round {round}:\n{}", session.dump());
        assert_eq!(stack.service("once")["state"], "done");
        let refused = session
            .seen
            .iter()
            .any(|event| event["event"] == "probe-failed" && event["service"] == "db");
        assert!(refused, "it was never asked while it initialised");
        let (code, errors) = session.interrupt();
        assert_eq!(code, 0, "{errors}");
        stack.ok(&["down", "--volumes"]);
    }
}

#[test]
fn a_probe_of_the_socket_is_fooled_so_the_test_above_sees_something() {
    let stack = stack("pgsocket", "pg_isready -U postgres");
    let up = stack.run(&["up", "-d"]);
    assert_eq!(up.code, 1, "{}", said(&up));
    let once = stack.service("once");
    assert_eq!(once["state"], "failed", "{once}");
    assert!(once["details"].to_string().contains("refused"), "{once}");
}
