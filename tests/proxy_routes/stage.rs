//! A network with nginx as the stack's proxy, and what stands behind it; all of it goes away with
//! the [`Stage`].

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use devrun_core::effect::{PutFile, RouteState};
use devrun_core::routes::{self, CONFIG_PATH, Change};
use devrun_stack::{Host, Options, PathKind, Stack};

pub(crate) const STACKFILE: &str = r#"
stack routed
service backend {
    image "python:3.13-slim"
    route "/api/*" port=8000
}
service frontend {
    image "python:3.13-slim"
    route "/*" "/ws" port=5173
}
service nowhere {
    image "python:3.13-slim"
    route "/nowhere/*" port=9000
}
proxy proxy {
    image "nginx:1.26"
    config "nginx.conf"
    health "/health"
    port 8080 to=80
}
"#;

const NGINX_CONF: &str = "\
user nginx;
worker_shutdown_timeout 1s;
events {}
http {
    access_log off;
    server {
        listen 80;
        include devrun-routes;
    }
}
";

const BACKEND: &str = include_str!("backend.py");
const PATIENCE: Duration = Duration::from_secs(30);

/// nginx, its network, and its neighbours.
pub(crate) struct Stage {
    name: String,
    containers: Vec<String>,
    /// Where nginx is published on this host.
    pub(crate) port: u16,
    /// The same, its port for TLS.
    pub(crate) secure: u16,
}

/// What else nginx has, and which one it is.
pub(crate) struct More {
    pub(crate) files: Vec<PutFile>,
    pub(crate) version: Option<&'static str>,
    /// The person's own configuration.
    pub(crate) nginx_conf: String,
}

impl Default for More {
    fn default() -> More {
        More {
            files: Vec::new(),
            version: None,
            nginx_conf: NGINX_CONF.to_owned(),
        }
    }
}

impl Stage {
    /// Starts nginx with these states, and waits until it answers.
    pub(crate) fn set(test: &str, states: &[RouteState]) -> Stage {
        Stage::of(test, states, STACKFILE)
    }

    /// The same for another stack.
    pub(crate) fn of(test: &str, states: &[RouteState], stackfile: &str) -> Stage {
        Stage::with(test, states, stackfile, More::default())
    }

    /// The same for a person's own configuration of nginx.
    pub(crate) fn configured(
        test: &str,
        states: &[RouteState],
        stackfile: &str,
        nginx_conf: &str,
    ) -> Stage {
        let more = More {
            nginx_conf: nginx_conf.to_owned(),
            ..More::default()
        };
        Stage::with(test, states, stackfile, more)
    }

    /// The same with more in its container.
    pub(crate) fn with(test: &str, states: &[RouteState], stackfile: &str, more: More) -> Stage {
        let mut stage = Stage {
            name: format!("devrun-routes-{}-{test}", std::process::id()),
            containers: Vec::new(),
            port: 0,
            secure: 0,
        };
        docker(&["network", "create", &stage.name]);
        let proxy = format!("{}-proxy", stage.name);
        stage.containers.push(proxy.clone());
        docker(&[
            "create",
            "--name",
            &proxy,
            "--network",
            &stage.name,
            "-p",
            "127.0.0.1::80",
            "-p",
            "127.0.0.1::443",
            "nginx:1.26",
        ]);
        let mut files = routes::state_files(states);
        files.push(PutFile::text(
            CONFIG_PATH.into(),
            configuration(stackfile, &more.nginx_conf, 7, more.version),
        ));
        files.extend(more.files);
        let root = std::env::temp_dir().join(&stage.name);
        for file in &files {
            let path = root.join(file.path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &file.content.0).unwrap();
        }
        docker(&[
            "cp",
            &format!("{}/.", root.display()),
            &format!("{proxy}:/"),
        ]);
        fs::remove_dir_all(root).unwrap();
        docker(&["start", &proxy]);
        stage.port = published(&proxy, "80/tcp");
        stage.secure = published(&proxy, "443/tcp");
        until("nginx answers", || stage.try_get("/health").is_some());
        stage
    }

    /// Starts a container behind the names; it tells what it was asked.
    pub(crate) fn neighbour(&mut self, name: &str, aliases: &[&str], ports: &[&str]) -> String {
        let container = format!("{}-{name}", self.name);
        self.containers.push(container.clone());
        let mut words = vec!["run", "-d", "--init", "--name", &container];
        words.extend(["--network", &self.name, "--hostname", name]);
        for alias in aliases {
            words.extend(["--network-alias", alias]);
        }
        words.extend(["python:3.13-slim", "python", "-c", BACKEND]);
        words.extend(ports);
        docker(&words);
        until("the neighbour listens", || {
            docker(&["logs", &container]).contains("listening")
        });
        container
    }

    /// nginx's container.
    pub(crate) fn proxy(&self) -> &str {
        &self.containers[0]
    }

    /// Connections of nginx to the socket of this name.
    pub(crate) fn connections(&self, socket: &str) -> usize {
        let table = self.inside("cat /proc/net/unix");
        // Flags 0 and state 3: an end of a connection; the listening one has others.
        let ends = table
            .lines()
            .filter(|line| line.ends_with(socket) && line.split_whitespace().nth(5) == Some("03"));
        ends.count()
    }

    /// Begins to listen at one more port.
    pub(crate) fn listen(&self, container: &str, port: &str) {
        docker(&["exec", "-d", container, "python", "-c", BACKEND, port]);
    }

    /// Starts one again that has ended, or is about to.
    pub(crate) fn start(&self, container: &str) {
        until("the engine knows its end", || !self.runs(container));
        let before = docker(&["logs", container]).matches("listening").count();
        docker(&["start", container]);
        until("the neighbour listens again", || {
            docker(&["logs", container]).matches("listening").count() > before
        });
    }

    fn runs(&self, container: &str) -> bool {
        docker(&["inspect", "--format", "{{.State.Running}}", container]).trim() == "true"
    }

    /// Where it is on the network.
    pub(crate) fn address(&self, container: &str) -> String {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        docker(&["inspect", "--format", format, container])
    }

    /// Removes one at once.
    pub(crate) fn remove(&mut self, container: &str) {
        docker(&["rm", "-f", container]);
        self.containers.retain(|other| other != container);
    }

    /// Runs a command in nginx's container.
    pub(crate) fn inside(&self, line: &str) -> String {
        docker(&["exec", &self.containers[0], "sh", "-c", line])
    }

    /// What nginx says of the configuration of a stack, as devrun tells it.
    pub(crate) fn said_of(&self, stackfile: &str) -> Vec<String> {
        let config = configuration(stackfile, NGINX_CONF, 8, None);
        let path = "/etc/nginx/next.conf";
        let line = format!("cat >{path}; nginx -t -q -c {path} 2>&1 || true");
        let words = ["exec", "-i", &self.containers[0], "sh", "-c", &line];
        let output = docker_with(&words, config.as_bytes());
        routes::explain(&config, path, &output)
    }

    /// Tells nginx what has changed, as devrun does.
    pub(crate) fn tell(&self, before: &[RouteState], now: &[RouteState]) {
        for change in routes::state_changes(before, now).into_iter().flatten() {
            match change {
                Change::Remove(path) => drop(self.inside(&format!("rm -f {path}"))),
                Change::Write(file) => {
                    let path = &file.path;
                    let line = format!(
                        "mkdir -p $(dirname {path}); cat >{path}.new; mv {path}.new {path}"
                    );
                    let words = ["exec", "-i", &self.containers[0], "sh", "-c", &line];
                    docker_with(&words, &file.content.0);
                }
            }
        }
    }

    /// Sends a request as it is and opens the connection for more.
    pub(crate) fn open(&self, request: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request).unwrap();
        stream
    }

    /// A request of these lines and this body, and its whole answer.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|line| line.starts_with("Host:")) {
            head.push_str(&format!("Host: localhost:{}\r\n", self.port));
        }
        for line in headers {
            head.push_str(&format!("{line}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut stream = self.open(head.as_bytes());
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        Answer::read(&answer)
    }

    /// The answer to a program that only wants a path.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    fn try_get(&self, path: &str) -> Option<Answer> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        (!answer.is_empty()).then(|| Answer::read(&answer))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let mut words = vec!["rm", "-f", "-v"];
        words.extend(self.containers.iter().map(String::as_str));
        let _ = run(&words, b"");
        let _ = run(&["network", "rm", &self.name], b"");
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// From the bytes of a whole one.
    pub(crate) fn read(bytes: &[u8]) -> Answer {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// A header of the answer; empty where it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A service's state, for nginx.
pub(crate) fn state(service: &str, state: &'static str) -> RouteState {
    RouteState {
        service: service.into(),
        ready: state == "ready",
        state,
        reason: format!("because it is {state}"),
        lines: Vec::new(),
        hold: Duration::ZERO,
        containers: Vec::new(),
        doubled: false,
    }
}

fn published(container: &str, port: &str) -> u16 {
    let published = docker(&["port", container, port]);
    let (_, number) = published.trim().rsplit_once(':').unwrap();
    number.parse().unwrap()
}

fn configuration(
    stackfile: &str,
    nginx_conf: &str,
    generation: u64,
    version: Option<&str>,
) -> String {
    let stack = stack(stackfile);
    let proxy = stack.service("proxy").unwrap();
    routes::render(&stack, proxy, nginx_conf, generation, version).unwrap()
}

fn stack(stackfile: &str) -> Stack {
    struct Nothing;
    impl Host for Nothing {
        fn read(&self, _: &Path) -> std::io::Result<String> {
            Err(std::io::ErrorKind::NotFound.into())
        }
        fn kind(&self, _: &Path) -> Option<PathKind> {
            Some(PathKind::File)
        }
    }
    let options = Options {
        file: PathBuf::from("/routed/Stackfile.kdl"),
        shown: "Stackfile.kdl".into(),
        text: stackfile.into(),
        ..Options::default()
    };
    devrun_stack::load(&options, &Nothing).stack.unwrap()
}

/// Waits for something that nobody announces.
#[expect(
    clippy::disallowed_methods,
    reason = "neither nginx nor python announces that it listens"
)]
pub(crate) fn until(what: &str, mut come: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !come() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) fn docker(words: &[&str]) -> String {
    docker_with(words, b"")
}

fn docker_with(words: &[&str], input: &[u8]) -> String {
    let (well, output) = run(words, input);
    assert!(well, "docker {words:?}: {output}");
    output
}

fn run(words: &[&str], input: &[u8]) -> (bool, String) {
    let mut child = Command::new("docker")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the docker command line is needed");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = if output.status.success() {
        output.stdout
    } else {
        output.stderr
    };
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}
