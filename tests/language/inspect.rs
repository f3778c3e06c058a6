//! Words that are passed on to the engine.

use serde_json::{Value, json};

use crate::kit::{Scratch, docker};

/// What the engine knows of a service's container.
pub(super) fn inspect(stack: &Scratch, service: &str) -> Value {
    let all = docker(&["inspect", &stack.container(service)]);
    let all: Value = serde_json::from_str(&all.out).unwrap();
    all[0].clone()
}

const WORDS: &str = r#"stack app
network backstage internal=#true
network default

service web {
    image "python:3.13-slim"
    entrypoint "env"
    command "sleep" "1000"
    user "1000:1000"
    group-add "44"
    working-dir "/srv"
    hostname "front"
    domainname "example.org"
    ipc shareable
    cgroup-parent "/devrun-test"
    runtime "runc"
    cpuset "0"
    memory-swap -1
    pids-limit 200
    oom-score-adj 500
    dns-opt "ndots:1"
    network default { alias "www" }
    network backstage { alias "internal.test" "web2" }
    extra-host "api.test" "10.0.0.5"
    dns "9.9.9.9"
    dns-search "example.org"
    expose 9000 "53/udp"
    tmpfs "/scratch" size="1M" mode=0700
    read-only #true
    stdin-open #true
    tty #true
    stop-signal INT
    stop-grace-period "3s"
    cap-add NET_ADMIN
    cap-drop MKNOD CHOWN
    security-opt "no-new-privileges:true"
    ulimit nofile soft=1024 hard=2048
    sysctl { net.ipv4.ip_unprivileged_port_start 0 }
    shm-size "8M"
    device "/dev/null" to="/dev/nothing" permissions=r
    label { com.example.team "web" }
    platform "linux/amd64"
    pull never
    healthcheck none
    init #true
}
service bare { image "python:3.13-slim"; command "sleep" "1000"; network-mode none; pid host; uts host; userns-mode host; init #true }

"#;

#[test]
fn each_word_reaches_the_engine() {
    let stack = Scratch::new("words", &[("Stackfile.kdl", WORDS)]);
    stack.ok(&["up", "-d", "--no-watch"]);
    let web = inspect(&stack, "web");
    let (config, host) = (&web["Config"], &web["HostConfig"]);
    for (place, seen, wanted) in [
        ("entrypoint", &config["Entrypoint"], json!(["env"])),
        ("user", &config["User"], json!("1000:1000")),
        ("working-dir", &config["WorkingDir"], json!("/srv")),
        ("hostname", &config["Hostname"], json!("front")),
        ("stdin-open", &config["OpenStdin"], json!(true)),
        ("tty", &config["Tty"], json!(true)),
        ("stop-signal", &config["StopSignal"], json!("SIGINT")),
        ("stop-grace-period", &config["StopTimeout"], json!(3)),
        ("label", &config["Labels"]["com.example.team"], json!("web")),
        (
            "healthcheck none",
            &config["Healthcheck"]["Test"],
            json!(["NONE"]),
        ),
        (
            "expose",
            &config["ExposedPorts"],
            json!({"9000/tcp": {}, "53/udp": {}}),
        ),
        ("group-add", &host["GroupAdd"], json!(["44"])),
        ("ipc", &host["IpcMode"], json!("shareable")),
        ("domainname", &config["Domainname"], json!("example.org")),
        (
            "cgroup-parent",
            &host["CgroupParent"],
            json!("/devrun-test"),
        ),
        ("runtime", &host["Runtime"], json!("runc")),
        ("cpuset", &host["CpusetCpus"], json!("0")),
        ("memory-swap", &host["MemorySwap"], json!(-1)),
        ("pids-limit", &host["PidsLimit"], json!(200)),
        ("oom-score-adj", &host["OomScoreAdj"], json!(500)),
        ("dns-opt", &host["DnsOptions"], json!(["ndots:1"])),
        (
            "extra-host",
            &host["ExtraHosts"],
            json!(["api.test:10.0.0.5"]),
        ),
        ("dns", &host["Dns"], json!(["9.9.9.9"])),
        ("dns-search", &host["DnsSearch"], json!(["example.org"])),
        (
            "tmpfs",
            &host["Tmpfs"],
            json!({"/scratch": "size=1048576,mode=700"}),
        ),
        ("read-only", &host["ReadonlyRootfs"], json!(true)),
        ("cap-add", &host["CapAdd"], json!(["NET_ADMIN"])),
        ("cap-drop", &host["CapDrop"], json!(["MKNOD", "CHOWN"])),
        (
            "security-opt",
            &host["SecurityOpt"],
            json!(["no-new-privileges:true"]),
        ),
        (
            "ulimit",
            &host["Ulimits"],
            json!([{"Name": "nofile", "Soft": 1024, "Hard": 2048}]),
        ),
        (
            "sysctl",
            &host["Sysctls"],
            json!({"net.ipv4.ip_unprivileged_port_start": "0"}),
        ),
        ("shm-size", &host["ShmSize"], json!(8 << 20)),
        (
            "device",
            &host["Devices"],
            json!([{"PathOnHost": "/dev/null", "PathInContainer": "/dev/nothing", "CgroupPermissions": "r"}]),
        ),
    ] {
        assert_eq!(*seen, wanted, "{place}");
    }
    let bare = inspect(&stack, "bare");
    let host = &bare["HostConfig"];
    assert_eq!(host["NetworkMode"], "none");
    assert_eq!(host["PidMode"], "host");
    assert_eq!(
        (&host["UTSMode"], &host["UsernsMode"]),
        (&json!("host"), &json!("host"))
    );
    networks(&stack, &web);
}

#[test]
fn privileged_reaches_the_engine() {
    let text = "stack app\nservice a { image \"redis:7\"; privileged #true }\n";
    let stack = Scratch::new("privileged", &[("Stackfile.kdl", text)]);
    // Where the engine itself may not do so much, the container is made and does not start.
    stack.run(&["up", "-d", "--no-watch"]);
    assert_eq!(
        inspect(&stack, "a")["HostConfig"]["Privileged"],
        json!(true)
    );
}

/// Both networks, each with the names on it; the inner one leads nowhere.
fn networks(stack: &Scratch, web: &Value) {
    let networks = web["NetworkSettings"]["Networks"].as_object().unwrap();
    let (private, inner) = (
        format!("{}-network", stack.name),
        format!("{}-backstage", stack.name),
    );
    let mut names: Vec<&String> = networks.keys().collect();
    names.sort();
    assert_eq!(names, [&inner, &private]);
    let has = |network: &str, alias: &str| {
        let aliases = networks[network]["Aliases"].as_array().unwrap();
        aliases.iter().any(|one| one == alias)
    };
    for alias in ["web", "www"] {
        assert!(has(&private, alias), "{alias}: {networks:?}");
    }
    for alias in ["web", "internal.test", "web2"] {
        assert!(has(&inner, alias), "{alias}: {networks:?}");
    }
    let internal = docker(&["network", "inspect", "-f", "{{.Internal}}", &inner]);
    assert_eq!(internal.out.trim(), "true");
}

#[test]
fn networks_of_others_are_used_and_left() {
    let name = format!("t-foreign-{}", std::process::id());
    let text = format!(
        "stack app\nnetwork theirs external=#true name=\"{name}\"\nservice a {{ image \"redis:7\"; network theirs }}\n"
    );
    let stack = Scratch::new("foreign", &[("Stackfile.kdl", &text)]);
    let missing = stack.run(&["up", "-d", "--no-watch"]);
    assert_eq!(missing.code, 1);
    let said = format!("{}{}", missing.out, missing.err);
    assert!(
        said.contains(&format!("docker network create {name}")),
        "{said}"
    );
    assert_eq!(docker(&["network", "create", &name]).code, 0);
    let up = stack.run(&["up", "-d", "--no-watch"]);
    let mode = inspect(&stack, "a")["HostConfig"]["NetworkMode"].clone();
    let down = stack.run(&["down"]);
    let left = docker(&["network", "rm", &name]);
    assert_eq!(
        (up.code, down.code, left.code),
        (0, 0, 0),
        "{}{}",
        up.err,
        left.err
    );
    assert_eq!(mode, json!(name));
}

#[test]
fn a_range_of_ports_and_udp_are_published() {
    // Free ones side by side are hard to come by: high, and by the process.
    let first = 20_000 + u16::try_from(std::process::id() % 20_000).unwrap();
    let text = format!(
        "stack app\nservice a {{ image \"redis:7\"; port \"{first}-{}\" to=\"6379-6380\"; port \"{first}/udp\" to=53 bind=\"127.0.0.1\" }}\n",
        first + 1
    );
    let stack = Scratch::new("ranges", &[("Stackfile.kdl", &text)]);
    stack.ok(&["up", "-d", "--no-watch"]);
    let bindings = inspect(&stack, "a")["HostConfig"]["PortBindings"].clone();
    let host = |key: &str| bindings[key][0]["HostPort"].clone();
    assert_eq!(host("6379/tcp"), json!(first.to_string()));
    assert_eq!(host("6380/tcp"), json!((first + 1).to_string()));
    assert_eq!(host("53/udp"), json!(first.to_string()));
}
