//! Whatever is in a file, reading it ends with a stack or with problems.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::world::World;

const ROOT: &str = include_str!("../../../../Stackfile.kdl");

/// The true Stackfile, the wrong ones, and the blocks of the reference.
fn seeds() -> Vec<String> {
    let mut seeds = vec![ROOT.to_owned()];
    let reference = include_str!("../../../../docs/stackfile.md");
    let blocks = reference.split("```kdl").skip(1);
    let blocks = blocks.filter_map(|block| block.split_once('\n'));
    seeds.extend(blocks.map(|(_, rest)| {
        let body = rest.split("```").next().unwrap_or_default();
        format!("stack app\nservice it {{\nimage \"x:1\"\n{body}\n}}\n{body}\n")
    }));
    let wrong = include_str!("wrong.txt").split("### ").skip(1);
    seeds.extend(
        wrong
            .filter_map(|case| case.split_once('\n'))
            .map(|(_, text)| text.to_owned()),
    );
    seeds
}

/// What slips of a hand leave behind.
const SCRAPS: &[&str] = &[
    "",
    "\"",
    "{",
    "}",
    ";",
    "\n",
    "\\",
    "${",
    "$",
    "#true",
    "#null",
    "=",
    "(remove)",
    "(replace)",
    "/-",
    "*/",
    "/*",
    "\"\"\"",
    "-",
    "é",
    "\u{0}",
    "\u{feff}",
    "99999999999999999999",
    "..",
    "/",
    "stack",
    "use",
    "to=",
    "none",
    "default",
];

fn boundary(text: &str, at: usize) -> usize {
    let mut at = at % (text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn told(text: &str) {
    let world = World::new(text);
    let loaded = world.load();
    assert!(loaded.stack.is_ok() || !world.told().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mutilated_stackfile_makes_the_loader_panic(
        seed in any::<prop::sample::Index>(),
        cuts in prop::collection::vec((any::<usize>(), 0usize..12, any::<prop::sample::Index>()), 1..6),
    ) {
        let seeds = seeds();
        let mut text = seeds[seed.index(seeds.len())].clone();
        for (at, length, scrap) in cuts {
            let from = boundary(&text, at);
            let to = boundary(&text, (from + length).min(text.len())).max(from);
            text.replace_range(from..to, SCRAPS[scrap.index(SCRAPS.len())]);
        }
        told(&text);
    }

    #[test]
    fn no_text_makes_the_loader_panic(text in "\\PC{0,200}") {
        told(&text);
        told(&format!("stack app\nservice a {{ image \"x:1\"\n{text}\n}}\n"));
    }
}

#[test]
fn the_true_stackfile_is_checked_at_once() {
    let world = World::new(ROOT);
    let began = Instant::now();
    let rounds = 5;
    for _ in 0..rounds {
        world.load();
    }
    // Without optimisation, beside other tests; the program as it is shipped takes a tenth.
    let each = began.elapsed() / rounds;
    assert!(each < Duration::from_millis(500), "{each:?}");
}
