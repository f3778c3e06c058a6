//! A person at a terminal: types a line when the program asks for one.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use super::patience;

/// Ctrl-C as the terminal sends it.
pub const CTRL_C: &str = "\u{3}";
/// Ctrl-D: the end of what is typed.
pub const CTRL_D: &str = "\u{4}";

/// A program with a terminal of its own; ended when dropped.
pub struct Terminal {
    line: String,
    child: Child,
    keys: ChildStdin,
    output: Receiver<String>,
    screen: String,
    /// What an `expect` has read already.
    read: usize,
}

impl Terminal {
    /// Runs a line of the shell; the command that is to run it may be given folder and variables.
    pub fn open(line: &str, prepare: impl FnOnce(&mut Command)) -> Terminal {
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", line, "/dev/null"]);
        prepare(&mut command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, output) = channel();
        let mut stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut buffer) {
                if sender
                    .send(String::from_utf8_lossy(&buffer[..length]).into_owned())
                    .is_err()
                {
                    return;
                }
            }
        });
        let keys = child.stdin.take().unwrap();
        Terminal {
            line: line.to_owned(),
            child,
            keys,
            output,
            screen: String::new(),
            read: 0,
        }
    }

    /// Until this appears after what was expected last; gives what came before it.
    pub fn expect(&mut self, text: &str) -> String {
        let end = Instant::now() + patience(30);
        loop {
            if let Some(at) = self.screen[self.read..].find(text) {
                let before = self.screen[self.read..self.read + at].to_owned();
                self.read += at + text.len();
                return before;
            }
            match self
                .output
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(more) => self.screen.push_str(&more),
                Err(why) => panic!(
                    "{}: {text:?} did not appear ({why}). On the screen:\n{}",
                    self.line, self.screen
                ),
            }
        }
    }

    /// Presses these keys.
    pub fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Types a line and Enter.
    pub fn line(&mut self, text: &str) {
        self.keys(&format!("{text}\r"));
    }

    /// Until the program ends: its exit code and what it printed after the last `expect`.
    pub fn end(mut self) -> (i32, String) {
        let end = Instant::now() + patience(30);
        loop {
            match self
                .output
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(more) => self.screen.push_str(&more),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(_) => panic!(
                    "{} does not end. On the screen:\n{}",
                    self.line, self.screen
                ),
            }
        }
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        (code, self.screen[self.read..].to_owned())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
