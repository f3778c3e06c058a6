//! Routes of hosts. The person has one `server { }` block, so that nginx cannot tell hosts apart by
//! blocks: a request that such a route takes is rewritten to a path that nobody else can ask for.

use std::fmt::Write;

use super::RESERVED;
use super::table::RouteEntry;
use super::written::literal;

/// Where in nginx the route of this number is.
pub(super) fn path(number: usize) -> String {
    format!("{RESERVED}/route/{number}")
}

/// What sends requests there, in the order of the table. Without routes of hosts nothing is said.
pub(super) fn chosen(table: &[RouteEntry], health: Option<&str>) -> String {
    if table.iter().all(|entry| entry.host.is_none()) {
        return String::new();
    }
    let own = match health {
        Some(health) => format!("({}/|{}\\z)", literal(RESERVED), literal(health)),
        None => format!("{}/", literal(RESERVED)),
    };
    // By what an application answers, nginx goes elsewhere by the path alone.
    let mut text = format!(
        "\n# Routes of hosts; the first that takes it, before all without a host.\n\
         set $devrun_asked $host$uri;\n\
         if ($uri ~ \"^{own}\") {{ set $devrun_asked \"\"; }}\n\
         if ($upstream_status) {{ set $devrun_asked \"\"; }}\n"
    );
    for (number, entry) in table.iter().enumerate() {
        let Some(host) = entry.host.as_deref() else {
            continue;
        };
        let host = match host.strip_prefix('*') {
            Some(below) => format!("[^/]+{}", literal(below)),
            None => literal(host),
        };
        let path_of = match (entry.bare(), entry.is_prefix()) {
            (Some(bare), _) => format!("{}(/|\\z)", literal(bare)),
            (None, true) => literal(entry.path()),
            (None, false) => format!("{}\\z", literal(entry.path())),
        };
        let _ = writeln!(
            text,
            "if ($devrun_asked ~ \"^{host}{path_of}\") {{ rewrite ^ {} last; }}",
            path(number)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use devrun_stack::Stack;

    use super::super::{RouteError, find, render, route_table, samples};

    fn stack() -> Stack {
        samples::stack(vec![
            samples::service("web", 3000, 9, &["/*", "/api/*"]),
            samples::of_host(samples::service("all", 4000, 19, &["/*"]), "*.localhost"),
            samples::of_host(
                samples::service("below", 4500, 29, &["/*"]),
                "*.api.localhost",
            ),
            samples::of_host(
                samples::service("api", 5000, 39, &["/v1/*", "/v1/x", "/v1.0*"]),
                "api.localhost",
            ),
            samples::proxy(Some("/health")),
        ])
    }

    #[test]
    fn hosts_come_first_the_whole_ones_before_the_longest() {
        let table = route_table(&stack());
        let names: Vec<String> = table.iter().map(|entry| entry.name()).collect();
        assert_eq!(
            names,
            [
                "api.localhost/v1/x",
                "api.localhost/v1.0*",
                "api.localhost/v1/*",
                "*.api.localhost/*",
                "*.localhost/*",
                "/api/*",
                "/*",
            ]
        );
    }

    #[test]
    fn what_no_route_of_its_host_covers_goes_on() {
        for (host, path, wanted) in [
            ("api.localhost", "/v1", "api"),
            ("API.localhost.", "/v1/y", "api"),
            ("api.localhost", "/v1.05", "api"),
            ("api.localhost", "/v10", "all"),
            ("x.api.localhost", "/v1", "below"),
            ("a.b.localhost", "/api/x", "all"),
            ("localhost", "/v1", "web"),
            (".localhost", "/v1", "web"),
            ("xlocalhost", "/v1", "web"),
            ("api.localhost.evil.test", "/v1", "web"),
        ] {
            let found = find(&stack(), host, path);
            let service = found.map(|entry| entry.service);
            assert_eq!(service.as_deref(), Some(wanted), "{host}{path}");
        }
    }

    #[test]
    fn a_request_that_a_host_takes_goes_where_nobody_else_gets() {
        let config = "http { server {\ninclude devrun-routes;\n} }";
        let text = render(&stack(), &samples::proxy(Some("/health")), config, 1, None).unwrap();
        let said: Vec<&str> = text
            .lines()
            .skip_while(|line| !line.contains("devrun_asked"))
            .take_while(|line| !line.is_empty())
            .collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        set $devrun_asked $host$uri;
        if ($uri ~ "^(/\.devrun/|/health\z)") { set $devrun_asked ""; }
        if ($upstream_status) { set $devrun_asked ""; }
        if ($devrun_asked ~ "^api\.localhost/v1/x\z") { rewrite ^ /.devrun/route/0 last; }
        if ($devrun_asked ~ "^api\.localhost/v1\.0") { rewrite ^ /.devrun/route/1 last; }
        if ($devrun_asked ~ "^api\.localhost/v1(/|\z)") { rewrite ^ /.devrun/route/2 last; }
        if ($devrun_asked ~ "^[^/]+\.api\.localhost/") { rewrite ^ /.devrun/route/3 last; }
        if ($devrun_asked ~ "^[^/]+\.localhost/") { rewrite ^ /.devrun/route/4 last; }
        "#);
        let at = text.find("location = /.devrun/route/2 {").unwrap();
        let lines: Vec<&str> = text[at..].lines().take(7).map(str::trim).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        location = /.devrun/route/2 {
        internal;
        set $devrun_path $request_uri;
        set $devrun_service api;
        set $devrun_inside 5000;
        set $devrun_upstream http://api:5000$devrun_path;
        proxy_pass $devrun_upstream;
        ");
    }

    #[test]
    fn the_same_path_of_another_host_is_no_conflict_but_health_is_of_all() {
        let refused = |path: &str| {
            let stack = samples::stack(vec![
                samples::service("web", 3000, 9, &["/x", "/y"]),
                samples::of_host(samples::service("api", 5000, 19, &["/x", path]), "a.test"),
            ]);
            let config = "http { server { include devrun-routes; } }";
            render(&stack, &samples::proxy(Some("/health")), config, 1, None)
        };
        assert!(refused("/y").is_ok());
        assert!(matches!(refused("/x"), Err(RouteError::Taken { .. })));
        insta::assert_snapshot!(refused("/health").unwrap_err(), @r#"Stackfile.kdl:20: route "a.test/health" is declared already, at Stackfile.kdl:110; keep one of the two"#);
    }
}
