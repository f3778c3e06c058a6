//! `.dockerignore`, against what the engine's own client makes of it: trees and patterns by chance,
//! and the files that are in the image.
//!
//! `DEVRUN_IGNORE_CASES=500 DEVRUN_IGNORE_SEED=7` tries more of them, and others.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;

use crate::kit::{Scratch, docker, shell};

const CASES: usize = 30;
const NAMES: [&str; 7] = ["a", "b", "ab", "a.txt", "b.txt", ".hid", "a b"];
const PIECES: [&str; 16] = [
    "a", "b", "ab", "a.txt", "*.txt", "*", "**", "?", "a*", "[ab]", "[^a]", ".hid", "b*", "*b",
    ".", "a?b",
];

/// splitmix64: the same seed throws the same numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    fn pick(&mut self, all: &[&'static str]) -> &'static str {
        all[self.below(all.len())]
    }
}

/// A folder of that name, with whatever the dice say.
fn grow(dice: &mut Dice, stack: &Scratch, folder: &str, depth: usize) {
    fs::create_dir_all(stack.path(folder)).unwrap();
    for name in NAMES {
        let path = format!("{folder}/{name}");
        match dice.below(if depth == 0 { 4 } else { 7 }) {
            0 | 1 => stack.write(&path, "x"),
            2 => symlink("a.txt", stack.path(&path)).unwrap(),
            4..=6 => grow(dice, stack, &path, depth - 1),
            _ => {}
        }
    }
}

/// Exceptions are plain paths: below an ignored folder, the client of the first builder looks for
/// others in vain, while that of BuildKit, which is what counts, finds them as we do.
fn patterns(dice: &mut Dice) -> String {
    let mut text = String::new();
    for _ in 0..=dice.below(6) {
        let exception = dice.below(3) == 0;
        let mut line = match exception {
            true => dice.pick(&["!", "!", "! "]).to_owned(),
            false => String::new(),
        };
        line += dice.pick(&["", "", "", "/", "./"]);
        for piece in 0..=dice.below(3) {
            line += if piece == 0 { "" } else { "/" };
            line += match exception {
                true => dice.pick(&NAMES),
                false => dice.pick(&PIECES),
            };
        }
        line += match exception {
            true => dice.pick(&["", "", "/", " "]),
            false => dice.pick(&["", "", "", "/", " ", "/*", "/.."]),
        };
        if dice.below(8) == 0 {
            text += "# a\n\n";
        }
        let _ = writeln!(text, "{line}");
    }
    text
}

/// The paths of an image's only layer; what each container has besides is left out.
fn paths(stack: &Scratch, image: &str) -> BTreeSet<String> {
    let line = format!(
        "id=$(docker create '{image}' x) && docker export $id | tar -t --quoting-style=literal && docker rm $id >/dev/null"
    );
    let ran = shell(&line, &stack.path(""));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let lines = ran.out.lines().map(|path| path.trim_end_matches('/'));
    // Which file it is that says what is ignored differs between the two.
    let of_context = |path: &&str| path.starts_with("in/") && *path != "in/.dockerignore";
    lines.filter(of_context).map(str::to_owned).collect()
}

#[test]
fn what_is_ignored_is_what_the_engine_s_client_ignores() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let cases = number("DEVRUN_IGNORE_CASES").unwrap_or(CASES);
    let seed = number("DEVRUN_IGNORE_SEED").unwrap_or(1);
    let stack = Scratch::new("ignored", &[("Dockerfile", "FROM scratch\nCOPY . /in/\n")]);
    let mut stackfile = "stack app\n".to_owned();
    let mut texts = Vec::new();
    for case in 0..cases {
        let mut dice = Dice((seed * 1_000_000 + case) as u64);
        let (ours, theirs) = (format!("case{case}"), format!("same{case}"));
        grow(&mut dice, &stack, &ours, 2);
        // Something is left of it whatever is ignored.
        let text = format!("{}!kept\n", patterns(&mut dice));
        stack.write(&format!("{ours}/kept"), "x");
        let copied = shell(&format!("cp -a {ours} {theirs}"), &stack.path(""));
        assert_eq!(copied.code, 0);
        stack.write(&format!("{theirs}/.dockerignore"), &text);
        let dockerfile = match dice.below(3) {
            // The Dockerfile's own is the one that counts.
            0 => {
                let own = format!("Dockerfile{case}");
                stack.write(&own, "FROM scratch\nCOPY . /in/\n");
                stack.write(&format!("{own}.dockerignore"), &text);
                stack.write(&format!("{ours}/.dockerignore"), "a\n**/b\n!ab\n");
                own
            }
            _ => {
                stack.write(&format!("{ours}/.dockerignore"), &text);
                "Dockerfile".to_owned()
            }
        };
        let _ = writeln!(
            stackfile,
            "service s{case} {{ build \"{ours}\" dockerfile=\"../{dockerfile}\"; profile never }}"
        );
        texts.push(text);
    }
    stack.write("Stackfile.kdl", &stackfile);
    let theirs = |case: usize| theirs(&stack, case);
    let (taken, refused): (Vec<usize>, Vec<usize>) = (0..cases).partition(|case| {
        let built = theirs(*case);
        let said = built.as_ref().err().map_or("", String::as_str);
        let of_patterns = said.contains("pattern");
        assert!(
            built.is_ok() || of_patterns,
            "case {case} of seed {seed}: {said}"
        );
        built.is_ok()
    });
    assert!(taken.len() > refused.len());
    for case in refused {
        let failed = stack.run(&["build", &format!("s{case}")]);
        let text = &texts[case];
        assert_eq!(
            failed.code, 1,
            "case {case} of seed {seed}: {}\n{text}",
            failed.out
        );
        assert!(failed.err.contains("is not a pattern"), "{}", failed.err);
    }
    let names: Vec<String> = taken.iter().map(|case| format!("s{case}")).collect();
    let mut arguments = vec!["build", "--format", "json"];
    arguments.extend(names.iter().map(String::as_str));
    let built = stack.ok(&arguments).out;
    assert_eq!(built.lines().count(), taken.len());
    for line in built.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let case = line["service"].as_str().unwrap().strip_prefix('s').unwrap();
        let case: usize = case.parse().unwrap();
        let image = line["image"].as_str().unwrap();
        let (ours, theirs) = (
            paths(&stack, image),
            paths(&stack, &their_name(&stack, case)),
        );
        assert_eq!(ours, theirs, "case {case} of seed {seed}\n{}", texts[case]);
    }
}

fn their_name(stack: &Scratch, case: usize) -> String {
    format!("{}-same{case}", stack.name)
}

/// Has the engine's own client build it; what it says where it does not.
fn theirs(stack: &Scratch, case: usize) -> Result<(), String> {
    stack.write("Theirs", "FROM scratch\nCOPY . /in/\n");
    let (file, folder) = (stack.path("Theirs"), stack.path(&format!("same{case}")));
    let (name, label) = (
        their_name(stack, case),
        format!("devrun.stack={}", stack.name),
    );
    let reference = docker(&[
        "build",
        "-q",
        "-t",
        &name,
        "--label",
        &label,
        "-f",
        file.to_str().unwrap(),
        folder.to_str().unwrap(),
    ]);
    match reference.code {
        0 => Ok(()),
        _ => Err(reference.err),
    }
}
