//! The rules of a `.dockerignore`, as Docker reads them.
//!
//! The order of the rules decides: a later one overrules an earlier one, `!` takes a path back
//! in, and a path is also matched by what matches a folder above it. All patterns start at the
//! root of the build context; unlike in a `.gitignore`, `*.log` says nothing about folders below.

mod glob;
#[cfg(test)]
mod tests;

use glob::Glob;

/// The rules of one file, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DockerIgnore {
    rules: Vec<Rule>,
    problems: Vec<Problem>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    exception: bool,
    line: usize,
    glob: Glob,
    components: Vec<String>,
}

/// A line that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{text}` is not a pattern: {message}")]
pub struct Problem {
    /// The line, counted from 1.
    pub line: usize,
    /// The line as it stands.
    pub text: String,
    /// What is wrong with it.
    pub message: &'static str,
}

impl DockerIgnore {
    /// Reads the text of a file. Lines that are no pattern become [`problems`](Self::problems)
    /// and ignore nothing.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut found = Self::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, raw) in text.lines().enumerate() {
            let line = raw.trim();
            // Only a `#` in the first column starts a comment.
            if line.is_empty() || raw.starts_with('#') {
                continue;
            }
            match Rule::parse(line, index + 1) {
                Ok(rule) => found.rules.push(rule),
                Err(message) => found.problems.push(Problem {
                    line: index + 1,
                    text: line.to_owned(),
                    message,
                }),
            }
        }
        found
    }

    /// What could not be read; Docker refuses to build with such a file.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether a path, relative to the context and with forward slashes, stays behind. Docker
    /// does not tell files from folders here.
    #[must_use]
    pub fn ignores(&self, path: &str) -> bool {
        self.ignored_by(path).is_some()
    }

    /// The line, counted from 1, by which a path stays behind.
    #[must_use]
    pub fn ignored_by(&self, path: &str) -> Option<usize> {
        let mut ignored = None;
        for rule in &self.rules {
            if rule.exception == ignored.is_some() && rule.matches_or_above(path) {
                ignored = (!rule.exception).then_some(rule.line);
            }
        }
        ignored
    }

    /// Whether something below an ignored folder may still be taken back in, so that a walk has
    /// to enter it. May say yes once too often, never no.
    #[must_use]
    pub fn may_contain_exceptions(&self, folder: &str) -> bool {
        self.rules
            .iter()
            .any(|rule| rule.exception && rule.may_match_below(folder))
    }
}

impl Rule {
    fn parse(text: &str, line: usize) -> Result<Self, &'static str> {
        let (exception, pattern) = match text.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, text),
        };
        if pattern.is_empty() {
            return Err("there is nothing after the `!`");
        }
        let cleaned = clean(pattern);
        if exception && cleaned == "/" {
            return Err("all of it cannot be taken back in: `!*` can");
        }
        Ok(Self {
            exception,
            line,
            glob: Glob::parse(&cleaned)?,
            components: cleaned.split('/').map(str::to_owned).collect(),
        })
    }

    fn matches_or_above(&self, path: &str) -> bool {
        self.glob.matches(path)
            || path
                .match_indices('/')
                .any(|(at, _)| self.glob.matches(&path[..at]))
    }

    fn may_match_below(&self, folder: &str) -> bool {
        let is_wild = |part: &str| part.contains(['*', '?', '[', '\\']);
        for (part, name) in self.components.iter().zip(folder.split('/')) {
            if part.contains("**") {
                return true;
            }
            if !is_wild(part) && part != name {
                return false;
            }
        }
        true
    }
}

/// The shortest path that means the same, relative to the context.
fn clean(pattern: &str) -> String {
    let rooted = pattern.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    match parts.is_empty() {
        true if rooted => "/".to_owned(),
        true => ".".to_owned(),
        false => parts.join("/"),
    }
}
