//! `devrun ci` on this repository's own Stackfile.

use crate::kit::{Ran, Scratch, docker, free_port};

/// One pass on ports of its own, under the name that devrun gives it.
fn ci(stack: &Scratch) -> Ran {
    let mut command = stack.command(&["ci"]);
    command.env_remove("DEVRUN_PROJECT_NAME");
    for name in [
        "PROXY_PORT",
        "BACKEND_PORT",
        "FRONTEND_PORT",
        "DB_PORT",
        "REDIS_PORT",
    ] {
        command.env(name, free_port().to_string());
    }
    let child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let name = format!("app-ci-{}", child.id());
    let ran = Ran::of(child.wait_with_output().unwrap());
    for kind in ["container", "network", "volume", "image"] {
        let all = if kind == "container" { "-aq" } else { "-q" };
        let left = docker(&[
            kind,
            "ls",
            all,
            "--filter",
            &format!("label=devrun.stack={name}"),
        ]);
        assert_eq!(
            left.out, "",
            "{kind}s of {name} are left\n{}{}",
            ran.out, ran.err
        );
    }
    ran
}

#[test]
fn ci_passes_and_leaves_nothing_and_a_failing_check_is_told() {
    let stack = Scratch::copy("seed-ci", ".");
    let ran = ci(&stack);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    for check in ["entry", "api", "database", "tests"] {
        assert!(
            ran.out.contains(&format!("check {check}  passed")),
            "{check} in:\n{}",
            ran.out
        );
    }
    assert!(ran.out.contains("passed (exit code 0)"), "{}", ran.out);

    stack.edit(
        "Stackfile.kdl",
        r#"http "/api/v1/health/""#,
        r#"http "/api/v1/nowhere/""#,
    );
    let ran = ci(&stack);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("check api  failed"), "{}", ran.out);
    assert!(
        ran.out.contains("/api/v1/nowhere/ answered 404"),
        "{}",
        ran.out
    );
    for check in ["entry", "database", "tests"] {
        assert!(
            ran.out.contains(&format!("check {check}  passed")),
            "the others are run all the same:\n{}",
            ran.out
        );
    }
}
