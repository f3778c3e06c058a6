//! Secrets, configuration, hooks, and what else a service is given.

use super::world::{World, told};
use crate::{Command, Content, Probe, Source, Stack};

fn stack(world: &World) -> Stack {
    let loaded = world.load();
    loaded.stack.unwrap_or_else(|_| panic!("{}", world.told()))
}

#[test]
fn content_comes_from_a_file_a_variable_or_the_text() {
    let world = World::new(
        r#"stack app
var TOKEN secret=#true required=#true
secret password file="secrets/password"
secret token env="TOKEN"
secret outside env="FROM_OUTSIDE"
config-file page text="at ${DEVRUN_URL}"
service web {
    image "x:1"
    secret password
    secret token to="/etc/token" mode="0400"
    secret outside
    config-file page
}
proxy entry { image "x:1"; config "nginx.conf"; port 8080 }
"#,
    )
    .file("secrets/password", "hunter2\n")
    .file("nginx.conf", "")
    .shell("TOKEN", "t")
    .shell("FROM_OUTSIDE", "o");
    let stack = stack(&world);
    let files = &stack.services[0].files;
    let seen: Vec<(&str, u32, &[u8])> = files
        .iter()
        .map(|file| (file.target.as_str(), file.mode, file.content.0.as_slice()))
        .collect();
    assert_eq!(
        seen,
        [
            ("/run/secrets/password", 0o444, &b"hunter2\n"[..]),
            ("/etc/token", 0o400, b"t"),
            ("/run/secrets/outside", 0o444, b"o"),
            ("/page", 0o444, b"at http://localhost:8080"),
        ]
    );
    for secret in ["hunter2", "t", "o"] {
        assert!(stack.secrets.iter().any(|one| one == secret), "{secret}");
    }
    assert!(
        stack
            .reads
            .iter()
            .any(|path| path.ends_with("secrets/password"))
    );
    let printed = format!(
        "{:?}{}",
        stack.services,
        serde_json::to_string(&stack.services).unwrap()
    );
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn what_is_printed_of_a_content_is_its_size() {
    let content = Content(b"secret".to_vec());
    assert_eq!(format!("{content:?}"), "(6 bytes)");
    assert_eq!(serde_json::to_string(&content).unwrap(), "\"(6 bytes)\"");
}

#[test]
fn files_can_be_put_where_they_are_wanted() {
    for (body, problem) in [
        (
            "secret s; tmpfs \"/run\"",
            "/run/secrets/s would be hidden by the tmpfs",
        ),
        (
            "secret s to=\"/b/s\"; bind \"here\" to=\"/b\"",
            "would write to the host",
        ),
        (
            "config-file c; read-only #true",
            "cannot be put into a root that is read-only",
        ),
        ("secret other", "there is no secret `other`"),
        (
            "secret s; config-file c to=\"/run/secrets/s\"",
            "said twice",
        ),
    ] {
        let text = format!(
            "stack app\nsecret s text=\"x\"\nconfig-file c text=\"x\"\nservice it {{ image \"x:1\"; {body} }}\n"
        );
        let told = World::new(&text).file("here/file", "").told();
        assert!(told.contains(problem), "{body}: {told}");
    }
}

#[test]
fn builds_take_secrets_and_their_dockerfile_inline() {
    let world = World::new(
        r#"stack app
secret npm text="x"
service web {
    build "web" { secret npm; dockerfile-inline "FROM scratch" }
    platform "linux/arm64"
}
"#,
    )
    .file("web/main.py", "");
    let stack = stack(&world);
    let Source::Build(build) = &stack.services[0].source else {
        panic!("not built");
    };
    assert_eq!(build.inline.as_deref(), Some("FROM scratch"));
    assert_eq!(build.secrets["npm"], Content(b"x".to_vec()));
    assert_eq!(build.platform.as_deref(), Some("linux/arm64"));
    let planned =
        told("stack app\nservice a { build \".\" ssh=default { additional-context x } }\n");
    assert!(planned.contains("{ ssh default }"), "{planned}");
    assert!(planned.contains("additional-context shared"), "{planned}");
}

#[test]
fn hooks_add_and_a_log_line_is_a_health_check() {
    let world = World::new(
        r#"stack app
template base { post-start "one" }
service db { image "x:1"; healthcheck none }
service web {
    use base
    image "x:1"
    post-start "two" "arg"
    pre-stop "bye"
    healthcheck log="listening on *"
    depends-on db required=#false
}
"#,
    );
    let stack = stack(&world);
    let web = stack.service("web").unwrap();
    assert_eq!(
        web.post_start,
        [
            Command::Shell("one".into()),
            Command::Argv(vec!["two".into(), "arg".into()])
        ]
    );
    assert_eq!(web.pre_stop, [Command::Shell("bye".into())]);
    let asked = web.healthcheck.as_ref().map(|check| check.test.clone());
    assert_eq!(asked, Some(Probe::Log("listening on *".into())));
    assert!(!web.depends_on[0].required && !web.healthcheck_off);
    assert!(stack.services[0].healthcheck_off);
}

#[test]
fn what_costs_a_day_is_a_warning() {
    let web = |body: &str| {
        let text = format!("stack app\nvolume v\nservice web {{ {body}\n}}\n");
        World::new(&text)
            .file("web/Dockerfile", "")
            .file("web/.gitignore", "node_modules/\n")
            .file("web/node_modules/a", "")
            .file("web/static/a", "")
            .told()
    };
    let mount = |to: &str| format!("build \"web\"; sync to=\"/app\" {{ }}; volume v to=\"{to}\"");
    for (body, warning) in [
        (
            "image \"postgres\"; volume v to=\"/v\"".to_owned(),
            "postgres has no tag",
        ),
        (
            "image \"a.test:5000/x:latest\"; volume v to=\"/v\"".to_owned(),
            "is another image whenever",
        ),
        (
            "image \"postgres:17\"; volume v to=\"/v\"; healthcheck \"pg_isready -U me\""
                .to_owned(),
            "without -h, pg_isready asks the socket",
        ),
        (
            "build \"web\"; sync to=\"/app\" { }; read-only #true; volume v to=\"/v\"".to_owned(),
            "nothing can be synced to /app",
        ),
        (
            mount("/app/static"),
            "/app/static hides what is synced from static",
        ),
        (
            mount("/app"),
            "what is synced to /app lands in the volume app-v",
        ),
    ] {
        assert!(web(&body).contains(warning), "{body}: {}", web(&body));
    }
    for fine in [
        "image \"a.test:5000/x:1\"; volume v to=\"/v\"; healthcheck \"pg_isready\" \"-h\" \"db\""
            .to_owned(),
        "image \"x@sha256:0123\"; volume v to=\"/v\"".to_owned(),
        mount("/app/node_modules"),
        mount("/app/made-inside"),
        "image \"x:1\"; volume v to=\"/v\"; command \"serve -b 0.0.0.0:80\"; healthcheck \"curl -f http://localhost/\""
            .to_owned(),
        mount("/app") + "; read-only #true",
    ] {
        assert_eq!(web(&fine), "", "{fine}");
    }
}
