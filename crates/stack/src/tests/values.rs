//! Values and where they come from.

use super::world::World;
use crate::{Loaded, Service, Stack};

fn stack(world: &World) -> Stack {
    match world.load().stack {
        Ok(stack) => stack,
        Err(_) => panic!("{}", world.told()),
    }
}

/// The one service of a stack, with this in it.
fn service(body: &str) -> Service {
    let text = format!("stack app\nservice a {{\n image \"x\"\n{body}\n}}\n");
    stack(&World::new(&text)).services.swap_remove(0)
}

#[test]
fn the_shell_wins_over_the_env_file_over_dot_env_over_the_default() {
    let text = "stack app\nvar A 1\nvar B 2\nvar C 3\nvar D 4 secret=#true\nvar E \"${A}-${DEVRUN_STACK}\"\n";
    let mut world = World::new(text)
        .file(".env", "A=dot\nB=dot\nC=dot\n")
        .file("ci.env", "A=file\nB=file\n")
        .shell("A", "shell");
    world.options.env_file = Some("/stack/ci.env".into());
    let stack = stack(&world);
    let table: Vec<String> = stack
        .variables
        .iter()
        .map(|v| format!("{} = {} from {}", v.name, v.value, v.origin))
        .collect();
    insta::assert_snapshot!(table.join("\n"), @r"
    A = shell from shell
    B = file from --env-file ci.env
    C = dot from .env
    D = 4 from Stackfile.kdl:5
    E = shell-app from Stackfile.kdl:6
    ");
    assert_eq!(stack.secrets, ["4"]);
}

#[test]
fn numbers_in_an_environment_keep_their_written_form() {
    let service = service(
        "environment { A 007; B 1.50; C 0x1F; D +5; E 1_000; F \"\"; G bare; H #\"${raw}\"# }",
    );
    let table: Vec<String> = service
        .environment
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    assert_eq!(
        table,
        [
            "A=007", "B=1.50", "C=0x1F", "D=+5", "E=1_000", "F=", "G=bare", "H=${raw}"
        ]
    );
}

#[test]
fn one_string_is_a_shell_line_and_several_are_an_argv() {
    let argv = |body: &str| {
        service(body)
            .command
            .map(|command| command.argv())
            .unwrap_or_default()
    };
    assert_eq!(argv("command \"a b\""), ["sh", "-c", "a b"]);
    assert_eq!(argv("command \"a\" \"b c\" 5"), ["a", "b c", "5"]);
}

#[test]
fn ports() {
    let ports = |body: &str| -> Vec<String> {
        let service = service(body);
        let line = |port: &crate::Port| {
            format!(
                "{} {}>{} {}",
                port.bind.join(" "),
                port.host,
                port.container,
                port.protocol
            )
        };
        service.ports.iter().map(line).collect()
    };
    assert_eq!(ports("port 8000"), ["127.0.0.1 ::1 8000>8000 tcp"]);
    assert_eq!(
        ports("port \"8000\" to=80 bind=\"0.0.0.0\""),
        ["0.0.0.0 8000>80 tcp"]
    );
    assert_eq!(ports("port \"53/udp\""), ["127.0.0.1 ::1 53>53 udp"]);
    assert_eq!(
        ports("port 53 protocol=udp; port 53"),
        ["127.0.0.1 ::1 53>53 udp", "127.0.0.1 ::1 53>53 tcp"]
    );
    assert_eq!(ports("port \"\" to=80"), Vec::<String>::new());
    assert_eq!(ports("port \"\""), Vec::<String>::new());
}

#[test]
fn health_checks() {
    insta::assert_debug_snapshot!([
        service("healthcheck \"true\""),
        service("healthcheck \"redis-cli\" \"ping\" interval=\"1s\" timeout=\"500ms\" retries=9 start-period=\"1m\""),
        service("healthcheck http=\"/health\"\nport 80 to=8000"),
        service("healthcheck http=\"http://localhost:9/x\""),
        service("healthcheck tcp=5432"),
        service("healthcheck none"),
    ].map(|service| service.healthcheck));
}

#[test]
fn restart_policies() {
    use crate::Restart::{Always, No, OnFailure, UnlessStopped};
    for (body, policy) in [
        ("", No),
        ("restart no", No),
        ("restart always", Always),
        ("restart unless-stopped", UnlessStopped),
        ("restart on-failure", OnFailure(None)),
        ("restart \"on-failure\" retries=3", OnFailure(Some(3))),
    ] {
        assert_eq!(service(body).restart, policy, "{body}");
    }
}

#[test]
fn what_is_waited_for_follows_from_what_it_is() {
    let stack = stack(&World::new(
        r#"
        stack app
        defaults { restart unless-stopped }
        task migrate { image "x" }
        service seed { image "x"; task; restart on-failure retries=2 }
        service db { image "x" }
        service web {
            image "x"
            depends-on migrate seed db
            depends-on cache condition=started follow=#true
            ready-timeout "30s"
        }
        service cache { image "x"; init #true }
        "#,
    ));
    let web = stack.service("web").expect("declared");
    let waits: Vec<String> = web
        .depends_on
        .iter()
        .map(|on| format!("{} {:?} {}", on.service, on.condition, on.follow))
        .collect();
    assert_eq!(
        waits,
        [
            "migrate Completed false",
            "seed Completed false",
            "db Healthy false",
            "cache Started true"
        ]
    );
    assert_eq!(web.ready_timeout.as_secs(), 30);
    let policy = |name: &str| stack.service(name).expect("declared").restart;
    assert_eq!(
        policy("migrate"),
        crate::Restart::No,
        "a task is not restarted by the defaults"
    );
    assert_eq!(policy("seed"), crate::Restart::OnFailure(Some(2)));
    assert_eq!(policy("db"), crate::Restart::UnlessStopped);
    assert!(stack.service("cache").expect("declared").init);
}

#[test]
fn names_on_the_engine() {
    let stack = stack(&World::new(
        r#"
        stack app
        volume data doc="rows"
        volume shared external=#true
        volume old name="legacy_data"
        service db name="the-db" {
            image "x"
            volume data to="/a/"
            volume shared to="/b" read-only=#true
            volume old to="/c"
        }
        "#,
    ));
    let mounts: Vec<String> = stack.services[0]
        .mounts
        .iter()
        .map(|mount| format!("{:?} {} {}", mount.source, mount.target, mount.read_only))
        .collect();
    assert_eq!(
        mounts,
        [
            "Volume(\"app-data\") /a false",
            "Volume(\"shared\") /b true",
            "Volume(\"legacy_data\") /c false"
        ]
    );
    assert_eq!(stack.services[0].container_name, "the-db");
    assert_eq!(stack.volumes[0].doc.as_deref(), Some("rows"));
    assert!(stack.volumes[1].external);
}

#[test]
fn the_entry_point_is_the_address_in_effect() {
    let url = |port: &str| {
        let text = format!(
            "stack app\nvar PORT 80\nproxy p {{\n image \"x\"\n config \"nginx.conf\"\n {port}\n}}\nservice a {{\n image \"x\"\n environment {{ URL \"${{DEVRUN_URL}}\" }}\n}}\n"
        );
        let world = World::new(&text)
            .file("nginx.conf", "")
            .shell("PORT", "8080");
        let stack = stack(&world);
        assert_eq!(
            stack.url.clone().unwrap_or_default(),
            stack.services[1].environment["URL"]
        );
        stack.url
    };
    assert_eq!(url("port 80").as_deref(), Some("http://localhost"));
    assert_eq!(
        url("port \"${PORT}\" to=80").as_deref(),
        Some("http://localhost:8080")
    );
    assert_eq!(
        url("port 9000 to=9000; port 81 to=80").as_deref(),
        Some("http://localhost:81")
    );
    assert_eq!(
        url("port 80 bind=\"0.0.0.0\"").as_deref(),
        Some("http://localhost")
    );
    assert_eq!(
        url("port 80 bind=\"192.168.1.5\"").as_deref(),
        Some("http://192.168.1.5")
    );
    assert_eq!(url("port \"\" to=80"), None);
    assert_eq!(
        url("tls; port 80; port 443").as_deref(),
        Some("https://localhost")
    );
    assert_eq!(
        url("port \"${PORT}\" to=8443; port 80; tls port=8443").as_deref(),
        Some("https://localhost:8080")
    );
}

#[test]
fn names_for_which_browsers_take_no_certificate_are_told() {
    let warned = |route: &str, tls: &str| {
        let text = format!(
            "stack app\nproxy p {{ image \"x\"; config \"nginx.conf\"; port 443; tls {tls} }}\nservice a {{ image \"x\"; port 1; route \"/*\" {route} }}\n"
        );
        let world = World::new(&text).file("nginx.conf", "");
        stack(&world);
        let loaded = world.load();
        let all = loaded
            .warnings
            .iter()
            .map(|warning| warning.message().to_string());
        all.filter(|message| message.contains("certificate"))
            .collect::<Vec<_>>()
    };
    let wide = "browsers take no certificate that is for all names directly below `localhost`";
    assert_eq!(warned("host=\"*.localhost\"", ""), [wide]);
    assert_eq!(warned("", "\"*.localhost\""), [wide]);
    assert_eq!(
        warned("host=\"*.app.localhost\"", "\"a.localhost\""),
        [""; 0]
    );
}

#[test]
fn builds_take_their_dockerfile_from_the_context() {
    let world = World::new(
        "stack app\nvar V 3\nservice a {\n build \"src\" dockerfile=\"../docker/A\" target=dev { args { PY \"3.${V}\"; N 01 } }\n sync to=\"/app\"\n sync \"lib\" to=\"/lib\" { on \"*.c\" { exec \"make\"; signal sigHUP } }\n on \"compose/**\" { recreate }\n}\n",
    )
    .file("docker/A", "")
    .file("src/x", "")
    .file("lib/x", "");
    let service = stack(&world).services.swap_remove(0);
    insta::assert_debug_snapshot!((service.source, service.sync, service.on, service.init));
}

#[test]
fn env_files_lie_below_the_environment() {
    let world = World::new(
        "stack app\nvar DB rows\nservice a {\n image \"x\"\n env-file \"a.env\" \"b.env\"\n environment { B \"own\" }\n}\n",
    )
    .file("a.env", "A=a\nB=a\nC='${DB}'\nD=${DB}-${A}\nE=${HOME}\n")
    .file("b.env", "A=b\n")
    .shell("HOME", "/root");
    let table: Vec<String> = stack(&world).services[0]
        .environment
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    assert_eq!(table, ["A=b", "B=own", "C=${DB}", "D=rows-a", "E=/root"]);
}

#[test]
fn checks() {
    let world = World::new(
        "stack app\nproxy p { image \"x\"; config \"n\"; port 80 }\ncheck a { http \"/x\" }\ncheck b { exec p \"nginx -t\" timeout=\"5m\" junit=\"r.xml\" }\n",
    )
    .file("n", "");
    insta::assert_debug_snapshot!(stack(&world).checks);
}

#[test]
fn all_that_a_check_can_say() {
    let world = World::new(
        "stack app
service web { image \"x\"; replicas 2 }
check a { http \"http://web.test/x\" status=404 contains=\"no ${DEVRUN_STACK}\" retries=2 }
check b { host \"npm\" \"test\" junit=\"out/*.xml\"; environment { N 007; U \"x y\" }; depends-on a }
check c { run \"wget -qO- http://web/\" image=\"busybox:1\"; depends-on a b }
check d { depends-on c; run web \"migrate\" timeout=\"2m\" }
check e { http \"http://web.test/\" status=\"3xx\" }
check f { http \"http://web.test/\" status=\"200-399\" }
",
    );
    insta::assert_debug_snapshot!(stack(&world).checks);
}

#[test]
fn ports_published_elsewhere_are_known_to_all_who_ask() {
    let mut world = World::new(
        "stack app
var API_PORT 8000
proxy entry { image \"x\"; config \"n\"; port 8080 to=80; environment { U \"${DEVRUN_URL}\" } }
service my-api { image \"x\"; port \"${API_PORT}\" to=80; environment { P \"${DEVRUN_PORT_MY_API} ${API_PORT}\" } }
check a { http \"http://localhost:${API_PORT}/x\" }
check b { http \"http://127.0.0.1:${DEVRUN_PORT_MY_API}/y\" }
check c { http \"http://elsewhere.test:8000/\" }
check d { http \"http://localhost:9/\" }
",
    )
    .file("n", "");
    world.options.ports = [(8080, 40001), (8000, 40002)].into();
    let stack = stack(&world);
    assert_eq!(stack.url.as_deref(), Some("http://localhost:40001"));
    assert_eq!(stack.services[0].environment["U"], "http://localhost:40001");
    assert_eq!(stack.services[1].ports[0].host, 40002);
    // A variable stays what the person said.
    assert_eq!(stack.services[1].environment["P"], "40002 8000");
    let asked: Vec<&str> = stack
        .checks
        .iter()
        .filter_map(|check| match &check.test {
            crate::CheckTest::Http { address, .. } => Some(address.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        asked,
        [
            "http://localhost:40002/x",
            "http://127.0.0.1:40002/y",
            "http://elsewhere.test:8000/",
            "http://localhost:9/"
        ]
    );
}

#[test]
fn a_rejected_file_still_says_what_to_watch() {
    let Loaded { stack, reads, .. } =
        World::new("stack app\nservice a { build \"gone\"; env-file \"gone.env\" }\n").load();
    assert!(stack.is_err());
    let reads: Vec<&str> = reads.iter().filter_map(|path| path.to_str()).collect();
    assert_eq!(
        reads,
        [
            "/stack/.env",
            "/stack/Stackfile.kdl",
            "/stack/gone",
            "/stack/gone.env"
        ]
    );
}

#[test]
fn a_dockerfile_on_an_image_of_the_stack_stands_on_its_service() {
    use crate::{BuildContext, Source};
    let text = "stack app
service base { build \"base\" }
service db { image \"db:1\" }
service web { build \"web\" { args { ON \"${DEVRUN_STACK}-base\" } } }
";
    let of = |dockerfile: &str, project: Option<&str>| -> Vec<String> {
        let mut world = World::new(text)
            .file("base/Dockerfile", "FROM alpine\n")
            .file("web/Dockerfile", dockerfile);
        world.options.project_name = project.map(str::to_owned);
        let stack = stack(&world);
        let Source::Build(build) = &stack.services[2].source else {
            panic!("web is built");
        };
        let context = |(name, context): (&String, &BuildContext)| match context {
            BuildContext::Service { name: service, .. } => format!("{name} is {service}"),
            other => format!("{other:?}"),
        };
        build.contexts.iter().map(context).collect()
    };
    assert_eq!(of("FROM app-base\n", None), ["app-base is base"]);
    let copied = "FROM alpine\nCOPY --from=app-base:latest /a /a\n";
    assert_eq!(of(copied, None), ["app-base is base"]);
    // Under another name the Dockerfile says what it said, and may say the name as well.
    assert_eq!(of("FROM app-base\n", Some("two")), ["app-base is base"]);
    assert_eq!(of("ARG ON\nFROM $ON\n", Some("two")), ["two-base is base"]);
    for other in [
        "FROM app-base:1\n",
        "FROM app-db\n",
        "FROM app-web\n",
        "FROM app-none\n",
        "FROM alpine AS app-base\nFROM app-base\n",
    ] {
        assert_eq!(of(other, None), [""; 0], "{other}");
    }
}
