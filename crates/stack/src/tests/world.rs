//! A host made of a list of files.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::{Host, Loaded, Options, PathKind, load};

/// Files by their path below `/stack`, with their content; folders follow from them.
#[derive(Default)]
pub(super) struct World {
    files: BTreeMap<String, String>,
    pub(super) options: Options,
}

impl World {
    /// Reads this text as `/stack/Stackfile.kdl`.
    pub(super) fn new(text: &str) -> Self {
        let options = Options {
            file: "/stack/Stackfile.kdl".into(),
            shown: "Stackfile.kdl".into(),
            text: text.into(),
            ..Options::default()
        };
        Self {
            files: BTreeMap::new(),
            options,
        }
    }

    pub(super) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(format!("/stack/{path}"), text.into());
        self
    }

    pub(super) fn shell(mut self, name: &str, value: &str) -> Self {
        self.options.shell.insert(name.into(), value.into());
        self
    }

    pub(super) fn load(&self) -> Loaded {
        load(&self.options, self)
    }
}

impl Host for World {
    fn read(&self, path: &Path) -> io::Result<String> {
        let found = self.files.get(path.to_str().unwrap_or_default());
        found
            .cloned()
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn kind(&self, path: &Path) -> Option<PathKind> {
        if self.files.contains_key(path.to_str()?) {
            return Some(PathKind::File);
        }
        self.files
            .keys()
            .any(|file| Path::new(file).starts_with(path))
            .then_some(PathKind::Folder)
    }
}

/// Everything that is wrong with this text, as a person reads it.
pub(super) fn told(text: &str) -> String {
    World::new(text).told()
}

impl World {
    /// Everything that is wrong, with its carets.
    pub(super) fn told(&self) -> String {
        let loaded = self.load();
        let problems = match &loaded.stack {
            Ok(_) => &loaded.warnings,
            Err(rejected) => &rejected.0,
        };
        let handler =
            miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
                .with_width(110)
                .with_context_lines(1);
        let mut text = String::new();
        for problem in problems {
            handler
                .render_report(&mut text, problem)
                .expect("writes to a string");
            text.push('\n');
        }
        text.lines()
            .map(str::trim_end)
            .collect::<Vec<_>>()
            .join("\n")
    }
}
