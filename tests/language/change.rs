//! A word that changes recreates the service that it belongs to, and no other.

use crate::kit::{Scratch, docker};

const BEFORE: &str = r#"stack app
secret key text="one"
service other { image "redis:7" }
service web {
    image "python:3.13-slim"
    command "sleep" "1000"
    init #true
    user "root"
    working-dir "/tmp"
    label { tier "one" }
    secret key
}
"#;

fn id(stack: &Scratch, service: &str) -> String {
    docker(&["inspect", "-f", "{{.Id}}", &stack.container(service)]).out
}

#[test]
fn a_change_recreates_its_own_service_with_the_reason() {
    let stack = Scratch::new("change", &[("Stackfile.kdl", BEFORE)]);
    stack.ok(&["up", "-d", "--no-watch"]);
    let other = id(&stack, "other");
    for (old, new, reason) in [
        ("\"/tmp\"", "\"/var\"", "working-dir"),
        ("tier \"one\"", "tier \"two\"", "label"),
        ("text=\"one\"", "text=\"two\"", "files"),
        ("    user \"root\"\n", "    read-only #true\n", "read-only"),
        (
            "secret key\n}",
            "secret key\n    network own { alias \"w\" }\n}",
            "network",
        ),
    ] {
        if new.contains("network own") {
            stack.edit("Stackfile.kdl", "stack app\n", "stack app\nnetwork own\n");
        }
        let before = id(&stack, "web");
        stack.edit("Stackfile.kdl", old, new);
        let plan = stack.ok(&["up", "--dry-run"]);
        let said = format!("{}{}", plan.out, plan.err);
        assert!(
            said.contains("changed:") && said.contains(reason),
            "{reason}: {said}"
        );
        stack.ok(&["stop"]);
        stack.ok(&["up", "-d", "--no-watch"]);
        assert_ne!(id(&stack, "web"), before, "{reason}");
        assert_eq!(id(&stack, "other"), other, "{reason}");
    }
}
