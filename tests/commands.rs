//! The commands: what each does without a session, with one, and with one that was killed; and the
//! codes that they end with.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test ends by panicking, its helpers too; they are modules beside each other"
)]

mod kit;

#[path = "commands/attach.rs"]
mod attach;
#[path = "commands/codes.rs"]
mod codes;
#[path = "commands/flood.rs"]
mod flood;
#[path = "commands/logs.rs"]
mod logs;
#[path = "commands/look.rs"]
mod look;
#[path = "commands/plan.rs"]
mod plan;
#[path = "commands/restart.rs"]
mod restart;
#[path = "commands/run.rs"]
mod run;

use kit::{Scratch, Session};

/// A cache, and a program of our own that depends on it and is kept in step.
const STACKFILE: &str = r#"stack app
var WORD "hello"
var TOKEN "s3cret-word" secret=#true
volume data
service cache {
    image "redis:7"
    init #true
    healthcheck "redis-cli ping" interval="1s"
    volume data to="/data"
    reservations memory="64M"
}
service web {
    build "src"
    environment {
        WORD "${WORD}"
        URL  "http://user:${TOKEN}@cache/"
    }
    depends-on cache
    healthcheck "true" interval="1s"
    sync to="/app" {
        on "*.sh" { restart }
    }
}
"#;

/// Counts aloud, so that a line that is missing or told twice is seen.
const PROGRAM: &str = "#!/bin/bash
trap 'exit 0' TERM
echo begins
for count in $(seq 100000); do echo tick $count; sleep 0.05; done
";

fn app(test: &str) -> Scratch {
    Scratch::new(
        test,
        &[
            ("Stackfile.kdl", STACKFILE),
            (
                "src/Dockerfile",
                "FROM redis:7\nWORKDIR /app\nCOPY . .\nCMD [\"bash\", \"/app/main.sh\"]\n",
            ),
            ("src/main.sh", PROGRAM),
        ],
    )
}

/// What a command may find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Containers that run without anybody who watches.
    NoSession,
    /// The session that started them.
    Session,
    /// What `kill -9` left of it.
    Killed,
}

/// The application in that condition; the session lives as long as what is returned.
fn app_with(test: &str, found: Found) -> (Scratch, Option<Session>) {
    let stack = app(test);
    let mut session = stack.up(&[]);
    session.ready();
    match found {
        Found::Session => (stack, Some(session)),
        Found::Killed => {
            session.signal(9);
            session.end();
            (stack, None)
        }
        Found::NoSession => {
            // Ends it properly, then the containers are started by another hand.
            session.interrupt();
            for service in ["cache", "web"] {
                kit::docker(&["start", &stack.container(service)]);
            }
            (stack, None)
        }
    }
}
