//! Networks of other containers.

use serde_json::json;

use super::inspect::inspect;
use crate::kit::{Scratch, docker, said};

const SHARED: &str = r#"stack app
service vpn {
    image "python:3.13-slim"
    command "python" "-m" "http.server" "8099"
    init #true
    healthcheck tcp=8099
    environment { A one }
}
service web {
    image "redis:7"
    network-mode "service:vpn"
    healthcheck tcp=8099
}
service other { image "redis:7" }
"#;

#[test]
fn whoever_has_the_network_of_another_goes_with_its_container() {
    let stack = Scratch::new("shared", &[("Stackfile.kdl", SHARED)]);
    stack.ok(&["up", "-d", "--no-watch"]);
    let id = |service: &str| inspect(&stack, service)["Id"].clone();
    let mode = || inspect(&stack, "web")["HostConfig"]["NetworkMode"].clone();
    let of_vpn = || json!(format!("container:{}", id("vpn").as_str().unwrap()));
    assert_eq!(mode(), of_vpn());
    let (vpn, web, other) = (id("vpn"), id("web"), id("other"));
    let again = stack.ok(&["up", "--dry-run"]);
    assert!(!said(&again).contains("recreate"), "{}", said(&again));

    // A restart takes the network away, and leaves both containers.
    stack.ok(&["restart", "vpn"]);
    stack.ok(&["wait", "--timeout", "30s"]);
    assert_eq!((id("vpn"), id("web")), (vpn.clone(), web.clone()));
    assert_eq!(stack.service("web")["state"], "ready");

    stack.edit("Stackfile.kdl", "A one", "A two");
    let plan = stack.ok(&["up", "--dry-run"]);
    assert!(
        said(&plan).contains("vpn, whose network it has, was made anew"),
        "{}",
        said(&plan)
    );
    stack.ok(&["stop"]);
    stack.ok(&["up", "-d", "--no-watch"]);
    assert_ne!(id("vpn"), vpn);
    assert_ne!(id("web"), web);
    assert_eq!(mode(), of_vpn());
    assert_eq!(id("other"), other);
    stack.ok(&["run", "web", "true"]);
}

#[test]
fn the_network_of_a_container_of_somebody_else() {
    let name = format!("t-lender-{}", std::process::id());
    let text = format!(
        "stack app\nservice a {{ image \"redis:7\"; command \"sleep\" \"1000\"; init #true; network-mode \"container:{name}\" }}\n"
    );
    let stack = Scratch::new("lender", &[("Stackfile.kdl", &text)]);
    let missing = stack.run(&["up", "-d", "--no-watch"]);
    stack.ok(&["stop"]);
    let made = docker(&["run", "-d", "--name", &name, "redis:7"]);
    let up = stack.run(&["up", "-d", "--no-watch"]);
    let mode = inspect(&stack, "a")["HostConfig"]["NetworkMode"].clone();
    docker(&["rm", "-f", &name]);
    assert_eq!(
        (missing.code, made.code, up.code),
        (1, 0, 0),
        "{}",
        said(&up)
    );
    let why = "the container whose network it has does not run";
    assert!(said(&missing).contains(why), "{}", said(&missing));
    assert!(mode.as_str().unwrap().starts_with("container:"), "{mode}");
}
