//! Services that cannot be had.

use std::net::TcpListener;

use crate::kit::{Scratch, docker, free_port, said, shell};

fn reason(service: &serde_json::Value) -> String {
    service["reason"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_dependency_that_dies_is_said_with_its_last_lines_and_the_rest_is_ready() {
    let stack = Scratch::new(
        "dead",
        &[(
            "Stackfile.kdl",
            r#"stack app
service dead {
    image "redis:7"
    command "echo first words >&2; echo the last words >&2; exit 7"
    healthcheck "false" interval="30s"
}
service after { image "redis:7"; depends-on dead; healthcheck "redis-cli ping" }
service last { image "redis:7"; depends-on after; healthcheck "redis-cli ping" }
service beside { image "redis:7"; healthcheck "redis-cli ping" }
"#,
        )],
    );
    let up = stack.run(&["up", "-d"]);
    assert_eq!(up.code, 1, "{}", said(&up));
    for part in ["exited with 7", "the last words", "not ready"] {
        assert!(
            said(&up).contains(part),
            "{part:?} is not in\n{}",
            said(&up)
        );
    }

    let dead = stack.service("dead");
    assert_eq!(dead["state"], "failed", "{dead}");
    assert_eq!(dead["exit_code"], 7, "{dead}");
    assert!(reason(&dead).contains("exited with 7"), "{dead}");
    let after = stack.service("after");
    assert_eq!(after["state"], "waiting", "{after}");
    assert!(reason(&after).contains("dead"), "{after}");
    let last = stack.service("last");
    assert_eq!(last["state"], "waiting", "{last}");
    assert!(reason(&last).contains("after"), "{last}");
    assert_eq!(stack.service("beside")["state"], "ready");
    assert_eq!(
        docker(&[
            "ps",
            "-aq",
            "--filter",
            &format!("name={}", stack.container("after"))
        ])
        .out,
        ""
    );
    let table = stack.ok(&["status"]).out;
    assert!(
        table.contains("the last words"),
        "status does not show why:\n{table}"
    );

    // Mended in the Stackfile, the session that is still there brings it all up.
    stack.edit("Stackfile.kdl", "exit 7", "exec sleep infinity");
    stack.edit(
        "Stackfile.kdl",
        r#"healthcheck "false""#,
        r#"healthcheck "true""#,
    );
    stack.ok(&["wait", "--timeout", "60s"]);
    assert_eq!(stack.service("last")["state"], "ready");
}

#[test]
fn one_that_never_gets_healthy_is_failed_with_what_its_probe_says() {
    let stack = Scratch::new(
        "never",
        &[(
            "Stackfile.kdl",
            r#"stack app
service sick {
    image "redis:7"
    healthcheck "echo the index is missing; exit 1" start-period="1s" interval="1s" retries=2
}
"#,
        )],
    );
    let up = stack.run(&["up", "-d"]);
    assert_eq!(up.code, 1, "{}", said(&up));
    assert!(said(&up).contains("the index is missing"), "{}", said(&up));
    let sick = stack.service("sick");
    assert_eq!(sick["state"], "failed", "{sick}");
    assert!(reason(&sick).contains("the index is missing"), "{sick}");
    let wait = stack.run(&["wait"]);
    assert_eq!(wait.code, 1, "{}", said(&wait));
    assert!(
        wait.err.contains("sick is failed") && wait.err.contains("the index is missing"),
        "{}",
        wait.err
    );
}

#[test]
fn an_image_that_nobody_has_is_named_with_the_way_out() {
    let stack = Scratch::new(
        "noimage",
        &[(
            "Stackfile.kdl",
            r#"stack app
service gone { image "devrun-test/not-there:1" }
service beside { image "redis:7"; healthcheck "redis-cli ping" }
"#,
        )],
    );
    let up = stack.run(&["up", "-d"]);
    assert_eq!(up.code, 1, "{}", said(&up));
    assert!(
        said(&up).contains("devrun-test/not-there:1 cannot be pulled"),
        "{}",
        said(&up)
    );
    let gone = stack.service("gone");
    assert_eq!(gone["state"], "failed", "{gone}");
    assert!(
        reason(&gone).contains("is this machine online?")
            || reason(&gone).contains("is the name right?"),
        "{gone}"
    );
    assert_eq!(stack.service("beside")["state"], "ready");
}

#[test]
fn a_failing_step_of_a_dockerfile_is_shown_with_its_line_and_output() {
    let dockerfile = "FROM redis:7\nWORKDIR /app\n\nRUN echo looking for djnago; \\\n    echo no such thing >&2; exit 5\n";
    let stack = Scratch::new(
        "step",
        &[
            (
                "Stackfile.kdl",
                "stack app\nservice web { build \".\"; healthcheck \"redis-cli ping\" }\n",
            ),
            ("Dockerfile", dockerfile),
        ],
    );
    let up = stack.run(&["up", "-d"]);
    assert_eq!(up.code, 1, "{}", said(&up));
    for part in [
        "Dockerfile:4",
        "RUN echo looking for djnago",
        "no such thing",
    ] {
        assert!(
            said(&up).contains(part),
            "{part:?} is not in\n{}",
            said(&up)
        );
    }
    let web = stack.service("web");
    assert_eq!(web["state"], "failed", "{web}");
    assert!(reason(&web).contains("Dockerfile:4"), "{web}");

    // A save that mends it is enough.
    stack.edit("Dockerfile", "exit 5", "true");
    stack.ok(&["wait", "--timeout", "60s"]);
    // One that breaks it again leaves running what runs.
    let before = docker(&[
        "inspect",
        "-f",
        "{{.Id}} {{.State.StartedAt}}",
        &stack.container("web"),
    ])
    .out;
    stack.edit("Dockerfile", "WORKDIR /app", "WORKDIRR /app");
    let wait = stack.run(&["wait", "--timeout", "60s"]);
    assert_eq!(wait.code, 1, "what was saved is not live: {}", said(&wait));
    assert!(wait.err.contains("its build failed"), "{}", wait.err);
    let web = stack.service("web");
    assert!(reason(&web).contains("build failed"), "{web}");
    assert_eq!(
        (&web["state"], &web["stale"]),
        (&"ready".into(), &true.into()),
        "{web}"
    );
    assert_eq!(
        docker(&[
            "inspect",
            "-f",
            "{{.Id}} {{.State.StartedAt}}",
            &stack.container("web")
        ])
        .out,
        before
    );
}

#[test]
fn an_unknown_word_in_a_dockerfile_is_shown_with_its_line() {
    let stack = Scratch::new(
        "word",
        &[
            ("Stackfile.kdl", "stack app\nservice web { build \".\" }\n"),
            ("Dockerfile", "FROM redis:7\n\nCOPPY . /app\n"),
        ],
    );
    let up = stack.run(&["up", "-d"]);
    assert_eq!(up.code, 1, "{}", said(&up));
    assert!(
        said(&up).contains("Dockerfile:3") && said(&up).contains("COPPY"),
        "{}",
        said(&up)
    );
}

#[test]
fn a_port_that_is_taken_says_by_whom_and_is_used_once_it_is_free() {
    let port = free_port();
    let stack = Scratch::new(
        "port",
        &[(
            "Stackfile.kdl",
            &format!(
                "stack app\nvar CACHE_PORT {port}\nservice cache {{ image \"redis:7\"; port \"${{CACHE_PORT}}\" to=6379; healthcheck \"redis-cli ping\" }}\n"
            ),
        )],
    );
    let holder = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let up = stack.run(&["up", "-d"]);
    assert_eq!(up.code, 1, "{}", said(&up));
    let who = format!("port {port} of the host is taken by failures");
    assert!(said(&up).contains(&who), "{}", said(&up));
    let pid = format!("(process {})", std::process::id());
    let cache = stack.service("cache");
    assert_eq!(cache["state"], "failed", "{cache}");
    assert!(
        reason(&cache).contains(&pid)
            && reason(&cache).contains("set CACHE_PORT (Stackfile.kdl:2)"),
        "{cache}"
    );

    drop(holder);
    stack.ok(&["up", "-d"]);
    assert_eq!(stack.service("cache")["state"], "ready");
    let ping = shell(
        &format!(
            "exec 3<>/dev/tcp/127.0.0.1/{port}; echo PING >&3; read -t 5 line <&3; echo $line"
        ),
        &stack.folder,
    );
    assert!(ping.out.contains("PONG"), "{ping:?}");
}

#[test]
fn a_port_that_another_stack_has_names_that_stack() {
    let port = free_port();
    let text = format!(
        "stack app\nservice cache {{ image \"redis:7\"; port {port} to=6379; healthcheck \"redis-cli ping\" }}\n"
    );
    let first = Scratch::new("porta", &[("Stackfile.kdl", &text)]);
    let second = Scratch::new("portb", &[("Stackfile.kdl", &text)]);
    first.ok(&["up", "-d"]);
    let up = second.run(&["up", "-d"]);
    assert_eq!(up.code, 1, "{}", said(&up));
    let who = format!(
        "the container {} of the stack {}",
        first.container("cache"),
        first.name
    );
    assert!(said(&up).contains(&who), "{}", said(&up));
}

#[test]
fn a_crash_loop_is_shown_with_its_lines_and_a_good_save_heals_it() {
    let stack = Scratch::new(
        "loop",
        &[
            (
                "Stackfile.kdl",
                r#"stack app
service web {
    build "."
    restart unless-stopped
    healthcheck "test -f /tmp/serving"
    sync to="/app" { on "*.sh" { restart } }
}
"#,
            ),
            (
                "Dockerfile",
                "FROM redis:7\nWORKDIR /app\nCOPY main.sh .\nCMD [\"sh\", \"main.sh\"]\n",
            ),
            ("main.sh", "echo cannot find the settings >&2\nexit 3\n"),
        ],
    );
    let mut session = stack.up(&[]);
    assert!(!session.settled(), "{}", session.dump());
    let web = stack.service("web");
    assert_eq!(web["state"], "failed", "{web}");
    assert!(
        reason(&web).contains("crash-looping") && reason(&web).contains('3'),
        "{web}"
    );
    let told = session
        .seen
        .iter()
        .find(|event| event["event"] == "service-state" && event["to"] == "failed")
        .unwrap();
    assert!(
        told["details"]
            .to_string()
            .contains("cannot find the settings"),
        "{told}"
    );

    stack.write("main.sh", "touch /tmp/serving\nexec sleep infinity\n");
    session.state("web", "ready", 60);
    assert_eq!(stack.service("web")["state"], "ready");
    let (code, errors) = session.interrupt();
    assert_eq!(code, 0, "{errors}");
}

#[test]
fn a_container_that_could_not_be_started_is_shown_and_taken_by_the_next_try() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let text = format!("stack app\nservice one {{ image \"redis:7\"; port {port} to=6379; }}\n");
    let stack = Scratch::new("made-in-vain", &[("Stackfile.kdl", &text)]);
    let mut session = stack.up(&[]);
    assert!(!session.settled());
    let one = stack.service("one");
    assert_eq!(one["state"], "failed", "{one}");
    let reason = one["reason"].as_str().unwrap();
    assert!(reason.contains(&port.to_string()), "{one}");
    let made = one["container"]["id"].clone();
    assert!(made.is_string(), "{one}");
    drop(taken);
    stack.ok(&["up", "-d"]);
    let one = stack.service("one");
    assert_eq!(
        (&one["state"], &one["container"]["id"]),
        (&"ready".into(), &made)
    );
    session.interrupt();
}
