//! Stackfiles for tests, read by the real reader from a host that has every file they name.

use std::io;
use std::path::Path;
use std::sync::Arc;

use devrun_stack::{Host, Options, PathKind, Stack, load};

use crate::event::{Event, Stackfile};
use crate::plan::{IgnoreTexts, Rules};

/// A database, what is built and synced on top of it, and a proxy in front.
pub(crate) const APP: &str = r#"
stack app
volume data
defaults { restart unless-stopped }
service db {
    image "postgres:17"
    environment { POSTGRES_DB main }
    volume data to="/data"
    healthcheck "pg_isready" start-period="10s"
}
service backend {
    build "backend"
    depends-on db
    port 8000
    route "/api/*"
    healthcheck http="/health" start-period="40s"
    sync to="/app" {
        on "requirements.txt" { rebuild }
        on "package.json"     { exec "npm ci"; restart }
        on "*.po"             { exec "compile messages" }
        on "*.conf"           { signal "HUP" }
        on "deploy.ini"       { recreate }
        on "*.py"             { restart }
    }
}
proxy entry {
    image "nginx:1.26"
    config "nginx.conf"
    depends-on backend
    port 8080 to=80
    healthcheck "true"
}
"#;

/// What [`APP`] calls `nginx.conf`.
pub(crate) const NGINX: &str = "http { server { listen 80; include devrun-routes; } }";

/// Whatever has a dot in its name, or is called Dockerfile, is a file; all else is a folder.
struct AllThere;

impl Host for AllThere {
    fn read(&self, _: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn kind(&self, path: &Path) -> Option<PathKind> {
        let name = path.file_name()?.to_string_lossy();
        let file = name.contains('.') || name == "Dockerfile";
        Some(if file {
            PathKind::File
        } else {
            PathKind::Folder
        })
    }
}

/// The stack of a Stackfile at `/p/Stackfile.kdl`.
pub(crate) fn stack(text: &str) -> Arc<Stack> {
    let options = Options {
        file: "/p/Stackfile.kdl".into(),
        shown: "Stackfile.kdl".into(),
        text: text.into(),
        ..Options::default()
    };
    match load(&options, &AllThere).stack {
        Ok(stack) => Arc::new(stack),
        Err(rejected) => panic!("{rejected:?}"),
    }
}

/// That Stackfile, read.
pub(crate) fn loaded(text: &str) -> Event {
    let stack = stack(text);
    let proxies = stack
        .services
        .iter()
        .filter(|service| service.proxy.is_some());
    let proxy_configs = proxies
        .map(|service| (service.name.clone(), NGINX.to_owned()))
        .collect();
    Event::Stackfile(Stackfile::Loaded {
        rules: Arc::new(Rules::compile(&stack, &IgnoreTexts::new())),
        stack,
        proxy_configs,
        certificate: None,
        warnings: Vec::new(),
    })
}
