//! A backend that records what it is asked, and a neighbour whose connections have no end.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::kit::{Answer, Scratch, Session, docker, free_port, patience};

pub const BACKEND: &str = r#"import http.server
import os
import time

WORD = "one"
SLOW = 0


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        length = int(self.headers.get("Content-Length", 0))
        if len(self.rfile.read(length)) != length:
            return
        if self.path == "/api/die":
            os._exit(1)
        if "id=" in self.path:
            number = self.path.rpartition("=")[2]
            log = os.open("/records/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(log, f"{self.command} {number} {length}\n".encode())
            os.close(log)
            time.sleep(0.01)
        self.say(WORD)

    def say(self, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128


time.sleep(SLOW)
Server(("", 8000), Handler).serve_forever()
"#;

const NEIGHBOUR: &str = r#"import http.server
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.headers.get("Upgrade"):
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            while data := self.rfile.read1(4096):
                self.wfile.write(data)
        else:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            while True:
                self.wfile.write(b"data: tick\n\n")
                time.sleep(0.2)


http.server.ThreadingHTTPServer(("", 9000), Handler).serve_forever()
"#;

const NGINX: &str = "\
user nginx;
events {}
http {
    access_log off;
    server {
        listen 80;
        include devrun-routes;
    }
}
";

pub fn app(test: &str) -> Scratch {
    app_with(test, "")
}

/// The same with more words in its backend.
pub fn app_with(test: &str, more: &str) -> Scratch {
    let port = free_port();
    let stackfile = format!(
        "stack app
volume records
service backend {{
    build \"backend\"
    volume records to=\"/records\"
    route \"/api/*\" port=8000
    update hold=\"60s\"
    healthcheck http=\"http://localhost:8000/health\"
    restart always
    {more}
    sync to=\"/app\" {{
        on \"*.py\" {{ restart }}
        on \"extra.txt\" {{ rebuild }}
    }}
}}
service neighbour {{
    image \"python:3.13-slim\"
    init #true
    bind \"neighbour.py\" to=\"/neighbour.py\"
    command \"python\" \"/neighbour.py\"
    route \"/*\" port=9000
}}
proxy entry {{
    image \"nginx:1.26\"
    config \"nginx.conf\"
    depends-on backend neighbour
    port {port} to=80
}}
"
    );
    let mut stack = Scratch::new(
        test,
        &[
            ("Stackfile.kdl", stackfile.as_str()),
            ("nginx.conf", NGINX),
            (
                "backend/Dockerfile",
                "FROM python:3.13-slim\nCOPY . /app\nCOPY extra.txt /image\nCMD [\"python\", \"/app/main.py\"]\n",
            ),
            ("backend/main.py", BACKEND),
            ("backend/extra.txt", "first"),
            ("neighbour.py", NEIGHBOUR),
        ],
    );
    stack
        .environment
        .push(("PORT".to_owned(), port.to_string()));
    stack
}

/// The same, whose containers start beside each other. `extra.txt` says how: `slow`, `never`.
pub fn rolling(test: &str) -> Scratch {
    let stack = app(test);
    stack.edit("Stackfile.kdl", "update hold", "update roll hold");
    stack.edit(
        "Stackfile.kdl",
        "volume records\n",
        "volume records shared=#true\n",
    );
    stack.edit("backend/main.py", "time.sleep(SLOW)", ROLLS);
    let answers = "if self.path == \"/api/die\":";
    stack.edit(
        "backend/main.py",
        answers,
        &format!("{VERSION}        {answers}"),
    );
    stack
}

/// What is synced is another question than what is in the image.
const ROLLS: &str = r#"with open("/image") as image:
    IMAGE = image.read()
if IMAGE == "never":
    raise SystemExit("no such <b>table</b>")
time.sleep(4 if IMAGE == "slow" else SLOW)"#;

const VERSION: &str = r#"if self.path == "/api/version":
            return self.say(IMAGE)
"#;

pub fn up(stack: &Scratch) -> Session {
    let mut session = stack.up(&[]);
    session.ready();
    session
}

pub fn port(stack: &Scratch) -> u16 {
    stack.environment[0].1.parse().unwrap()
}

pub fn url(stack: &Scratch) -> String {
    format!("http://localhost:{}/", port(stack))
}

/// What devrun says of its own in a head: `service`, `state`.
pub fn headers(answer: &Answer, name: &str) -> String {
    let name = format!("x-devrun-{name}");
    let mut lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(&name));
    found.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// How often the backend has recorded each request.
pub fn recorded(stack: &Scratch, backend: &str) -> BTreeMap<String, u32> {
    let log = docker(&["exec", &stack.container(backend), "cat", "/records/log"]).out;
    let mut counts = BTreeMap::new();
    for line in log.lines() {
        *counts.entry(line.to_owned()).or_default() += 1;
    }
    counts
}

/// A connection to the neighbour that stays.
pub struct Open(TcpStream);

impl Open {
    fn ask(stack: &Scratch, more: &str) -> Open {
        let mut stream = TcpStream::connect(("127.0.0.1", port(stack))).unwrap();
        stream.set_read_timeout(Some(patience(30))).unwrap();
        let head = format!("GET /open HTTP/1.1\r\nHost: localhost\r\n{more}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        Open(stream)
    }

    pub fn socket(stack: &Scratch) -> Open {
        let mut open = Open::ask(stack, "Connection: Upgrade\r\nUpgrade: websocket");
        open.until("\r\n\r\n");
        open
    }

    pub fn events(stack: &Scratch) -> Open {
        let mut open = Open::ask(stack, "Accept: text/event-stream");
        open.until("tick");
        open
    }

    fn until(&mut self, wanted: &str) {
        let mut got = String::new();
        let mut buffer = [0; 4096];
        while !got.contains(wanted) {
            let count = self.0.read(&mut buffer).unwrap();
            assert!(count > 0, "ended without {wanted:?}: {got}");
            got.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }

    pub fn echoes(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
        self.until(text);
    }

    /// More comes than was on its way.
    pub fn goes_on(&mut self) {
        let mut buffer = vec![0; 1 << 20];
        let _ = self.0.read(&mut buffer).unwrap();
        for _ in 0..3 {
            self.until("tick");
        }
    }
}
