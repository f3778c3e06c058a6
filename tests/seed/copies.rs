//! Two copies of the stack side by side, from one checkout: they share the files and nothing else.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::kit::{Scratch, docker, eventually, free_port, get};

const PORTS: [&str; 5] = [
    "PROXY_PORT",
    "BACKEND_PORT",
    "FRONTEND_PORT",
    "DB_PORT",
    "REDIS_PORT",
];

/// A copy: its name, and where its entry point answers.
struct Twin<'a> {
    stack: &'a Scratch,
    name: String,
    ports: Vec<(&'static str, String)>,
}

impl<'a> Twin<'a> {
    fn up(stack: &'a Scratch, suffix: &str) -> Twin<'a> {
        let twin = Twin {
            stack,
            name: format!("{}-{suffix}", stack.name),
            ports: PORTS.map(|name| (name, free_port().to_string())).to_vec(),
        };
        twin.ok(&["up", "-d"]);
        twin
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let mut command = self.stack.command(&["-p", &self.name]);
        command.args(arguments).envs(self.ports.iter().cloned());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success(),
            "{} {arguments:?}\n{said}",
            self.name
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.ok(&["status", "--format", "json"])).unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.ports[0].1)
    }

    /// Everything on the engine that has its name.
    fn owns(&self) -> BTreeSet<String> {
        let label = format!("label=devrun.stack={}", self.name);
        let list = |arguments: &[&str]| {
            let ran = docker(&[arguments, &["--filter", &label]].concat());
            ran.out.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let containers = list(&["ps", "-aq", "--no-trunc"]);
        let networks = list(&["network", "ls", "-q", "--no-trunc"]);
        let volumes = list(&["volume", "ls", "-q"]);
        [containers, networks, volumes]
            .concat()
            .into_iter()
            .collect()
    }

    /// Networks and volumes that its containers really use.
    fn uses(&self) -> BTreeSet<String> {
        let format = "{{range .Mounts}}{{.Name}} {{end}}{{range $k, $v := .NetworkSettings.Networks}}{{$v.NetworkID}} {{end}}";
        let label = format!("label=devrun.stack={}", self.name);
        let ids = docker(&["ps", "-aq", "--filter", &label]).out;
        let ids: Vec<&str> = ids.split_whitespace().collect();
        let used = docker(&[&["inspect", "-f", format], ids.as_slice()].concat()).out;
        used.split_whitespace()
            .filter(|name| !name.starts_with("devrun-agent-"))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Twin<'_> {
    fn drop(&mut self) {
        let mut command = self.stack.command(&["-p", &self.name]);
        let _ = command
            .args(["down", "--volumes"])
            .envs(self.ports.iter().cloned())
            .output();
    }
}

#[test]
fn two_copies_share_the_files_and_nothing_else() {
    let stack = Scratch::copy("twins", ".");
    let (one, two) = (Twin::up(&stack, "one"), Twin::up(&stack, "two"));
    assert!(one.owns().is_disjoint(&two.owns()));
    assert!(
        one.uses().is_disjoint(&two.uses()),
        "{:?} {:?}",
        one.uses(),
        two.uses()
    );
    assert_ne!(
        one.status()["session"]["pid"],
        two.status()["session"]["pid"]
    );

    // A row in the one database is not in the other.
    let count = |twin: &Twin| {
        twin.ok(&[
            "exec",
            "db",
            "psql",
            "-U",
            "postgres",
            "-d",
            "backend_db",
            "-Atc",
            "select count(*) from pg_tables where tablename = 'twin'",
        ])
    };
    one.ok(&[
        "exec",
        "db",
        "psql",
        "-U",
        "postgres",
        "-d",
        "backend_db",
        "-c",
        "create table twin (n int)",
    ]);
    assert_eq!((count(&one).trim(), count(&two).trim()), ("1", "0"));

    // One save reaches both.
    let page = "examples/unified/frontend/index.html";
    stack.edit(page, "<title>", "<title>Twins: ");
    for twin in [&one, &two] {
        twin.ok(&["wait"]);
        eventually("the saved page is served", 30, || {
            get(&twin.url("/")).filter(|it| it.body.contains("<title>Twins: "))
        });
    }

    let left = two.owns();
    one.ok(&["down", "--volumes"]);
    assert_eq!(one.owns(), BTreeSet::new());
    assert_eq!(two.owns(), left);
    eventually("the other one answers", 30, || {
        get(&two.url("/api/v1/health/")).filter(|it| it.status == 200)
    });
}
