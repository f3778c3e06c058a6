//! Small stacks for tests.

use std::path::PathBuf;

use devrun_stack::{Location, Passing, Port, Proxy, Route, Service, Source, Stack};

/// A stack of these services, at `/home/me/app/Stackfile.kdl`.
pub(super) fn stack(services: Vec<Service>) -> Stack {
    Stack {
        name: "app".into(),
        file: PathBuf::from("/home/me/app/Stackfile.kdl"),
        root: PathBuf::from("/home/me/app"),
        network: "app-network".into(),
        services,
        ..Stack::default()
    }
}

/// A service that gets these routes at this port, declared in this line.
pub(super) fn service(name: &str, port: u16, line: usize, routes: &[&str]) -> Service {
    Service {
        name: name.into(),
        container_name: format!("app-{name}"),
        source: Source::Image(format!("{name}:1")),
        routes: routes
            .iter()
            .map(|pattern| Route {
                host: None,
                pattern: (*pattern).into(),
                port,
                passing: Passing::default(),
                at: at(line + 1),
            })
            .collect(),
        at: at(line),
        ..Service::default()
    }
}

/// The same of a host.
pub(super) fn of_host(mut service: Service, host: &str) -> Service {
    for route in &mut service.routes {
        route.host = Some(host.into());
    }
    service
}

/// A proxy with the person's `nginx/nginx.conf`.
pub(super) fn proxy(health: Option<&str>) -> Service {
    let mut proxy = service("proxy", 80, 110, &[]);
    proxy.proxy = Some(Proxy {
        config: PathBuf::from("/home/me/app/nginx/nginx.conf"),
        health: health.map(Into::into),
        tls: None,
    });
    proxy.ports = vec![Port {
        bind: vec!["127.0.0.1".into()],
        host: 8080,
        container: 80,
        protocol: "tcp".into(),
        at: at(111),
    }];
    proxy
}

/// The seed's stack, as far as it is routed.
pub(super) fn seed() -> Stack {
    stack(vec![
        service("db", 5432, 34, &[]),
        service(
            "backend",
            8000,
            71,
            &["/api/*", "/admin/*", "/static/*", "/media/*"],
        ),
        service("frontend", 5173, 97, &["/*", "/ws", "/@vite/*"]),
        proxy(Some("/health")),
    ])
}

/// In this line of the Stackfile.
pub(super) fn at(line: usize) -> Location {
    Location {
        file: "Stackfile.kdl".into(),
        line,
        column: 5,
    }
}
