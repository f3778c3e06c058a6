//! What a container is made of, and when it has to be made anew.

use super::*;
use crate::session::tests::stacks::stack;

const WEB: &str = r#"
stack app
volume data
service db { image "db:1"; }
service web {
    image "web:1"
    command "serve"
    environment { A 1; B 2; }
    port 8000
    volume data to="/data"
    healthcheck http="http://localhost:8000/health" timeout="2s"
    limits cpus=1 memory="1G"
    depends-on db
}
"#;

fn image(id: &str) -> Image {
    Image {
        id: id.to_owned(),
        name: "web:1".to_owned(),
        ..Image::default()
    }
}

fn made(text: &str, id: &str) -> ContainerSpec {
    let stack = stack(text);
    let web = stack.service("web").unwrap();
    container(&stack, web, &image(id), "checkout", None)
}

fn label<'a>(spec: &'a ContainerSpec, name: &str) -> &'a str {
    spec.labels.get(name).map_or("", String::as_str)
}

/// Of which Stackfile the new one is made, for that is where it is told from.
fn told_of(text: &str, before: &ContainerSpec, now: &ContainerSpec) -> String {
    let stack = stack(text);
    let web = stack.service("web").unwrap();
    reason(
        &stack,
        web,
        label(before, label::PARTS),
        label(now, label::PARTS),
    )
}

#[test]
fn each_edit_is_told_by_the_part_that_it_changes() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "command \"serve\"",
            "command \"serve\" \"--fast\"",
            "command",
        ),
        ("A 1", "A 3", "environment"),
        ("A 1; ", "", "environment"),
        ("port 8000", "port 8001 to=8000", "ports"),
        ("port 8000", "port 8000 bind=\"0.0.0.0\"", "ports"),
        ("to=\"/data\"", "to=\"/var/data\"", "mounts"),
        ("timeout=\"2s\"", "timeout=\"3s\"", "healthcheck"),
        ("depends-on db", "depends-on db; init #true", "init"),
        (
            "depends-on db",
            "depends-on db; logging json-file max-size=\"1M\"",
            "logging",
        ),
        ("service web", "service web name=\"other\"", "name"),
    ];
    let before = made(WEB, "sha256:1");
    for (old, new, part) in cases {
        let now = made(&WEB.replacen(old, new, 1), "sha256:1");
        assert_ne!(
            label(&before, label::SPEC),
            label(&now, label::SPEC),
            "{new}"
        );
        let told = told_of(&WEB.replacen(old, new, 1), &before, &now);
        assert!(
            told.starts_with(&format!("changed: {part}")),
            "{new}: {told}"
        );
        let back = told_of(WEB, &now, &before);
        assert!(
            back.starts_with(&format!("changed: {part}")),
            "{new}: {back}"
        );
    }
    let built = made(WEB, "sha256:2");
    let told = told_of(WEB, &before, &built);
    assert_eq!(told, "changed: image (Stackfile.kdl:6)");
}

#[test]
fn what_differs_is_told_with_its_line() {
    let before = made(WEB, "sha256:1");
    let edited = WEB.replacen("A 1; B 2;", "A 2; C 3", 1);
    let edited = edited.replacen("\"serve\"", "\"work\"", 1);
    assert_eq!(
        told_of(&edited, &before, &made(&edited, "sha256:1")),
        "changed: command (Stackfile.kdl:7), environment A (Stackfile.kdl:8), \
         environment C (Stackfile.kdl:8), environment B (removed)"
    );
    let many = WEB.replacen("A 1", "A 2; D 1; E 1; F 1", 1);
    let told = told_of(&many, &before, &made(&many, "sha256:1"));
    assert!(told.ends_with("1 more of environment"), "{told}");

    let built = WEB.replacen("image \"web:1\"", "build \".\" { args { V 1; W 1 }; }", 1);
    let other = built.replacen("W 1", "W 2", 1);
    let [before, now] = [&built, &other].map(|text| stack(text));
    let [old, new] = [&before, &now].map(|stack| stack.service("web").unwrap());
    let told = source(&now, old, new);
    assert_eq!(told, "declared otherwise: build args W (Stackfile.kdl:6)");
}

#[test]
fn what_a_container_does_not_know_of_makes_none_anew() {
    let before = made(WEB, "sha256:1");
    for (old, new) in [
        ("depends-on db", ""),
        ("depends-on db", "depends-on db; ready-timeout \"1m\""),
        ("depends-on db", "depends-on db; profile extra"),
        // These the engine changes in the container that is there.
        ("limits cpus=1", "limits cpus=2"),
        ("limits cpus=1 memory=\"1G\"", ""),
        ("depends-on db", "depends-on db; restart always"),
        ("depends-on db", "depends-on db; reservations cpus=1"),
        ("depends-on db", "depends-on db; pids-limit 100"),
        (
            "service db",
            "service other { image \"other:1\"; }\nservice db",
        ),
        ("image \"db:1\"", "image \"db:2\""),
        ("A 1; B 2;", "B 2; A 1;"),
    ] {
        let now = made(&WEB.replacen(old, new, 1), "sha256:1");
        assert_eq!(
            label(&before, label::SPEC),
            label(&now, label::SPEC),
            "{new}"
        );
    }
}

#[test]
fn labels_that_do_not_say_what_differs_are_of_another_version() {
    let parts = label(&made(WEB, "sha256:1"), label::PARTS).to_owned();
    let stack = stack(WEB);
    let web = stack.service("web").unwrap();
    let difference = |before: &str, now: &str| reason(&stack, web, before, now);
    assert_eq!(
        difference(&parts, &parts),
        "made by another version of devrun"
    );
    assert!(difference("", &parts).starts_with("changed: command (Stackfile.kdl:7), environment,"));
    assert_eq!(difference("gone=1", ""), "changed: gone");
    let earlier = format!("{parts} limits=1 restart=2");
    assert_eq!(
        difference(&earlier, &parts),
        "made by another version of devrun"
    );
}

#[test]
fn a_container_says_whose_it_is_and_what_it_needs() {
    let spec = made(WEB, "sha256:1");
    let labels = [
        (label::STACK, "app"),
        (label::SERVICE, "web"),
        (label::ROOT, "checkout"),
        (label::ROOT_PATH, "/p"),
        (label::DEPENDS_ON, "db"),
        (label::RUN, ""),
    ];
    for (name, value) in labels {
        assert_eq!(label(&spec, name), value, "{name}");
    }
    let stack = stack(WEB);
    let web = stack.service("web").unwrap();
    let run = container(&stack, web, &image("sha256:1"), "checkout", Some("17"));
    assert_eq!(label(&run, label::RUN), "17");
    assert_eq!(label(&run, label::SPEC), label(&spec, label::SPEC));
}

#[test]
fn the_engine_asks_the_same_question_as_devrun() {
    let agent = |kind: &str, what: &str| {
        vec!["CMD", AGENT, "probe", kind, what, "2000"]
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let cases: &[(&str, Vec<String>)] = &[
        (
            "http=\"http://localhost:8000/health\"",
            agent("http", "http://localhost:8000/health"),
        ),
        ("tcp=8000", agent("tcp", "8000")),
        (
            "\"curl -f localhost\"",
            words(&["CMD-SHELL", "curl -f localhost"]),
        ),
        ("\"curl\" \"-f\"", words(&["CMD", "curl", "-f"])),
    ];
    for (question, test) in cases {
        let text = WEB.replace("http=\"http://localhost:8000/health\"", question);
        let spec = made(&text, "sha256:1");
        assert_eq!(&spec.healthcheck.unwrap().test, test, "{question}");
    }
    let none = WEB.replace(
        "healthcheck http=\"http://localhost:8000/health\" timeout=\"2s\"",
        "",
    );
    assert_eq!(made(&none, "sha256:1").healthcheck, None);
}

#[test]
fn a_port_is_published_at_each_address_of_this_machine_alone() {
    let spec = made(WEB, "sha256:1");
    let published: Vec<(&str, u16, u16)> = spec
        .ports
        .iter()
        .map(|port| (port.bind.as_str(), port.host, port.container))
        .collect();
    assert_eq!(published, [("127.0.0.1", 8000, 8000), ("::1", 8000, 8000)]);
}

#[test]
fn those_that_are_built_from_the_same_share_an_image() {
    let text = r#"
        stack app
        service web { build "web"; }
        service worker { build "web"; }
        service other { build "web" target=dev; }
        service third { build "third"; }
    "#;
    let stack = stack(text);
    let names: Vec<String> = stack
        .services
        .iter()
        .map(|service| image_name(&stack, service))
        .collect();
    assert_eq!(names, ["app-web", "app-web", "app-other", "app-third"]);
}

#[test]
fn a_proxy_takes_ports_again_unless_told_otherwise() {
    let sysctls = |more: &str| {
        let text = format!(
            "stack app\nservice web {{ image \"web:1\"; }}\n\
             proxy entry {{ image \"nginx:1\"; config \"nginx.conf\"; port 80; {more} }}"
        );
        let stack = stack(&text);
        ["web", "entry"].map(|name| {
            let service = stack.service(name).unwrap();
            let spec = container(&stack, service, &image("sha256:1"), "checkout", None);
            let pairs = spec.settings.sysctls.into_iter();
            let pairs: Vec<String> = pairs.map(|(name, to)| format!("{name}={to}")).collect();
            pairs.join(" ")
        })
    };
    assert_eq!(sysctls(""), ["", "net.ipv4.tcp_tw_reuse=1"]);
    let own = "sysctl { net.ipv4.tcp_tw_reuse 2; net.core.somaxconn 1024; }";
    assert_eq!(
        sysctls(own)[1],
        "net.core.somaxconn=1024 net.ipv4.tcp_tw_reuse=2"
    );
    assert_eq!(sysctls("network-mode \"host\"")[1], "");
}
