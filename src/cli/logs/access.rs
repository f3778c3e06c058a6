//! A line of the proxy's access log, as a person reads it.

use serde::Deserialize;

use crate::report::{amount, seconds};

/// What a client that went away before its answer is given by nginx.
const WENT_AWAY: u16 = 499;

/// A request, as nginx tells it in the format that devrun gives it.
#[derive(Debug, Deserialize)]
struct Request {
    method: String,
    #[serde(default)]
    scheme: String,
    host: String,
    path: String,
    status: u16,
    bytes: u64,
    request_time: f64,
    service: String,
    state: String,
    held: Option<f64>,
    /// Not shown, but no line of another format has it.
    #[serde(rename = "generation")]
    _generation: u64,
}

/// The line for people: `200 GET localhost/api/items → backend, 12 ms, 4.1K`. `None` where it is no
/// such line.
pub(super) fn readable(line: &str) -> Option<String> {
    let request: Request = serde_json::from_str(line).ok()?;
    Some(request.told())
}

/// The same as an object, for programs.
pub(super) fn object(line: &str) -> Option<serde_json::Value> {
    let _: Request = serde_json::from_str(line).ok()?;
    serde_json::from_str(line).ok()
}

impl Request {
    fn told(&self) -> String {
        let (method, status) = (plain(&self.method), self.status);
        let (host, path) = (plain(&self.host), plain(&self.path));
        let secure = if self.scheme == "https" {
            "https://"
        } else {
            ""
        };
        let mut text = match method.as_str() {
            // It was refused before it was read.
            "" => format!("{status} what is no request"),
            method => format!("{status} {method} {secure}{host}{path}"),
        };
        if !self.service.is_empty() {
            text.push_str(&format!(" → {}", plain(&self.service)));
        }
        // How long it was held is said below.
        if !matches!(self.state.as_str(), "" | "ready" | "held") {
            text.push_str(&format!(", which is {}", plain(&self.state)));
        }
        text.push_str(&format!(", {}", seconds(self.request_time * 1000.0)));
        if let Some(held) = self.held.filter(|held| *held > 0.0) {
            text.push_str(&format!(" ({} held)", seconds(held * 1000.0)));
        }
        if self.status == WENT_AWAY {
            text.push_str(", its client went away");
        }
        if self.bytes > 0 {
            text.push_str(&format!(", {}", amount::size(self.bytes)));
        }
        text
    }
}

/// Whatever a client sent, a terminal is given nothing to obey.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_control() {
            true => safe.extend(letter.escape_default()),
            false => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(more: &str) -> String {
        format!(
            r#"{{"time":"2025-01-31T12:00:00.123+00:00","id":"7","method":"GET","host":"localhost","path":"/api/x","generation":7,"upstream":"","upstream_time":null,{more}}}"#
        )
    }

    #[test]
    fn a_request_is_told_in_one_line() {
        let told = |more| readable(&line(more)).unwrap();
        insta::assert_snapshot!(
            [
                told(r#""status":200,"bytes":4200,"request_time":0.012,"service":"backend","state":"ready","held":null"#),
                told(r#""status":200,"bytes":12,"request_time":1.310,"service":"backend","state":"ready","held":1.2"#),
                told(r#""status":503,"bytes":300,"request_time":0.000,"service":"backend","state":"failed","held":0.000"#),
                told(r#""status":499,"bytes":0,"request_time":3.000,"service":"backend","state":"held","held":3.0"#),
                told(r#""scheme":"https","status":200,"bytes":12,"request_time":0.012,"service":"backend","state":"ready","held":null"#),
                told(r#""scheme":"http","status":200,"bytes":12,"request_time":0.012,"service":"backend","state":"ready","held":null"#),
                told(r#""status":404,"bytes":153,"request_time":0.000,"service":"","state":"","held":null"#),
            ]
            .join("\n"),
            @r"
        200 GET localhost/api/x → backend, 12 ms, 4.1K
        200 GET localhost/api/x → backend, 1.3 s (1.2 s held), 12
        503 GET localhost/api/x → backend, which is failed, 0 ms, 300
        499 GET localhost/api/x → backend, 3.0 s (3.0 s held), its client went away
        200 GET https://localhost/api/x → backend, 12 ms, 12
        200 GET localhost/api/x → backend, 12 ms, 12
        404 GET localhost/api/x, 0 ms, 153
        "
        );
    }

    #[test]
    fn what_a_client_sends_moves_no_cursor() {
        let evil = line(
            r#""status":200,"bytes":0,"request_time":0.0,"service":"","state":"","held":null"#,
        )
        .replace("/api/x", r"/\u001b[2J\u0007");
        assert_eq!(
            readable(&evil).unwrap(),
            r"200 GET localhost/\u{1b}[2J\u{7}, 0 ms"
        );
    }

    #[test]
    fn other_lines_are_left_alone() {
        for other in [
            "",
            "127.0.0.1 - - [31/Jan/2025:12:00:00 +0000] \"GET / HTTP/1.1\" 200 1",
            r#"{"time":"2025-01-31T12:00:00Z","status":200}"#,
            "{",
        ] {
            assert_eq!(readable(other), None, "{other}");
            assert_eq!(object(other), None, "{other}");
        }
    }
}
