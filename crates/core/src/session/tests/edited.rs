//! The Stackfile of the simulation, and what is edited in it.

use std::sync::OnceLock;

use devrun_stack::{Restart, Service, Stack};

use super::stacks::loaded;
use crate::event::Event;
use crate::live::Live;

const APP: &str = r#"
stack app
volume data
defaults { restart unless-stopped }
task seed {
    image "postgres:17"
    depends-on db
}
task migrate {
    image "postgres:17"
    depends-on db
    sync "schema" to="/schema"
}
task index {
    image "index:1"
    depends-on migrate
}
service db {
    image "postgres:17"
    volume data to="/data"
    healthcheck "pg_isready" start-period="10s"
}
service backend {
    build "backend"
    environment { EDITION "0" }
    depends-on db seed migrate index
    port 8000
    @backend-routes
    healthcheck http="/health" start-period="40s"
    sync to="/app" {
        on "requirements.txt" { rebuild }
        on "package.json"     { exec "npm ci"; restart }
        on "*.conf" settle="200ms" { signal "HUP" }
        on "deploy.ini"       { recreate }
        on "*.py"             { restart }
    }
    on "models/*.json" { run index; restart }
}
@worker
service frontend {
    build "frontend"
    depends-on backend follow=#true
    port 5173
    @frontend-routes
    sync to="/app" { on "*.py" { restart } }
}
proxy entry {
    image "nginx:1.26"
    config "nginx.conf"
    depends-on frontend
    port 8080 to=80
    healthcheck "true"
}
"#;

const CACHE: &str = r#"
service cache {
    image "cache:1"
    port 6379
    @cache-routes
}
"#;

const WORKER: &str = r#"
service worker {
    image "worker:1"
    depends-on cache
    depends-on backend condition=started
}
"#;

/// The routes of three services: added, moved, removed, changed; in the last ones is a mistake.
pub(super) const ROUTES: [[&str; 3]; 8] = [
    [r#"route "/api/*""#, r#"route "/*""#, ""],
    [r#"route "/api/*" "/admin/*""#, r#"route "/*""#, ""],
    ["", r#"route "/*" "/api/*""#, ""],
    [r#"route "/v2/*""#, "", r#"route "/cache/*""#],
    [r#"route "/*""#, r#"route "/api/*""#, ""],
    [r#"route "/api/*" port=9000"#, r#"route "/*" port=9001"#, ""],
    [
        r#"route "/api/*" { nginx "gzzip off;" }"#,
        r#"route "/*""#,
        "",
    ],
    [
        "",
        r#"route "/*" { nginx "gzzip off;" }"#,
        r#"route "/c/*""#,
    ],
];
/// So many of them are without one.
pub(super) const WITHOUT_MISTAKE: usize = 6;

/// What comes and goes: how many of [`CACHE`] and [`WORKER`] are declared.
pub(super) const MOST: usize = 2;

/// The Stackfile with so many of what comes and goes, and those routes; read once, since that takes
/// its time.
pub(super) fn base(more: usize, routes: usize) -> &'static Event {
    static BASE: [[OnceLock<Event>; ROUTES.len()]; MOST + 1] =
        [const { [const { OnceLock::new() }; ROUTES.len()] }; MOST + 1];
    BASE[more][routes].get_or_init(|| {
        let others = [String::new(), CACHE.to_owned(), format!("{CACHE}{WORKER}")];
        let mut text = APP.replace("@worker", &others[more]);
        for (service, declared) in ["backend", "frontend", "cache"].iter().zip(ROUTES[routes]) {
            text = text.replace(&format!("@{service}-routes"), declared);
        }
        loaded(&text)
    })
}

/// What runs of the simulation change in a Stackfile.
pub(super) fn declared(stack: &Stack) -> String {
    let shown = stack.services.iter().map(|one| {
        let (edition, live) = (one.environment.get("EDITION"), Live::of_service(one));
        let edition = edition.map_or("", String::as_str);
        let routes = one.routes.iter().map(|route| route.pattern.as_str());
        let routes: Vec<&str> = routes.collect();
        format!(" {}={edition} {live:?} {routes:?}", one.name)
    });
    format!("Stackfile{}", shown.collect::<String>())
}

/// One of several ways to bound it; what the engine starts again is started again in all.
pub(super) fn limit(service: &mut Service, which: u64) {
    service.limits.memory = (which > 1).then_some(which << 30);
    service.settings.pids_limit = (which % 2 == 1).then_some(100);
    if which == 4 {
        service.restart = Restart::Always;
    }
}
