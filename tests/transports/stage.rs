//! One service, `web`, that has the folder `app` of the host at `/srv/app`, by either transport.

use std::fs;

use crate::kit::{Scratch, Session, docker, within};
use crate::tree::{self, Tree};

/// How changes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Agent,
    Archive,
}

/// What kind of container it is.
pub struct Kind {
    pub dockerfile: &'static str,
    /// More lines of the service.
    pub lines: &'static str,
    /// More lines of the stack.
    pub top: &'static str,
}

pub const TARGET: &str = "/srv/app";

/// A stack of that kind, with files that the image does not have.
pub fn stack(test: &str, by: By, kind: &Kind) -> Scratch {
    let stackfile = format!(
        "stack transports\n{}\nservice web {{\n    build \".\"\n    \
         command \"/busybox\" \"sleep\" \"100000\"\n    sync \"app\" to=\"{TARGET}\"\n{}\n}}\n",
        kind.top, kind.lines
    );
    let test = format!("{test}-{by:?}").to_lowercase();
    let files = [
        ("Stackfile.kdl", stackfile.as_str()),
        ("Dockerfile", kind.dockerfile),
        (".dockerignore", "app\n"),
        ("app/first.txt", "first\n"),
        ("app/lib/deep/a.txt", "a\n"),
    ];
    let mut stack = Scratch::new(&test, &files);
    fs::copy("/bin/busybox", stack.path("busybox")).unwrap();
    let word = match by {
        By::Agent => "agent",
        By::Archive => "archive",
    };
    let variable = ("DEVRUN_TRANSPORT".to_owned(), word.to_owned());
    stack.environment.push(variable);
    stack
}

/// `devrun up`, until all is ready and the container has what the host has.
pub fn up(stack: &Scratch, by: By) -> Session {
    let mut session = stack.up(&[]);
    session.ready();
    for service in names(stack) {
        let transport = stack.service(&service)["sync"]["transport"].clone();
        let wanted = format!("{by:?}").to_lowercase();
        assert_eq!(transport, wanted.as_str(), "{}", session.dump());
    }
    session
}

/// The services of the stack, replicas by their own names.
pub fn names(stack: &Scratch) -> Vec<String> {
    let status = stack.status();
    let services = status["services"].as_array().unwrap().iter();
    services
        .map(|service| service["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Until each container has exactly what the host has.
pub fn equal(stack: &Scratch, what: &str) {
    for service in names(stack) {
        let mut last: (Tree, Option<Tree>) = Default::default();
        let same = within(30, || {
            last = (tree::host(&stack.path("app")), of(stack, &service));
            (Some(&last.0) == last.1.as_ref()).then_some(())
        });
        assert!(
            same.is_some(),
            "{what}: {service} has\n{:#?}\nnot\n{:#?}\n{}",
            last.1,
            last.0,
            stack.status()
        );
    }
}

/// What a service's container has.
pub fn of(stack: &Scratch, service: &str) -> Option<Tree> {
    tree::container(&stack.container(service), TARGET)
}

/// A line for busybox in the container, as root.
pub fn inside(stack: &Scratch, line: &str) -> crate::kit::Ran {
    let name = stack.container("web");
    docker(&["exec", "-u", "0", &name, "/busybox", "sh", "-c", line])
}

/// A line for busybox, as the container's own user.
pub fn as_user(stack: &Scratch, line: &str) -> crate::kit::Ran {
    let name = stack.container("web");
    docker(&["exec", &name, "/busybox", "sh", "-c", line])
}
