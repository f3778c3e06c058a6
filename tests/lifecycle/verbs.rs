//! What the verbs answer: codes, shapes, and where each line goes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::kit::{Ran, Scratch, docker, eventually, free_port, identity, said};

/// Two services that say something, in a known order.
const TALKERS: &str = r#"stack app
service first { image "redis:7"; command "echo alpha; echo beta; echo gamma >&2; exec sleep infinity"; init #true; healthcheck "true" }
service second { image "redis:7"; command "echo delta; exec sleep infinity"; init #true; depends-on first; healthcheck "true" }
"#;

#[test]
fn status_has_the_shape_of_the_contract() {
    let port = free_port();
    let page = free_port();
    let text = format!(
        r#"stack app
service web {{
    build "."
    port {port} to=6379
    route "/api/*"
    healthcheck "redis-cli ping"
    sync to="/app"
}}
service off {{ image "redis:7"; profile later }}
task once {{ image "redis:7"; command "true" }}
proxy entry {{ image "nginx:1.26"; config "nginx.conf"; depends-on web; port {page} to=80 }}
"#
    );
    let stack = Scratch::new(
        "shape",
        &[
            ("Stackfile.kdl", text.as_str()),
            ("Dockerfile", "FROM redis:7\nWORKDIR /app\nCOPY . .\n"),
            (
                "nginx.conf",
                "events {}\nhttp { server { listen 80; include devrun-routes; } }\n",
            ),
        ],
    );
    stack.ok(&["up", "-d"]);
    let status = stack.status();
    assert_eq!(status["stack"], stack.name.as_str(), "{status}");
    assert!(
        status["file"].as_str().unwrap().ends_with("Stackfile.kdl"),
        "{status}"
    );
    assert!(
        status["session"]["pid"].as_u64().is_some() && is_time(&status["session"]["since"]),
        "{status}"
    );
    assert_eq!(
        status["proxy"]["url"],
        format!("http://localhost:{page}"),
        "{status}"
    );
    assert!(
        status["proxy"]["generation"].as_u64().unwrap() > 0,
        "{status}"
    );

    let web = stack.service("web");
    let container = docker(&["inspect", "-f", "{{.Id}}", &stack.container("web")]).out;
    assert_eq!(
        (&web["state"], &web["health"], &web["reason"]),
        (&"ready".into(), &"healthy".into(), &Value::Null)
    );
    assert!(is_time(&web["since"]), "{web}");
    assert_eq!(web["exit_code"], Value::Null, "{web}");
    assert_eq!(
        (
            web["container"]["id"].as_str(),
            web["container"]["name"].as_str()
        ),
        (
            Some(container.trim()),
            Some(stack.container("web").as_str())
        )
    );
    assert!(
        web["image"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{}-web:", stack.name)),
        "{web}"
    );
    assert_eq!(
        web["ports"],
        serde_json::json!([{ "host": port, "container": 6379 }])
    );
    assert_eq!(
        (&web["routes"], &web["restarts"]),
        (&serde_json::json!(["/api/*"]), &0.into()),
        "{web}"
    );
    assert_eq!(
        web["sync"],
        serde_json::json!({ "transport": "agent", "state": "live", "pending": 0 })
    );

    let once = stack.service("once");
    assert_eq!(
        (&once["state"], &once["exit_code"], &once["sync"]),
        (&"done".into(), &0.into(), &Value::Null),
        "{once}"
    );
    assert_eq!(stack.service("off")["state"], "off");
    let table = stack.ok(&["ps"]).out;
    assert_eq!(
        table
            .lines()
            .filter(|line| line.contains("healthy"))
            .count(),
        1,
        "{table}"
    );

    stack.ok(&["stop"]);
    let status = stack.status();
    assert!(status["session"].is_null(), "{status}");
    let web = stack.service("web");
    assert_eq!(web["state"], "stopped", "{web}");
    assert!(
        !web["reason"].as_str().unwrap_or_default().is_empty(),
        "{web}"
    );
}

fn is_time(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|time| time.len() >= 20 && time.contains('T') && time.ends_with('Z'))
}

#[test]
fn wait_ends_with_0_1_or_4_and_says_what_it_waited_for() {
    let text = "stack app\nservice good { image \"redis:7\"; healthcheck \"redis-cli ping\" }\nservice slow { image \"redis:7\"; healthcheck \"echo loading the index; test -f /data/open\" start-period=\"10m\" }\n";
    let stack = Scratch::new("wait", &[("Stackfile.kdl", text)]);
    let mut session = stack.up(&[]);
    session.event("slow", "probe-failed", 60);
    stack.ok(&["wait", "good"]);
    let late = stack.run(&["wait", "--timeout", "1s"]);
    assert_eq!(late.code, 4, "{}", said(&late));
    for part in ["slow", "starting", "loading the index"] {
        assert!(late.err.contains(part), "{part:?} is not in {}", late.err);
    }
    assert!(!late.err.contains("good"), "{}", late.err);

    // One that waits is let go the moment that it is ready.
    let waiting = stack
        .command(&["wait", "slow"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    docker(&["exec", &stack.container("slow"), "touch", "/data/open"]);
    let waited = Ran::of(waiting.wait_with_output().unwrap());
    assert_eq!(waited.code, 0, "{}", said(&waited));
    assert_eq!(stack.run(&["wait", "nobody"]).code, 2);
    let (code, errors) = session.interrupt();
    assert_eq!(code, 0, "{errors}");
    let stopped = stack.run(&["wait", "--timeout", "1s"]);
    assert_eq!(stopped.code, 4, "{}", said(&stopped));
}

#[test]
fn events_carry_a_number_a_time_and_what_led_to_them() {
    let files = [
        (
            "Stackfile.kdl",
            "stack app\nservice web { build \".\"; healthcheck \"true\"; sync to=\"/app\" { on \"*.txt\" { restart } } }\n",
        ),
        (
            "Dockerfile",
            "FROM redis:7\nWORKDIR /app\nCOPY . .\nCMD [\"sleep\", \"infinity\"]\n",
        ),
        ("note.txt", "one\n"),
    ];
    let stack = Scratch::new("events", &files);
    stack.ok(&["up", "-d"]);
    let past = stack.ok(&["events"]).out;
    assert!(
        past.contains("session-started") && past.contains("\"settled\""),
        "{past}"
    );

    let mut following = stack
        .command(&["events", "--follow"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    stack.write("note.txt", "two\n");
    let mut events: Vec<Value> = Vec::new();
    while events
        .last()
        .is_none_or(|event| event["event"] != "update-done")
    {
        events.push(serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap());
    }
    assert!(events.iter().all(|event| event["seq"].as_u64().is_some()
        && is_time(&event["time"])
        && event["event"].is_string()));
    let numbers: Vec<u64> = events
        .iter()
        .filter_map(|event| event["seq"].as_u64())
        .collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    let the = |kind: &str| {
        events
            .iter()
            .rev()
            .find(|event| event["event"] == kind)
            .unwrap_or_else(|| panic!("no {kind} in {events:?}"))
    };
    let (changed, planned, synced, done) = (
        the("files-changed"),
        the("update-planned"),
        the("synced"),
        the("update-done"),
    );
    assert_eq!(changed["paths"], serde_json::json!(["note.txt"]));
    assert_eq!(
        (&planned["cause"], &planned["service"]),
        (&changed["seq"], &"web".into()),
        "{planned}"
    );
    assert!(
        planned["reason"].as_str().unwrap().contains("note.txt")
            && planned["reason"]
                .as_str()
                .unwrap()
                .contains("Stackfile.kdl:"),
        "{planned}"
    );
    assert_eq!(
        (&synced["cause"], &synced["files"]),
        (&planned["seq"], &1.into()),
        "{synced}"
    );
    assert_eq!(
        (&done["cause"], &done["outcome"]),
        (&planned["seq"], &"ok".into()),
        "{done}"
    );
    assert!(done["took_ms"].as_f64().unwrap() > 0.0, "{done}");

    // It ends with the session.
    stack.ok(&["down"]);
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert!(
        rest.iter().any(|line| line.contains("session-ended")),
        "{rest:?}"
    );
    assert!(following.wait().unwrap().success());
    assert_eq!(stack.run(&["events"]).code, 1);
}

#[test]
fn logs_are_prefixed_in_order_and_cut_as_asked() {
    let stack = Scratch::new("logs", &[("Stackfile.kdl", TALKERS)]);
    stack.ok(&["up", "-d"]);
    let all = stack.ok(&["logs"]);
    assert_eq!(all.err, "");
    let at = |word: &str| {
        all.out
            .lines()
            .position(|line| line.ends_with(word))
            .unwrap_or_else(|| panic!("no {word} in {}", all.out))
    };
    assert!(
        at("alpha") < at("beta") && at("beta") < at("delta"),
        "{}",
        all.out
    );
    for (word, service) in [("alpha", "first"), ("gamma", "first"), ("delta", "second")] {
        let line = all.out.lines().nth(at(word)).unwrap();
        assert!(line.contains(service) && line.contains('|'), "{line}");
    }
    let second = stack.ok(&["logs", "second"]).out;
    assert!(
        second.contains("delta") && !second.contains("alpha"),
        "{second}"
    );
    assert_eq!(
        stack
            .ok(&["logs", "--tail", "1", "first"])
            .out
            .lines()
            .count(),
        1
    );
    assert_eq!(
        stack
            .ok(&["logs", "--tail", "all", "first"])
            .out
            .lines()
            .count(),
        3
    );
    assert_eq!(stack.run(&["logs", "--tail", "some"]).code, 2);

    let json = stack.ok(&["logs", "--format", "json"]).out;
    let objects: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(objects.len(), 4, "{json}");
    let gamma = objects
        .iter()
        .find(|object| object["text"] == "gamma")
        .unwrap();
    assert_eq!(
        (&gamma["service"], &gamma["stream"], &gamma["event"]),
        (&"first".into(), &"stderr".into(), &"log".into()),
        "{gamma}"
    );
    assert!(is_time(&gamma["time"]), "{gamma}");

    // From the time of the last line on there is that line alone.
    let newest = objects.last().unwrap();
    let since = stack
        .ok(&["logs", "--since", newest["time"].as_str().unwrap()])
        .out;
    assert!(
        since.contains("delta") && !since.contains("alpha"),
        "{since}"
    );
    assert_eq!(stack.ok(&["logs", "--since", "1h"]).out.lines().count(), 4);
    assert_eq!(stack.run(&["logs", "--since", "yesterday"]).code, 2);
}

#[test]
fn logs_follow_until_ctrl_c() {
    let text = "stack app\nservice web { image \"redis:7\"; command \"touch /tmp/say; exec tail -n +1 -f /tmp/say\"; init #true; healthcheck \"test -f /tmp/say\" }\n";
    let stack = Scratch::new("logsf", &[("Stackfile.kdl", text)]);
    stack.ok(&["up", "-d"]);
    let say = |word: &str| {
        stack.ok(&[
            "exec",
            "web",
            "sh",
            "-c",
            &format!("echo {word} >> /tmp/say"),
        ])
    };
    say("before");
    eventually("the first line", 20, || {
        stack.ok(&["logs"]).out.contains("before").then_some(())
    });
    let mut following = stack
        .command(&["logs", "-f"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().ends_with("before"));
    say("after");
    assert!(lines.next().unwrap().unwrap().ends_with("after"));
    let interrupted = Command::new("kill")
        .args(["-2", &following.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    assert!(following.wait().unwrap().success());
    assert_eq!(lines.map_while(Result::ok).count(), 0);
}

#[test]
fn exec_passes_code_arguments_and_stdin_on() {
    let stack = Scratch::new("exec", &[("Stackfile.kdl", TALKERS)]);
    let early = stack.run(&["exec", "first", "true"]);
    assert_eq!(early.code, 1, "{}", said(&early));
    assert!(early.err.contains("devrun up -d first"), "{}", early.err);
    stack.ok(&["up", "-d"]);
    assert_eq!(stack.run(&["exec", "first", "sh", "-c", "exit 7"]).code, 7);
    let words = stack.ok(&[
        "exec",
        "first",
        "printf",
        "[%s]",
        "two words",
        "",
        "-f",
        "$HOME",
    ]);
    assert_eq!(words.out, "[two words][][-f][$HOME]");
    let apart = stack.ok(&["exec", "first", "sh", "-c", "echo out; echo err >&2"]);
    assert_eq!((apart.out.as_str(), apart.err.as_str()), ("out\n", "err\n"));

    let mut piped = stack
        .command(&["exec", "first", "wc", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    piped
        .stdin
        .take()
        .unwrap()
        .write_all(&vec![b'x'; 300_000])
        .unwrap();
    let counted = Ran::of(piped.wait_with_output().unwrap());
    assert_eq!((counted.code, counted.out.trim()), (0, "300000"));

    let absent = stack.run(&["exec", "first", "no-such-program"]);
    assert_ne!(absent.code, 0, "{}", said(&absent));
    assert!(
        said(&absent).contains("no-such-program"),
        "{}",
        said(&absent)
    );
    assert_eq!(stack.run(&["exec", "nobody", "true"]).code, 2);
}

#[test]
fn a_second_up_applies_what_was_saved_while_nobody_watched() {
    let text = "stack app\nservice one { image \"redis:7\"; environment { WORD \"old\"; }; }\n\
                service other { image \"redis:7\"; }\n";
    let stack = Scratch::new("reread", &[("Stackfile.kdl", text)]);
    let mut session = stack.up(&["--no-watch"]);
    session.ready();
    let other = identity(&stack.container("other"));
    stack.edit("Stackfile.kdl", "old", "new");
    stack.ok(&["up", "-d"]);
    let word = docker(&["exec", &stack.container("one"), "printenv", "WORD"]).out;
    assert_eq!(word.trim(), "new");
    assert_eq!(identity(&stack.container("other")), other);
    let events = stack.ok(&["events"]).out;
    assert_eq!(
        events.matches("\"stackfile-changed\"").count(),
        1,
        "{events}"
    );
    assert!(
        events.lines().last().unwrap().contains("settled"),
        "{events}"
    );
    session.interrupt();
}
