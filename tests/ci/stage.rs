//! A stack whose runs have names of their own, and a look at what they leave.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use super::kit::{Ran, Scratch, docker, identity, patience, said};
use super::schema;

/// A stack that is called as its test is.
pub struct Stage {
    pub stack: Scratch,
    /// Which container a developer of the same checkout has.
    beside: String,
}

impl Stage {
    /// Of a Stackfile without its first line, and files.
    pub fn new(test: &str, text: &str, files: &[(&str, &str)]) -> Stage {
        let stack = Scratch::new(&format!("ci{test}"), files);
        let mut stage = Stage {
            stack,
            beside: String::new(),
        };
        stage.stackfile(text);
        stage.develop();
        stage
    }

    /// Somebody works on the same stack meanwhile, under its own name, with data.
    fn develop(&mut self) {
        let text = "service dev { image \"redis:7\"; healthcheck \"redis-cli ping\"; volume kept to=\"/data\" }\nvolume kept\n";
        self.stack
            .write("dev.kdl", &format!("stack {}\n{text}", self.stack.name));
        self.stack.ok(&["-f", "dev.kdl", "up", "-d"]);
        self.beside = identity(&self.stack.container("dev"));
    }

    fn beside_is_untouched(&self) {
        assert_eq!(identity(&self.stack.container("dev")), self.beside);
        let volume = format!("{}-kept", self.stack.name);
        assert_eq!(docker(&["volume", "inspect", &volume]).code, 0);
    }

    pub fn stackfile(&self, text: &str) {
        let text = format!("stack {}\n{text}", self.stack.name);
        self.stack.write("Stackfile.kdl", &text);
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut all = vec!["ci", "--settle", "300ms"];
        all.extend(arguments);
        let mut command = self.stack.command(&all);
        for variable in [
            "DEVRUN_PROJECT_NAME",
            "GITHUB_ACTIONS",
            "GITHUB_STEP_SUMMARY",
            "GITHUB_WORKSPACE",
        ] {
            command.env_remove(variable);
        }
        command
    }

    /// One run to its end; nothing of it is left.
    pub fn ci(&self, arguments: &[&str]) -> Ran {
        let ran = Ran::of(self.command(arguments).output().unwrap());
        self.nothing_is_left(&ran);
        ran
    }

    /// The same with its reports.
    pub fn reported(&self, arguments: &[&str]) -> (Ran, Value) {
        let ran = self.ci(&reporting(arguments));
        let report = self.report(&ran);
        (ran, report)
    }

    /// What such a run wrote, which is as the schemas say.
    pub fn report(&self, ran: &Ran) -> Value {
        let report: Value = serde_json::from_str(&self.stack.read("out/run.json")).unwrap();
        schema::check(&report);
        schema::junit(&self.stack.path("out/junit.xml"));
        assert_eq!(report["exit_code"], ran.code, "{}", said(ran));
        report
    }

    /// What JUnit's file says of a service, task or check: `failure/@message`.
    pub fn case(&self, case: (&str, &str), element: &str) -> String {
        schema::case(&self.stack.path("out/junit.xml"), case, element)
    }

    /// What has the label of a run of this stack.
    pub fn left(&self) -> Vec<String> {
        let runs = format!("{}-ci-", self.stack.name);
        let mut left = Vec::new();
        for kind in ["container", "network", "volume"] {
            let mut list = vec![kind, "ls", "--filter", "label=devrun.stack"];
            list.extend(["--format", "{{.Label \"devrun.stack\"}}"]);
            if kind == "container" {
                list.push("-a");
            }
            let all = docker(&list).out;
            let ours = all.lines().filter(|line| line.starts_with(&runs));
            left.extend(ours.map(|line| format!("{kind} {line}")));
        }
        let images = docker(&["images", "--format", "{{.Repository}}"]).out;
        left.extend(
            images
                .lines()
                .filter(|it| it.starts_with(&runs))
                .map(str::to_owned),
        );
        left
    }

    pub fn nothing_is_left(&self, ran: &Ran) {
        assert_eq!(self.left(), Vec::<String>::new(), "{}", said(ran));
        self.beside_is_untouched();
    }

    /// A run that goes on beside the test.
    pub fn start(&self, arguments: &[&str]) -> Going {
        let mut child = self
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Going {
            child,
            lines,
            seen: String::new(),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for name in self.left() {
            let name = name
                .split_whitespace()
                .last()
                .unwrap_or_default()
                .to_owned();
            let _ = self
                .stack
                .command(&["-p", &name, "down", "--volumes"])
                .output();
        }
        // What runs leave on purpose for those that come.
        let shared = format!("label=devrun.stack={}.ci", self.stack.name);
        let images = docker(&["images", "-q", "--filter", &shared]).out;
        for id in images.split_whitespace() {
            docker(&["rmi", "-f", id]);
        }
    }
}

/// With the reports that [`Stage::report`] reads.
pub fn reporting<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let mut all = arguments.to_vec();
    all.extend(["--report", "out/run.json", "--junit", "out/junit.xml"]);
    all
}

/// A run that goes on.
pub struct Going {
    pub child: Child,
    lines: Receiver<String>,
    seen: String,
}

impl Going {
    /// Until a line has this text.
    pub fn wait(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(patience(60)) else {
                panic!("{text} did not come:\n{}", self.seen);
            };
            self.seen.push_str(&line);
            self.seen.push('\n');
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Until a line beside the result has this text.
    pub fn hears(&mut self, text: &str) {
        let mut heard = String::new();
        while !heard.contains(text) {
            let mut byte = [0];
            let err = self.child.stderr.as_mut().unwrap();
            err.read_exact(&mut byte).expect(text);
            heard.push(byte[0].into());
        }
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Until it ends.
    pub fn end(mut self) -> Ran {
        let mut err = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        while let Ok(line) = self.lines.recv() {
            self.seen.push_str(&line);
            self.seen.push('\n');
        }
        Ran {
            code,
            out: self.seen.clone(),
            err,
        }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
