use crate::effect::{PutFile, RouteState};

use super::*;

const CONFIG: &str = "\
events {}
http {
    # include devrun-routes; is where the routes go
    log_format json '{\"uri\":\"$request_uri\"; include devrun-routes; }';
    server {
        listen 80;

        include devrun-routes;
    }
}
";

fn seed_with(config: &str) -> Result<String, RouteError> {
    let stack = samples::seed();
    render(&stack, &samples::proxy(Some("/health")), config, 7, None)
}

fn routed(routes: &[&str]) -> Result<String, RouteError> {
    let proxy = samples::proxy(Some("/health"));
    let stack = samples::stack(vec![
        samples::service("web", 3000, 9, routes),
        proxy.clone(),
    ]);
    render(&stack, &proxy, CONFIG, 1, None)
}

fn message(result: Result<String, RouteError>) -> String {
    result.expect_err("has to be refused").to_string()
}

fn state(service: &str, ready: bool, state: &'static str, reason: &str) -> RouteState {
    RouteState {
        doubled: false,
        service: service.into(),
        ready,
        state,
        reason: reason.into(),
        lines: Vec::new(),
        hold: std::time::Duration::ZERO,
        containers: Vec::new(),
    }
}

#[test]
fn the_seed_has_all_its_routes_where_the_marker_stood() {
    insta::assert_snapshot!(seed_with(CONFIG).unwrap());
}

#[test]
fn each_location_shows_its_proxy_pass_within_ten_lines() {
    let config = seed_with(CONFIG).unwrap();
    let lines: Vec<&str> = config.lines().collect();
    for (path, target) in [
        ("location /api", "set $devrun_upstream http://backend:8000;"),
        (
            "location /@vite",
            "set $devrun_upstream http://frontend:5173;",
        ),
        (
            "location = /ws {",
            "set $devrun_upstream http://frontend:5173;",
        ),
        ("location / {", "set $devrun_upstream http://frontend:5173;"),
    ] {
        let at = lines.iter().position(|line| line.contains(path)).unwrap();
        let shown = lines[at..]
            .iter()
            .take(11)
            .copied()
            .collect::<Vec<_>>()
            .join("\n");
        assert!(shown.contains(target), "{path} in:\n{shown}");
        assert!(shown.contains("proxy_pass $devrun_upstream;"));
    }
}

#[test]
fn what_the_persons_block_sets_is_not_set_again() {
    let config = CONFIG.replace(
        "listen 80;",
        "listen 80; client_max_body_size 5m;\nproxy_set_header host example.test;",
    );
    let config = seed_with(&config).unwrap();
    assert!(!config.contains("client_max_body_size 0"));
    assert!(!config.contains("proxy_set_header Host"));
    assert!(config.contains("proxy_set_header X-Real-IP"));
}

#[test]
fn a_marker_in_the_middle_of_a_line_leaves_the_rest_of_it_alone() {
    let config =
        seed_with("events {}\nhttp { server { include  'devrun-routes' ; } } # end\n").unwrap();
    let lines: Vec<&str> = config.lines().collect();
    assert!(lines[1].starts_with("http { map ") && lines[1].trim_end().ends_with("; server {"));
    assert_eq!(lines.last().map(|line| line.trim()), Some("} } # end"));
}

#[test]
fn a_marker_that_is_missing_doubled_or_misplaced_is_told_with_its_place() {
    insta::assert_snapshot!(
        [
            message(seed_with("http { server {} } # include devrun-routes;")),
            message(seed_with(&CONFIG.replace("listen 80;", "include devrun-routes;"))),
            message(seed_with("http {\n  include devrun-routes;\n}")),
        ]
        .join("\n"),
        @r"
    nginx/nginx.conf does not say where the routes go: write `include devrun-routes;` into its `server { }` block
    nginx/nginx.conf:8: `include devrun-routes;` stands twice, first in line 6; the routes go into one `server { }` block
    nginx/nginx.conf:2: `include devrun-routes;` has to stand directly inside a `server { }` block
    "
    );
}

#[test]
fn a_bare_path_goes_where_the_tree_below_it_goes_unless_it_is_declared() {
    let config = routed(&["/docs/*"]).unwrap();
    assert!(config.contains("location = /docs {"));
    let config = routed(&["/docs/*", "/docs"]).unwrap();
    assert_eq!(config.matches("location = /docs {").count(), 1);
    let config = routed(&["/health/*"]).unwrap();
    assert_eq!(config.matches("location = /health {").count(), 1);
}

/// nginx refuses a configuration with a variable that nobody sets.
#[test]
fn each_variable_is_set_somewhere_also_where_there_is_no_route() {
    for routes in [&[][..], &["/api/*"][..]] {
        let config = routed(routes).unwrap();
        let used = config.split('$').skip(1);
        for name in used.filter_map(|rest| {
            rest.split(|c: char| c != '_' && !c.is_alphanumeric())
                .next()
        }) {
            let set = ["set $NAME ", "$NAME {", "?<NAME>"]
                .iter()
                .any(|how| config.contains(&how.replace("NAME", name)));
            assert!(set || !name.starts_with("devrun_"), "{name} in {config}");
        }
    }
}

#[test]
fn odd_paths_are_quoted() {
    let config = routed(&["/a;b{c}\"d\\e/*", "/päth/*"]).unwrap();
    assert!(config.contains(r#"location "/a;b{c}\"d\\e/" {"#));
    assert!(config.contains("location /päth/ {"));
}

#[test]
fn a_route_that_would_never_match_is_refused_with_its_line() {
    let refused = [
        "api/*",
        "/a*b",
        "/a b",
        "/a?b=1",
        "/caf%C3%A9",
        "/a//b",
        "/a/../b",
        "/.devrun/x",
        "/health",
    ];
    let messages: Vec<String> = refused
        .iter()
        .map(|route| message(routed(&[route])))
        .collect();
    insta::assert_snapshot!(messages.join("\n"), @r#"
    Stackfile.kdl:10: route "api/*" has to start with `/`
    Stackfile.kdl:10: route "/a*b" may have a `*` at its end only
    Stackfile.kdl:10: route "/a b" may not hold blanks or control characters
    Stackfile.kdl:10: route "/a?b=1" is compared with the path only: leave out `?` and `#` and what follows
    Stackfile.kdl:10: route "/caf%C3%A9" is compared with the decoded path: write the character itself instead of `%…`
    Stackfile.kdl:10: route "/a//b" is compared with the tidied path: leave out `//`, `/./` and `/../`
    Stackfile.kdl:10: route "/a/../b" is compared with the tidied path: leave out `//`, `/./` and `/../`
    Stackfile.kdl:10: route "/.devrun/x" is devrun's own: choose a path outside `/.devrun`
    Stackfile.kdl:10: route "/health" is declared already, at Stackfile.kdl:110; keep one of the two
    "#);
}

#[test]
fn a_service_name_cannot_smuggle_anything_into_the_configuration() {
    let proxy = samples::proxy(None);
    let evil = samples::service("x;} location / {", 1, 3, &["/*"]);
    let stack = samples::stack(vec![evil]);
    let refused = render(&stack, &proxy, CONFIG, 1, None);
    assert!(matches!(refused, Err(RouteError::Name { .. })));
}

#[test]
fn the_table_is_in_the_order_in_which_routes_are_tried() {
    let table = route_table(&samples::seed());
    let patterns: Vec<&str> = table.iter().map(|entry| entry.pattern.as_str()).collect();
    assert_eq!(
        patterns,
        [
            "/ws",
            "/static/*",
            "/@vite/*",
            "/admin/*",
            "/media/*",
            "/api/*",
            "/*"
        ]
    );
}

#[test]
fn what_nginx_says_is_told_in_lines_of_the_persons_file() {
    let broken = CONFIG.replace("    }\n}\n", "        lisen 81;\n    }\n}\n");
    let config = seed_with(&broken).unwrap();
    let line_of = |text: &str| 1 + config.lines().position(|line| line.contains(text)).unwrap();
    let say = |line: usize| {
        let output = format!(
            "nginx: [emerg] something in /x.conf:{line}\nnginx: configuration file /x.conf test failed\n"
        );
        explain(&config, "/x.conf", &output)
    };
    assert_eq!(
        say(line_of("lisen")),
        ["nginx/nginx.conf:9: [emerg] something"]
    );
    assert_eq!(
        say(line_of("listen 80")),
        ["nginx/nginx.conf:6: [emerg] something"]
    );
    let log = format!(
        "nginx: [emerg] no in /x.conf:{0}\n2026/01/02 03:04:05 [emerg] 7#7: no in /x.conf:{0}\n",
        line_of("lisen")
    );
    assert_eq!(
        explain(&config, "/x.conf", &log),
        ["nginx/nginx.conf:9: [emerg] no"]
    );
    assert_eq!(
        say(line_of("location /api/")),
        ["[emerg] something in what devrun put in for `include devrun-routes;`: location /api/ {"]
    );
}

#[test]
fn the_page_says_what_it_waits_for_and_shows_foreign_text_as_text() {
    let page = wait_page(
        &state(
            "backend",
            false,
            "starting",
            "waits for db: <b>\"5432\"</b> & co",
        ),
        true,
    );
    insta::assert_snapshot!(page);
}

#[test]
fn last_lines_are_shown_as_text_and_that_nobody_follows_is_said() {
    let mut failed = state("backend", false, "failed", "exited with 1");
    failed.lines = vec!["<script>".into(), "a & b".into()];
    let page = wait_page(&failed, false);
    assert!(page.contains("&lt;script&gt;\na &amp; b</pre>"), "{page}");
    assert!(page.contains("no devrun session answers"), "{page}");
    assert!(!wait_page(&failed, true).contains("no devrun session"));
    let told = wait_json(&failed, false);
    assert!(told.contains(r#""lines":["<script>","a & b"]"#), "{told}");
    assert!(told.contains("no devrun session answers"), "{told}");
}

#[test]
fn programs_get_the_same_as_an_object() {
    insta::assert_snapshot!(
        wait_json(&state("backend", false, "failed", "exit code 1:\n\"no\""), true),
        @r#"{"error":"backend is not ready: exit code 1:\n\"no\"","service":"backend","state":"failed","reason":"exit code 1:\n\"no\""}"#
    );
    insta::assert_snapshot!(wait_json(&state("backend", true, "ready", ""), true), @r#"{"error":"backend is not ready: it takes no connection just now","service":"backend","state":"unreachable","reason":"it takes no connection just now"}"#);
}

fn steps(before: &[RouteState], now: &[RouteState]) -> Vec<String> {
    let step = |change| match change {
        Change::Write(PutFile { path, .. }) => format!("write {path}"),
        Change::Remove(path) => format!("remove {path}"),
    };
    let changes = state_changes(before, now).into_iter().flatten();
    changes.map(step).collect()
}

#[test]
fn who_is_no_longer_ready_loses_requests_first_and_who_is_ready_gets_them_last() {
    let before = [
        state("a", true, "ready", ""),
        state("b", false, "starting", ""),
    ];
    let now = [
        state("a", false, "unhealthy", "no answer"),
        state("b", true, "ready", ""),
    ];
    insta::assert_snapshot!(steps(&before, &now).join("\n"), @r"
    remove /run/devrun/ready/a
    write /run/devrun/wait/a.html
    write /run/devrun/wait/a.json
    write /run/devrun/wait/a.alone.html
    write /run/devrun/wait/a.alone.json
    write /run/devrun/state/a.unhealthy
    write /run/devrun/wait/b.html
    write /run/devrun/wait/b.json
    write /run/devrun/wait/b.alone.html
    write /run/devrun/wait/b.alone.json
    remove /run/devrun/state/b.starting
    write /run/devrun/ready/b
    ");
    assert!(steps(&now, &now).is_empty());
}

#[test]
fn who_is_not_known_yet_is_told_anew_and_who_is_gone_is_forgotten() {
    let fresh = steps(&[], &[state("a", false, "off", "--profile a")]);
    assert_eq!(fresh[0], "remove /run/devrun/ready/a");
    assert!(fresh.contains(&"write /run/devrun/state/a.off".to_owned()));
    assert!(fresh.contains(&"remove /run/devrun/state/a.starting".to_owned()));
    let gone = steps(&[state("a", true, "ready", "")], &[]);
    assert_eq!(gone[0], "remove /run/devrun/ready/a");
    assert!(gone.contains(&"remove /run/devrun/wait/a.html".to_owned()));
}

#[test]
fn a_new_container_starts_with_markers_for_the_ready_ones_only() {
    let files = state_files(&[
        state("a", true, "ready", ""),
        state("b", false, "building", "first build"),
    ]);
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/run/devrun/wait/a.html",
            "/run/devrun/wait/a.json",
            "/run/devrun/wait/a.alone.html",
            "/run/devrun/wait/a.alone.json",
            "/run/devrun/wait/b.html",
            "/run/devrun/wait/b.json",
            "/run/devrun/wait/b.alone.html",
            "/run/devrun/wait/b.alone.json",
            "/run/devrun/state/b.building",
            "/run/devrun/ready/a",
        ]
    );
}

#[test]
fn a_path_goes_to_the_exact_route_then_to_the_longest() {
    let stack = samples::seed();
    let to =
        |path: &str| find(&stack, "localhost", path).map(|entry| (entry.service, entry.pattern));
    let goes = |service: &str, pattern: &str| Some((service.to_owned(), pattern.to_owned()));
    assert_eq!(to("/api/v1/users/"), goes("backend", "/api/*"));
    assert_eq!(to("/api"), goes("backend", "/api/*"));
    assert_eq!(to("/apical"), goes("frontend", "/*"));
    assert_eq!(to("/ws"), goes("frontend", "/ws"));
    assert_eq!(to("/"), goes("frontend", "/*"));
    let alone = samples::stack(vec![samples::service("web", 3000, 9, &["/x/*"])]);
    assert_eq!(find(&alone, "localhost", "/y"), None);
}

#[test]
fn its_number_is_asked_of_the_block_that_has_the_routes() {
    let block = |names: &str| {
        let text = format!("http {{ server {{ {names} include devrun-routes; }} }}");
        number_url(&samples::proxy(None), &text)
    };
    for (names, host) in [
        ("", ""),
        ("server_name _;", ""),
        ("server_name ~^a;", ""),
        ("server_name App.test b.test;", "app.test@"),
        ("server_name *.a.test;", "devrun.a.test@"),
        ("server_name .a.test;", "a.test@"),
    ] {
        let url = format!("http://{host}127.0.0.1:80/.devrun/generation");
        assert_eq!(block(names), url, "{names}");
    }
}
