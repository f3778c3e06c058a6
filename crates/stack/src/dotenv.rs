//! Env files: `KEY=value` lines with comments, `export` and quotes.

use std::ops::Range;

/// A line `KEY=value`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) key: String,
    pub(crate) value: String,
    /// Not in single quotes: references are filled in.
    pub(crate) expands: bool,
    /// The line's place in the text.
    pub(crate) span: Range<usize>,
}

/// A line that is none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Odd {
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: &'static str,
}

/// All lines, the readable and the others.
pub(crate) fn parse(text: &str) -> (Vec<Assignment>, Vec<Odd>) {
    let mut reader = Reader {
        text,
        at: 0,
        found: Vec::new(),
        odd: Vec::new(),
    };
    while reader.at < text.len() {
        reader.line();
    }
    (reader.found, reader.odd)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    found: Vec<Assignment>,
    odd: Vec<Odd>,
}

impl Reader<'_> {
    fn line(&mut self) {
        let start = self.at;
        let end = self.text[start..]
            .find('\n')
            .map_or(self.text.len(), |newline| start + newline);
        let line = &self.text[start..end];
        self.at = end + 1;
        let trimmed = line.trim_start_matches('\u{feff}').trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            return;
        }
        let assignment = trimmed
            .strip_prefix("export ")
            .map_or(trimmed, str::trim_start);
        let Some((key, _)) = assignment.split_once('=') else {
            return self.strange(
                start..end,
                format!("`{trimmed}` sets nothing"),
                "each line is KEY=value, or a comment that begins with #",
            );
        };
        let key = key.trim_end().to_owned();
        if !is_key(&key) {
            return self.strange(
                start..end,
                format!("`{key}` cannot be a variable's name"),
                "names have letters, digits and `_`, and do not begin with a digit",
            );
        }
        let value_at = start + line.find('=').unwrap_or(0) + 1;
        let blanks = self.text[value_at..end].len() - self.text[value_at..end].trim_start().len();
        let from = value_at + blanks;
        match self.text[from..end].chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(key, quote, start, from + 1),
            _ => {
                let value = unquoted(&self.text[from..end], blanks > 0);
                self.found.push(Assignment {
                    key,
                    value,
                    expands: true,
                    span: start..end,
                });
            }
        }
    }

    /// May go on over several lines.
    fn quoted(&mut self, key: String, quote: char, start: usize, from: usize) {
        let mut value = String::new();
        let mut chars = self.text[from..].char_indices();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                let after = from + at + 1;
                let end = self.text[after..]
                    .find('\n')
                    .map_or(self.text.len(), |newline| after + newline);
                self.at = end + 1;
                let rest = self.text[after..end].trim();
                if !rest.is_empty() && !rest.starts_with('#') {
                    self.strange(
                        after..end,
                        format!("`{rest}` after the closing quote"),
                        "quote the whole value, or nothing of it",
                    );
                }
                self.found.push(Assignment {
                    key,
                    value,
                    expands: quote == '"',
                    span: start..end,
                });
                return;
            }
            if c == '\\' && quote == '"' {
                match chars.next().map(|(_, c)| c) {
                    Some('n') => value.push('\n'),
                    Some('r') => value.push('\r'),
                    Some('t') => value.push('\t'),
                    // `$$` is what a dollar is written like once references are filled in.
                    Some('$') => value.push_str("$$"),
                    Some(c @ ('"' | '\\')) => value.push(c),
                    Some(c) => value.extend(['\\', c]),
                    None => value.push('\\'),
                }
            } else {
                value.push(c);
            }
        }
        self.strange(
            start..from,
            format!("the quote of {key} is never closed"),
            "a value that begins with a quote ends with the same one",
        );
        self.at = self.text.len();
    }

    fn strange(&mut self, span: Range<usize>, message: String, help: &'static str) {
        self.odd.push(Odd {
            span,
            message,
            help,
        });
    }
}

/// Up to a comment, which needs a blank before it.
fn unquoted(text: &str, blank_before: bool) -> String {
    if blank_before && text.starts_with('#') {
        return String::new();
    }
    let end = [" #", "\t#"]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min()
        .unwrap_or(text.len());
    text[..end].trim_end().to_owned()
}

/// A name that a shell would take.
pub(crate) fn is_key(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (line, value, expands) in [
            ("A=b", "b", true),
            ("  export A = b c  # comment", "b c", true),
            ("A=b#c", "b#c", true),
            ("A=", "", true),
            ("A= # nothing", "", true),
            ("A='${X} # y'", "${X} # y", false),
            (r#"A="a\nb \"c\" \$5" # d"#, "a\nb \"c\" $$5", true),
            ("A=\"two\nlines\"", "two\nlines", true),
            ("A=x=y", "x=y", true),
            ("A=b\r", "b", true),
            ("A=http://h/#x", "http://h/#x", true),
        ] {
            let (found, odd) = parse(line);
            assert_eq!(odd, [], "{line}");
            assert_eq!(
                (
                    found[0].key.as_str(),
                    found[0].value.as_str(),
                    found[0].expands
                ),
                ("A", value, expands),
                "{line}"
            );
        }
    }

    #[test]
    fn comments_and_blank_lines_are_nothing() {
        assert_eq!(parse("\u{feff}# x\n\n   \n#y=z\n"), (vec![], vec![]));
    }

    #[test]
    fn what_is_no_assignment_is_told_and_the_rest_read() {
        let (found, odd) = parse("A\nB=1\n1C=2\nD=\"x\" y\nE='never\n");
        assert_eq!(
            found
                .iter()
                .map(|line| line.key.as_str())
                .collect::<Vec<_>>(),
            ["B", "D"]
        );
        assert_eq!(
            odd.iter()
                .map(|odd| odd.message.as_str())
                .collect::<Vec<_>>(),
            [
                "`A` sets nothing",
                "`1C` cannot be a variable's name",
                "`y` after the closing quote",
                "the quote of E is never closed"
            ]
        );
    }
}
