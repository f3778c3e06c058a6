//! The stack of both sides: three services, each with a small image of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::super::ground::{Ground, Programs, Stack, file, write};
use super::super::http::answers;
use super::super::tool::{Tool, Watching};
use super::super::{Error, pause, side};

pub(super) const SERVICES: [&str; 3] = ["one", "two", "three"];
/// The first port of devrun's side, and of the other.
const PORTS: [u16; 2] = [18991, 18994];
/// Of devrun's proxy.
pub(super) const PROXY: u16 = 18997;
/// So many routes can be added.
const ROUTES: usize = 20;
/// Longer than what a save of the same content may lead to.
const CALM: Duration = Duration::from_millis(300);

/// Of devrun's proxy.
const NGINX: &str = "events { }\nhttp { server { listen 80; include devrun-routes; } }\n";

const DOCKERFILE: &str = "FROM python:3.13-slim\nCOPY app /srv\nWORKDIR /srv\n\
                          CMD [\"python3\", \"-m\", \"http.server\", \"8000\"]\n";

/// One of the two programs, watching its stack.
#[derive(Debug)]
pub(super) struct Side {
    tool: Tool,
    watching: Watching,
    first_port: u16,
    /// Removes the stack after the program that watches has ended.
    _stack: Stack,
}

impl Side {
    pub(super) fn devrun(programs: &Programs, ground: &Ground) -> Result<Self, Error> {
        let tool = Tool::Devrun {
            program: programs.devrun.clone(),
            stack: "devrun-bench-update".to_owned(),
            folder: services(ground, "devrun")?,
            state: ground.path().join("run"),
        };
        let state = ground.path().join("run");
        fs::create_dir_all(&state).map_err(|error| file(&state, error))?;
        write(&tool.folder().join("nginx.conf"), NGINX)?;
        write(&tool.folder().join("Stackfile.kdl"), &stackfile(None))?;
        let stack = Stack::new(&tool);
        let side = Self {
            watching: tool.up(None)?,
            tool,
            first_port: PORTS[0],
            _stack: stack,
        };
        answers(PROXY, "/v.txt", None)?;
        Ok(side)
    }

    pub(super) fn compose(programs: &Programs, ground: &Ground) -> Result<Self, Error> {
        let tool = Tool::Compose {
            program: programs.compose.clone(),
            stack: "devrun-bench-update-peer".to_owned(),
            folder: services(ground, "compose")?,
        };
        write(&tool.folder().join("compose.yml"), &compose_file())?;
        let stack = Stack::new(&tool);
        tool.run(&["up", "-d", "--build"])?;
        Ok(Self {
            watching: tool.watch()?,
            tool,
            first_port: PORTS[1],
            _stack: stack,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        self.tool.folder()
    }

    pub(super) fn port(&self, index: usize) -> u16 {
        let ports = self.first_port..;
        ports.into_iter().nth(index).unwrap_or(self.first_port)
    }

    /// Another content of a file that the image of that service is built of.
    pub(super) fn save(&self, index: usize, tag: &str) -> Result<(), Error> {
        let path = self.folder().join(SERVICES[index]).join("app/v.txt");
        write(&path, tag)
    }

    /// The same in all of them: when each answered.
    pub(super) fn save_all(&self, tag: &str) -> Result<Vec<Instant>, Error> {
        for index in 0..SERVICES.len() {
            self.save(index, tag)?;
        }
        thread::scope(|scope| {
            let ask = |index: usize| {
                let port = self.port(index);
                move || answers(port, "/v.txt", Some(tag)).map(|()| Instant::now())
            };
            let asked: Vec<_> = (0..SERVICES.len())
                .map(|index| scope.spawn(ask(index)))
                .collect();
            let panicked = |_| side("the services", "whoever asks one ended");
            let answers = asked.into_iter();
            let answers = answers.map(|asked| asked.join().unwrap_or_else(|it| Err(panicked(it))));
            answers.collect()
        })
    }

    /// Lines of devrun so far.
    pub(super) fn said(&self) -> usize {
        self.watching.count()
    }

    /// When devrun began to build each of them, by the lines from that one on.
    pub(super) fn begun(&self, from: usize) -> Result<Vec<Instant>, Error> {
        let begun = SERVICES.iter().map(|name| {
            let service = format!("\"service\":\"{name}\"");
            let lines = (self.watching).lines(from, &["\"event\":\"build-started\"", &service]);
            let first = lines.into_iter().next();
            first
                .map(|(when, _)| when)
                .ok_or_else(|| side("devrun", &format!("did not say that it builds {name}")))
        });
        begun.collect()
    }

    /// Saves a file of the first service with the content that it has: milliseconds until it is told
    /// that nothing follows.
    pub(super) fn save_again(&mut self, path: &str) -> Result<f64, Error> {
        let path = self.folder().join(SERVICES[0]).join(path);
        let content = fs::read_to_string(&path).map_err(|error| file(&path, error))?;
        let before = self.watching.count();
        let begin = Instant::now();
        write(&path, &content)?;
        let words = ["\"event\":\"update-done\"", "\"action\":\"unchanged\""];
        let (told, _) = self.watching.says(before, &words, super::super::PATIENCE)?;
        pause(CALM);
        Ok(told.saturating_duration_since(begin).as_secs_f64() * 1000.0)
    }
}

/// A folder of that name with what the three images are built of.
fn services(ground: &Ground, name: &str) -> Result<PathBuf, Error> {
    let folder = ground.path().join(name);
    for service in SERVICES {
        let context = folder.join(service);
        for inner in ["app", "live"] {
            let inner = context.join(inner);
            fs::create_dir_all(&inner).map_err(|error| file(&inner, error))?;
        }
        write(&context.join("Dockerfile"), DOCKERFILE)?;
        write(&context.join("app/v.txt"), "first")?;
        write(&context.join("live/text.txt"), "live")?;
        for number in 0..ROUTES {
            write(&context.join(format!("app/route-{number}.txt")), "here")?;
        }
    }
    Ok(folder)
}

/// devrun's, with one more route where one is given.
pub(super) fn stackfile(route: Option<&str>) -> String {
    let mut text = "stack bench\n".to_owned();
    for (index, name) in SERVICES.into_iter().enumerate() {
        let port = usize::from(PORTS[0]) + index;
        text += &format!(
            "service {name} {{\n    build {name:?}\n    init #true\n    port \"{port}\" to=8000\n    \
             sync \"{name}/live\" to=\"/live\"\n"
        );
        if index == 0 {
            let route = route.map_or_else(String::new, |route| format!(" {route:?}"));
            text += &format!("    route \"/v.txt\"{route}\n");
        }
        text += "}\n";
    }
    text + &format!(
        "proxy entry {{\n    image \"nginx:1.26\"\n    config \"nginx.conf\"\n    port \"{PROXY}\" to=80\n}}\n"
    )
}

fn compose_file() -> String {
    let mut text = "services:\n".to_owned();
    for (index, name) in SERVICES.into_iter().enumerate() {
        let port = usize::from(PORTS[1]) + index;
        text += &format!(
            "  {name}:\n    build: ./{name}\n    init: true\n    ports: [\"127.0.0.1:{port}:8000\"]\n    \
             develop:\n      watch:\n        - {{action: rebuild, path: ./{name}/app}}\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{compose_file, stackfile};

    #[test]
    fn both_sides_are_told_the_same() {
        let one = "service one {\n    build \"one\"\n    init #true\n    port \"18991\" to=8000\n    \
                   sync \"one/live\" to=\"/live\"\n    route \"/v.txt\" \"/new\"\n}\n";
        assert!(stackfile(Some("/new")).contains(one));
        let one = "  one:\n    build: ./one\n    init: true\n    ports: [\"127.0.0.1:18994:8000\"]\n    \
                   develop:\n      watch:\n        - {action: rebuild, path: ./one/app}\n";
        assert!(compose_file().contains(one));
    }
}
