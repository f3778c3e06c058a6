//! The reference cannot rot: each of its blocks is read, as a whole file, as nodes at the top, or
//! as the body of a service.

use std::io;
use std::path::Path;

use super::world::again;
use crate::words::every_word;
use crate::{Host, Options, PathKind, load};

/// Everything is there: names with a dot, or of a Dockerfile, are files.
struct Anything;

impl Host for Anything {
    fn read(&self, _: &Path) -> io::Result<String> {
        Ok(String::new())
    }

    fn kind(&self, path: &Path) -> Option<PathKind> {
        let name = path.file_name()?.to_str()?;
        let file = name.get(1..)?.contains('.') || name.starts_with("Dockerfile");
        Some(if file {
            PathKind::File
        } else {
            PathKind::Folder
        })
    }
}

/// What fragments refer to.
const AROUND: &str = "stack app
volume backend-media
secret npm-token text=\"x\"
service db { image \"x\" }
service redis { image \"x\" }
service cache { image \"x\" }
task migrate { image \"x\" }
";

#[test]
fn every_block_of_the_reference_is_read() {
    let blocks = read_all(
        "docs/stackfile.md",
        include_str!("../../../../docs/stackfile.md"),
    );
    assert!(blocks > 15, "only {blocks} blocks were found");
}

#[test]
fn what_compose_says_is_said_here() {
    let text = include_str!("../../../../docs/coming-from-compose.md");
    assert_eq!(read_all("docs/coming-from-compose.md", text), 1);
}

#[test]
fn what_tilt_says_is_said_here() {
    let text = include_str!("../../../../docs/coming-from-tilt.md");
    assert_eq!(read_all("docs/coming-from-tilt.md", text), 1);
}

#[test]
fn every_word_of_the_language_has_its_row() {
    let reference = include_str!("../../../../docs/stackfile.md");
    let first_cells = reference
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let explained: Vec<&str> = first_cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter_map(|code| code.split_whitespace().next())
        .collect();
    let missing: Vec<&str> = every_word()
        .filter(|word| !explained.contains(word))
        .collect();
    assert!(missing.is_empty(), "docs/stackfile.md: {missing:?}");
}

#[test]
fn stackfiles_of_the_project_are_read_and_printed() {
    for text in [
        include_str!("../../../../Stackfile.kdl"),
        include_str!("../../../../examples/hello/Stackfile.kdl"),
        include_str!("../../../../benches/start/Stackfile.kdl"),
    ] {
        let options = Options {
            file: "/stack/Stackfile.kdl".into(),
            shown: "Stackfile.kdl".into(),
            text: text.into(),
            ..Options::default()
        };
        let stack = load(&options, &Anything).stack.expect("is read");
        again(&stack, &options, &Anything);
    }
}

/// Reads all blocks, and answers how many there are.
fn read_all(shown: &str, reference: &str) -> usize {
    let mut blocks = 0;
    for block in reference.split("```kdl").skip(1) {
        let (kind, rest) = block.split_once('\n').expect("a line");
        let body = rest.split("```").next().expect("a body");
        let proxy = "proxy proxy { image \"x\"; config \"n.conf\"; port 80 }\n";
        let text = match kind.trim() {
            "" => body.to_owned(),
            "top" if body.contains("proxy ") => format!("{AROUND}var PROXY_PORT 80\n{body}"),
            "top" => format!("{AROUND}{proxy}{body}"),
            "service" => {
                let image = if body.contains("build ") {
                    ""
                } else {
                    "image \"x\"\n"
                };
                format!("{AROUND}{proxy}service it {{\n{image}{body}\n}}\n")
            }
            other => panic!("a block of kind {other}"),
        };
        let options = Options {
            file: "/stack/Stackfile.kdl".into(),
            shown: shown.into(),
            text: text.clone(),
            shell: ["TOKEN", "DB_PASSWORD"]
                .map(|name| (name.into(), "t".into()))
                .into(),
            ..Options::default()
        };
        let problems = match load(&options, &Anything).stack {
            Ok(stack) => {
                again(&stack, &options, &Anything);
                Vec::new()
            }
            Err(rejected) => rejected.0,
        };
        let told: Vec<_> = problems.into_iter().map(miette::Report::new).collect();
        assert!(told.is_empty(), "{told:?}\n{text}");
        blocks += 1;
    }
    blocks
}
