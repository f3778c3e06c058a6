//! What the documents say of the program is true of the program: verbs, options, links, examples.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by panicking, its helpers too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

const TEXTS: [&str; 7] = [
    "README.md",
    "CHANGELOG.md",
    "docs/architecture.md",
    "docs/commands.md",
    "docs/sync.md",
    "docs/troubleshooting.md",
    "docs/development.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn help(verb: Option<&str>) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_devrun"))
        .args(verb)
        .arg("--help")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{verb:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The verbs with their help, and other names for them.
fn verbs() -> BTreeMap<String, String> {
    let mut verbs = BTreeMap::new();
    for line in help(None).lines().take_while(|line| *line != "Options:") {
        let Some(entry) = line.strip_prefix("  ") else {
            continue;
        };
        let name = entry.split_whitespace().next().unwrap();
        let text = help(Some(name));
        let also = entry.split_once("(also: ").map(|(_, names)| names);
        for name in also
            .iter()
            .flat_map(|names| names.trim_end_matches(')').split(", "))
        {
            verbs.insert(name.to_owned(), text.clone());
        }
        verbs.insert(name.to_owned(), text);
    }
    assert!(verbs.len() > 10, "{verbs:?}");
    verbs
}

/// Words of a text that start with `--`, without what belongs to them.
fn long_options(text: &str) -> BTreeSet<String> {
    text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '-'))
        .filter(|word| word.len() > 2 && word.starts_with("--") && !word.starts_with("---"))
        .map(str::to_owned)
        .collect()
}

/// Everything between backticks and all lines of blocks that call devrun.
fn calls(text: &str) -> Vec<String> {
    let mut calls = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            calls.extend(line.split_once("devrun ").map(|(_, rest)| rest.to_owned()));
        } else {
            let code = line.split('`').skip(1).step_by(2);
            calls.extend(code.filter_map(|code| {
                let (before, rest) = code.split_once("devrun ")?;
                // `PORT=1 devrun up`, but not `cargo build -p devrun --bin`.
                let assignments = before.split_whitespace().all(|word| word.contains('='));
                assignments.then(|| rest.to_owned())
            }));
        }
    }
    calls
}

/// The verb of a call, behind the options of every verb.
fn verb_of(call: &str) -> Option<&str> {
    let mut words = call.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "-p" | "-f" | "--profile" | "--file" => {
                words.next();
            }
            word if word.starts_with('-') => {}
            word => return Some(word.trim_end_matches([',', ':'])),
        }
    }
    None
}

#[test]
fn every_verb_that_is_named_is_there() {
    let verbs = verbs();
    for file in TEXTS {
        for call in calls(&read(file)) {
            let Some(verb) = verb_of(&call) else { continue };
            // VERB stands for any, and a block may show what is printed.
            let is_word = verb.chars().all(|character| character.is_ascii_lowercase());
            assert!(
                !is_word || verb == "help" || verbs.contains_key(verb),
                "{file}: `devrun {call}`: there is no {verb}"
            );
            let Some(help) = verbs.get(verb) else {
                continue;
            };
            let own = match verb {
                // What follows the service belongs to somebody else's command.
                "exec" | "run" => BTreeSet::new(),
                _ => long_options(&call),
            };
            let known = long_options(help);
            for option in own {
                assert!(
                    known.contains(&option),
                    "{file}: `devrun {call}`: {verb} has no {option}"
                );
            }
        }
    }
}

#[test]
fn every_verb_and_option_is_in_the_reference() {
    let text = read("docs/commands.md");
    let documented = long_options(&text);
    for (verb, help) in verbs() {
        let named = [format!("`devrun {verb}"), format!("`{verb}`")];
        assert!(
            named.iter().any(|name| text.contains(name)),
            "docs/commands.md does not name {verb}"
        );
        for option in long_options(&help) {
            assert!(
                documented.contains(&option) || option == "--help",
                "docs/commands.md does not name {option} of {verb}"
            );
        }
    }
}

#[test]
fn the_reference_names_no_option_that_is_gone() {
    let known: BTreeSet<String> = verbs()
        .values()
        .flat_map(|help| long_options(help))
        .collect();
    let gone: Vec<String> = long_options(&read("docs/commands.md"))
        .difference(&known)
        .cloned()
        .collect();
    assert!(gone.is_empty(), "{gone:?}");
}

#[test]
fn links_lead_to_files() {
    let mut wrong = Vec::new();
    for file in markdown() {
        let text = std::fs::read_to_string(&file).unwrap();
        let folder = file.parent().unwrap();
        for target in targets(&text) {
            let path = target.split('#').next().unwrap();
            if !path.is_empty() && !path.contains("://") && !folder.join(path).exists() {
                wrong.push(format!("{}: {target}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_code_map_is_of_this_code() {
    let text = read("docs/architecture.md");
    let code = text.split('`').skip(1).step_by(2);
    let paths: Vec<&str> = code
        .filter(|code| {
            let inside = ["src/", "crates/", "xtask/", "tests/"];
            inside.iter().any(|start| code.starts_with(start)) && !code.contains(' ')
        })
        .collect();
    assert!(paths.len() > 20, "{paths:?}");
    for path in &paths {
        assert!(root().join(path).exists(), "{path} is not there");
    }
    let mapped = |folder: &str| paths.iter().any(|path| path.starts_with(folder));
    for parent in ["src", "crates"] {
        for entry in std::fs::read_dir(root().join(parent)).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{parent}/{}", entry.file_name().to_string_lossy());
            assert!(
                entry.path().is_file() || mapped(&name),
                "{name} is not in docs/architecture.md"
            );
        }
    }
}

/// The Markdown files that Git knows.
fn markdown() -> Vec<PathBuf> {
    let list = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
            "*.md",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let files: Vec<PathBuf> = String::from_utf8(list.stdout)
        .unwrap()
        .split_terminator('\0')
        .map(|file| root().join(file))
        .filter(|file| file.is_file())
        .collect();
    assert!(files.len() > 5, "{files:?}");
    files
}

/// Where `](…)` leads, outside of blocks of code.
fn targets(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        if !in_block {
            let links = line.split("](").skip(1);
            targets.extend(links.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
        }
    }
    targets
}

#[test]
fn the_readmes_stackfile_is_valid() {
    let readme = read("README.md");
    let (_, rest) = readme
        .split_once("```kdl\n")
        .expect("README.md has a Stackfile");
    let (stackfile, _) = rest.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in [
        ("Stackfile.kdl", stackfile),
        ("web/Dockerfile", "FROM scratch\nEXPOSE 8000\n"),
        (
            "nginx.conf",
            "http {\n    server {\n        include devrun-routes;\n    }\n}\n",
        ),
    ] {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let output = Command::new(env!("CARGO_BIN_EXE_devrun"))
        .arg("check")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("warning"), "{said}");
}
