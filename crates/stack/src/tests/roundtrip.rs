//! What is printed of a stack is the stack.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use super::dice::Dice;
use super::generated::{stackfile, world};
use crate::words::every_word;

#[test]
fn a_printed_stack_is_the_same_stack() {
    let config = Config {
        cases: 80,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&Dice::thrown(800), |mut dice| {
        let text = stackfile(&mut dice);
        let world = world(&text);
        // Whatever is loaded in a test is printed there, and loaded again.
        prop_assert!(world.load().stack.is_ok(), "{}\n{text}", world.told());
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// The same throws each time: by chance alone a rare word would be missing now and then.
#[test]
fn every_word_is_in_what_is_generated() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..400 {
        let mut dice = Dice::thrown(800).new_tree(&mut runner).unwrap().current();
        let text = stackfile(&mut dice);
        let words = text.split_whitespace();
        seen.extend(words.map(|word| word.replace("(replace)", "")));
    }
    let missing: Vec<&str> = every_word().filter(|word| !seen.contains(*word)).collect();
    assert!(
        missing.is_empty(),
        "teach `generated.rs` to say {missing:?}"
    );
}

/// Text goes through whoever hides secrets before it is quoted: `$` may be written twice then.
#[test]
fn whoever_hides_a_text_sees_all_of_it() {
    let world = world(
        r##"stack app
var HIDDEN "MARK$$$${}" secret=#true
var URL "http://${HIDDEN}/"
volume data name="data" doc="${HIDDEN}"
config-file conf text="${HIDDEN}" doc="${HIDDEN}"
secret direct text="${HIDDEN}"
service web {
    build "ctx" target="${HIDDEN}" { args { A "${HIDDEN}" }; dockerfile-inline "FROM ${HIDDEN}" }
    environment { A "${HIDDEN}" }
    command "serve" "${HIDDEN}"
    entrypoint "run ${HIDDEN}"
    label { a "${HIDDEN}" }
    healthcheck "ask ${HIDDEN}"
    logging gelf tag="${HIDDEN}"
    profile "${HIDDEN}"
    security-opt "${HIDDEN}"
    volume data to="/${HIDDEN}"
    post-start "start ${HIDDEN}"
    sync "src" to="/app" { ignore "${HIDDEN}"; on "${HIDDEN}" { exec "run ${HIDDEN}" } }
    tmpfs "/x/${HIDDEN}"
    device "/dev/${HIDDEN}"
}
service named { image "x:${HIDDEN}"; healthcheck log="${HIDDEN}" }
check c { exec web "run ${HIDDEN}" junit="${HIDDEN}" }
"##,
    );
    let Ok(stack) = world.load().stack else {
        panic!("{}", world.told());
    };
    let hide = |text: &str, _| text.replace("MARK$${}", "***");
    for line in crate::print(&stack, &hide) {
        let line = line.to_string();
        assert!(!line.contains("MARK"), "{line}");
    }
}
