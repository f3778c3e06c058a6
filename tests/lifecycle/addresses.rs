//! Where a container takes the place of another one it has another address, of those that the
//! engine gives to nobody.

use std::collections::BTreeSet;

use crate::kit::{Scratch, Session, docker, eventually, free_port};

fn stackfile(more: &str, ports: [u16; 2]) -> String {
    let [web, side] = ports;
    format!(
        r#"stack app
service web {{ image "redis:7"; init #true; command "sleep" "infinity"; port {web} to=80; {more} environment {{ NUMBER "0"; }} }}
service side {{ image "redis:7"; init #true; command "sleep" "infinity"; port {side} to=80; environment {{ OTHER "0"; }} }}
service inner {{ image "redis:7"; init #true; command "sleep" "infinity"; environment {{ THIRD "0"; }} }}
"#
    )
}

fn up(test: &str, more: &str) -> (Scratch, Session) {
    let text = stackfile(more, [free_port(), free_port()]);
    let stack = Scratch::new(test, &[("Stackfile.kdl", &text)]);
    let mut session = stack.up(&[]);
    session.ready();
    (stack, session)
}

/// Another value of a variable, until the service has another container and is ready again.
fn replace(stack: &Scratch, session: &mut Session, service: &str, (old, new): (&str, &str)) {
    let before = id(stack, service);
    stack.edit("Stackfile.kdl", old, new);
    session.state(service, "ready", 60);
    assert_ne!(before, id(stack, service));
}

fn inspect(name: &str, format: &str) -> String {
    docker(&["inspect", "-f", format, name])
        .out
        .trim()
        .to_owned()
}

fn id(stack: &Scratch, service: &str) -> String {
    inspect(&stack.container(service), "{{.Id}}")
}

fn address(stack: &Scratch, service: &str) -> String {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    inspect(&stack.container(service), format)
}

/// What it keeps for good; empty where the engine chooses.
fn kept(stack: &Scratch, service: &str) -> String {
    let format =
        "{{range .NetworkSettings.Networks}}{{with .IPAMConfig}}{{.IPv4Address}}{{end}}{{end}}";
    inspect(&stack.container(service), format)
}

fn network(stack: &Scratch) -> String {
    format!("{}-network", stack.name)
}

/// The first address that the engine does not give, as a number.
fn upper_half(stack: &Scratch) -> u32 {
    let format = "{{range .IPAM.Config}}{{.Subnet}} {{.IPRange}}{{end}}";
    let found = docker(&["network", "inspect", "-f", format, &network(stack)]).out;
    let (subnet, range) = found.trim().split_once(' ').unwrap();
    let [(base, whole), (lower, half)] = [subnet, range].map(|text| text.split_once('/').unwrap());
    let (whole, half): (u32, u32) = (whole.parse().unwrap(), half.parse().unwrap());
    assert_eq!((base, whole + 1), (lower, half), "{found}");
    number(base) + (1 << (32 - half))
}

fn number(address: &str) -> u32 {
    address.parse::<std::net::Ipv4Addr>().unwrap().into()
}

/// All containers of the stack by their names, once those are gone that were replaced.
fn nothing_is_left_aside(stack: &Scratch) {
    let label = format!("label=devrun.stack={}", stack.name);
    let expected: BTreeSet<String> = ["web", "side", "inner"]
        .map(|it| stack.container(it))
        .into();
    eventually("what was replaced to go", 30, || {
        let all = docker(&["ps", "-a", "--filter", &label, "--format", "{{.Names}}"]).out;
        let names: BTreeSet<String> = all.lines().map(str::to_owned).collect();
        (names == expected).then_some(())
    });
}

#[test]
fn each_container_in_the_place_of_another_one_has_an_address_that_nobody_had() {
    let (stack, mut session) = up("addresses", "");
    let half = upper_half(&stack);
    let first = address(&stack, "web");
    assert!(number(&first) < half, "{first} is the engine's");
    replace(
        &stack,
        &mut session,
        "web",
        ("NUMBER \"0\"", "NUMBER \"1\""),
    );
    let second = address(&stack, "web");
    assert!(number(&second) >= half, "{second} is ours");
    replace(
        &stack,
        &mut session,
        "web",
        ("NUMBER \"1\"", "NUMBER \"2\""),
    );
    let third = address(&stack, "web");
    assert!(number(&third) > number(&second), "{third} is new");
    nothing_is_left_aside(&stack);

    // One that stands still has it all the same.
    docker(&["stop", "-t", "0", &stack.container("web")]);
    session.state("web", "stopped", 30);
    replace(&stack, &mut session, "side", ("OTHER \"0\"", "OTHER \"1\""));
    let other = address(&stack, "side");
    assert!(number(&other) > number(&third), "{other}");
    docker(&["start", &stack.container("web")]);
    eventually("the stopped one to have its address", 30, || {
        (address(&stack, "web") == third).then_some(())
    });

    // Nobody waits for the kernel where no port is published.
    replace(
        &stack,
        &mut session,
        "inner",
        ("THIRD \"0\"", "THIRD \"1\""),
    );
    assert_eq!(kept(&stack, "inner"), "");

    drop(session);
    stack.ok(&["down"]);
    let label = format!("label=devrun.stack={}", stack.name);
    for kind in ["container", "network"] {
        let all: &[&str] = if kind == "container" { &["-a"] } else { &[] };
        let left = docker(&[&[kind, "ls", "-q", "--filter", &label], all].concat());
        assert_eq!(left.out, "", "{kind}");
    }
}

#[test]
fn the_next_session_gives_no_address_again_that_one_before_gave() {
    let (stack, mut session) = up("addresses-later", "");
    replace(
        &stack,
        &mut session,
        "web",
        ("NUMBER \"0\"", "NUMBER \"1\""),
    );
    let before = address(&stack, "web");
    drop(session);
    let mut session = stack.up(&[]);
    session.ready();
    assert_eq!(address(&stack, "web"), before, "nothing was to be replaced");
    replace(
        &stack,
        &mut session,
        "web",
        ("NUMBER \"1\"", "NUMBER \"2\""),
    );
    assert!(number(&address(&stack, "web")) > number(&before));
}

#[test]
fn networks_that_are_there_stay_as_they_are_and_the_engine_chooses_in_them() {
    let text = stackfile("", [free_port(), free_port()]);
    let stack = Scratch::new("addresses-before", &[("Stackfile.kdl", &text)]);
    let label = format!("devrun.stack={}", stack.name);
    let ours = network(&stack);
    let made = docker(&["network", "create", "--label", &label, &ours]);
    assert_eq!(made.code, 0, "{}", made.err);
    let before = inspect(&ours, "{{.Id}}");
    let mut session = stack.up(&[]);
    session.ready();
    replace(
        &stack,
        &mut session,
        "web",
        ("NUMBER \"0\"", "NUMBER \"1\""),
    );
    assert_eq!(kept(&stack, "web"), "");
    assert_eq!(inspect(&ours, "{{.Id}}"), before);
}

#[test]
fn a_network_of_somebody_else_is_not_given_from() {
    let theirs = Scratch::new(
        "addresses-theirs",
        &[(
            "Stackfile.kdl",
            "stack app\nservice one { image \"redis:7\" }\n",
        )],
    );
    theirs.ok(&["up", "-d"]);
    let more = format!(
        "network team;\n}}\nnetwork team external=#true name=\"{}\"\nservice unused {{ image \"redis:7\"; ",
        network(&theirs)
    );
    let (stack, mut session) = up("addresses-mine", &more);
    assert_eq!(kept(&stack, "web"), "");
    replace(
        &stack,
        &mut session,
        "web",
        ("\"infinity\"; port", "\"9999\"; port"),
    );
    assert_eq!(
        kept(&stack, "web"),
        "",
        "it has the network of another stack"
    );
    drop(session);
    stack.ok(&["down"]);
}

#[test]
fn one_that_ends_finds_in_its_volume_what_it_knew() {
    // It says what it has in its last moment.
    let text = r#"stack app
volume data
service web { image "redis:7"; init #true; user "0"; volume data to="/srv"; bind "out" to="/out"
    command "sh" "-c" "trap 'cat /srv/file > /out/seen; exit 0' TERM; while :; do sleep 0.1; done"
    sync "src" to="/srv"; environment { NUMBER "0"; } }
"#;
    let files = [
        ("Stackfile.kdl", text),
        ("src/file", "old"),
        ("out/seen", ""),
    ];
    let stack = Scratch::new("addresses-volume", &files);
    let mut session = stack.up(&[]);
    session.ready();
    session.signal(9);
    session.end();
    stack.write("src/file", "new");
    stack.edit("Stackfile.kdl", "NUMBER \"0\"", "NUMBER \"1\"");
    let mut session = stack.up(&[]);
    session.ready();
    assert_eq!(stack.read("out/seen"), "old");
    let inside = docker(&["exec", &stack.container("web"), "cat", "/srv/file"]);
    assert_eq!(inside.out, "new");
}
