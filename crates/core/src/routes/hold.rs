//! What becomes of a request that cannot be passed on, or not at once. nginx keeps it, body and all,
//! and asks the agent in its container, which answers with the name of the location that goes on.

use std::fmt::Write;

use super::HOLD_SOCKET;
use super::generate::{ALONE_PATH, WAIT_PATH};
use super::location::scheme;
use super::of_route::Extra;

/// What the agent is told of a request. Nothing else of it goes there.
const TOLD: [(&str, &str); 10] = [
    ("Devrun-Service", "$devrun_service"),
    ("Devrun-Port", "$devrun_inside"),
    ("Devrun-Way", "$devrun_way"),
    ("Devrun-Method", "$request_method"),
    ("Devrun-Accept", "$http_accept"),
    ("Devrun-Mode", "$http_sec_fetch_mode"),
    ("Devrun-Connect", "$upstream_connect_time"),
    ("Devrun-Status", "$upstream_status"),
    ("Devrun-Tries", "$devrun_tries"),
    ("Devrun-Route", "$devrun_route"),
];

/// What says that a request may have had its effect.
const LOST: &str = "{\"error\":\"$devrun_service went away while it had this request, which is not \
                    sent again\",\"service\":\"$devrun_service\",\"state\":\"lost\"}\\n";

/// The same of one that took too long.
const LATE: &str = "{\"error\":\"$devrun_service gave no answer in time\",\"service\":\"$devrun_service\",\"state\":\"late\"}\\n";

/// The locations of a request's way, shared by all routes that have none of their own: each has said
/// which service it is for.
pub(super) fn locations(extra: &Extra) -> String {
    let suffix = &extra.suffix;
    let mut text = String::new();
    text.push_str(&ask(
        &format!("hold{suffix}"),
        "It waits until its service takes it.",
        "set $devrun_tries \"${devrun_tries}i\";",
        "error_page 502 504 = @devrun-nobody;",
        extra,
    ));
    text.push_str(&ask(
        &format!("admit{suffix}"),
        "Its body has taken time: whether its service takes it is asked anew.",
        "",
        &format!("error_page 502 504 = @devrun-direct{suffix};"),
        extra,
    ));
    let again = &format!("error_page 502 504 = @devrun-hold{suffix};");
    let scheme = scheme(extra.secure);
    let to = &format!("set $devrun_upstream {scheme}://$upstream_http_x_devrun_to$devrun_path;");
    let stays = "proxy_socket_keepalive on;";
    let pass = "proxy_pass $devrun_upstream;";
    for (name, comment, lines_of) in [
        (
            "live",
            "To where its service is by now.",
            [to, "", pass, again],
        ),
        (
            "live-open",
            "The same, and it has no end.",
            [to, stays, pass, again],
        ),
        (
            "open",
            "Nobody waits for its end: the kernel is asked to keep it alive, which marks it.",
            ["", stays, pass, again],
        ),
        (
            "last",
            "nginx is about to reload, which ends connections that wait for their next request.",
            ["", "keepalive_timeout 0;", pass, again],
        ),
        (
            "direct",
            "Nobody is there to be asked.",
            ["", "", pass, "error_page 502 504 = @devrun-alone;"],
        ),
    ] {
        let lines = extra.passed_on(1);
        text.push_str(&named(
            &format!("{name}{suffix}"),
            comment,
            &lines_of,
            &lines,
        ));
    }
    text
}

/// In nginx's lists, behind what a service was asked: that the agent was, and did not answer.
const OURS: &str = " : [^:|]*";

/// The locations in which requests end that nobody takes.
pub(super) fn last() -> String {
    let waited = [
        "return 503;".to_owned(),
        format!("error_page 503 =503 {WAIT_PATH};"),
    ];
    let mut text = String::new();
    for (name, comment, lines) in [
        ("wait", "It has waited long enough.", waited.to_vec()),
        (
            "lost",
            "Its service may have got it, and it must not get it twice.",
            says("lost", 502, LOST),
        ),
        (
            "late",
            "Its service has got it, and gave no answer in time.",
            says("late", 504, LATE),
        ),
        (
            "nobody",
            "Nobody could be asked: the try before that says what became of it.",
            by_itself(OURS, ALONE_PATH),
        ),
        (
            "alone",
            "Nobody was there to be asked.",
            by_itself("", ALONE_PATH),
        ),
        ("spent", "Its body was not kept.", by_itself("", WAIT_PATH)),
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        text.push_str(&named(name, comment, &lines, ""));
    }
    text
}

/// What the agent would say of a request that is not to wait, by the last try of its service, which
/// is the last in nginx's lists but for what is `behind` it: late, lost, or with nobody, which is
/// `page`. There was a connection where a time stands.
fn by_itself(behind: &str, page: &str) -> Vec<String> {
    let had_it = format!(r"\d[^:|]*{behind}\|");
    vec![
        "set $devrun_tried \"$upstream_connect_time|$upstream_status|$request_method\";".to_owned(),
        format!("if ($devrun_tried ~ \"{had_it}.*504{behind}\\|\") {{ return 504; }}"),
        format!(
            "if ($devrun_tried ~ \"{had_it}.*\\|(?!(?:GET|HEAD|OPTIONS)\\z)\") {{ return 502; }}"
        ),
        "return 503;".to_owned(),
        "error_page 504 = @devrun-late;".to_owned(),
        "error_page 502 = @devrun-lost;".to_owned(),
        format!("error_page 503 =503 {page};"),
    ]
}

fn says(state: &str, status: u16, answer: &str) -> Vec<String> {
    vec![
        format!("set $devrun_state {state};"),
        "default_type application/json;".to_owned(),
        "add_header X-Devrun-Service $devrun_service always;".to_owned(),
        "add_header X-Devrun-State $devrun_state always;".to_owned(),
        format!("if ($devrun_stranger) {{ return {status}; }}"),
        format!("return {status} '{answer}';"),
    ]
}

/// `more` is what its route tells nginx, in lines.
fn named(name: &str, comment: &str, lines: &[&str], more: &str) -> String {
    let mut text =
        format!("\n# {comment}\nlocation @devrun-{name} {{\n    recursive_error_pages on;\n");
    for line in lines.iter().filter(|line| !line.is_empty()) {
        let _ = writeln!(text, "    {line}");
    }
    text.push_str(more);
    text.push_str("}\n");
    text
}

/// The agent holds its answer back as long as the request is to wait.
fn ask(name: &str, comment: &str, first: &str, failed: &str, extra: &Extra) -> String {
    let mut lines = vec![
        first.to_owned(),
        "proxy_method GET;".to_owned(),
        "proxy_http_version 1.0;".to_owned(),
        "proxy_pass_request_headers off;".to_owned(),
        "proxy_pass_request_body off;".to_owned(),
        "proxy_request_buffering on;".to_owned(),
        "proxy_ignore_client_abort off;".to_owned(),
        "proxy_ignore_headers X-Accel-Expires;".to_owned(),
        "proxy_connect_timeout 3s;".to_owned(),
        "proxy_read_timeout 1d;".to_owned(),
    ];
    lines.extend(TOLD.map(|(header, value)| format!("proxy_set_header {header} {value};")));
    lines.extend(extra.read().map(str::to_owned));
    lines.push("proxy_set_header Content-Length \"\";".to_owned());
    lines.push(failed.to_owned());
    lines.push(format!("proxy_pass http://unix:{HOLD_SOCKET};"));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    named(name, comment, &lines, "")
}
