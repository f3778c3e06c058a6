//! The day on each kind of image, by the agent and by the archive call.

use std::os::unix::fs::PermissionsExt;

use crate::day::whole;
use crate::kit::{docker, eventually};
use crate::stage::{By, Kind, TARGET, as_user, equal, of, stack, up};

/// `agent` and `archive` as tests of their own.
macro_rules! both {
    ($name:ident, $kind:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn agent() {
                whole(&stack(stringify!($name), By::Agent, &$kind), By::Agent);
            }

            #[test]
            fn archive() {
                whole(&stack(stringify!($name), By::Archive, &$kind), By::Archive);
            }
        }
    };
}

/// Debian, with a shell and everything.
const GLIBC: Kind = Kind {
    dockerfile: "FROM python:3.13-slim\nCOPY busybox /busybox\n",
    lines: "",
    top: "",
};
both!(glibc, GLIBC);

/// The target belongs to the user.
const USER: Kind = Kind {
    dockerfile: "FROM python:3.13-slim\nCOPY busybox /busybox\n\
                 RUN mkdir -p /srv/app && chown 1000:1000 /srv/app\nUSER 1000:1000\n",
    ..GLIBC
};
both!(user, USER);

/// The user may write into the target only because of its group.
const GROUP: Kind = Kind {
    dockerfile: "FROM python:3.13-slim\nCOPY busybox /busybox\n\
                 RUN mkdir -p /srv/app && chown 0:1234 /srv/app && chmod 775 /srv/app\n\
                 USER 1001:1234\n",
    ..GLIBC
};
both!(group, GROUP);

/// The target is root's, and the user is not.
const ROOTED: Kind = Kind {
    dockerfile: "FROM python:3.13-slim\nCOPY busybox /busybox\nRUN mkdir -p /srv/app\nUSER 1000:1000\n",
    ..GLIBC
};
both!(rooted, ROOTED);

/// Root without any of root's rights.
const NO_RIGHTS: Kind = Kind {
    lines: "    cap-drop \"ALL\"\n",
    ..GLIBC
};
both!(no_capabilities, NO_RIGHTS);

/// Only a volume can be written.
const READ_ONLY: Kind = Kind {
    lines: "    read-only #true\n    volume code to=\"/srv/app\"\n",
    top: "volume code",
    ..GLIBC
};
both!(read_only_root, READ_ONLY);

/// A file system that the archive call cannot reach.
const TMPFS: Kind = Kind {
    lines: "    tmpfs \"/srv/app\"\n",
    ..GLIBC
};
both!(tmpfs, TMPFS);

/// The target is reached through a link that the image has.
const LINKED: Kind = Kind {
    dockerfile: "FROM python:3.13-slim\nCOPY busybox /busybox\n\
                 RUN mkdir -p /data/real && ln -s /data/real /srv/app\n",
    ..GLIBC
};
both!(target_behind_a_link, LINKED);

const REPLICAS: Kind = Kind {
    lines: "    replicas 2\n",
    ..GLIBC
};
both!(replicas, REPLICAS);

/// One static program.
const SCRATCH: Kind = Kind {
    dockerfile: "FROM scratch\nCOPY busybox /busybox\n",
    ..GLIBC
};
/// A dynamic program with what it needs of glibc, and nothing else.
const DISTROLESS: Kind = Kind {
    dockerfile: "FROM python:3.13-slim AS base\nFROM scratch\n\
                 COPY --from=base /lib64 /lib64\nCOPY --from=base /lib/x86_64-linux-gnu /lib/x86_64-linux-gnu\n\
                 COPY --from=base /usr/lib/x86_64-linux-gnu/libc.so.6 /usr/lib/x86_64-linux-gnu/libc.so.6\n\
                 COPY busybox /busybox\n",
    ..GLIBC
};

/// A dynamic program with musl, and nothing else.
const MUSL: Kind = Kind {
    dockerfile: "FROM python:3.13-slim AS build\n\
                 RUN apt-get update && apt-get install -y --no-install-recommends \
                 musl-tools musl-dev binutils\n\
                 RUN printf '#include <unistd.h>\\nint main(void) { for (;;) pause(); }\\n' > waits.c \
                 && musl-gcc -o /waits waits.c\n\
                 FROM scratch\nCOPY --from=build /lib/ld-musl-*.so.1 /lib/\n\
                 COPY --from=build /waits /waits\nCOPY busybox /busybox\n",
    lines: "    entrypoint \"/waits\"\n",
    ..GLIBC
};

#[test]
fn an_image_with_musl_is_like_any_other() {
    whole(&stack("musl", By::Agent, &MUSL), By::Agent);
}

#[test]
fn one_static_program_is_enough_for_the_agent() {
    whole(&stack("scratch", By::Agent, &SCRATCH), By::Agent);
}

#[test]
fn no_shell_is_needed_by_the_agent() {
    whole(&stack("distroless", By::Agent, &DISTROLESS), By::Agent);
}

#[test]
fn without_a_shell_the_archive_call_writes_and_tells_what_is_left_over() {
    let stack = stack("scratch", By::Archive, &SCRATCH);
    let mut session = up(&stack, By::Archive);
    equal(&stack, "the whole tree, at the start");
    stack.write("app/first.txt", "second\n");
    std::fs::create_dir_all(stack.path("app/new/folder")).unwrap();
    stack.write("app/new/folder/it's \"odd\"\n.txt", "new\n");
    std::os::unix::fs::symlink("first.txt", stack.path("app/link")).unwrap();
    equal(&stack, "saves");
    std::fs::remove_file(stack.path("app/lib/deep/a.txt")).unwrap();
    let warning = session.wait("the left-over", 30, |event| event["event"] == "warning");
    let message = warning["message"].as_str().unwrap();
    assert!(
        message.contains("app/lib/deep/a.txt: stays in the container"),
        "{message}"
    );
    let sync = stack.service("web")["sync"].clone();
    assert_eq!(
        (&sync["state"], &sync["pending"]),
        (&"pending".into(), &1.into()),
        "{sync}"
    );
    docker(&["rm", "-f", "-v", &stack.container("web")]);
    session.event("web", "sync-mended", 60);
    equal(&stack, "in a new container");
}

#[test]
fn what_arrives_belongs_to_whom_it_runs_as() {
    for by in [By::Agent, By::Archive] {
        for (name, kind, owner) in [("own", USER, "1000:1000"), ("roots", ROOTED, "1000:1000")] {
            let stack = stack(name, by, &kind);
            let _session = up(&stack, by);
            std::fs::create_dir_all(stack.path("app/made/deep")).unwrap();
            stack.write("app/made/deep/file.txt", "made\n");
            equal(&stack, "saves");
            let line =
                format!("cd {TARGET} && stat -c %u:%g made made/deep made/deep/file.txt first.txt");
            let owners = as_user(&stack, &line).out;
            let all = format!("{owner}\n").repeat(4);
            assert_eq!(owners, all, "{name} by {by:?}");
            let writes = as_user(&stack, &format!("echo own >> {TARGET}/made/deep/file.txt"));
            assert_eq!(writes.code, 0, "{name} by {by:?}: {}", writes.err);
        }
    }
}

#[test]
fn an_agent_that_cannot_run_is_replaced_by_the_archive_call_by_itself() {
    // As on another CPU: what lies there is not for this one.
    let kind = Kind {
        lines: "    bind \"foreign\" to=\"/.devrun/agent\" read-only=#true\n",
        ..GLIBC
    };
    let mut stack = stack("unrunnable", By::Archive, &kind);
    stack.write("foreign", "\u{7f}ELF for another machine");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(stack.path("foreign"), executable).unwrap();
    stack
        .environment
        .retain(|(name, _)| name != "DEVRUN_TRANSPORT");
    let session = stack.up(&[]);
    eventually("some end", 60, || {
        let status = stack.status();
        (status["settled"] == true).then_some(())
    });
    let service = stack.service("web");
    assert_eq!(
        service["sync"]["transport"],
        "archive",
        "{service} {}",
        session.dump()
    );
    equal(&stack, "the whole tree");
    assert!(of(&stack, "web").is_some());
}
