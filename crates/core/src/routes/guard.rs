//! What is refused before any route is looked at, and to whom devrun shows pages of its own.

use std::fmt::Write;

use super::RESERVED;
use super::table::RouteEntry;
use super::written::literal;

/// A segment `..` of a path, however it is written.
const ABOVE: &str = r"(?:/|%2[fF])(?:\.|%2[eE]){2}(?:/|%2[fF]|\?|\z)";

/// Hosts that no other site can take for itself: names without a dot, addresses, `localhost`.
const AT_HOME: &str = r"[^.]*|\[.*|[\d.]+|(?:.+\.)?localhost";

/// Where requests end that are to see nothing.
fn strangers() -> String {
    format!("{RESERVED}/stranger")
}

/// What stands before all locations. `names` are those of the person's `server_name`.
pub(super) fn before(table: &[RouteEntry], names: &[String]) -> String {
    let mut hosts = AT_HOME.to_owned();
    let routed = table.iter().filter_map(|entry| entry.host.as_deref());
    let mut declared: Vec<&str> = routed.chain(names.iter().map(String::as_str)).collect();
    declared.sort_unstable();
    declared.dedup();
    for host in declared {
        let _ = match (host.strip_prefix("*."), host.strip_prefix('.')) {
            (Some(below), _) => write!(hosts, r"|.+\.{}", literal(below)),
            (_, Some(below)) => write!(hosts, r"|(?:.+\.)?{}", literal(below)),
            _ => write!(hosts, "|{}", literal(host)),
        };
    }
    format!(
        "\n# What such a path means has another beginning than the path: of two routes it would be for\n\
         # the one, and look like the other. Browsers send none.\n\
         if ($request_uri ~ \"^[^?]*{ABOVE}\") {{ return 400; }}\n\
         # Another site may let its name mean this machine: it is not to see what devrun shows.\n\
         set $devrun_stranger yes;\n\
         if ($host ~* \"^(?:{hosts})\\z\") {{ set $devrun_stranger \"\"; }}\n"
    )
}

/// For a location that shows what devrun knows.
pub(super) fn turns_away() -> String {
    format!(
        "    if ($devrun_stranger) {{ rewrite ^ {} last; }}\n",
        strangers()
    )
}

/// Where they are sent instead.
pub(super) fn stranger_location() -> String {
    format!(
        "\n# Of a host that nobody declares.\n\
         location = {} {{\n\
         \x20   internal;\n\
         \x20   default_type application/json;\n\
         \x20   add_header Retry-After 1 always;\n\
         \x20   add_header Cache-Control no-store always;\n\
         \x20   return 503 '{{\"error\":\"not ready; devrun tells more at localhost, and at hosts that a route or server_name declares\"}}\\n';\n\
         }}\n",
        strangers()
    )
}

#[cfg(test)]
mod tests {
    use super::super::{render, samples};

    #[test]
    fn hosts_that_are_declared_are_no_strangers() {
        let config = "http { server { server_name _ App.example *.b.example ~^x$; \
                      include devrun-routes; } }";
        let api = samples::of_host(samples::service("api", 5000, 9, &["/*"]), "*.c.example");
        let proxy = samples::proxy(None);
        let stack = samples::stack(vec![api, proxy.clone()]);
        let config = render(&stack, &proxy, config, 1, None).unwrap();
        let line = config.lines().find(|line| line.contains("$host ~*"));
        insta::assert_snapshot!(line.unwrap().trim(), @r#"if ($host ~* "^(?:[^.]*|\[.*|[\d.]+|(?:.+\.)?localhost|.+\.b\.example|.+\.c\.example|_|app\.example)\z") { set $devrun_stranger ""; }"#);
    }
}
