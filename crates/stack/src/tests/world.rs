//! A host made of a list of files.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::Value;

use crate::{Host, Loaded, Options, PathKind, Stack, load, print};

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

    /// What is read is also what is read from it once it was printed.
    pub(super) fn load(&self) -> Loaded {
        let loaded = load(&self.options, self);
        if let Ok(stack) = &loaded.stack {
            again(stack, &self.options, self);
        }
        loaded
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

/// Prints a stack and reads it again; both must say the same.
pub(super) fn again(stack: &Stack, options: &Options, host: &dyn Host) {
    let options = Options {
        text: printed(stack),
        project_name: None,
        ..options.clone()
    };
    match load(&options, host).stack {
        Ok(second) => assert_eq!(bare(stack), bare(&second), "{}", options.text),
        Err(problems) => panic!("{:?}\n{}", miette::Report::new(problems), options.text),
    }
}

/// As `devrun config` has it, with nothing masked.
pub(super) fn printed(stack: &Stack) -> String {
    let lines = print(stack, &|text, _| text.to_owned());
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// All that a stack says, without where it says it.
pub(super) fn bare(stack: &Stack) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(strip),
            Value::Object(fields) => {
                fields.retain(|_, field| field.get("column").is_none());
                fields.values_mut().for_each(strip);
            }
            _ => {}
        }
    }
    let mut value = serde_json::to_value(stack).expect("plain data");
    let fields = value.as_object_mut().expect("an object");
    for aside in ["origins", "reads"] {
        fields.remove(aside);
    }
    for variable in fields["variables"].as_array_mut().expect("a list") {
        variable["origin"] = Value::Null;
    }
    let contents = stack.services.iter().flat_map(|service| &service.files);
    let contents: Vec<&[u8]> = contents.map(|file| &file.content.0[..]).collect();
    fields.insert("contents".into(), serde_json::json!(contents));
    strip(&mut value);
    value
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
