//! The patterns of a `.gitignore`, as Git reads them.
//!
//! The last one that matches decides. One with a slash in it holds from its folder on, any other
//! for names below at any depth. What lies below an ignored folder is ignored without being
//! asked about: that is for whoever goes down.

mod line;
#[cfg(test)]
mod tests;

use std::path::Path;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The patterns of one folder, in order.
#[derive(Debug, Clone)]
pub struct GitIgnore {
    matcher: Gitignore,
    /// As they stand, and as the matcher has them.
    patterns: Vec<Pattern>,
}

/// What a file says of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Says<'a> {
    /// Whether it is ignored, or else taken back in.
    pub ignored: bool,
    /// The line, counted from 1.
    pub line: usize,
    /// The pattern as it stands.
    pub pattern: &'a str,
}

#[derive(Debug, Clone)]
struct Pattern {
    line: usize,
    text: String,
    told: String,
}

impl GitIgnore {
    /// Reads the text of a file that lies in this folder (absolute).
    #[must_use]
    pub fn parse(folder: &Path, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.split('\n');
        Self::of_lines(
            folder,
            lines.map(|line| line.strip_suffix('\r').unwrap_or(line)),
        )
    }

    /// Understands lines as they stand in such a file. One that is no pattern matches nothing.
    #[must_use]
    pub fn of_lines<'a>(folder: &Path, lines: impl Iterator<Item = &'a str>) -> Self {
        let mut builder = GitignoreBuilder::new(folder);
        let mut patterns = Vec::new();
        for (index, line) in lines.enumerate() {
            let text = line::without_end(line);
            let told = line::told(text).filter(|told| builder.add_line(None, told).is_ok());
            patterns.extend(told.map(|told| Pattern {
                line: index + 1,
                text: text.to_owned(),
                told,
            }));
        }
        Self {
            matcher: builder.build().unwrap_or_else(|_| Gitignore::empty()),
            patterns,
        }
    }

    /// Whether there is no pattern in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// What it says of a path (absolute) itself, whatever becomes of the folders above.
    #[must_use]
    pub fn says(&self, path: &Path, is_dir: bool) -> Option<Says<'_>> {
        let below = path.strip_prefix(self.matcher.path()).ok()?;
        if below.as_os_str().is_empty() {
            return None;
        }
        let found = self.matcher.matched(below, is_dir);
        let (ignored, glob) = match found {
            Match::None => return None,
            Match::Ignore(glob) => (true, glob),
            Match::Whitelist(glob) => (false, glob),
        };
        // Where two are the same, the later one is it.
        let mut latest = self.patterns.iter().rev();
        let pattern = latest.find(|one| one.told == glob.original())?;
        Some(Says {
            ignored,
            line: pattern.line,
            pattern: &pattern.text,
        })
    }

    /// What it says of the path itself, else of the nearest folder above of which it says
    /// anything.
    #[must_use]
    pub fn says_of_any(&self, path: &Path, is_dir: bool) -> Option<Says<'_>> {
        let mut ways = path
            .ancestors()
            .zip(std::iter::once(is_dir).chain(std::iter::repeat(true)));
        ways.find_map(|(at, is_dir)| self.says(at, is_dir))
    }
}
