//! What every reader needs at hand: the text, the variables, the host, and where problems go.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kdl::{KdlEntry, KdlValue};
use miette::SourceSpan;

use crate::diagnostic::{Diagnostic, Lines, SourceFile};
use crate::load::{Host, PathKind};
use crate::model::{Filled, Location, Speaker};
use crate::notes::Notes;
use crate::value;
use crate::variables::Variables;

/// A value as it is written and as it reads with its variables filled in.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) value: String,
    pub(crate) span: SourceSpan,
    pub(crate) form: Form,
    /// A problem with it was reported already: nothing more is to be said of it.
    pub(crate) broken: bool,
    /// The variables in it.
    pub(crate) filled: Vec<Filled>,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Quoted,
    Bare,
    Number,
    Bool(bool),
}

pub(crate) struct Context<'a> {
    pub(crate) file: SourceFile,
    pub(crate) root: PathBuf,
    pub(crate) host: &'a dyn Host,
    pub(crate) variables: Variables,
    pub(crate) problems: Vec<Diagnostic>,
    pub(crate) warnings: Vec<Diagnostic>,
    pub(crate) reads: Vec<PathBuf>,
    /// The stack's name as it is declared, whatever it is called now.
    pub(crate) declared: String,
    /// From where what was read comes.
    pub(crate) notes: Notes,
    /// The latest of the bodies that are laid over each other: numbered, so that a repetition
    /// within one is told from a replacement of what an earlier one said.
    pub(crate) layer: usize,
    /// Ports of the host that others are published at instead.
    pub(crate) instead: BTreeMap<u16, u16>,
    lines: Lines,
}

impl<'a> Context<'a> {
    pub(crate) fn new(file: SourceFile, root: PathBuf, host: &'a dyn Host) -> Self {
        Self {
            lines: Lines::of(file.inner()),
            file,
            root,
            host,
            variables: Variables::default(),
            declared: String::new(),
            instead: BTreeMap::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            reads: Vec::new(),
            notes: Notes::default(),
            layer: 0,
        }
    }
}

impl Context<'_> {
    pub(crate) fn error(
        &self,
        code: &'static str,
        span: SourceSpan,
        label: impl Into<String>,
        message: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic::new(&self.file, code, span, label, message)
    }

    pub(crate) fn report(&mut self, problem: Diagnostic) {
        if !self.problems.iter().any(|known| known.repeats(&problem)) {
            self.problems.push(problem);
        }
    }

    pub(crate) fn warn(&mut self, problem: Diagnostic) {
        if !self.warnings.iter().any(|known| known.repeats(&problem)) {
            self.warnings.push(problem.warning());
        }
    }

    pub(crate) fn location(&self, span: SourceSpan) -> Location {
        self.lines.locate(&self.file, span.offset())
    }

    pub(crate) fn source(&self, span: SourceSpan) -> &str {
        self.file
            .inner()
            .get(span.offset()..span.offset() + span.len())
            .unwrap_or_default()
    }

    /// An entry's value with its variables filled in; numbers as they are written.
    pub(crate) fn text(&mut self, entry: &KdlEntry) -> Text {
        let written = entry
            .format()
            .map_or("", |format| format.value_repr.as_str());
        let span = entry.span();
        let (value, form) = match entry.value() {
            KdlValue::String(text) if written.starts_with('#') => (text.clone(), Form::Quoted),
            KdlValue::String(text) => {
                let form = if written.starts_with('"') {
                    Form::Quoted
                } else {
                    Form::Bare
                };
                if form == Form::Bare && text.starts_with('\'') {
                    return self.single_quoted(text, span);
                }
                return self.expanded(text, span, form);
            }
            KdlValue::Bool(flag) => (flag.to_string(), Form::Bool(*flag)),
            KdlValue::Integer(_) | KdlValue::Float(_) => (written.to_owned(), Form::Number),
            KdlValue::Null => {
                let problem = self
                    .error("stackfile::null", span, "says nothing", "#null is never a value here")
                    .advise("leave the word out, or say `no` or `none` where a thing is switched off; an empty text is \"\"");
                self.report(problem);
                return Text {
                    value: String::new(),
                    span,
                    form: Form::Quoted,
                    broken: true,
                    filled: Vec::new(),
                };
            }
        };
        Text {
            value,
            span,
            form,
            broken: false,
            filled: Vec::new(),
        }
    }

    /// To KDL it is a letter like others.
    fn single_quoted(&mut self, text: &str, span: SourceSpan) -> Text {
        let problem = self
            .error(
                "stackfile::quotes",
                span,
                "not a quote",
                "single quotes quote nothing here",
            )
            .advise(format!(
                "text is quoted so: \"{}\"",
                text.trim_matches('\'')
            ));
        self.report(problem);
        Text {
            value: String::new(),
            span,
            form: Form::Quoted,
            broken: true,
            filled: Vec::new(),
        }
    }

    fn expanded(&mut self, text: &str, span: SourceSpan, form: Form) -> Text {
        let (value, filled) = self.variables.expand(text);
        match value {
            Ok(value) => Text {
                value,
                span,
                form,
                broken: false,
                filled,
            },
            Err(slips) => {
                for slip in slips {
                    let at = self.inside(span, &slip.written);
                    let problem = self.error(slip.code, at, slip.label, slip.message);
                    self.report(match slip.help {
                        Some(help) => problem.advise(help),
                        None => problem,
                    });
                }
                Text {
                    value: String::new(),
                    span,
                    form,
                    broken: true,
                    filled,
                }
            }
        }
    }

    /// The part of a span that is written so; the whole where it is not found.
    pub(crate) fn inside(&self, span: SourceSpan, written: &str) -> SourceSpan {
        match self.source(span).find(written) {
            Some(start) => (span.offset() + start, written.len()).into(),
            None => span,
        }
    }

    /// Text, where a boolean makes no sense.
    pub(crate) fn string(&mut self, text: &Text) -> String {
        if let Form::Bool(flag) = text.form {
            let problem = self
                .error(
                    "stackfile::boolean",
                    text.span,
                    "a boolean",
                    "text is expected here, not a boolean",
                )
                .advise(format!("say \"{flag}\""));
            self.report(problem);
        }
        text.value.clone()
    }

    pub(crate) fn flag(&mut self, text: &Text) -> Option<bool> {
        if let Form::Bool(flag) = text.form {
            return Some(flag);
        }
        if !text.broken {
            let problem = self
                .error(
                    "stackfile::boolean",
                    text.span,
                    "neither",
                    "this is either #true or #false",
                )
                .advise("booleans are written #true and #false");
            self.report(problem);
        }
        None
    }

    /// Parses with one of the functions of [`value`], which know what they expected.
    pub(crate) fn parsed<T>(
        &mut self,
        text: &Text,
        parse: impl Fn(&str) -> Result<T, value::Unfit>,
    ) -> Option<T> {
        if text.broken {
            return None;
        }
        match parse(&text.value) {
            Ok(value) => Some(value),
            Err(unfit) => {
                let problem = self
                    .error("stackfile::value", text.span, unfit.label, unfit.message)
                    .advise(unfit.help);
                self.report(problem);
                None
            }
        }
    }

    /// A path as written, from the Stackfile's folder on.
    pub(crate) fn path(&self, written: &str) -> PathBuf {
        tidy(&self.root.join(written))
    }

    /// The path, if what lies there is of that kind; else a problem, and an eye on its appearing.
    pub(crate) fn existing(
        &mut self,
        path: &Path,
        span: SourceSpan,
        kind: Option<PathKind>,
        what: &str,
    ) -> bool {
        let found = self.host.kind(path);
        let shown = path
            .strip_prefix(&self.root)
            .unwrap_or(path)
            .display()
            .to_string();
        let problem = match (found, kind) {
            (None, _) => {
                self.reads.push(path.to_owned());
                self.error(
                    "stackfile::missing-path",
                    span,
                    "not there",
                    if what == shown {
                        format!("{what} does not exist")
                    } else {
                        format!("{what} {shown} does not exist")
                    },
                )
                .advise(nowhere(&shown))
            }
            (Some(PathKind::Folder), Some(PathKind::File)) => self
                .error(
                    "stackfile::path-kind",
                    span,
                    "a folder",
                    format!("{what} {shown} is a folder, and should be a file"),
                )
                .advise("name the file in it that is meant"),
            (Some(PathKind::File), Some(PathKind::Folder)) => self
                .error(
                    "stackfile::path-kind",
                    span,
                    "a file",
                    format!("{what} {shown} is a file, and should be a folder"),
                )
                .advise("name the folder that it is in"),
            _ => return true,
        };
        self.report(problem);
        false
    }

    /// Runs something whose problems are of no interest, because it is done again later.
    pub(crate) fn quietly<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let kept = (
            std::mem::take(&mut self.problems),
            std::mem::take(&mut self.warnings),
        );
        let answer = act(self);
        (self.problems, self.warnings) = kept;
        answer
    }

    pub(crate) fn next_layer(&mut self, speaker: Speaker) -> usize {
        self.layer = self.notes.layer(speaker);
        self.layer
    }
}

/// Why a path may lead nowhere.
fn nowhere(shown: &str) -> String {
    let of_shell = shown.strip_prefix("~/").or(shown.strip_prefix("$HOME/"));
    match of_shell {
        Some(rest) => format!("the home folder is written \"${{HOME:?}}/{rest}\" here"),
        None => "relative paths start from the Stackfile's folder".to_owned(),
    }
}

/// Without `.` and `..`, by the text alone.
pub(crate) fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                tidy.pop();
            }
            other => tidy.push(other),
        }
    }
    tidy
}
