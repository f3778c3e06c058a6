//! What dies: of which save, and how it comes back.

use crate::kit::{Scratch, docker};
use crate::stage::Picture;

const STACKFILE: &str = r#"stack app
service web {
    image "redis:7"
    init #true
    command "sh" "/app/main.sh"
    restart unless-stopped
    sync "app" to="/app" { on "*.sh" { restart } }
}
service side { image "redis:7"; init #true; command "sleep" "infinity" }
"#;

#[test]
fn one_that_dies_of_a_save_says_so_everywhere_and_the_next_save_restarts_it_at_once() {
    let good = "exec sleep infinity\n";
    let files = [("Stackfile.kdl", STACKFILE), ("app/main.sh", good)];
    let stack = Scratch::new("died", &files);
    let mut session = stack.up(&[]);
    session.ready();
    let before = Picture::of(&stack);
    stack.write("app/main.sh", "echo no settings >&2; exit 3\n");
    let after = "after app/main.sh was saved";
    let told = session.wait("crash-looping", 90, |event| {
        let text = event["reason"].as_str().unwrap_or_default();
        event["service"] == "web" && text.starts_with("crash-looping")
    });
    assert!(told["reason"].as_str().unwrap().contains(after), "{told}");
    let cause = session
        .seen
        .iter()
        .find(|event| event["seq"] == told["cause"]);
    assert_eq!(cause.unwrap()["event"], "update-planned", "{told}");
    let web = stack.service("web");
    assert_eq!(web["state"], "failed", "{web}");
    assert!(web["reason"].as_str().unwrap().contains(after), "{web}");
    let why = stack.ok(&["why", "web"]).out;
    assert!(why.contains(after) && why.contains("app/main.sh"), "{why}");

    let pause = "{{.RestartCount}}";
    let count = || docker(&["inspect", "-f", pause, &stack.container("web")]).out;
    assert!(count().trim().parse::<u32>().unwrap() >= 2);
    stack.write("app/main.sh", good);
    session.state("web", "ready", 60);
    // A start of ours; the engine has not counted it.
    assert_eq!(count().trim(), "0", "{}", session.dump());
    let moved = before.moved_to(&Picture::of(&stack));
    assert_eq!(moved, ["web restarted"]);
}
