//! A Rust file as the checks want to see it: without comments and tests.

/// The code of one file.
pub(super) struct Source<'a> {
    pub(super) path: &'a str,
    text: &'a str,
}

impl<'a> Source<'a> {
    pub(super) fn new(path: &'a str, text: &'a str) -> Self {
        Self { path, text }
    }

    /// Whether the whole file is tests, or what tests use.
    pub(super) fn is_test(&self) -> bool {
        let mut parts = self.path.split('/');
        parts.any(|part| matches!(part, "tests" | "tests.rs" | "benches"))
    }

    /// Lines that are not tests.
    pub(super) fn length(&self) -> usize {
        if self.is_test() {
            0
        } else {
            self.before_tests().count()
        }
    }

    /// Lines that are neither tests nor comments, numbered from 1.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &'a str)> {
        let lines = if self.is_test() { 0 } else { usize::MAX };
        self.before_tests()
            .take(lines)
            .enumerate()
            .map(|(index, line)| (index + 1, without_comment(line)))
            .filter(|(_, line)| !line.trim().is_empty())
    }

    /// Tests in the file of what they test are its last part, by custom.
    fn before_tests(&self) -> impl Iterator<Item = &'a str> {
        let lines: Vec<&str> = self.text.lines().collect();
        let tests = lines
            .windows(2)
            .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests"));
        let end = tests.unwrap_or(lines.len());
        lines.into_iter().take(end)
    }
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") {
        return "";
    }
    line.find(" // ").map_or(line, |at| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn code_is_what_is_neither_comment_nor_test() {
        let text =
            "//! doc\nuse a::b; // why\n\nfn f() {}\n#[cfg(test)]\nmod tests {\n    use c::d;\n}\n";
        let code: Vec<_> = Source::new("src/a.rs", text).code().collect();
        assert_eq!(code, [(2, "use a::b;"), (4, "fn f() {}")]);
        assert_eq!(Source::new("tests/a.rs", text).code().count(), 0);
        assert_eq!(Source::new("src/a/tests.rs", text).code().count(), 0);
    }
}
