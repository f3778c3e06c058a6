//! What the access log tells of a request: one line of JSON, for programs and for `devrun logs`.
//!
//! A format can be declared beside `server { }` only, and a person may use it anywhere below: it
//! stands behind the `{` of `http`, on the same line, so that no other line has another number.

use super::nginx::Directive;

/// What writes it, where the person's configuration says nothing of an access log.
pub(super) const WRITTEN: &str = "\n# One line for each request, where no other one is asked for.\naccess_log /dev/stdout devrun;\n";

/// A name, what it is made of, and how.
type Variable = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// What nginx does not have: what stands behind `?` is nobody's business, and of several places at
/// which a request was the last answered.
const VARIABLES: [Variable; 8] = [
    (
        "$devrun_id",
        "$http_x_request_id",
        &[
            ("default", "$request_id"),
            (
                r#""~^(?<devrun_log_given>[0-9A-Za-z._:+/=@-]{1,128})\z""#,
                "$devrun_log_given",
            ),
        ],
    ),
    (
        "$devrun_log_time",
        r#""$msec $time_iso8601""#,
        &[
            ("default", "$time_iso8601"),
            (
                r#""~\.(?<devrun_log_ms>\d+) (?<devrun_log_until>.{19})(?<devrun_log_zone>.+)\z""#,
                r#""$devrun_log_until.$devrun_log_ms$devrun_log_zone""#,
            ),
        ],
    ),
    (
        "$devrun_log_path",
        "$request_uri",
        &[(r#""~^(?<devrun_log_asked>[^?]*)""#, "$devrun_log_asked")],
    ),
    (
        "$devrun_log_status",
        "$status",
        &[("default", "$status"), (r#""~^0""#, "0")],
    ),
    (
        "$devrun_log_state",
        r#""$devrun_service|$status|$upstream_addr""#,
        &[
            ("default", "$devrun_state"),
            (r#""~^\|""#, r#""""#),
            // Its client went away while whoever lets requests wait had it.
            (r#""~^[^|]+\|499\|(?:.* )?unix:[^ ]*\z""#, "held"),
        ],
    ),
    (
        "$devrun_log_upstream",
        "$upstream_addr",
        &[(
            r#""~(?:^| )(?<devrun_log_address>[0-9a-f.:\[\]]+:\d+)\z""#,
            "$devrun_log_address",
        )],
    ),
    (
        "$devrun_log_upstream_time",
        r#""$devrun_log_upstream|$upstream_response_time""#,
        &[
            ("default", "null"),
            (
                r#""~^[^|]+\|(?:.*[ ,])?(?<devrun_log_took>[0-9.]+)\z""#,
                "$devrun_log_took",
            ),
        ],
    ),
    // Whoever is asked about what waits is at a socket; before it may have been the service, which
    // took no connection, and before that again the socket, because of a large body.
    (
        "$devrun_log_held",
        r#""$upstream_addr|$upstream_response_time""#,
        &[
            ("default", "null"),
            (
                r#""~^unix:[^ |]+ : [^|]+ : unix:[^|]*\|[^:|]+ : [^:|]+ : (?<devrun_log_third>[0-9.]+)""#,
                "$devrun_log_third",
            ),
            (
                r#""~^unix:[^|]*\|(?<devrun_log_first>[0-9.]+)""#,
                "$devrun_log_first",
            ),
            (
                r#""~^[^|]+ : unix:[^|]*\|[^:|]+ : (?<devrun_log_second>[0-9.]+)""#,
                "$devrun_log_second",
            ),
        ],
    ),
];

/// What is told, and whether it is a text.
const FIELDS: [(&str, &str, bool); 15] = [
    ("time", "$devrun_log_time", true),
    ("id", "$devrun_id", true),
    ("method", "$request_method", true),
    ("scheme", "$scheme", true),
    ("host", "$http_host", true),
    ("path", "$devrun_log_path", true),
    ("status", "$devrun_log_status", false),
    ("bytes", "$body_bytes_sent", false),
    ("request_time", "$request_time", false),
    ("service", "$devrun_service", true),
    ("state", "$devrun_log_state", true),
    ("generation", "", false),
    ("upstream", "$devrun_log_upstream", true),
    ("upstream_time", "$devrun_log_upstream_time", false),
    ("held", "$devrun_log_held", false),
];

/// Whether the person's configuration says where requests are logged: in the block of the routes,
/// or around it.
pub(super) fn is_own(all: &[Directive<'_>], marker: &Directive<'_>) -> bool {
    let around = [marker.parent, http(all, marker)];
    all.iter()
        .any(|other| other.name() == "access_log" && around.contains(&other.parent))
}

/// The configuration with the format in it; `all` is of the text before the routes were put in,
/// which has the same beginning.
pub(super) fn declared(
    mut config: String,
    all: &[Directive<'_>],
    marker: &Directive<'_>,
    generation: u64,
) -> String {
    if let Some(http) = http(all, marker).and_then(|index| all.get(index)) {
        config.insert_str(http.end, &format(generation));
    }
    config
}

/// The block around the one of the routes.
fn http(all: &[Directive<'_>], marker: &Directive<'_>) -> Option<usize> {
    let server = all.get(marker.parent?)?;
    let around = server.parent?;
    (all.get(around)?.name() == "http").then_some(around)
}

fn format(generation: u64) -> String {
    let mut text = String::new();
    for (name, source, cases) in VARIABLES {
        let cases = cases
            .iter()
            .map(|(case, value)| format!("{case} {value}; "));
        text.push_str(&format!(
            " map {source} {name} {{ {}}}",
            cases.collect::<String>()
        ));
    }
    let fields = FIELDS.map(|(name, value, is_text)| match (name, is_text) {
        ("generation", _) => format!("\"{name}\":{generation}"),
        (_, true) => format!("\"{name}\":\"{value}\""),
        (_, false) => format!("\"{name}\":{value}"),
    });
    let fields = fields.join(",");
    text.push_str(&format!(" log_format devrun escape=json '{{{fields}}}';"));
    text
}

#[cfg(test)]
mod tests {
    use super::super::{explain, render, samples};

    const CONFIG: &str = "\
http {
    gzip on;
    server {
        include devrun-routes;
    }
}
";

    fn config(of: &str) -> String {
        let proxy = samples::proxy(None);
        let web = samples::service("web", 3000, 9, &["/*"]);
        render(
            &samples::stack(vec![web, proxy.clone()]),
            &proxy,
            of,
            7,
            None,
        )
        .unwrap()
    }

    #[test]
    fn no_line_of_the_person_has_another_number() {
        let config = config(CONFIG);
        let at = config.lines().position(|line| line.contains("gzip on;"));
        assert_eq!(at, Some(1));
        assert!(config.starts_with("http { map "));
        let output = "nginx: [emerg] no in /x:2";
        assert_eq!(
            explain(&config, "/x", output),
            ["nginx/nginx.conf:2: [emerg] no"]
        );
    }

    #[test]
    fn what_stands_behind_it_on_the_line_stays() {
        let config = config("http { server { include devrun-routes; } } # end");
        assert!(config.contains("'; server {"), "{config}");
        assert!(config.ends_with("} } # end"));
    }

    #[test]
    fn an_access_log_of_the_person_is_the_only_one() {
        let ours = |of: &str| config(of).contains("access_log /dev/stdout devrun;");
        assert!(ours(CONFIG));
        assert!(!ours(&CONFIG.replace("gzip on;", "access_log off;")));
        let in_server = CONFIG.replace("include", "access_log /x devrun;\n        include");
        assert!(!ours(&in_server));
        let elsewhere = CONFIG.replace("gzip on;", "server { access_log off; }");
        assert!(ours(&elsewhere));
    }

    #[test]
    fn the_format_says_which_configuration_was_at_work() {
        assert!(config(CONFIG).contains(r#""generation":7,"#));
    }
}
