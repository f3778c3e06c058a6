//! The session among other terminals: what a second `up` hands over, what a dead one left behind,
//! and an end while something is under way.

use crate::kit::{Scratch, docker, identity, said, shell};

const THREE: &str = "stack app
var WORD \"first\"
service cache { image \"redis:7\"; }
service web { image \"redis:7\"; environment { WORD \"${WORD}\" }; }
service extra { image \"redis:7\"; profile later; }
";

fn word(stack: &Scratch) -> String {
    stack
        .ok(&["exec", "web", "printenv", "WORD"])
        .out
        .trim()
        .to_owned()
}

#[test]
fn a_second_up_hands_over_services_variables_and_profiles() {
    let mut stack = Scratch::new("handed", &[("Stackfile.kdl", THREE)]);
    let mut session = stack.up(&["cache"]);
    session.ready();
    let cache = identity(&stack.container("cache"));
    assert_eq!(stack.service("web")["state"], "off");

    stack.ok(&["up", "-d", "web"]);
    assert_eq!(word(&stack), "first");

    stack
        .environment
        .push(("WORD".to_owned(), "second".to_owned()));
    stack.ok(&["up", "-d"]);
    assert_eq!(word(&stack), "second");
    assert_eq!(stack.service("extra")["state"], "off");

    stack.ok(&["--profile", "later", "up", "-d"]);
    assert_eq!(stack.service("extra")["state"], "ready");
    assert_eq!(identity(&stack.container("cache")), cache);
    let pid = stack.status()["session"]["pid"].as_u64();
    assert_eq!(pid, Some(u64::from(session.child.id())));
}

#[test]
fn a_lock_and_a_socket_that_nobody_holds_are_in_nobodys_way() {
    let stack = Scratch::new("stale", &[("Stackfile.kdl", THREE)]);
    let mut session = stack.up(&[]);
    session.ready();
    session.signal(9);
    session.end();
    let left = shell("ls devrun", &stack.state).out;
    assert!(left.contains(".sock") && left.contains(".lock"), "{left}");
    assert!(stack.status()["session"].is_null());
    // The number of the dead one may be somebody else's by now.
    let pid = std::process::id();
    shell(
        &format!("for lock in devrun/*.lock; do echo -n {pid} > $lock; done"),
        &stack.state,
    );
    assert!(stack.status()["session"].is_null());
    let mut session = stack.up(&[]);
    session.ready();
    let pid = stack.status()["session"]["pid"].as_u64();
    assert_eq!(pid, Some(u64::from(session.child.id())));
}

#[test]
fn a_session_that_builds_is_stopped_by_another_terminal() {
    let dockerfile = "FROM redis:7\nRUN echo begun && sleep 600\n";
    let stack = Scratch::new(
        "building",
        &[
            (
                "Stackfile.kdl",
                "stack app\nservice web { build \"src\"; }\nservice cache { image \"redis:7\"; }\n",
            ),
            ("src/Dockerfile", dockerfile),
        ],
    );
    let mut session = stack.up(&[]);
    session.wait("the step that lasts", 60, |event| {
        event["event"] == "build-step"
            && event["name"]
                .as_str()
                .is_some_and(|it| it.contains("sleep 600"))
    });
    stack.ok(&["stop"]);
    session.wait("its end", 30, |event| event["event"] == "session-ended");
    assert_eq!(session.end().0, 130, "it never was ready");
    let label = format!("label=devrun.stack={}", stack.name);
    assert_eq!(docker(&["ps", "-q", "--filter", &label]).out, "");
    let ran = stack.run(&["status"]);
    assert_eq!(ran.code, 0, "{}", said(&ran));
}
