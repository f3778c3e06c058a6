//! What the build reads and no sync covers: a new image, where it is one, and what runs from it.

use crate::stage::{Picture, content, done, save, up};

const NOTHING: [&str; 0] = [];
const NEW: [&str; 3] = ["web replaced", "web has another image", "1 images made"];

#[test]
fn what_the_build_reads_and_no_sync_covers_rebuilds_that_service_alone() {
    let (stack, mut session) = up("rebuild");
    assert_eq!(save(&stack, &mut session, "web/setup.txt", "2\n"), NEW);
    assert_eq!(content(&stack, "web", "/setup.txt"), "2\n");
    let built =
        |event: &&serde_json::Value| event["event"] == "build-started" && event["service"] != "web";
    let others = session.seen.iter().filter(built).count();
    assert_eq!(others, 1, "the first start's: {}", session.dump());
}

#[test]
fn what_was_ruled_out_is_told_with_the_line_that_says_so() {
    let (stack, mut session) = up("ruledout");
    save(&stack, &mut session, "web/setup.txt", "2\n");
    save(&stack, &mut session, "web/app/main.py", "2\n");
    let ruled_out = |path: &str| {
        let reason = format!("{path}: ");
        let planned = |event: &&serde_json::Value| {
            event["event"] == "update-planned"
                && event["reason"].as_str().unwrap().starts_with(&reason)
        };
        session.seen.iter().find(planned).unwrap()["ruled_out"].clone()
    };
    let read = "web/setup.txt is read by web/Dockerfile:2";
    let not_synced = serde_json::json!([{
        "what": "sync", "because": read, "path": "web/setup.txt",
        "file": "web/Dockerfile", "line": 2,
    }]);
    assert_eq!(ruled_out("web/setup.txt"), not_synced);
    let covered = "a sync rule covers it (Stackfile.kdl:5)";
    let not_rebuilt = serde_json::json!([{
        "what": "rebuild", "because": covered, "path": "web/app/main.py",
        "file": "Stackfile.kdl", "line": 5,
    }]);
    assert_eq!(ruled_out("web/app/main.py"), not_rebuilt);
    let why = stack.ok(&["why", "web"]).out;
    let not_synced = format!("not synced: {read}");
    let not_rebuilt = format!("not rebuilt: {covered}");
    for text in [&not_synced, &not_rebuilt] {
        assert!(why.contains(text), "{text}: {why}");
    }
    for (path, text) in [
        ("web/setup.txt", &not_synced),
        ("web/app/x.py", &not_rebuilt),
    ] {
        let told = stack.ok(&["why", path]).out;
        assert!(told.contains(text), "{path}: {told}");
    }
}

#[test]
fn each_part_of_a_rebuild_and_of_a_restart_is_told_with_its_time() {
    let (stack, mut session) = up("parts");
    let mut parts = |path: &str| -> Vec<serde_json::Value> {
        // Never seen before, or the engine would have all steps in its cache.
        stack.write(path, &format!("{}\n", stack.name));
        let over = done(&mut session, "web");
        let parts = over["parts"].as_array().unwrap().clone();
        let sum: f64 = parts
            .iter()
            .map(|part| part["took_ms"].as_f64().unwrap())
            .sum();
        let all = over["took_ms"].as_f64().unwrap();
        assert!((sum - all).abs() < 1.0, "{sum} of {all}: {over}");
        parts
    };
    let words = |parts: &[serde_json::Value]| -> Vec<String> {
        let words = parts.iter().map(|part| part["what"].as_str().unwrap());
        words.map(str::to_owned).collect()
    };
    let rebuilt = parts("web/setup.txt");
    assert_eq!(
        words(&rebuilt),
        [
            "waited", "built", "stopped", "created", "started", "compared"
        ]
    );
    assert_eq!(rebuilt[0]["for"], "quiet");
    let slowest = rebuilt[1]["slowest"]["name"].as_str().unwrap();
    assert!(slowest.starts_with('['), "{slowest}");
    let restarted = parts("web/app/main.py");
    assert_eq!(
        words(&restarted),
        ["synced", "waited", "restarted", "compared"]
    );
    let why = stack.ok(&["why", "web"]).out;
    let took = |start: &str| why.lines().any(|line| line.trim_start().starts_with(start));
    assert!(took("took: waited "), "{why}");
    assert!(why.contains("(slowest step: ["), "{why}");
}

#[test]
fn an_image_that_turns_out_the_same_restarts_nothing() {
    let (stack, mut session) = up("same");
    // The build's context has one file more, of which the image has nothing.
    let before = Picture::of(&stack);
    stack.write("web/unread.txt", "1\n");
    let over = done(&mut session, "web");
    assert_eq!(over["action"], "rebuilt, same image", "{over}");
    let moved = before.moved_to(&Picture::of(&stack));
    assert_eq!(moved, NOTHING, "{}", session.dump());
    // Nor does the next session find anything to do.
    session.signal(9);
    session.end();
    let mut session = stack.up(&[]);
    session.ready();
    let moved = before.moved_to(&Picture::of(&stack));
    assert_eq!(moved, NOTHING, "{}", session.dump());
}

#[test]
fn there_and_back_finds_the_image_of_before() {
    let (stack, mut session) = up("back");
    let first = Picture::of(&stack);
    assert_eq!(save(&stack, &mut session, "web/setup.txt", "2\n"), NEW);
    let moved = save(&stack, &mut session, "web/setup.txt", "1\n");
    assert_eq!(moved, ["web replaced", "web has another image"]);
    assert_eq!(
        first.moved_to(&Picture::of(&stack)),
        ["web replaced", "1 images made"]
    );
}

#[test]
fn a_build_that_fails_moves_nothing() {
    let (stack, mut session) = up("fails");
    let before = Picture::of(&stack);
    stack.write("web/setup.txt", "bad\n");
    let failed = session.event("web", "update-done", 90);
    assert_eq!(failed["outcome"], "failed", "{failed}");
    assert_eq!(before.moved_to(&Picture::of(&stack)), NOTHING);
    assert_eq!(save(&stack, &mut session, "web/setup.txt", "2\n"), NEW);
}

#[test]
fn a_new_container_has_what_was_live_before_it_also_from_an_older_image() {
    let (stack, mut session) = up("live");
    for (path, text) in [("page.html", "2\n"), ("later.html", "new\n")] {
        let moved = save(&stack, &mut session, &format!("web/app/{path}"), text);
        assert_eq!(moved, NOTHING);
    }
    std::fs::remove_file(stack.path("web/app/old.html")).unwrap();
    done(&mut session, "web");
    // Of the same image, which is older than all of that.
    let moved = save(&stack, &mut session, "web/app/all.fresh", "2\n");
    assert_eq!(moved, ["web replaced"]);
    let tree = "cd /app; head -n 9 page.html later.html; ls";
    let list = || crate::kit::docker(&["exec", &stack.container("web"), "sh", "-c", tree]).out;
    let expected = "==> page.html <==\n2\n\n==> later.html <==\nnew\n\
        all.fresh\nlater.html\nmain.py\npage.html\ntool.sh\nweb.conf\n";
    assert_eq!(list(), expected);
    // Of one that was made before these were saved, there and back.
    save(&stack, &mut session, "web/setup.txt", "2\n");
    assert_eq!(list(), expected);
    save(&stack, &mut session, "web/setup.txt", "1\n");
    assert_eq!(list(), expected);
}
