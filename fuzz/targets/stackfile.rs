//! Whatever is in a Stackfile: a stack, which is printed and read again as the same, or problems
//! that can be shown.

#![no_main]

use std::io;
use std::path::Path;

use devrun_stack::{Host, Options, PathKind, Stack, load, print};
use libfuzzer_sys::fuzz_target;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

/// Everything is there; files hold what follows the first NUL of the input.
struct Around<'a>(&'a str);

impl Host for Around<'_> {
    fn read(&self, _: &Path) -> io::Result<String> {
        Ok(self.0.to_owned())
    }

    fn kind(&self, path: &Path) -> Option<PathKind> {
        let name = path.file_name()?.to_str()?;
        match name {
            "missing" => None,
            "Dockerfile" => Some(PathKind::File),
            _ if name.contains('.') => Some(PathKind::File),
            _ => Some(PathKind::Folder),
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let input = String::from_utf8_lossy(input);
    let (text, files) = input.split_once('\0').unwrap_or((&input, ""));
    let host = Around(files);
    let options = Options {
        file: "/stack/Stackfile.kdl".into(),
        shown: "Stackfile.kdl".into(),
        text: text.to_owned(),
        ..Options::default()
    };
    let loaded = load(&options, &host);
    loaded.warnings.iter().for_each(shown);
    match loaded.stack {
        Ok(stack) => again(&stack, options, &host),
        Err(rejected) => {
            assert!(!rejected.0.is_empty(), "rejected for no reason");
            rejected.0.iter().for_each(shown);
        }
    }
});

/// It can be shown: each label lies within its text.
fn shown(problem: &devrun_stack::Diagnostic) {
    let source = problem.source_code().expect("has its text");
    for label in problem.labels().expect("has its place") {
        source
            .read_span(label.inner(), 0, 0)
            .unwrap_or_else(|error| panic!("{problem}: {label:?}: {error}"));
    }
    let mut text = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .render_report(&mut text, problem)
        .expect("is shown");
    assert!(!text.trim().is_empty());
}

fn again(stack: &Stack, options: Options, host: &Around<'_>) {
    let text = printed(stack);
    let options = Options { text, ..options };
    match load(&options, host).stack {
        Ok(second) => assert_eq!(options.text, printed(&second), "says something else"),
        Err(rejected) => panic!("{}\n{:?}", options.text, rejected.0),
    }
}

fn printed(stack: &Stack) -> String {
    let lines = print(stack, &|text, _| text.to_owned());
    lines.into_iter().map(|line| line.text + "\n").collect()
}
