//! The patterns of a `.gitignore`, as Git reads them.
//!
//! The last one that matches decides. One with a slash in it holds from its folder on, any other
//! for names below at any depth. What lies below an ignored folder is ignored without being
//! asked about: that is for whoever goes down.

mod glob;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::path::Path;

use glob::Glob;

/// The patterns of one folder, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitIgnore {
    /// With a slash at its end.
    folder: Vec<u8>,
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

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    line: usize,
    text: String,
    takes_in: bool,
    /// It ends with a slash.
    folders_only: bool,
    matcher: Matcher,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Matcher {
    /// A whole name.
    Name(Vec<u8>),
    /// The end of a name: by far the most frequent pattern with a wildcard.
    Ending(Vec<u8>),
    /// A name.
    NameGlob(Glob),
    /// A path from the folder on, spelled out.
    Path(Vec<u8>),
    /// A path from the folder on: how it begins, and the rest.
    PathGlob(Vec<u8>, Glob),
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
        let mut base = bytes(folder.as_os_str()).to_vec();
        if base.last() != Some(&b'/') {
            base.push(b'/');
        }
        let lines = lines.enumerate();
        Self {
            folder: base,
            patterns: lines
                .filter_map(|(index, line)| Pattern::parse(line, index + 1))
                .collect(),
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
        let below = bytes(path.as_os_str()).strip_prefix(&*self.folder)?;
        if below.is_empty() {
            return None;
        }
        let name = below.rsplit(|byte| *byte == b'/').next().unwrap_or(below);
        let mut latest = self.patterns.iter().rev();
        let found = latest.find(|one| (is_dir || !one.folders_only) && one.matches(below, name))?;
        Some(Says {
            ignored: !found.takes_in,
            line: found.line,
            pattern: &found.text,
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

impl Pattern {
    fn parse(line: &str, number: usize) -> Option<Self> {
        if line.starts_with('#') {
            return None;
        }
        let text = trim_spaces(line);
        let (takes_in, bare) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (folders_only, bare) = match bare.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, bare),
        };
        if bare.is_empty() {
            return None;
        }
        Some(Self {
            line: number,
            text: text.to_owned(),
            takes_in,
            folders_only,
            matcher: Matcher::parse(bare.as_bytes())?,
        })
    }

    fn matches(&self, below: &[u8], name: &[u8]) -> bool {
        match &self.matcher {
            Matcher::Name(own) => name == &**own,
            Matcher::Ending(end) => name.ends_with(end),
            Matcher::NameGlob(glob) => glob.matches(name),
            Matcher::Path(own) => below == &**own,
            Matcher::PathGlob(start, glob) => below
                .strip_prefix(&**start)
                .is_some_and(|rest| glob.matches(rest)),
        }
    }
}

impl Matcher {
    fn parse(pattern: &[u8]) -> Option<Self> {
        let is_plain = |text: &[u8]| !text.iter().any(|byte| is_special(*byte));
        if !pattern.contains(&b'/') {
            return Some(match pattern {
                name if is_plain(name) => Self::Name(name.to_vec()),
                [b'*', end @ ..] if is_plain(end) => Self::Ending(end.to_vec()),
                glob => Self::NameGlob(Glob::of_name(glob)?),
            });
        }
        let pattern = pattern.strip_prefix(b"/").unwrap_or(pattern);
        let plain = pattern
            .iter()
            .take_while(|byte| !is_special(**byte))
            .count();
        let (start, rest) = pattern.split_at(plain);
        match rest {
            [] => Some(Self::Path(start.to_vec())),
            // As with Git, two stars that begin this rest may stand for folders: `a**/b` is `ab` too.
            rest => Some(Self::PathGlob(start.to_vec(), Glob::of_path(rest)?)),
        }
    }
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'*' | b'?' | b'[' | b'\\')
}

fn bytes(text: &OsStr) -> &[u8] {
    text.as_encoded_bytes()
}

/// Without the spaces at the end, unless a backslash is before them.
fn trim_spaces(line: &str) -> &str {
    let mut end = 0;
    let mut letters = line.char_indices();
    while let Some((at, letter)) = letters.next() {
        end = match letter {
            ' ' => continue,
            '\\' => letters
                .next()
                .map_or(line.len(), |(at, escaped)| at + escaped.len_utf8()),
            letter => at + letter.len_utf8(),
        };
    }
    line.get(..end).unwrap_or(line)
}
