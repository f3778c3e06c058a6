//! Text as KDL writes it.

/// A word that may stand bare, else quoted: names of what the file declares.
pub(super) fn name(text: &str) -> String {
    if is_bare(text) {
        text.to_owned()
    } else {
        escaped(text)
    }
}

/// The same where references are filled in.
pub(super) fn word(text: &str) -> String {
    if is_bare(text) {
        text.to_owned()
    } else {
        value(text, 0)
    }
}

/// A number as it is written, where the text is one; else quoted.
pub(super) fn number(text: &str, depth: usize) -> String {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let fine = |digits: &str| {
        (1..=MOST_DIGITS).contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_digit())
    };
    if fine(whole) && fine(part) {
        text.to_owned()
    } else {
        value(text, depth)
    }
}

/// What every reader of numbers takes.
const MOST_DIGITS: usize = 15;

/// Quoted text, the lines of several a step below this depth.
pub(super) fn value(text: &str, depth: usize) -> String {
    if text.contains('\n') && fits_lines(text) {
        return lines(text, depth);
    }
    let awkward = text.contains(['"', '\\']) && !text.starts_with('"');
    if awkward && !text.chars().any(is_escaped) {
        let hashes = "#".repeat(hashes(text, "\""));
        return format!("{hashes}\"{text}\"{hashes}");
    }
    escaped(&dollars(text))
}

fn is_bare(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    begins && text.chars().all(fine) && !matches!(text, "true" | "false" | "null" | "inf" | "nan")
}

/// What KDL takes for the end of a line, and what it does not take as it stands.
fn is_escaped(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

fn escaped(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if is_escaped(c) => quoted.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A dollar that would begin a reference, or end one, is written twice.
fn dollars(text: &str) -> String {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        let tail = from.trim_start_matches('$');
        let run = from.len() - tail.len();
        let alone = run == 1 && !tail.starts_with('{');
        done.push_str(before);
        done.push_str(&"$".repeat(if alone { 1 } else { 2 * run }));
        rest = tail;
    }
    done + rest
}

/// A line of blanks alone would be read as an empty one.
fn fits_lines(text: &str) -> bool {
    let plain = text
        .chars()
        .all(|c| c == '\n' || c == '\t' || !is_escaped(c));
    plain
        && text
            .split('\n')
            .all(|line| line.is_empty() || !line.trim().is_empty())
}

fn lines(text: &str, depth: usize) -> String {
    let raw = text.contains(['"', '\\']);
    let (hashes, body) = if raw {
        ("#".repeat(hashes(text, "\"\"\"")), text.to_owned())
    } else {
        (String::new(), dollars(text))
    };
    let indent = super::page::indent(depth + 1);
    let mut quoted = format!("{hashes}\"\"\"\n");
    for line in body.split('\n') {
        if !line.is_empty() {
            quoted.push_str(&indent);
            quoted.push_str(line);
        }
        quoted.push('\n');
    }
    quoted + &indent + "\"\"\"" + &hashes
}

/// So many that the text does not end early.
fn hashes(text: &str, quotes: &str) -> usize {
    let after = text.match_indices(quotes).map(|(at, _)| {
        let rest = text[at..].trim_start_matches('"');
        rest.len() - rest.trim_start_matches('#').len()
    });
    1 + after.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_as_it_needs() {
        for (text, quoted) in [
            ("plain", r#""plain""#),
            ("", r#""""#),
            ("a $X", r#""a $X""#),
            ("${X} $$ $", r#""$${X} $$$$ $""#),
            (r#"say "hi""#, r##"#"say "hi""#"##),
            (r##"a"#b\"##, r###"##"a"#b\"##"###),
            ("\"x\\", r#""\"x\\""#),
            ("a\tb\u{7}", r#""a\tb\u{7}""#),
            ("\u{feff}\u{2028}", r#""\u{feff}\u{2028}""#),
            ("a\n  b\n\nc", "\"\"\"\n    a\n      b\n\n    c\n    \"\"\""),
            ("a\n \nc", r#""a\n \nc""#),
            ("\"${X}\"\n", "#\"\"\"\n    \"${X}\"\n\n    \"\"\"#"),
        ] {
            assert_eq!(value(text, 0), quoted, "{text}");
        }
    }

    #[test]
    fn names_and_numbers_stand_bare_where_they_can() {
        assert_eq!(name("db-1"), "db-1");
        assert_eq!(name("1db"), r#""1db""#);
        assert_eq!(name("true"), r#""true""#);
        assert_eq!(name("a$$b"), r#""a$$b""#);
        assert_eq!(word("a$$b"), r#""a$$$$b""#);
        for (text, printed) in [
            ("007", "007"),
            ("-1.50", "-1.50"),
            ("1e3", "\"1e3\""),
            ("-", "\"-\""),
            ("1.", "\"1.\""),
            ("99999999999999999999", "\"99999999999999999999\""),
        ] {
            assert_eq!(number(text, 0), printed);
        }
    }
}
