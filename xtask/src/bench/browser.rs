//! A real browser, driven by the WebDriver protocol. Both programs end when it is dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Error, side};

/// What a browser of a bench does not need.
const ARGUMENTS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];
/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// One window.
#[derive(Debug)]
pub(super) struct Browser {
    driver: Child,
    port: u16,
    session: String,
}

impl Browser {
    /// One that has never been anywhere; what it keeps is below that folder.
    pub(super) fn open(folder: &Path) -> Result<Self, Error> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed(&format!("chromedriver: {error}")))?;
        let output = driver.stdout.take();
        let mut browser = Self {
            driver,
            port: 0,
            session: String::new(),
        };
        let mut said = BufReader::new(output.ok_or_else(|| failed("chromedriver is silent"))?);
        browser.port = port(&mut said)?;
        // Read on, so that it can never be blocked by what it says.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let profile = format!("--user-data-dir={}", folder.join("profile").display());
        let arguments: Vec<&str> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
        }}});
        let session = browser.send("POST", "/session", &wanted)?;
        browser.session = session["sessionId"].as_str().unwrap_or_default().to_owned();
        Ok(browser)
    }

    /// Goes to a page and waits until it is loaded.
    pub(super) fn go(&self, url: &str) -> Result<(), Error> {
        self.ask("POST", "/url", &json!({ "url": url })).map(drop)
    }

    /// What a script in the page returns.
    pub(super) fn script(&self, script: &str) -> Result<Value, Error> {
        let wanted = json!({ "script": script, "args": [] });
        self.ask("POST", "/execute/sync", &wanted)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, Error> {
        self.send(method, &format!("/session/{}{path}", self.session), body)
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, Error> {
        let answer =
            exchange(self.port, method, path, body).map_err(|error| failed(&error.to_string()))?;
        match answer["value"]["error"].as_str() {
            Some(error) => Err(failed(&format!("{error}: {}", answer["value"]["message"]))),
            None => Ok(answer["value"].clone()),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to end it takes the browser along; the rest is for one that hangs.
        let _ = self.ask("DELETE", "", &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Where it listens, once it says so.
fn port(said: &mut impl BufRead) -> Result<u16, Error> {
    let mut line = String::new();
    loop {
        line.clear();
        let read = said.read_line(&mut line);
        if !matches!(read, Ok(1..)) {
            return Err(failed("chromedriver ended at once"));
        }
        let number = line
            .split_once("successfully on port ")
            .map(|(_, rest)| rest.trim().trim_end_matches('.'));
        if let Some(port) = number.and_then(|number| number.parse().ok()) {
            return Ok(port);
        }
    }
}

/// One request of the protocol, and its answer.
fn exchange(port: u16, method: &str, path: &str, body: &Value) -> std::io::Result<Value> {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(number) = lower.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap_or(0);
        }
    }
    let mut answer = vec![0; length];
    reader.read_exact(&mut answer)?;
    Ok(serde_json::from_slice(&answer)?)
}

fn failed(what: &str) -> Error {
    side("the browser", what)
}
