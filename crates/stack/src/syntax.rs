//! From text to nodes; what KDL cannot read is told once a region, and the usual slips by name.

mod slips;

use kdl::{KdlDiagnostic, KdlDocument};

use crate::diagnostic::{Diagnostic, SourceFile};

/// Parses, or says everything that is in the way.
pub(crate) fn parse(file: &SourceFile) -> Result<KdlDocument, Vec<Diagnostic>> {
    let text = file.inner();
    if let Some(problem) = yaml(file) {
        return Err(vec![problem]);
    }
    let error = match KdlDocument::parse_v2(text) {
        Ok(document) => return Ok(document),
        Err(error) => error,
    };
    let found = slips::find(text);
    if found.is_empty() {
        return Err(fold(file, text, &error.diagnostics));
    }
    // With the slips mended, each byte for a byte, what is still wrong has other reasons.
    let mended = slips::mend(text, &found);
    let mut problems: Vec<Diagnostic> = found.into_iter().map(|slip| slip.told(file)).collect();
    if let Err(error) = KdlDocument::parse_v2(&mended) {
        problems.extend(fold(file, &mended, &error.diagnostics));
    }
    Err(problems)
}

/// Somebody else's file: whatever else is said of it would not help.
fn yaml(file: &SourceFile) -> Option<Diagnostic> {
    let text = file.inner();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "services:" {
            let problem = Diagnostic::new(
                file,
                "kdl::yaml",
                (at, "services:".len()).into(),
                "as Compose has it",
                "this is YAML, and a Stackfile is KDL",
            );
            return Some(problem.advise(
                "stack NAME, then service web { image \"…\" }; docs/coming-from-compose.md has a word for each of Compose's",
            ));
        }
        at += line.len();
    }
    None
}

/// What the parser stumbled over, without what follows from it: an error inside a block also
/// leaves the block unclosed and its end without a beginning.
fn fold(file: &SourceFile, text: &str, errors: &[KdlDiagnostic]) -> Vec<Diagnostic> {
    let says = |error: &&KdlDiagnostic, words: &str| {
        error.message.as_deref().unwrap_or_default().contains(words)
    };
    let lost = errors
        .iter()
        .filter(|error| says(error, "end of document"))
        .map(|error| error.span.offset())
        .min();
    let mut regions: Vec<(usize, Diagnostic)> = Vec::new();
    for error in errors
        .iter()
        .filter(|error| !says(error, "end of document") && !says(error, "losing '}'"))
    {
        let (start, len) = region(text, error);
        let line = line_of(text, start);
        let late = lost.is_some_and(|lost| line > line_of(text, lost));
        if !late && regions.iter().all(|(known, _)| *known != line) {
            regions.push((line, told(file, text, error, start, len)));
        }
    }
    if let Some(lost) = lost.filter(|_| regions.is_empty()) {
        regions.push((line_of(text, lost), unexpected(file, text, lost)));
    }
    if let (true, Some(error)) = (regions.is_empty(), errors.first()) {
        let problem = Diagnostic::new(
            file,
            "kdl::syntax",
            error.span,
            "opens here",
            "this block is never closed",
        )
        .advise("each `{` needs its `}`");
        regions.push((0, problem));
    }
    regions.into_iter().map(|(_, problem)| problem).collect()
}

/// The word that an error is about; the parser's own span may begin anywhere before it.
fn region(text: &str, error: &KdlDiagnostic) -> (usize, usize) {
    let (from, len) = (error.span.offset(), error.span.len());
    let end = from + len;
    if from > 0
        && text
            .get(from..end)
            .is_some_and(|part| !part.is_empty() && !part.contains('\n'))
    {
        return (from, len);
    }
    let ends_word = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';');
    let before = text.get(..end).unwrap_or(text);
    let start = after_last(before, ends_word);
    let word = text[start..].split(ends_word).next().unwrap_or_default();
    (start, word.len())
}

/// Where what follows the last such character begins.
fn after_last(text: &str, found: impl Fn(char) -> bool) -> usize {
    text.char_indices()
        .rev()
        .find(|(_, c)| found(*c))
        .map_or(0, |(at, c)| at + c.len_utf8())
}

fn line_of(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or(text).matches('\n').count()
}

fn told(
    file: &SourceFile,
    text: &str,
    error: &KdlDiagnostic,
    start: usize,
    len: usize,
) -> Diagnostic {
    let message = error.message.as_deref().unwrap_or_default();
    let span = (start, len).into();
    let problem =
        |label: &str, message: &str| Diagnostic::new(file, "kdl::syntax", span, label, message);
    if message.contains("child block instead") {
        return brace_on_its_own(file, start);
    }
    if message.contains("newline in single-line") {
        return problem("not closed", "this string is not closed on its line")
            .advise("close it with `\"`; text of several lines stands between \"\"\" and \"\"\", each on a line of its own");
    }
    if message.contains("multi-line") || message.contains("multiline") {
        return problem("here", "this text of several lines cannot be read")
            .advise("`\"\"\"` ends the first line, stands alone on the last, and that one's indentation is taken off all");
    }
    if text[start..].starts_with('"') {
        return problem("here", "this string cannot be read").advise("is its closing `\"` there?");
    }
    let help = "text with signs in it is quoted; a block stands in { }; what comes next begins on a new line or after `;`";
    problem("not understood", "this cannot be read").advise(help)
}

fn brace_on_its_own(file: &SourceFile, at: usize) -> Diagnostic {
    Diagnostic::new(
        file,
        "kdl::syntax",
        (at, 1).into(),
        "belongs to the line above",
        "a block begins on the line of its node",
    )
    .advise("service db {")
}

fn unexpected(file: &SourceFile, text: &str, at: usize) -> Diagnostic {
    let c = text[at..].chars().next().unwrap_or(' ');
    let problem = |label: &str, message: String| {
        Diagnostic::new(
            file,
            "kdl::syntax",
            (at, c.len_utf8()).into(),
            label,
            message,
        )
    };
    match c {
        '}' => problem("closes nothing", "there is a `}` too many".into())
            .advise("take it away, or open a block with `{` before it"),
        _ if text[..at].trim_end_matches([' ', '\t']).ends_with('}') => problem(
            "begins here",
            "what comes after a block begins on a line of its own".into(),
        )
        .advise("begin a new line, or put `;` before it"),
        _ => problem("not expected", format!("`{c}` has no meaning here"))
            .advise("text with signs in it is quoted"),
    }
}
