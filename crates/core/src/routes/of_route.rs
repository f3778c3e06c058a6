//! What one route tells nginx that others do not. A request goes from location to location, and
//! takes nothing along but variables: such a route has locations of its own for all of its way.

use std::fmt::Write;

use super::explain::{OURS, YOURS};
use super::generate::{HEADERS, Own};
use super::nginx;
use super::table::{Goes, RouteEntry};

/// A service that can tell several hosts apart is told the one that the browser asked. Whose
/// certificate it shows is not looked at, as it is its own or nobody's.
const BY_TLS: [&str; 3] = [
    "proxy_ssl_server_name on;",
    "proxy_ssl_name $host;",
    "proxy_ssl_verify off;",
];

/// Directives of one route.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// What the names of its locations end in; nothing where it has none of its own.
    pub(super) suffix: String,
    /// Its service is asked by TLS.
    pub(super) secure: bool,
    /// What counts wherever a body is read.
    read: Vec<String>,
    /// What counts wherever its service is asked.
    passed: Vec<String>,
    /// A person's own, with their place.
    lines: Vec<(String, String)>,
}

impl Extra {
    /// Those of the route of this number.
    pub(super) fn of(number: usize, entry: &RouteEntry, own: Own<'_>) -> Extra {
        let mut extra = Extra::default();
        let Goes::On { passing, .. } = &entry.goes else {
            return extra;
        };
        if let Some(bytes) = passing.max_body {
            extra.read.push(format!("client_max_body_size {bytes};"));
        }
        if passing.secure {
            extra.secure = true;
            extra.passed.extend(BY_TLS.map(str::to_owned));
        }
        if let Some(time) = passing.timeout {
            let time = time.as_millis().max(1);
            extra.passed.push(format!("proxy_read_timeout {time}ms;"));
            extra.passed.push(format!("proxy_send_timeout {time}ms;"));
        }
        let texts: Vec<&str> = passing.nginx.iter().map(|it| it.text.as_str()).collect();
        extra.passed.extend(headers_beside(&texts, own));
        extra.lines = passing
            .nginx
            .iter()
            .map(|lines| {
                let place = lines.at.to_string().replace(char::is_control, "?");
                (lines.text.clone(), place)
            })
            .collect();
        if !(extra.read.is_empty() && extra.passed.is_empty() && extra.lines.is_empty()) {
            extra.suffix = format!("-{number}");
        }
        extra
    }

    /// For a location that only waits.
    pub(super) fn read(&self) -> impl Iterator<Item = &str> {
        self.read.iter().map(String::as_str)
    }

    /// For a location that asks the service, so many steps in.
    pub(super) fn passed_on(&self, depth: usize) -> String {
        let indent = "    ".repeat(depth);
        let mut text = String::new();
        for line in self.read.iter().chain(&self.passed) {
            let _ = writeln!(text, "{indent}{line}");
        }
        for (lines, place) in &self.lines {
            let _ = writeln!(text, "{indent}{YOURS}{place}");
            for line in lines.lines() {
                let _ = writeln!(text, "{indent}{line}");
            }
            let _ = writeln!(text, "{indent}{OURS}");
        }
        text
    }
}

/// Where a location sets one header, nginx forgets all that stand around it: they are said again,
/// but for those that the lines set themselves.
fn headers_beside(texts: &[&str], own: Own<'_>) -> Vec<String> {
    let mut set = Vec::new();
    for text in texts {
        for directive in nginx::directives(text) {
            if let ["proxy_set_header", header, ..] = directive.words.as_slice() {
                set.push(nginx::header_key(header.trim_matches(['"', '\''])));
            }
        }
    }
    if set.is_empty() {
        return Vec::new();
    }
    let ours = HEADERS.iter().filter_map(|(name, value)| {
        let key = nginx::header_key(name);
        let free = !set.contains(&key) && !own.names.contains(&key);
        free.then(|| format!("proxy_set_header {name} {value};"))
    });
    let theirs = own.headers.iter();
    let theirs = theirs.filter(|(key, _)| !set.contains(key));
    ours.chain(theirs.map(|(_, line)| line.clone())).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use devrun_stack::{NginxLines, Passing, Stack};

    use super::super::{explain, render, samples};

    const CONFIG: &str = "\
http {
    server {
        proxy_set_header Host example.test;
        proxy_set_header X-Team 'a b';
        include devrun-routes;
    }
}
";

    fn stack(passing: Passing) -> Stack {
        let mut web = samples::service("web", 3000, 9, &["/*", "/api/*"]);
        web.routes[1].passing = passing;
        samples::stack(vec![web, samples::proxy(None)])
    }

    fn config(passing: Passing) -> String {
        render(&stack(passing), &samples::proxy(None), CONFIG, 1, None).unwrap()
    }

    fn lines(texts: &[&str]) -> Passing {
        let nginx = texts.iter().map(|text| NginxLines {
            text: (*text).to_owned(),
            at: samples::at(12),
        });
        Passing {
            nginx: nginx.collect(),
            ..Passing::default()
        }
    }

    fn location<'c>(config: &'c str, name: &str) -> Vec<&'c str> {
        let lines = config.lines().map(str::trim);
        lines
            .skip_while(|line| *line != format!("location {name} {{"))
            .take_while(|line| !line.is_empty())
            .collect()
    }

    #[test]
    fn a_route_without_words_of_its_own_shares_the_way_of_all() {
        let config = config(Passing {
            streams: true,
            ..Passing::default()
        });
        assert!(!config.contains("location @devrun-hold-"));
        assert!(location(&config, "/api/").contains(&"proxy_request_buffering off;"));
        assert!(!location(&config, "/").contains(&"proxy_request_buffering off;"));
    }

    #[test]
    fn limits_hold_on_all_of_the_way() {
        let config = config(Passing {
            timeout: Some(Duration::from_millis(1500)),
            max_body: Some(2048),
            ..Passing::default()
        });
        for name in ["live-0", "live-open-0", "open-0", "direct-0"] {
            let said = location(&config, &format!("@devrun-{name}"));
            assert!(said.contains(&"proxy_read_timeout 1500ms;"), "{name}");
            assert!(said.contains(&"client_max_body_size 2048;"), "{name}");
        }
        for name in ["hold-0", "admit-0"] {
            let said = location(&config, &format!("@devrun-{name}"));
            assert!(said.contains(&"client_max_body_size 2048;"), "{name}");
            assert!(said.contains(&"proxy_read_timeout 1d;"), "{name}");
        }
        for name in ["/api/", "= /api"] {
            let said = location(&config, name);
            assert!(said.contains(&"set $devrun_route 0;"), "{name}");
            assert!(said.contains(&"client_max_body_size 2048;"), "{name}");
            assert!(said.contains(&"error_page 419 = @devrun-open-0;"), "{name}");
        }
        let other = location(&config, "/");
        assert!(other.contains(&"error_page 419 = @devrun-open;"));
    }

    #[test]
    fn a_header_more_takes_none_away() {
        let config = config(lines(&["proxy_set_header X-Real-IP none;", "gzip off;"]));
        let said = location(&config, "/api/");
        let headers: Vec<&str> = said
            .into_iter()
            .filter(|line| line.starts_with("proxy_set_header"))
            .collect();
        insta::assert_snapshot!(headers.join("\n"), @r#"
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host $devrun_host;
        proxy_set_header X-Forwarded-Port $devrun_port;
        proxy_set_header X-Forwarded-Prefix $devrun_prefix;
        proxy_set_header X-Request-Id $devrun_id;
        proxy_set_header Upgrade $devrun_upgrade;
        proxy_set_header Connection $devrun_connection;
        proxy_set_header Proxy "";
        proxy_set_header Forwarded "";
        proxy_set_header X-Forwarded-Scheme "";
        proxy_set_header X-Forwarded-Ssl "";
        proxy_set_header Host example.test;
        proxy_set_header X-Team 'a b';
        proxy_set_header X-Real-IP none;
        "#);
    }

    #[test]
    fn what_nginx_says_of_a_line_is_told_with_its_place() {
        let config = config(lines(&["gzip off;\ngzzip off;"]));
        let number = |text: &str| {
            let at = config.lines().position(|line| line.trim() == text);
            at.unwrap() + 1
        };
        let said = |number: usize| {
            let output = format!("nginx: [emerg] no in /x:{number}\n");
            explain(&config, "/x", &output).join("\n")
        };
        let theirs = said(number("gzzip off;"));
        assert_eq!(theirs, "Stackfile.kdl:12: [emerg] no: gzzip off;");
        let ours = said(number("set $devrun_route 0;"));
        assert!(ours.ends_with("set $devrun_route 0;"), "{ours}");
        assert!(!ours.contains("Stackfile.kdl:12"), "{ours}");
    }
}
