//! Secrets, configuration, and what images are built with.

use crate::kit::{Scratch, docker};

const FILES: &str = r#"stack app
secret db-password file="password.txt"
secret token env="APP_TOKEN"
config-file settings text="""
    [app]
    name = ${DEVRUN_STACK}
    """

service plain {
    image "redis:7"
    secret db-password
    secret token to="/etc/token" mode="0440"
    config-file settings to="/etc/app/settings.toml"
}
service locked {
    image "redis:7"
    read-only #true
    secret token
    config-file settings to="/etc/app/settings.toml"
}
"#;

#[test]
fn files_are_there_before_the_process_also_where_the_root_is_read_only() {
    let stack = Scratch::new(
        "files",
        &[("Stackfile.kdl", FILES), ("password.txt", "hunter22\n")],
    );
    let up = stack
        .command(&["up", "-d", "--no-watch"])
        .env("APP_TOKEN", "t0ken-of-the-test")
        .output()
        .unwrap();
    assert!(
        up.status.success(),
        "{}",
        String::from_utf8_lossy(&up.stderr)
    );
    let inside = |service: &str, line: &str| {
        docker(&["exec", &stack.container(service), "sh", "-c", line]).out
    };
    assert_eq!(
        inside("plain", "cat /run/secrets/db-password"),
        "hunter22\n"
    );
    assert_eq!(
        inside("plain", "cat /etc/token; stat -c ' %a %u' /etc/token"),
        "t0ken-of-the-test 440 0\n"
    );
    let settings = format!("[app]\nname = {}", stack.name);
    assert_eq!(inside("plain", "cat /etc/app/settings.toml"), settings);
    assert_eq!(
        inside("locked", "cat /run/secrets/token"),
        "t0ken-of-the-test"
    );
    assert_eq!(inside("locked", "cat /etc/app/settings.toml"), settings);
    // What the engine tells everybody who asks says nothing of them.
    let told = docker(&[
        "inspect",
        &stack.container("plain"),
        &stack.container("locked"),
    ])
    .out;
    assert!(
        !told.contains("hunter22") && !told.contains("t0ken-of"),
        "{told}"
    );
}

const BUILT: &str = r#"stack app
secret npm text="s3cret-of-the-build"
service web {
    build "." {
        secret npm
        dockerfile-inline """
            FROM redis:7
            RUN --mount=type=secret,id=npm wc -c </run/secrets/npm >/length
            CMD ["sleep", "1000"]
            """
    }
}
"#;

#[test]
fn a_dockerfile_in_the_stackfile_is_built_with_its_secret() {
    let stack = Scratch::new("inline", &[("Stackfile.kdl", BUILT)]);
    stack.ok(&["up", "-d", "--no-watch"]);
    let length = docker(&["exec", &stack.container("web"), "cat", "/length"]);
    assert_eq!(length.out.trim(), "19");
    let id =
        |stack: &Scratch| docker(&["inspect", "-f", "{{.Image}}", &stack.container("web")]).out;
    let before = id(&stack);
    stack.ok(&["up", "-d", "--no-watch"]);
    assert_eq!(
        id(&stack),
        before,
        "nothing changed, and it was built again"
    );
    stack.ok(&["stop"]);
    stack.edit("Stackfile.kdl", ">/length", ">/length2");
    stack.ok(&["up", "-d", "--no-watch"]);
    assert_ne!(id(&stack), before);
    stack.edit("Stackfile.kdl", "wc -c", "no-such-command");
    let failed = stack.run(&["build"]);
    assert_ne!(failed.code, 0);
    let said = format!("{}{}", failed.out, failed.err);
    assert!(said.contains("dockerfile-inline:2"), "{said}");
}

#[test]
fn an_image_that_is_never_pulled_has_to_be_there() {
    let text = "stack app\nservice a { image \"no-such-image-of-devrun:1\"; pull never }\n";
    let stack = Scratch::new("never", &[("Stackfile.kdl", text)]);
    let up = stack.run(&["up", "-d", "--no-watch"]);
    assert_eq!(up.code, 1);
    assert!(up.out.contains("is never pulled"), "{}{}", up.out, up.err);
}

#[test]
fn secrets_are_in_no_line_that_is_printed() {
    let text = r#"stack app
secret token env="APP_TOKEN"
service chatty {
    image "redis:7"
    secret token
    command "sh" "-c" "echo the token is $(cat /run/secrets/token); cat /run/secrets/token; exit 3"
}
"#;
    let stack = Scratch::new("mask", &[("Stackfile.kdl", text)]);
    let run = |arguments: &[&str]| {
        let ran = stack
            .command(arguments)
            .env("APP_TOKEN", "t0ken-nobody-sees")
            .output()
            .unwrap();
        String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned()
    };
    for arguments in [
        &["up", "-d", "--no-watch"][..],
        &["logs"],
        &["logs", "--format", "json"],
        &["status", "--format", "json"],
        &["events"],
        &["config"],
    ] {
        let said = run(arguments);
        assert!(!said.contains("t0ken-nobody"), "{arguments:?}: {said}");
        if arguments[0] == "logs" {
            assert!(said.contains("the token is ***"), "{said}");
        }
    }
}
