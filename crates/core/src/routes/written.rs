//! Texts as parts of regular expressions in double quotes, for which nginx takes a backslash away
//! before another one and before a quote.

use std::fmt::Write;

/// A text that stands for itself.
pub(super) fn literal(text: &str) -> String {
    text.chars().map(letter).collect()
}

/// A decoded path as it may have been written in a URL, where nearly each sign has two forms.
/// Letters and digits have one: no program encodes them.
pub(super) fn in_url(path: &str) -> String {
    let mut written = String::with_capacity(path.len());
    for one in path.chars() {
        if one == '/' || one.is_ascii_alphanumeric() {
            written.push(one);
            continue;
        }
        let _ = write!(written, "(?:{}|", letter(one));
        for byte in one.encode_utf8(&mut [0; 4]).bytes() {
            written.push('%');
            for digit in format!("{byte:02x}").chars() {
                match digit.is_ascii_digit() {
                    true => written.push(digit),
                    false => {
                        let _ = write!(written, "[{digit}{}]", digit.to_ascii_uppercase());
                    }
                }
            }
        }
        written.push(')');
    }
    written
}

fn letter(letter: char) -> String {
    match letter {
        '\\' => "\\\\\\\\".to_owned(),
        plain if !plain.is_ascii() || plain.is_ascii_alphanumeric() => plain.to_string(),
        '/' | '-' | '_' => letter.to_string(),
        other => format!("\\{other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{in_url, literal};

    #[test]
    fn odd_letters_stand_for_themselves() {
        assert_eq!(literal("/a.b(c)\"d\\ä~-"), r#"/a\.b\(c\)\"d\\\\ä\~-"#);
    }

    #[test]
    fn a_path_may_be_written_in_two_ways() {
        assert_eq!(in_url("/v1/~é"), r"/v1/(?:\~|%7[eE])(?:é|%[cC]3%[aA]9)");
    }
}
