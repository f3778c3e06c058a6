//! `cargo xtask fuzz`: input that nobody thought of, on the stable compiler.
//!
//! The compiler counts which branches run, as `cargo fuzz` has it do, which wants a nightly one
//! for the sanitizers that safe code needs not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run;
use crate::up::cargo;

const TARGETS: [&str; 4] = ["stackfile", "wire", "dockerignore", "ignores"];

/// What makes the compiler count branches and tell the fuzzer what is compared.
const COUNTED: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Longer input is slower, and says nothing that shorter does not.
const LONGEST: usize = 8192;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0} is no target; known are {known}", known = TARGETS.join(", "))]
    Unknown(String),
    #[error("how many seconds? cargo xtask fuzz [TARGET…] [--seconds N]")]
    Seconds,
    #[error("the fuzzer is C++, and there is no compiler for it: install g++ or clang")]
    Compiler,
    #[error(transparent)]
    Run(#[from] run::Error),
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "{target} failed on an input that lies in {}: run it again with\n  {} {}",
        folder.display(),
        program.display(),
        folder.join("FILE").display()
    )]
    Found {
        target: String,
        folder: PathBuf,
        program: PathBuf,
    },
}

/// Builds the targets, and lets each look for so many seconds.
pub(crate) fn fuzz(arguments: &[&str]) -> Result<(), Error> {
    let (targets, seconds) = wanted(arguments)?;
    if !["c++", "g++", "clang++"]
        .iter()
        .any(|name| run::which(name).is_some())
    {
        return Err(Error::Compiler);
    }
    let programs = run::step("the fuzz targets", build)?;
    for target in targets {
        run::step(&format!("fuzzing {target} for {seconds} s"), || {
            look(target, seconds, &programs)
        })?;
    }
    Ok(())
}

fn wanted<'a>(arguments: &[&'a str]) -> Result<(Vec<&'a str>, u32), Error> {
    let (mut targets, mut seconds) = (Vec::new(), 20);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if *argument == "--seconds" {
            let count = rest.next().and_then(|text| text.parse().ok());
            seconds = count.filter(|count| *count > 0).ok_or(Error::Seconds)?;
        } else if TARGETS.contains(argument) {
            targets.push(*argument);
        } else {
            return Err(Error::Unknown((*argument).to_owned()));
        }
    }
    if targets.is_empty() {
        targets.extend(TARGETS);
    }
    Ok((targets, seconds))
}

/// All that fuzzing leaves behind.
fn folder() -> PathBuf {
    run::root().join("target/fuzz")
}

/// The folder of the programs.
fn build() -> Result<PathBuf, Error> {
    let host = host()?;
    let mut command = cargo();
    command
        .args([
            "build",
            "--locked",
            "--release",
            "--manifest-path",
            "fuzz/Cargo.toml",
        ])
        // With a target named, what runs while building is built as usual.
        .args(["--target", &host])
        .env("CARGO_TARGET_DIR", folder())
        .env("RUSTFLAGS", COUNTED);
    run::quiet("fuzz-build", &mut command)?;
    Ok(folder().join(host).join("release"))
}

fn host() -> Result<String, Error> {
    let told = run::answer(Command::new("rustc").arg("-vV"))?.unwrap_or_default();
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.unwrap_or("x86_64-unknown-linux-gnu").to_owned())
}

fn look(target: &str, seconds: u32, programs: &Path) -> Result<(), Error> {
    let corpus = folder().join("corpus").join(target);
    let found = folder().join("found").join(target);
    for folder in [&corpus, &found] {
        fs::create_dir_all(folder).map_err(|source| file_error(folder, source))?;
    }
    for (index, seed) in seeds(target).iter().enumerate() {
        let path = corpus.join(format!("seed-{index}"));
        fs::write(&path, seed).map_err(|source| file_error(&path, source))?;
    }
    let program = programs.join(target);
    let mut command = Command::new(&program);
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LONGEST}"))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .args(["-timeout=10", "-rss_limit_mb=1024"])
        // The place of a panic is told; where the fuzzer itself was is of no interest.
        .env("RUST_BACKTRACE", "0")
        .arg(&corpus);
    match run::quiet(&format!("fuzz-{target}"), &mut command) {
        Err(run::Error::Failed { tail, .. }) => {
            run::say(&tail);
            Err(Error::Found {
                target: target.to_owned(),
                folder: found,
                program,
            })
        }
        other => Ok(other?),
    }
}

/// What the search begins with: texts of the repository itself.
fn seeds(target: &str) -> Vec<String> {
    let read = |path: &str| fs::read_to_string(run::root().join(path)).unwrap_or_default();
    match target {
        "stackfile" => {
            let mut seeds = vec![
                read("Stackfile.kdl") + "\0A=1\n",
                read("examples/hello/Stackfile.kdl"),
                read("benches/start/Stackfile.kdl"),
            ];
            let wrong = read("crates/stack/src/tests/wrong.txt");
            let cases = wrong.split("### ").filter_map(|case| case.split_once('\n'));
            seeds.extend(cases.map(|(_, text)| text.to_owned()));
            let reference = read("docs/stackfile.md");
            let blocks = reference.split("```kdl").skip(1);
            let bodies = blocks.filter_map(|block| block.split("```").next()?.split_once('\n'));
            seeds.extend(bodies.map(|(kind, body)| match kind.trim() {
                "service" => format!("stack app\nservice it {{\n{body}}}\n"),
                _ => format!("stack app\n{body}"),
            }));
            seeds
        }
        "dockerignore" => vec![
            "src/target/x.rs\n**/*.rs\n!src\ntarget/\n".to_owned(),
            format!("a/b\n{}", read("examples/unified/frontend/.dockerignore")),
            format!("a/b\n{}", read("examples/unified/backend/.dockerignore")),
        ],
        // A path, then patterns of `include`, `ignore` and `on`, `.gitignore`, `.dockerignore`.
        "ignores" => vec![
            "dist/app.js\u{1}dist/app.js\n*.py\u{1}!keep/\u{1}**/*.js\u{1}dist/\n*.log\u{1}docs"
                .to_owned(),
            "a/b/c.py\u{1}\u{1}/a/**/c.*\u{1}\u{1}**/b/\n!a?c\n".to_owned(),
            format!(
                "src/x.pyc\u{1}\u{1}__pycache__/\u{1}conf/*.ini\u{1}{}\u{1}*\n!src",
                read("examples/unified/backend/.gitignore")
            ),
        ],
        _ => Vec::new(),
    }
}

fn file_error(path: &Path, source: std::io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for() {
        assert_eq!(wanted(&[]).unwrap(), (TARGETS.to_vec(), 20));
        assert_eq!(
            wanted(&["wire", "--seconds", "5"]).unwrap(),
            (vec!["wire"], 5)
        );
        assert!(matches!(wanted(&["--seconds"]), Err(Error::Seconds)));
        assert!(matches!(wanted(&["wires"]), Err(Error::Unknown(name)) if name == "wires"));
    }

    #[test]
    fn the_repository_has_seeds() {
        assert!(seeds("stackfile").len() > 60);
        assert!(seeds("stackfile").iter().all(|seed| !seed.is_empty()));
    }
}
