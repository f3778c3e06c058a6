//! What nginx does with the routes: the configuration that devrun makes, in a real nginx, between
//! a client of this process and small services behind it.

#[cfg(test)]
mod agent;
#[cfg(test)]
mod chosen;
#[cfg(test)]
mod guarded;
#[cfg(test)]
mod held;
#[cfg(test)]
mod logged;
#[cfg(test)]
mod passed;
#[cfg(test)]
mod secure;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod smuggled;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod traps;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::stage::{Stage, state, until};

    const ALL_READY: [&str; 2] = ["backend", "frontend"];

    fn ready_stage(test: &str) -> Stage {
        let states = ALL_READY.map(|service| state(service, "ready"));
        let mut stage = Stage::set(test, &states);
        stage.neighbour("both", &ALL_READY, &["8000", "5173"]);
        stage
    }

    pub(crate) fn read_until(stream: &mut impl Read, wanted: &str) -> String {
        let mut got = String::new();
        let mut buffer = [0; 4096];
        while !got.contains(wanted) {
            let count = stream.read(&mut buffer).unwrap();
            assert!(count > 0, "ended without {wanted:?}: {got}");
            got.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        got
    }

    #[test]
    fn requests_reach_their_service_as_they_were_sent() {
        let stage = ready_stage("sent");
        let told = stage
            .ask(
                "GET",
                "/api/a%2Fb//c?q=%20",
                &[
                    "Host: example.test:8080",
                    "Proxy: http://evil",
                    "X-Forwarded-For: 203.0.113.9",
                    "X-Forwarded-Port: 1",
                    "Upgrade: h2c",
                ],
                b"",
            )
            .json();
        assert_eq!(told["path"], "/api/a%2Fb//c?q=%20");
        assert_eq!(told["port"], 8000);
        let headers = &told["headers"];
        assert_eq!(headers["host"], "example.test:8080");
        assert_eq!(headers["x-forwarded-host"], "example.test:8080");
        assert_eq!(headers["x-forwarded-port"], "8080");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["connection"], "close");
        let client = headers["x-real-ip"].as_str().unwrap();
        assert_eq!(headers["x-forwarded-for"], format!("203.0.113.9, {client}"));
        assert_eq!(headers["proxy"], serde_json::Value::Null);
        assert_eq!(headers["upgrade"], serde_json::Value::Null);

        let port = |path: &str, host: &str| {
            let told = stage.ask("GET", path, &[host], b"").json();
            (
                told["port"].clone(),
                told["headers"]["x-forwarded-port"].clone(),
            )
        };
        assert_eq!(port("/", "Host: localhost"), (5173.into(), "80".into()));
        assert_eq!(port("/ws", "Host: [::1]:81"), (5173.into(), "81".into()));
        assert_eq!(port("/apix", "Host: a"), (5173.into(), "80".into()));
        assert_eq!(port("/api", "Host: a"), (8000.into(), "80".into()));
    }

    #[test]
    fn bodies_of_any_size_arrive_and_the_applications_errors_are_its_own() {
        let stage = ready_stage("bodies");
        let told = stage
            .ask("POST", "/api/upload", &[], &vec![b'x'; 50 << 20])
            .json();
        assert_eq!(
            (&told["method"], &told["size"]),
            (&"POST".into(), &(50 << 20).into())
        );
        for status in [404, 500, 502, 503] {
            let answer = stage.ask(
                "GET",
                &format!("/api/status/{status}"),
                &["Accept: text/html"],
                b"",
            );
            assert_eq!(answer.status, status);
            assert_eq!(answer.body, "the application's own words");
        }
    }

    #[test]
    fn a_service_that_is_not_ready_is_waited_for_and_switched_on_without_a_reload() {
        let before = [state("backend", "starting"), state("frontend", "ready")];
        let mut stage = Stage::set("switch", &before);
        stage.neighbour("both", &ALL_READY, &["8000", "5173"]);

        let page = stage.ask("GET", "/api/x", &["Accept: text/html,*/*;q=0.8"], b"");
        assert_eq!(page.status, 503);
        assert!(page.header("Content-Type").starts_with("text/html"));
        assert!(page.body.contains("because it is starting"));
        for (method, body) in [
            ("GET", ""),
            ("POST", "a=b"),
            ("DELETE", ""),
            ("OPTIONS", ""),
        ] {
            let answer = stage.ask(method, "/api/x?y", &[], body.as_bytes());
            assert_eq!(answer.status, 503, "{method}");
            assert_eq!(answer.header("Content-Type"), "application/json");
            assert_eq!(answer.header("X-Devrun-Service"), "backend");
            assert_eq!(answer.header("X-Devrun-State"), "starting");
            assert_eq!(answer.header("Retry-After"), "1");
            assert_eq!(answer.header("Cache-Control"), "no-store");
            assert_eq!(answer.json()["state"], "starting");
            assert_eq!(answer.json()["reason"], "because it is starting");
        }
        assert_eq!(stage.get("/").status, 200);
        assert_eq!(stage.get("/health").body, "ok\n");

        let now = [state("backend", "ready"), state("frontend", "ready")];
        stage.tell(&before, &now);
        assert_eq!(stage.get("/api/x").json()["port"], 8000);

        let later = [state("backend", "failed"), state("frontend", "ready")];
        stage.tell(&now, &later);
        let answer = stage.get("/api/x");
        assert_eq!(
            (answer.status, answer.header("X-Devrun-State")),
            (503, "failed")
        );
    }

    #[test]
    fn a_ready_service_that_cannot_be_reached_is_503_with_what_is_known_of_it() {
        let states = ["backend", "frontend", "nowhere"].map(|service| state(service, "ready"));
        let mut stage = Stage::set("gone", &states);
        stage.neighbour("refuses", &["backend"], &["1234"]);
        for path in ["/nowhere/x", "/api/x"] {
            let answer = stage.ask("POST", path, &[], b"a=b");
            assert_eq!(answer.status, 503, "{path}");
            assert_eq!(answer.header("X-Devrun-State"), "unreachable");
        }
        stage.inside("rm -r /run/devrun/wait /run/devrun/ready");
        let answer = stage.get("/api/x");
        assert_eq!(answer.status, 503);
        assert_eq!(answer.json()["error"], "backend is not ready");
    }

    #[test]
    fn a_recreated_backend_at_another_address_is_followed() {
        let mut stage = Stage::set("again", &[state("backend", "ready")]);
        let first = stage.neighbour("first", &["backend"], &["8000"]);
        assert_eq!(stage.get("/api/x").json()["host"], "first");
        let old_address = stage.address(&first);
        stage.remove(&first);
        stage.neighbour("squatter", &["other"], &["1234"]);
        let second = stage.neighbour("second", &["backend"], &["8000"]);
        assert_ne!(stage.address(&second), old_address);
        until("the second one is followed", || {
            let answer = stage.get("/api/x");
            answer.status == 200 && answer.json()["host"] == "second"
        });
    }

    #[test]
    fn websockets_pass_both_ways_and_events_come_one_by_one() {
        let stage = ready_stage("upgrade");
        let mut stream = stage.open(
            b"GET /ws?token=x HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\n\
              Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: vite-hmr\r\n\r\n",
        );
        let head = read_until(&mut stream, "\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        assert!(head.contains("vite-hmr"), "{head}");
        for (sent, wanted) in [(&b"one"[..], "ONE"), (b"two", "TWO")] {
            stream.write_all(sent).unwrap();
            read_until(&mut stream, wanted);
        }
        let mut stream = stage.open(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        read_until(&mut stream, "data: first");
    }

    #[test]
    fn the_generation_is_told_inside_only() {
        let stage = Stage::set("number", &[]);
        let url = "http://127.0.0.1/.devrun/generation";
        assert_eq!(
            stage.inside(&format!("wget -qO- {url} || curl -s {url}")),
            "7"
        );
        assert_eq!(stage.get("/.devrun/generation").status, 404);
        assert_eq!(stage.get("/.devrun/wait").status, 404);
    }
}
