//! What is wrong, where, and what to do next: the same for people (miette) and for programs.

use std::fmt::Display;
use std::sync::Arc;

use miette::{LabeledSpan, NamedSource, Severity, SourceCode, SourceSpan};

use crate::model::Location;

/// A text with the name that people know it by.
pub(crate) type SourceFile = Arc<NamedSource<String>>;

/// One problem.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Diagnostic {
    code: &'static str,
    message: String,
    help: Option<String>,
    labels: Vec<LabeledSpan>,
    file: SourceFile,
    severity: Severity,
}

impl Diagnostic {
    pub(crate) fn new(
        file: &SourceFile,
        code: &'static str,
        span: SourceSpan,
        label: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            message: message.into(),
            help: None,
            labels: vec![LabeledSpan::new_primary_with_span(Some(label.into()), span)],
            file: Arc::clone(file),
            severity: Severity::Error,
        }
    }

    pub(crate) fn advise(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The second place that a problem is about.
    pub(crate) fn also(mut self, span: SourceSpan, label: impl Into<String>) -> Self {
        self.labels
            .push(LabeledSpan::new_with_span(Some(label.into()), span));
        self
    }

    pub(crate) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Whether both say the same of the same place; a template is read once for each use.
    pub(crate) fn repeats(&self, other: &Self) -> bool {
        self.code == other.code && self.message == other.message && self.offset() == other.offset()
    }

    /// Whether it is of that kind and in that part of that file.
    pub(crate) fn is_within(&self, code: &str, file: &SourceFile, span: SourceSpan) -> bool {
        let inside = (span.offset()..span.offset() + span.len()).contains(&self.offset());
        self.code == code && inside && Arc::ptr_eq(&self.file, file)
    }

    pub(crate) fn offset(&self) -> usize {
        self.labels.first().map_or(0, LabeledSpan::offset)
    }

    /// What is wrong, one sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The kind of problem, `stackfile::unknown-word`; stable.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Allowed, and hardly meant.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        self.severity == Severity::Warning
    }

    /// Right behind the last character that it is about.
    #[must_use]
    pub fn end(&self) -> Location {
        let len = self.labels.first().map_or(0, LabeledSpan::len);
        locate(&self.file, self.offset() + len)
    }

    /// The other places that it is about, each with what is there.
    #[must_use]
    pub fn related(&self) -> Vec<(Location, &str)> {
        let others = self.labels.iter().skip(1);
        let place = |label| locate(&self.file, LabeledSpan::offset(label));
        others
            .map(|label| (place(label), label.label().unwrap_or_default()))
            .collect()
    }

    /// The name of the file that it is in.
    pub(crate) fn file(&self) -> &str {
        self.file.name()
    }

    /// Where it is.
    #[must_use]
    pub fn location(&self) -> Location {
        locate(&self.file, self.offset())
    }
}

impl miette::Diagnostic for Diagnostic {
    fn code<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.file)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

/// Everything that is wrong, in the order of the text.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", self.headline())]
pub struct Rejected(pub Vec<Diagnostic>);

impl Rejected {
    fn headline(&self) -> String {
        let files = self
            .0
            .first()
            .map_or_else(String::new, |first| first.location().file);
        match self.0.len() {
            1 => format!("1 problem in {files}"),
            many => format!("{many} problems in {files}"),
        }
    }
}

impl miette::Diagnostic for Rejected {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(
            self.0.iter().map(|one| one as &dyn miette::Diagnostic),
        ))
    }
}

/// Where the lines of a text begin: a large file is asked for many places.
#[derive(Debug)]
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub(crate) fn of(text: &str) -> Self {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(after).collect())
    }

    /// Line and column, both from 1, of a byte offset in the text that these are the lines of.
    pub(crate) fn locate(&self, file: &SourceFile, offset: usize) -> Location {
        let text = file.inner();
        let offset = offset.min(text.len());
        let line = self.0.partition_point(|start| *start <= offset);
        let start = self.0.get(line - 1).copied().unwrap_or_default();
        Location {
            file: file.name().to_owned(),
            line,
            column: text.get(start..offset).unwrap_or_default().chars().count() + 1,
        }
    }
}

/// Line and column, both from 1, of a byte offset.
pub(crate) fn locate(file: &SourceFile, offset: usize) -> Location {
    Lines::of(file.inner()).locate(file, offset)
}
