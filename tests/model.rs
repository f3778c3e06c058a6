//! Whatever is done to files, and whatever goes wrong meanwhile: in the end the container has
//! what the host has, and nobody in it saw anything else than whole files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test ends by panicking, its helpers too; they are modules beside each other"
)]

mod kit;

#[path = "model/case.rs"]
mod case;
#[path = "model/deadline.rs"]
mod deadline;
#[path = "model/dice.rs"]
mod dice;
#[path = "model/faults.rs"]
mod faults;
#[path = "model/full.rs"]
mod full;
#[path = "model/host.rs"]
mod host;
#[path = "model/inside.rs"]
mod inside;
#[path = "model/ops.rs"]
mod ops;
#[path = "model/runs.rs"]
mod runs;
#[path = "model/stage.rs"]
mod stage;
#[path = "model/tree.rs"]
mod tree;

/// As many cases as fit into a run of all tests; `cargo xtask soak sync` has no end.
const SEEDS: u64 = 200;

#[test]
fn the_container_has_what_the_host_has_whatever_happens() {
    runs::run(&runs::Wanted::of_environment(SEEDS));
}

#[test]
fn the_cases_of_a_run_of_all_tests_have_each_fault() {
    for fault in faults::CHEAP.iter().chain(&faults::DEAR) {
        let has = |seed| case::Case::of(seed).faults().any(|one| one == *fault);
        assert!((1..=SEEDS).any(has), "never: {fault}");
    }
}
