//! What is passed on to the engine, and networks.

use super::world::{World, told};
use crate::{Attachment, Command, Condition, Gpus, Pull, Service, Stack, Tmpfs, Ulimit};

fn stack(text: &str) -> Stack {
    let loaded = World::new(text).load();
    loaded.stack.unwrap_or_else(|_| panic!("{}", told(text)))
}

fn service(body: &str) -> Service {
    let mut stack = stack(&format!(
        "stack app\nservice it {{\nimage \"x:1\"\n{body}\n}}\n"
    ));
    stack.services.remove(0)
}

/// Every word that goes to the engine as it stands.
const WORDS: &str = r#"
    entrypoint "/entry.sh" "--fast"
    user "1000:1000"
    group-add "docker" 44
    working-dir "/app/"
    hostname "web"
    pid host
    ipc shareable
    extra-host "api.test" "10.0.0.5"
    extra-host "host.docker.internal" "host-gateway"
    dns "1.1.1.1"
    dns-search "example.org"
    expose 9000 "53/udp" "8000-8001"
    tmpfs "/run" size="64M" mode=1777
    tmpfs "/scratch"
    read-only #true
    stdin-open #true
    tty #true
    stop-signal "SIGQUIT"
    stop-grace-period "90s"
    privileged #true
    cap-add "cap_net_admin" SYS_PTRACE
    cap-drop ALL
    security-opt "no-new-privileges:true"
    ulimit nofile 65535
    ulimit core soft=0 hard=-1
    sysctl { net.core.somaxconn 1024 }
    shm-size "256M"
    device "/dev/null" to="/dev/nothing" permissions=rw
    gpus 2
    label { com.example.team "web"; traefik.enable "true" }
    platform "linux/amd64"
"#;

#[test]
fn each_word_says_what_it_is_called_after() {
    let settings = service(WORDS).settings;
    let text = |list: &[&str]| -> Vec<String> { list.iter().map(|one| (*one).into()).collect() };
    assert_eq!(
        settings.entrypoint,
        Some(Command::Argv(text(&["/entry.sh", "--fast"])))
    );
    assert_eq!(settings.user.as_deref(), Some("1000:1000"));
    assert_eq!(settings.group_add, ["docker", "44"]);
    assert_eq!(settings.working_dir.as_deref(), Some("/app"));
    assert_eq!(settings.hostname.as_deref(), Some("web"));
    assert_eq!(settings.pid.as_deref(), Some("host"));
    assert_eq!(settings.ipc.as_deref(), Some("shareable"));
    assert_eq!(settings.extra_hosts["host.docker.internal"], "host-gateway");
    assert_eq!(settings.extra_hosts["api.test"], "10.0.0.5");
    assert_eq!(
        (settings.dns, settings.dns_search),
        (text(&["1.1.1.1"]), text(&["example.org"]))
    );
    assert_eq!(
        settings.expose,
        ["9000/tcp", "53/udp", "8000/tcp", "8001/tcp"]
    );
    assert_eq!(
        settings.tmpfs,
        [
            Tmpfs {
                target: "/run".into(),
                size: Some(64 << 20),
                mode: Some(0o1777)
            },
            Tmpfs {
                target: "/scratch".into(),
                size: None,
                mode: None
            },
        ]
    );
    assert!(settings.read_only && settings.stdin_open && settings.tty && settings.privileged);
    assert_eq!(settings.stop_signal.as_deref(), Some("QUIT"));
    assert_eq!(
        settings.stop_grace_period.map(|period| period.as_secs()),
        Some(90)
    );
    assert_eq!(settings.cap_add, ["NET_ADMIN", "SYS_PTRACE"]);
    assert_eq!(settings.cap_drop, ["ALL"]);
    assert_eq!(settings.security_opt, ["no-new-privileges:true"]);
    assert_eq!(
        settings.ulimits["nofile"],
        Ulimit {
            soft: 65535,
            hard: 65535
        }
    );
    assert_eq!(settings.ulimits["core"], Ulimit { soft: 0, hard: -1 });
    assert_eq!(settings.sysctls["net.core.somaxconn"], "1024");
    assert_eq!(settings.shm_size, Some(256 << 20));
    let device = &settings.devices[0];
    assert_eq!(
        (
            device.host.as_str(),
            device.container.as_str(),
            device.permissions.as_str()
        ),
        ("/dev/null", "/dev/nothing", "rw")
    );
    assert_eq!(settings.gpus, Some(Gpus::Count(2)));
    assert_eq!(settings.labels["traefik.enable"], "true");
    assert_eq!(settings.platform.as_deref(), Some("linux/amd64"));
}

#[test]
fn what_is_not_said_is_not_there() {
    let it = service("");
    assert_eq!(serde_json::to_string(&it.settings).unwrap(), "{}");
    assert_eq!(it.pull, Pull::Missing);
    assert_eq!(service("pull never").pull, Pull::Never);
}

#[test]
fn single_words_replace_lists_add_keys_merge() {
    let stack = stack(
        r#"
        stack app
        template base {
            image "x:1"
            user "root"
            cap-add NET_ADMIN SYS_TIME
            label { team "web"; tier "one" }
            ulimit nofile 1024
            tmpfs "/run"
            dns "1.1.1.1"
        }
        service it {
            use base
            user "1000"
            cap-add SYS_PTRACE
            (remove)cap-add SYS_TIME
            label { tier "two" }
            (remove)label { team }
            ulimit nofile 2048
            tmpfs "/run" size="1M"
            (replace)dns "8.8.8.8"
        }
        "#,
    );
    let settings = &stack.services[0].settings;
    assert_eq!(settings.user.as_deref(), Some("1000"));
    assert_eq!(settings.cap_add, ["NET_ADMIN", "SYS_PTRACE"]);
    assert_eq!(settings.labels.len(), 1);
    assert_eq!(settings.labels["tier"], "two");
    assert_eq!(settings.ulimits["nofile"].soft, 2048);
    assert_eq!(
        (settings.tmpfs.len(), settings.tmpfs[0].size),
        (1, Some(1 << 20))
    );
    assert_eq!(settings.dns, ["8.8.8.8"]);
}

#[test]
fn networks_are_named_as_volumes_are() {
    let stack = stack(
        r#"
        stack app
        network backstage internal=#true doc="nothing from here leaves the machine"
        network shared external=#true
        network legacy external=#true name="old_default"
        network wide driver="macvlan"
        service db { image "x:1"; network backstage { alias "database" "pg.test" } }
        service web { image "x:1"; network default backstage }
        service old { image "x:1"; network legacy shared wide }
        service lonely { image "x:1" }
        "#,
    );
    let names: Vec<&str> = stack
        .networks
        .iter()
        .map(|one| one.engine_name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "app-backstage",
            "shared",
            "old_default",
            "app-wide",
            "app-network"
        ]
    );
    assert!(stack.networks[0].internal && stack.networks[1].external);
    assert_eq!(stack.networks[3].driver.as_deref(), Some("macvlan"));
    assert_eq!(
        stack.services[0].networks,
        [Attachment {
            network: "app-backstage".into(),
            aliases: vec!["database".into(), "pg.test".into()]
        }]
    );
    let of = |name: &str| stack.service(name).unwrap().networks(&stack);
    assert_eq!(of("web"), ["app-network", "app-backstage"]);
    assert_eq!(of("old"), ["old_default", "shared", "app-wide"]);
    assert_eq!(of("lonely"), ["app-network"]);
}

#[test]
fn the_private_network_is_made_for_those_who_are_on_it() {
    let all = |body: &str| -> Vec<String> {
        let stack = stack(&format!("stack app\n{body}"));
        stack
            .networks
            .into_iter()
            .map(|one| one.engine_name)
            .collect()
    };
    assert_eq!(all("service a { image \"x:1\" }"), ["app-network"]);
    assert_eq!(
        all("service a { image \"x:1\"; network-mode host; port 80 }"),
        [""; 0]
    );
    assert_eq!(
        all("network own\nservice a { image \"x:1\"; network own }"),
        ["app-own"]
    );
    assert_eq!(
        all("network default internal=#true name=\"mine\"\nservice a { image \"x:1\" }"),
        ["mine"]
    );
}

#[test]
fn a_proxy_reaches_whom_it_serves() {
    let told = told(
        r#"stack app
network front
network back
service web { image "x:1"; network back; port 8000; route "/*" }
proxy entry { image "x:1"; config "nginx.conf"; network front; port 80 }
"#,
    );
    assert!(
        told.contains("the proxy `entry` and `web` have no network in common"),
        "{told}"
    );
}

#[test]
fn ranges_of_ports_are_as_many_ports() {
    let ports = |line: &str| -> Vec<(u16, u16)> {
        let it = service(line);
        it.ports
            .iter()
            .map(|port| (port.host, port.container))
            .collect()
    };
    assert_eq!(
        ports("port \"8000-8002\""),
        [(8000, 8000), (8001, 8001), (8002, 8002)]
    );
    assert_eq!(
        ports("port \"8000-8001\" to=\"90-91\""),
        [(8000, 90), (8001, 91)]
    );
    assert_eq!(service("port \"5000-5001/udp\"").ports[1].protocol, "udp");
}

#[test]
fn whoever_has_the_network_of_another_depends_on_it() {
    let of = |more: &str| {
        let stack = stack(&format!(
            "stack app\nservice vpn {{ image \"x:1\" }}\nservice it {{ image \"x:1\"; network-mode \"service:vpn\"{more} }}\n"
        ));
        let it = stack.service("it").unwrap();
        assert!(it.networks(&stack).is_empty());
        assert_eq!(it.settings.network_of(), Some("vpn"));
        it.depends_on.clone()
    };
    let [implied] = &of("")[..] else { panic!() };
    assert_eq!(
        (implied.condition, implied.follow, implied.required),
        (Condition::Started, true, true)
    );
    let [said] = &of("; depends-on vpn")[..] else {
        panic!()
    };
    assert_eq!((said.condition, said.follow), (Condition::Healthy, true));
    assert_eq!(service("network-mode \"container:other-1\"").depends_on, []);
}
