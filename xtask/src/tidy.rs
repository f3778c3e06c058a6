//! `cargo xtask tidy`: what no compiler checks, so that the walls stay where
//! `docs/architecture.md` says they are.

mod dependencies;
mod source;
mod walls;
mod words;

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::run;
use source::Source;

/// Lines of a Rust file, its tests not counted.
const LONGEST_FILE: usize = 600;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Run(#[from] run::Error),
    #[error("the list of files comes from git, and this is no checkout of it")]
    NoCheckout,
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} not tidy:\n{}", count(.0.len()), lines(.0))]
    Untidy(Vec<Finding>),
}

/// One thing that is not as it should be.
#[derive(Debug, PartialEq)]
pub(crate) struct Finding {
    path: String,
    /// From 1; 0 where it is about the whole file.
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// A text file of the repository.
struct TextFile {
    path: String,
    text: String,
}

/// Looks at every file that git knows or would add.
pub(crate) fn tidy() -> Result<(), Error> {
    let files = files()?;
    let mut findings = Vec::new();
    for file in &files {
        findings.extend(words::check(&file.path, &file.text));
        if file.path.ends_with(".rs") {
            let source = Source::new(&file.path, &file.text);
            findings.extend(size(&source));
            findings.extend(walls::check(&source));
        }
    }
    findings.extend(dependencies::check(&files));
    if findings.is_empty() {
        run::say(&format!("tidy: {} files", files.len()));
        return Ok(());
    }
    Err(Error::Untidy(findings))
}

fn size(source: &Source<'_>) -> Option<Finding> {
    let length = source.length();
    (length > LONGEST_FILE).then(|| Finding {
        path: source.path.to_owned(),
        line: 0,
        what: format!("{length} lines without tests, {LONGEST_FILE} at most: split it"),
    })
}

fn files() -> Result<Vec<TextFile>, Error> {
    let root = run::root();
    let mut git = Command::new("git");
    git.current_dir(&root)
        .args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let list = run::answer(&mut git)?.ok_or(Error::NoCheckout)?;
    let mut files = Vec::new();
    for path in list.lines() {
        let full = root.join(path);
        // Removed but not yet committed, or a link to a folder.
        if !full.is_file() {
            continue;
        }
        let bytes = fs::read(&full).map_err(|source| Error::File { path: full, source })?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(TextFile {
                path: path.to_owned(),
                text,
            });
        }
    }
    Ok(files)
}

fn count(findings: usize) -> String {
    match findings {
        1 => "one thing is".into(),
        many => format!("{many} things are"),
    }
}

fn lines(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_FILE, Source, size};

    #[test]
    fn a_long_file_is_found_and_long_tests_are_not() {
        let code = "fn a() {}\n".repeat(LONGEST_FILE);
        let with_tests = format!("{code}#[cfg(test)]\nmod tests {{\n{code}}}\n");
        assert_eq!(size(&Source::new("src/a.rs", &with_tests)), None);
        let longer = format!("{code}fn b() {{}}\n");
        let found = size(&Source::new("src/a.rs", &longer)).unwrap();
        assert_eq!(
            found.to_string(),
            "src/a.rs: 601 lines without tests, 600 at most: split it"
        );
        assert_eq!(size(&Source::new("src/a/tests.rs", &longer)), None);
    }
}
