//! The way down: order, first processes, ports, volumes.

use std::net::TcpListener;

use crate::kit::{Scratch, docker, free_port, said};

fn inspect(container: &str, format: &str) -> String {
    docker(&["inspect", "-f", format, container])
        .out
        .trim()
        .to_owned()
}

/// When it ended, by the engine's clock, padded so that times compare as texts.
fn finished(container: &str) -> String {
    let time = inspect(container, "{{.State.FinishedAt}}");
    let (seconds, fraction) = time
        .trim_end_matches('Z')
        .split_once('.')
        .unwrap_or((time.trim_end_matches('Z'), ""));
    format!("{seconds}.{fraction:0<9}")
}

const CHAIN: &str = r#"stack app
service db { image "redis:7"; healthcheck "redis-cli ping" }
service api { image "redis:7"; depends-on db; healthcheck "redis-cli ping" }
service page { image "redis:7"; depends-on api; healthcheck "redis-cli ping" }
"#;

fn in_reverse(stack: &Scratch) {
    let times = ["page", "api", "db"].map(|service| finished(&stack.container(service)));
    assert!(times.is_sorted(), "page, api and db ended at {times:?}");
}

#[test]
fn ctrl_c_and_stop_end_dependents_first_and_keep_the_containers() {
    let stack = Scratch::new("reverse", &[("Stackfile.kdl", CHAIN)]);
    let mut session = stack.up(&[]);
    session.ready();
    let ids = ["db", "api", "page"].map(|service| inspect(&stack.container(service), "{{.Id}}"));
    let (code, errors) = session.interrupt();
    assert_eq!(code, 0, "{errors}");
    in_reverse(&stack);

    stack.ok(&["up", "-d"]);
    let again = ["db", "api", "page"].map(|service| inspect(&stack.container(service), "{{.Id}}"));
    assert_eq!(again, ids, "the containers were not kept");
    let stop = stack.ok(&["stop"]);
    assert!(
        said(&stop).contains("containers and data are kept"),
        "{}",
        said(&stop)
    );
    in_reverse(&stack);
    assert!(stack.status()["session"].is_null());
    for service in ["db", "api", "page"] {
        assert_eq!(stack.service(service)["state"], "stopped");
    }
}

#[test]
fn stop_and_start_of_one_service_leave_the_others_alone() {
    let stack = Scratch::new("one", &[("Stackfile.kdl", CHAIN)]);
    stack.ok(&["up", "-d"]);
    let others = ["db", "api"]
        .map(|service| inspect(&stack.container(service), "{{.Id}} {{.State.StartedAt}}"));
    let stop = stack.ok(&["stop", "page"]);
    assert!(
        said(&stop).contains("page") && said(&stop).contains("kept"),
        "{}",
        said(&stop)
    );
    assert_eq!(
        inspect(&stack.container("page"), "{{.State.Running}}"),
        "false"
    );
    let page = stack.service("page");
    assert_eq!(page["state"], "stopped", "{page}");
    stack.ok(&["start", "page"]);
    assert_eq!(stack.service("page")["state"], "ready");
    let now = ["db", "api"]
        .map(|service| inspect(&stack.container(service), "{{.Id}} {{.State.StartedAt}}"));
    assert_eq!(now, others);

    let unknown = stack.run(&["stop", "pag"]);
    assert_eq!(unknown.code, 2, "{}", said(&unknown));
    assert!(unknown.err.contains("no service pag"), "{}", unknown.err);
}

#[test]
fn a_first_process_that_cannot_be_told_is_not_waited_for_and_the_mend_is_named() {
    let text = r#"stack app
service deaf { image "redis:7"; command "sleep" "infinity" }
service tame { image "redis:7"; command "sleep" "infinity"; init #true }
service built { build "." }
"#;
    let files = [
        ("Stackfile.kdl", text),
        (
            "Dockerfile",
            "FROM redis:7\nCMD [\"sleep\", \"infinity\"]\n",
        ),
    ];
    let stack = Scratch::new("deaf", &files);
    let mut session = stack.up(&[]);
    session.ready();
    let init = |service: &str| inspect(&stack.container(service), "{{json .HostConfig.Init}}");
    assert_eq!(init("built"), "true");
    assert_eq!(init("tame"), "true");
    assert_ne!(init("deaf"), "true");
    let began = std::time::Instant::now();
    session.signal(2);
    let warning = session.event("deaf", "warning", 30);
    assert!(
        warning["message"]
            .as_str()
            .unwrap()
            .contains("`init #true`"),
        "{warning}"
    );
    session.wait("the end", 30, |event| event["event"] == "session-ended");
    assert!(
        began.elapsed() < std::time::Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
    let warned = session
        .seen
        .iter()
        .filter(|event| event["event"] == "warning")
        .count();
    assert_eq!(warned, 1, "{}", session.dump());
    let (code, _) = session.end();
    assert_eq!(code, 0);

    stack.ok(&["up", "-d"]);
    let began = std::time::Instant::now();
    let down = stack.ok(&["down"]);
    assert!(down.err.contains("`init #true`"), "{}", down.err);
    assert!(
        began.elapsed() < std::time::Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn ports_are_free_and_networks_gone_at_the_end() {
    let port = free_port();
    let text = format!(
        "stack app\nservice cache {{ image \"redis:7\"; port {port} to=6379; healthcheck \"redis-cli ping\" }}\n"
    );
    let stack = Scratch::new("ports", &[("Stackfile.kdl", &text)]);
    for end in ["stop", "down"] {
        stack.ok(&["up", "-d"]);
        assert!(
            TcpListener::bind(("127.0.0.1", port)).is_err(),
            "nobody listens"
        );
        stack.ok(&[end]);
        assert!(
            TcpListener::bind(("127.0.0.1", port)).is_ok(),
            "{end} leaves the port taken"
        );
    }
    let networks = docker(&[
        "network",
        "ls",
        "-q",
        "--filter",
        &format!("label=devrun.stack={}", stack.name),
    ]);
    assert_eq!(networks.out, "");
    let again = stack.ok(&["down"]);
    assert!(said(&again).contains("is down already"), "{}", said(&again));
}

#[test]
fn volumes_outlive_down_go_with_the_flag_and_never_if_external() {
    let external = format!("devrun-test-external-{}", std::process::id());
    let text = format!(
        r#"stack app
volume mine
volume theirs name="{external}" external=#true
service cache {{
    image "redis:7"
    volume mine to="/data"
    volume theirs to="/theirs"
    healthcheck "redis-cli ping"
}}
"#
    );
    let stack = Scratch::new("volumes", &[("Stackfile.kdl", &text)]);
    let missing = stack.run(&["up", "-d"]);
    assert_eq!(missing.code, 1, "{}", said(&missing));
    let told = format!("docker volume create {external}");
    assert!(said(&missing).contains(&told), "{}", said(&missing));

    assert_eq!(docker(&["volume", "create", &external]).code, 0);
    let exists = |name: &str| docker(&["volume", "inspect", name]).code == 0;
    let mine = format!("{}-mine", stack.name);
    stack.ok(&["up", "-d"]);
    stack.ok(&[
        "exec",
        "cache",
        "sh",
        "-c",
        "echo kept > /data/mark; echo kept > /theirs/mark",
    ]);
    stack.ok(&["down"]);
    let after_down = (exists(&mine), exists(&external));
    stack.ok(&["up", "-d"]);
    let read = stack.run(&["exec", "cache", "cat", "/data/mark", "/theirs/mark"]);
    stack.ok(&["down", "--volumes"]);
    let after_flag = (exists(&mine), exists(&external));
    docker(&["volume", "rm", &external]);
    assert_eq!(after_down, (true, true));
    assert_eq!(read.out, "kept\nkept\n");
    assert_eq!(after_flag, (false, true));
}

#[test]
fn a_volume_without_a_name_goes_with_the_flag_as_those_with_one() {
    let text = "stack app\nservice cache { image \"redis:7\"; }\n";
    let stack = Scratch::new("nameless", &[("Stackfile.kdl", text)]);
    let nameless = || {
        stack.ok(&["up", "-d"]);
        inspect(
            &stack.container("cache"),
            "{{range .Mounts}}{{.Name}} {{end}}",
        )
    };
    let data = |names: &str| {
        let all = names.split_whitespace();
        let own: Vec<String> = all.filter(|it| it.len() == 64).map(str::to_owned).collect();
        own.first()
            .cloned()
            .unwrap_or_else(|| panic!("no volume in {names}"))
    };
    let exists = |name: &str| docker(&["volume", "inspect", name]).code == 0;
    let first = data(&nameless());
    stack.ok(&["down"]);
    let kept = exists(&first);
    docker(&["volume", "rm", &first]);
    assert!(kept, "data was removed without the flag");

    let second = data(&nameless());
    stack.ok(&["down", "--volumes"]);
    assert!(!exists(&second));
}
