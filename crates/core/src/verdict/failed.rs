//! Tests that failed, as files of others tell of them.

/// A case of a suite that did not pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FailedTest {
    /// Its class, if it has one, and its name.
    pub name: String,
    /// The file in which it stands, as whoever ran it calls it.
    pub file: Option<String>,
    /// Its line there, or the one at which it failed.
    pub line: Option<u32>,
    /// Why, in one line.
    pub message: String,
    /// In full.
    pub details: String,
}

/// All in a suite as [`super::suites_of`] finds it.
#[must_use]
pub fn failed_tests(suite: &str) -> Vec<FailedTest> {
    let mut found = Vec::new();
    let mut test: Option<FailedTest> = None;
    let (mut failed, mut inside) = (false, false);
    for piece in Pieces(suite) {
        let tag = match piece {
            Piece::Tag(tag) => tag,
            Piece::Text(text) if inside => {
                if let Some(test) = &mut test {
                    test.details.push_str(&text);
                }
                continue;
            }
            Piece::Text(_) => continue,
        };
        let word = tag.trim_end_matches('/').split_ascii_whitespace().next();
        match word.filter(|_| !tag.starts_with(char::is_whitespace)) {
            Some("testcase") if !tag.ends_with('/') => {
                (failed, inside) = (false, false);
                test = Some(begun(tag));
            }
            Some("failure" | "error") => {
                failed = true;
                inside = !tag.ends_with('/');
                if let (Some(test), Some(message)) = (&mut test, attribute(tag, "message")) {
                    test.message = message;
                }
            }
            Some("/failure" | "/error") => inside = false,
            Some("/testcase") => found.extend(test.take().filter(|_| failed).map(finished)),
            _ => {}
        }
    }
    found
}

fn begun(tag: &str) -> FailedTest {
    let name = attribute(tag, "name").unwrap_or_default();
    FailedTest {
        name: match attribute(tag, "classname").filter(|class| !class.is_empty()) {
            Some(class) => format!("{class}.{name}"),
            None => name,
        },
        file: attribute(tag, "file").filter(|file| !file.is_empty()),
        line: attribute(tag, "line").and_then(|line| line.parse().ok()),
        ..FailedTest::default()
    }
}

/// Where nothing is said of its place, the last one that its failure names.
fn finished(mut test: FailedTest) -> FailedTest {
    let details = test.details.trim().to_owned();
    test.details = details;
    if test.message.is_empty() {
        let first = test.details.lines().next().unwrap_or_default();
        first.clone_into(&mut test.message);
    }
    if test.file.is_none()
        && let Some((file, line)) = test.details.lines().rev().find_map(place)
    {
        test.file = Some(file.to_owned());
        test.line = Some(line);
    }
    test
}

/// `tests/test_a.py:12: AssertionError`.
fn place(line: &str) -> Option<(&str, u32)> {
    let mut parts = line.trim_start().splitn(3, ':');
    let (file, number, _) = (parts.next()?, parts.next()?, parts.next()?);
    let is_path = file.contains('.') && !file.contains(char::is_whitespace);
    number
        .parse()
        .ok()
        .filter(|_| is_path)
        .map(|number| (file, number))
}

/// The value of an attribute of a tag.
pub(super) fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let at = rest.find('=')?;
        let (before, after) = rest.split_at(at);
        let value = after.get(1..)?.trim_start();
        let quote = value.chars().next().filter(|it| matches!(it, '"' | '\''))?;
        let (value, behind) = value.get(1..)?.split_once(quote)?;
        if before.split_ascii_whitespace().last() == Some(name) {
            return Some(plain(value));
        }
        rest = behind;
    }
}

/// A part of a file in XML.
enum Piece<'a> {
    /// What stands between `<` and `>`.
    Tag(&'a str),
    /// What stands between tags.
    Text(String),
}

/// The parts of what is left of a file.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        const CDATA: &str = "<![CDATA[";
        let rest = self.0;
        if rest.is_empty() {
            return None;
        }
        let until = |text: &'a str, end: &str| match text.split_once(end) {
            Some((before, after)) => (before, after),
            None => (text, ""),
        };
        if let Some(text) = rest.strip_prefix(CDATA) {
            let (text, after) = until(text, "]]>");
            self.0 = after;
            return Some(Piece::Text(text.to_owned()));
        }
        if let Some(text) = rest.strip_prefix("<!--") {
            self.0 = until(text, "-->").1;
            return self.next();
        }
        if let Some(tag) = rest.strip_prefix('<') {
            let end = tag_end(tag);
            self.0 = tag.get(end + 1..).unwrap_or_default();
            return Some(Piece::Tag(&tag[..end]));
        }
        let end = rest.find('<').unwrap_or(rest.len());
        self.0 = &rest[end..];
        Some(Piece::Text(plain(&rest[..end])))
    }
}

/// Where the `>` of a tag stands; there may be others in the values of its attributes.
pub(super) fn tag_end(tag: &str) -> usize {
    let mut quote = None;
    for (at, character) in tag.char_indices() {
        match quote {
            Some(open) if open == character => quote = None,
            Some(_) => {}
            None if matches!(character, '"' | '\'') => quote = Some(character),
            None if character == '>' => return at,
            None => {}
        }
    }
    tag.len()
}

fn plain(text: &str) -> String {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        done.push_str(before);
        let meant = after.split_once(';').and_then(|(name, behind)| {
            let number = |digits: &str, base| u32::from_str_radix(digits, base).ok();
            let meant = match name {
                "lt" => Some('<'),
                "gt" => Some('>'),
                "amp" => Some('&'),
                "quot" => Some('"'),
                "apos" => Some('\''),
                _ => match name.strip_prefix("#x") {
                    Some(digits) => number(digits, 16).and_then(char::from_u32),
                    None => number(name.strip_prefix('#')?, 10).and_then(char::from_u32),
                },
            };
            meant.map(|meant| (meant, behind))
        });
        match meant {
            Some((meant, behind)) => {
                done.push(meant);
                rest = behind;
            }
            None => {
                done.push('&');
                rest = after;
            }
        }
    }
    done.push_str(rest);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_failed_are_found_with_their_place() {
        let suite = r#"<testsuite name="s" tests="5">
  <testcase name="fine" classname="a.B"/>
  <testcase name="also fine"><system-out>x.py:1: no</system-out></testcase>
  <testcase classname="a.B" name="test_x" file="a/tests.py" line="40" time="0.1">
    <failure message="1 != 2 &amp; so &#x2026;" type="AssertionError"><![CDATA[whole <story>
]]></failure>
  </testcase>
  <!-- <testcase name="no"><failure/></testcase> -->
  <testcase name='test_y > z'><error>def test_y():
&gt;   assert no

t/test_y.py:12: AssertionError</error></testcase>
  <testcase name="bare"><failure/></testcase>
</testsuite>"#;
        let found = failed_tests(suite);
        let test =
            |name: &str, file: Option<&str>, line, message: &str, details: &str| FailedTest {
                name: name.into(),
                file: file.map(str::to_owned),
                line,
                message: message.into(),
                details: details.into(),
            };
        let whole = "def test_y():\n>   assert no\n\nt/test_y.py:12: AssertionError";
        assert_eq!(
            found,
            [
                test(
                    "a.B.test_x",
                    Some("a/tests.py"),
                    Some(40),
                    "1 != 2 & so …",
                    "whole <story>"
                ),
                test(
                    "test_y > z",
                    Some("t/test_y.py"),
                    Some(12),
                    "def test_y():",
                    whole
                ),
                test("bare", None, None, "", ""),
            ]
        );
        for odd in [
            "",
            "<",
            "<testcase",
            "<testcase><failure",
            "&",
            "<a b='",
            "<![CDATA[",
        ] {
            assert_eq!(failed_tests(odd), []);
        }
    }
}
