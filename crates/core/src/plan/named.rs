//! Paths that somebody names on the command line.

use std::path::Path;

use devrun_stack::ignore::GitIgnore;

/// Patterns in the manner of a `.gitignore`, relative to whatever folder is meant.
#[derive(Debug, Clone)]
pub struct Named(Option<GitIgnore>);

impl Named {
    /// No patterns name everything.
    #[must_use]
    pub fn new(patterns: &[String]) -> Self {
        let lines = patterns.iter().map(String::as_str);
        let any = !patterns.is_empty();
        Named(any.then(|| GitIgnore::of_lines(Path::new("/"), lines)))
    }

    /// Whether a file, relative to that folder, is named.
    #[must_use]
    pub fn names(&self, path: &Path) -> bool {
        let path = Path::new("/").join(path);
        self.0.as_ref().is_none_or(|named| {
            let says = named.says_of_any(&path, false);
            says.is_some_and(|says| says.ignored)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_as_in_a_gitignore_and_none_is_all() {
        let names = |patterns: &[&str], path: &str| {
            let patterns: Vec<String> = patterns.iter().map(|it| (*it).to_owned()).collect();
            Named::new(&patterns).names(Path::new(path))
        };
        assert!(names(&[], "a/b.py"));
        assert!(names(&["*.py"], "a/b.py"));
        assert!(names(&["a/"], "a/b.py"));
        assert!(names(&["/a/*.py"], "a/b.py"));
        assert!(!names(&["/b.py"], "a/b.py"));
        assert!(!names(&["*.py", "!b.py"], "a/b.py"));
    }
}
