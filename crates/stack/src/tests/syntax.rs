//! What KDL itself cannot read.

use super::world::told;

/// A service with this in it, and another problem further down.
fn service(body: &str) -> String {
    told(&format!(
        "stack app\nservice db {{\n    image \"a\"\n    {body}\n}}\n"
    ))
}

#[test]
fn unquoted_sizes_and_durations() {
    insta::assert_snapshot!(service(
        "limits memory=512M cpus=1\n    healthcheck \"x\" start-period=10s"
    ));
}

#[test]
fn unquoted_paths() {
    insta::assert_snapshot!(service(
        "build ./backend\n    route /api/*\n    volume data to=/var/lib\n    route /*"
    ));
}

#[test]
fn bare_booleans() {
    insta::assert_snapshot!(service(
        "init true\n    volume data to=\"/x\" read-only=true"
    ));
}

#[test]
fn equals_signs_and_lists() {
    insta::assert_snapshot!(service(
        "environment {\n        A = b\n        C=d\n    }\n    command [\"a\", \"b\"]"
    ));
}

#[test]
fn backslashes() {
    insta::assert_snapshot!(service("command \"grep \\d\" \\ \"x\""));
}

#[test]
fn raw_strings_of_kdl_1() {
    insta::assert_snapshot!(service("command r\"a\" r#\"b\"#"));
}

#[test]
fn other_text_that_begins_with_a_digit() {
    insta::assert_snapshot!(service("port 8000:80\n    port 53/udp"));
}

#[test]
fn a_slip_does_not_hide_what_else_is_wrong() {
    insta::assert_snapshot!(told(
        "stack app\nservice db {\n    limits memory=512M\n    image \"a\n}\n"
    ));
}

#[test]
fn blocks_that_do_not_close() {
    insta::assert_snapshot!(told("stack app\nservice db {\n    image \"a\"\n"));
    insta::assert_snapshot!(told("stack app\nservice db {\n    image \"a\"\n}}\n"));
    insta::assert_snapshot!(told("stack app\nservice db\n{\n    image \"a\"\n}\n"));
}

#[test]
fn one_error_a_region() {
    insta::assert_snapshot!(service("command \"a\" @{ )"));
}

#[test]
fn a_good_text_has_no_slips() {
    let text = include_str!("../../../../Stackfile.kdl");
    // Refused for its last line alone.
    let told = told(&format!("{text}\n}}\n"));
    assert_eq!(told.matches('×').count(), 1, "{told}");
}

#[test]
fn no_text_is_too_odd_to_be_answered() {
    let text = include_str!("../../../../Stackfile.kdl");
    let odd = [
        "\\",
        "\"",
        "\u{a0}é=",
        "#\"",
        "[",
        "}",
        "/*",
        "${",
        "\u{0}",
        "(ü)",
        "r\"\\",
    ];
    for (turn, at) in (0..text.len())
        .step_by(97)
        .filter(|at| text.is_char_boundary(*at))
        .enumerate()
    {
        let piece = odd[turn % odd.len()];
        for broken in [
            text[..at].to_owned() + piece,
            format!("{}{piece}{}", &text[..at], &text[at..]),
        ] {
            // What counts is that there is an answer, and that its places are in the text.
            for problem in super::world::World::new(&broken)
                .load()
                .stack
                .map_or_else(|all| all.0, |_| Vec::new())
            {
                assert!(problem.location().line <= broken.lines().count() + 1);
            }
        }
    }
}
