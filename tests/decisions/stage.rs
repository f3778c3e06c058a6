//! Two services with builds of their own and one without, and what of them has moved.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::kit::{Scratch, Session, docker};

const STACKFILE: &str = r#"stack app
service web {
    build "web"
    command "trap 'echo heard >> /tmp/heard' HUP; trap 'exit 0' TERM; while true; do sleep 0.05; done"
    sync "web/app" to="/app" {
        on "*.sh" { exec "cat /app/tool.sh >> /tmp/ran" }
        on "*.conf" { signal "HUP" }
        on "*.py" { restart }
        on "*.fresh" { recreate }
    }
}
service side {
    build "side"
    init #true
    command "sleep" "infinity"
    sync "side/app" to="/app"
}
service cache { image "redis:7"; init #true }
"#;

const DOCKERFILE: &str = "\
FROM redis:7
COPY setup.txt /setup.txt
RUN if grep -q bad /setup.txt; then exit 9; fi
COPY app /app
";

/// The stack; its files have the content `1`.
pub fn stack(test: &str) -> Scratch {
    let mut files = vec![
        ("Stackfile.kdl", STACKFILE),
        ("web/Dockerfile", DOCKERFILE),
        ("side/Dockerfile", "FROM redis:7\nCOPY app /app\n"),
        ("notes.txt", "1\n"),
    ];
    files.extend(
        [
            "web/setup.txt",
            "web/app/page.html",
            "web/app/old.html",
            "web/app/tool.sh",
            "web/app/web.conf",
            "web/app/main.py",
            "web/app/all.fresh",
            "side/app/page.html",
        ]
        .map(|path| (path, "1\n")),
    );
    Scratch::new(test, &files)
}

/// The stack, and a session in which all is ready.
pub fn up(test: &str) -> (Scratch, Session) {
    let stack = stack(test);
    let mut session = stack.up(&[]);
    session.ready();
    (stack, session)
}

/// The next update of a service that is over, which must be a good one.
pub fn done(session: &mut Session, service: &str) -> Value {
    let done = session.event(service, "update-done", 90);
    assert_eq!(done["outcome"], "ok", "{done}");
    done
}

/// A file of the container; empty where it is not there.
pub fn content(stack: &Scratch, service: &str, path: &str) -> String {
    docker(&["exec", &stack.container(service), "cat", path]).out
}

/// What is there of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// By service: id of the container, id of its image, since when its process runs.
    containers: BTreeMap<String, [String; 3]>,
    /// Ids of the images that were built for it.
    images: BTreeSet<String>,
}

impl Picture {
    pub fn of(stack: &Scratch) -> Picture {
        let label = format!("label=devrun.stack={}", stack.name);
        let ids = docker(&["ps", "-aq", "--filter", &label]).out;
        let mut inspect = vec![
            "inspect",
            "-f",
            "{{index .Config.Labels \"devrun.service\"}} {{.Id}} {{.Image}} {{.State.StartedAt}}",
        ];
        inspect.extend(ids.split_whitespace());
        let containers = docker(&inspect).out;
        let line = |line: &str| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let mut word = || words.next().unwrap();
            (word(), [word(), word(), word()])
        };
        let images = docker(&["images", "-q", "--no-trunc", "--filter", &label]).out;
        Picture {
            containers: containers.lines().map(line).collect(),
            images: images.split_whitespace().map(str::to_owned).collect(),
        }
    }

    /// What has moved since then: `web restarted`, `web replaced`, `web has another image`, and
    /// `2 images made`.
    pub fn moved_to(&self, now: &Picture) -> Vec<String> {
        let names: Vec<&String> = self.containers.keys().collect();
        assert_eq!(names, now.containers.keys().collect::<Vec<_>>());
        let mut moved = Vec::new();
        for (name, [id, image, since]) in &self.containers {
            let [new_id, new_image, new_since] = &now.containers[name];
            if id != new_id {
                moved.push(format!("{name} replaced"));
            } else if since != new_since {
                moved.push(format!("{name} restarted"));
            }
            if image != new_image {
                moved.push(format!("{name} has another image"));
            }
        }
        match now.images.difference(&self.images).count() {
            0 => {}
            made => moved.push(format!("{made} images made")),
        }
        moved
    }
}

/// Saves a file and waits for the end of the update of `web`; what has moved.
pub fn save(stack: &Scratch, session: &mut Session, path: &str, text: &str) -> Vec<String> {
    let before = Picture::of(stack);
    stack.write(path, text);
    done(session, "web");
    before.moved_to(&Picture::of(stack))
}

/// What has moved by now, after a save of another file is known to have been looked at.
pub fn quiet(stack: &Scratch, session: &mut Session, before: &Picture) -> Vec<String> {
    stack.write("side/app/marker.txt", "here\n");
    done(session, "side");
    assert_eq!(content(stack, "side", "/app/marker.txt"), "here\n");
    session.ready();
    before.moved_to(&Picture::of(stack))
}
