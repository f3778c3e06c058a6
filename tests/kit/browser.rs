//! A real browser, driven by the WebDriver protocol. Each has a chromedriver of its own, which is
//! ended with all that it started when the browser is dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::{eventually, free_port, patience, within};

/// By which the protocol names an element in its JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What a browser of a test does not need, and what would reach beyond the stack.
const ARGUMENTS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,900",
];

/// One window.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// The browser's own process.
    process: Option<u64>,
    _profile: tempfile::TempDir,
}

/// Something on the page.
pub struct Element<'b> {
    browser: &'b Browser,
    id: String,
}

impl Browser {
    /// A new browser that has never been anywhere.
    pub fn open() -> Browser {
        let profile = tempfile::Builder::new()
            .prefix("devrun-browser-")
            .tempdir()
            .unwrap();
        let port = free_port();
        let mut driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            // Chromium leaves files in its home whatever its profile.
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver, from Debian's package chromium-driver");
        let mut said = BufReader::new(driver.stdout.take().unwrap());
        let mut browser = Browser {
            driver,
            port,
            session: String::new(),
            process: None,
            _profile: profile,
        };
        let mut line = String::new();
        while !line.contains("successfully") {
            line.clear();
            assert!(
                said.read_line(&mut line).unwrap() > 0,
                "chromedriver ended at once"
            );
        }
        // Read on, so that it can never be blocked by what it says.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let mut arguments: Vec<String> = ARGUMENTS
            .iter()
            .map(|&argument| argument.to_owned())
            .collect();
        arguments.push(format!(
            "--user-data-dir={}",
            browser._profile.path().join("profile").display()
        ));
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            // The authority of a test is nobody's whom a browser could know.
            "acceptInsecureCerts": true,
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let session = browser.send("POST", "/session", &wanted).unwrap();
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        browser.process = session["capabilities"]["goog:processID"].as_u64();
        browser
    }

    /// Goes to a page and waits until it is loaded.
    pub fn go(&self, url: &str) {
        self.ask("POST", "/url", &json!({ "url": url })).unwrap();
    }

    /// Goes to a page until it says this: where networks come and go on this machine, as they do
    /// beside other tests, the browser gives up what it is loading.
    pub fn opens(&self, url: &str, text: &str, seconds: u64) {
        let opened = within(seconds, || {
            // It may give up at the page itself.
            let _ = self.ask("POST", "/url", &json!({ "url": url }));
            within(20, || self.text().contains(text).then_some(()))
        });
        if opened.is_none() {
            self.shows(text, 0);
        }
    }

    /// The address that it shows.
    pub fn url(&self) -> String {
        self.ask("GET", "/url", &Value::Null)
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// What a script in the page returns; `Err` where the page is just being replaced.
    pub fn script(&self, script: &str) -> Result<Value, String> {
        self.ask(
            "POST",
            "/execute/sync",
            &json!({ "script": script, "args": [] }),
        )
    }

    /// The text of the page, as a person reads it; empty while there is none.
    pub fn text(&self) -> String {
        let text = self.script("return document.body ? document.body.innerText : ''");
        text.ok()
            .and_then(|text| text.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// Until the page says this.
    pub fn shows(&self, text: &str, seconds: u64) {
        let mut last = String::new();
        let shown = within(seconds, || {
            last = self.text();
            last.contains(text).then_some(())
        });
        assert!(
            shown.is_some(),
            "the page does not show {text:?} within {seconds} s, but:\n{last}\n{}",
            self.messages()
        );
    }

    /// The first element of a CSS selector, once there is one.
    pub fn find(&self, selector: &str) -> Element<'_> {
        let wanted = json!({ "using": "css selector", "value": selector });
        let found = eventually(&format!("{selector} on the page"), 20, || {
            self.ask("POST", "/element", &wanted).ok()
        });
        Element {
            browser: self,
            id: found[ELEMENT].as_str().unwrap().to_owned(),
        }
    }

    /// What the page wrote to the console since the last time.
    pub fn messages(&self) -> String {
        let log = self.ask("POST", "/se/log", &json!({ "type": "browser" }));
        log.map_or_else(|error| error, |log| log.to_string())
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        self.send(method, &format!("/session/{}{path}", self.session), body)
    }

    /// One request of the protocol: its `value`, or what it says against it.
    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(patience(60))).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.port,
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = number.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        match answer["value"]["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", answer["value"]["message"])),
            None => Ok(answer["value"].clone()),
        }
    }
}

impl Element<'_> {
    pub fn click(&self) {
        self.ask("/click", &json!({}));
    }

    /// Types text; for a file's field the path of a file.
    pub fn send(&self, text: &str) {
        self.ask("/value", &json!({ "text": text }));
    }

    fn ask(&self, what: &str, body: &Value) {
        self.browser
            .ask("POST", &format!("/element/{}{what}", self.id), body)
            .unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to end, it leaves nothing behind; the rest is for one that hangs.
        let _ = self.quit();
        if let Some(process) = self.process {
            let _ = Command::new("kill")
                .args(["-9", &process.to_string()])
                .stderr(Stdio::null())
                .status();
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Browser {
    fn quit(&self) -> std::io::Result<usize> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(patience(10)))?;
        let path = format!("/session/{}", self.session);
        write!(
            stream,
            "DELETE {path} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n",
            self.port
        )?;
        stream.read(&mut [0; 64])
    }
}
