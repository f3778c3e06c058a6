//! `devrun ci` on this repository's own Stackfile.

use crate::kit::{Ran, Scratch, docker};

/// One pass under the name and at the ports that devrun gives it.
fn ci(stack: &Scratch) -> Ran {
    let mut command = stack.command(&["ci"]);
    command.env_remove("DEVRUN_PROJECT_NAME");
    let ran = Ran::of(command.output().unwrap());
    let name = ran
        .out
        .split_whitespace()
        .find(|word| word.starts_with("app-ci-"));
    let name = name.expect("the name of the run").to_owned();
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
    for check in [
        "entry", "health", "api", "config", "database", "tests", "restart",
    ] {
        assert!(
            ran.out.contains(&format!("check {check}  passed")),
            "{check} in:\n{}",
            ran.out
        );
    }
    assert!(ran.out.contains("7 checks in "), "{}", ran.out);
    assert!(ran.out.ends_with("passed (exit code 0)\n"), "{}", ran.out);

    stack.edit(
        "Stackfile.kdl",
        r#"http "/api/v1/health/""#,
        r#"http "/api/v1/nowhere/""#,
    );
    stack.edit(
        "Stackfile.kdl",
        r#"host "examples/unified/restart.sh""#,
        r#"host "true""#,
    );
    let ran = ci(&stack);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("check api  failed"), "{}", ran.out);
    assert!(
        ran.out.contains("/api/v1/nowhere/ answered 404"),
        "{}",
        ran.out
    );
    for check in ["entry", "config", "database", "tests"] {
        assert!(
            ran.out.contains(&format!("check {check}  passed")),
            "the others are run all the same:\n{}",
            ran.out
        );
    }
}
