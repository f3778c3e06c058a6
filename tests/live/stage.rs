//! One service, `web`, that has the folder `app` of the host at `/app`.

use std::path::Path;

use serde_json::Value;

use crate::kit::{Ran, Scratch, Session, docker, eventually, shell};

/// Tells in `/tmp/starts` how often it was started, and waits.
const COUNTING: &str = "echo started >> /tmp/starts; exec sleep infinity";

const DOCKERFILE: &str = "\
FROM python:3.13-slim
COPY app /app
WORKDIR /app
";

/// A stack whose `web` only waits, with these words in its `sync` and these files besides.
pub fn waiting(test: &str, sync: &str, files: &[(&str, &str)]) -> Scratch {
    let stackfile = format!(
        "stack live\nservice web {{\n    build \".\"\n    command \"{COUNTING}\"\n    \
         sync \"app\" to=\"/app\" {{\n{sync}\n    }}\n}}\n"
    );
    stack(test, &stackfile, DOCKERFILE, files)
}

/// A stack of this Stackfile and this Dockerfile.
pub fn stack(test: &str, stackfile: &str, dockerfile: &str, files: &[(&str, &str)]) -> Scratch {
    let mut all = vec![
        ("Stackfile.kdl", stackfile),
        ("Dockerfile", dockerfile),
        ("app/first.txt", "first\n"),
    ];
    all.extend(files);
    Scratch::new(test, &all)
}

/// `devrun up`, until all is ready.
pub fn up(stack: &Scratch) -> Session {
    let mut session = stack.up(&[]);
    session.ready();
    session
}

/// A line for the container's shell.
pub fn inside(stack: &Scratch, line: &str) -> Ran {
    docker(&["exec", &stack.container("web"), "sh", "-c", line])
}

/// A file of the container; `None` where it is not there.
pub fn content(stack: &Scratch, path: &str) -> Option<String> {
    let ran = docker(&["exec", &stack.container("web"), "cat", path]);
    (ran.code == 0).then_some(ran.out)
}

/// Until that file of the container says that.
pub fn comes(stack: &Scratch, path: &str, text: &str) {
    let mut last = None;
    eventually(&format!("{path} with {text:?}"), 20, || {
        last = content(stack, path);
        (last.as_deref() == Some(text)).then_some(())
    });
}

/// Until that file of the container is gone.
pub fn goes(stack: &Scratch, path: &str) {
    eventually(&format!("{path} gone"), 20, || {
        (inside(stack, &format!("test ! -e {path} && test ! -L {path}")).code == 0).then_some(())
    });
}

/// How often its process was started in this container.
pub fn starts(stack: &Scratch) -> usize {
    content(stack, "/tmp/starts").map_or(0, |text| text.lines().count())
}

/// Which container it is.
pub fn identity(stack: &Scratch) -> String {
    docker(&["inspect", "-f", "{{.Id}}", &stack.container("web")]).out
}

/// Saves a file that nothing else is about, and waits until it is there: whatever was saved before
/// it has been looked at by then. The events of the meantime.
pub fn marked(stack: &Scratch, session: &mut Session, marker: &str) -> Vec<Value> {
    let before = session.seen.len();
    stack.write(&format!("app/{marker}"), "here\n");
    // The plan names the first path of a batch alone, and the marker may have come with others.
    let saved = format!("app/{marker}");
    session.wait(&format!("{saved} seen"), 30, |event| {
        let mut paths = event["paths"].as_array().into_iter().flatten();
        event["event"] == "files-changed" && paths.any(|path| *path == *saved)
    });
    session.ready();
    assert_eq!(
        content(stack, &format!("/app/{marker}")).as_deref(),
        Some("here\n")
    );
    session.seen[before..].to_vec()
}

/// Of all that happened, what speaks of that.
pub fn about<'a>(events: &'a [Value], word: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event.to_string().contains(word))
        .collect()
}

/// Every file below a folder, with its content, its kind and its mode.
pub fn fingerprint(folder: &Path) -> String {
    let tree = "find . -printf '%y %m %T@ %p %l\\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum";
    let ran = shell(tree, folder);
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.out
}

/// Until the container has what the host has, byte for byte.
pub fn agree(stack: &Scratch) {
    let list = "find . -name .git -prune -o -type d -printf '%y %p\\n' -o -printf '%y %m %p %l\\n' | LC_ALL=C sort; \
                find . -name .git -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum";
    let mut last = String::new();
    let same = crate::kit::within(30, || {
        let host = shell(list, &stack.path("app")).out;
        let there = inside(stack, &format!("cd /app && {list}")).out;
        last = format!("host:\n{host}\ncontainer:\n{there}");
        (host == there).then_some(())
    });
    assert!(same.is_some(), "the trees do not agree\n{last}");
}
