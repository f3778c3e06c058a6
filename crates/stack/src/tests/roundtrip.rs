//! What is printed of a stack is the stack.

use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::dice::Dice;
use super::generated::{stackfile, world};
use crate::words::every_word;

#[test]
fn a_printed_stack_is_the_same_stack() {
    let config = Config {
        cases: 150,
        failure_persistence: None,
        ..Config::default()
    };
    let seen = RefCell::new(BTreeSet::new());
    let outcome = TestRunner::new(config).run(&Dice::thrown(800), |mut dice| {
        let text = stackfile(&mut dice);
        let world = world(&text);
        // Whatever is loaded in a test is printed there, and loaded again.
        prop_assert!(world.load().stack.is_ok(), "{}\n{text}", world.told());
        let words = text
            .split_whitespace()
            .map(|word| word.replace("(replace)", ""));
        seen.borrow_mut().extend(words);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let missing: Vec<&str> = every_word()
        .filter(|word| !seen.borrow().contains(*word))
        .collect();
    assert!(
        missing.is_empty(),
        "teach `generated.rs` to say {missing:?}"
    );
}
