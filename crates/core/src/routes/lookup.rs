//! Names that nginx looks up once, when it reads its configuration: those that a person wrote into
//! it without a variable. Whose address changes it does not notice.

use std::collections::BTreeSet;

use devrun_stack::{Service, Stack};

use super::nginx;

/// The services that a person's own configuration, or a line of a route, names like that. What it
/// includes is not seen.
#[must_use]
pub fn looked_up_once(stack: &Stack, text: &str) -> BTreeSet<String> {
    let routes = stack.services.iter().flat_map(|service| &service.routes);
    let lines = routes.flat_map(|route| &route.passing.nginx);
    let texts = lines.map(|lines| lines.text.as_str()).chain([text]);
    let hosts: BTreeSet<String> = texts.flat_map(hosts).collect();
    let named = stack.services.iter().filter(|service| {
        let mut names = names(service);
        !hosts.is_empty() && names.any(|name| hosts.contains(&name.to_ascii_lowercase()))
    });
    named.map(|service| service.name.clone()).collect()
}

/// What it is called on its networks.
fn names(service: &Service) -> impl Iterator<Item = &str> {
    let own = [
        service.name.as_str(),
        service.declared_as(),
        service.container_name.as_str(),
    ];
    let aliases = service.networks.iter().flat_map(|one| &one.aliases);
    own.into_iter().chain(aliases.map(String::as_str))
}

fn hosts(text: &str) -> Vec<String> {
    let all = nginx::directives(text);
    let is_upstream = |parent: usize| {
        let parent = all.get(parent);
        parent.is_some_and(|parent| parent.name() == "upstream")
    };
    let asked = all.iter().filter_map(|directive| {
        let [name, target, rest @ ..] = directive.words.as_slice() else {
            return None;
        };
        let in_upstream = *name == "server" && directive.parent.is_some_and(is_upstream);
        let asks = name.ends_with("_pass") || in_upstream && !rest.contains(&"resolve");
        asks.then(|| target.trim_matches(['"', '\'']))
    });
    asked.filter_map(host).collect()
}

/// Of `http://web:8000/x` or `web:9000`; nothing where a variable stands, or a socket.
fn host(target: &str) -> Option<String> {
    let place = target.split_once("://").map_or(target, |(_, place)| place);
    let host = place.split([':', '/']).next().unwrap_or_default();
    let is_name = !host.is_empty() && host != "unix" && !target.contains('$');
    is_name.then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use devrun_stack::{NginxLines, Passing};

    use super::super::samples;
    use super::looked_up_once;

    fn named(text: &str, line: &str) -> String {
        let mut web = samples::service("web", 3000, 9, &["/*"]);
        web.routes[0].passing = Passing {
            nginx: vec![NginxLines {
                text: line.to_owned(),
                at: samples::at(12),
            }],
            ..Passing::default()
        };
        let php = samples::service("php", 9000, 20, &[]);
        let stack = samples::stack(vec![web, php, samples::proxy(None)]);
        let named: Vec<String> = looked_up_once(&stack, text).into_iter().collect();
        named.join(" ")
    }

    #[test]
    fn names_without_a_variable_are_looked_up_once() {
        for (text, services) in [
            ("server { location / { proxy_pass http://web; } }", "web"),
            ("proxy_pass 'https://WEB:3000/x';", "web"),
            ("location ~ [.]php$ { fastcgi_pass php:9000; }", "php"),
            (
                "upstream a { server web:3000 weight=2; server php; }",
                "php web",
            ),
            ("upstream a { server web:3000 resolve; }", ""),
            ("server { server_name web; listen php:80; }", ""),
            ("set $to http://web; proxy_pass $to;", ""),
            ("proxy_pass http://web$request_uri;", ""),
            ("proxy_pass http://unix:/run/web.sock;", ""),
            ("proxy_pass http://webs; # proxy_pass http://web;", ""),
        ] {
            assert_eq!(named(text, "gzip off;"), services, "{text}");
        }
        assert_eq!(named("", "auth_request /a; uwsgi_pass php:3031;"), "php");
    }
}
