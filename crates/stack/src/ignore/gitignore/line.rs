//! A line of a `.gitignore` in the words of the crate that matches: it knows alternatives in
//! braces, which Git does not, and reads some classes in another way.

use std::iter::Peekable;
use std::str::Chars;

/// Without the spaces at the end, unless a backslash is before them.
pub(super) fn without_end(line: &str) -> &str {
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

/// The same pattern for the crate; `None` where it is none for Git.
pub(super) fn told(line: &str) -> Option<String> {
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (mark, pattern) = match line.strip_prefix('!') {
        Some(rest) => ("!", rest),
        None => ("", line),
    };
    let bare = pattern.strip_suffix('/').unwrap_or(pattern);
    // No path ends with a separator.
    if bare.is_empty() || bare.ends_with('/') {
        return None;
    }
    // Said here, because the crate would take the separator in a class for one of the path.
    let depth = if bare.contains('/') { "" } else { "**/" };
    let mut told = format!("{mark}{depth}");
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                told.push(letter);
                told.push(letters.next()?);
            }
            '{' | '}' => told.extend(['\\', letter]),
            '[' => told.push_str(&class(&mut letters)?),
            // More than two are two.
            '*' if told.ends_with("**") && !told.ends_with("\\**") => {}
            _ => told.push(letter),
        }
    }
    // A separator in a class alone still ties the pattern to its folder.
    if bare.contains('/') && !told.trim_end_matches('/').contains('/') {
        told.insert(mark.len(), '/');
    }
    // The crate cuts white space of any kind off the end.
    if let Some(last) = told.chars().next_back()
        && last.is_whitespace()
        && last != ' '
    {
        told.pop();
        let escapes = told.len() - told.trim_end_matches('\\').len();
        if escapes % 2 == 1 {
            told.pop();
        }
        told.extend(['{', last, '}']);
    }
    Some(told)
}

/// What follows an opening bracket, up to the closing one; `None` where there is none.
fn class(letters: &mut Peekable<Chars<'_>>) -> Option<String> {
    let negated = letters.next_if(|letter| matches!(letter, '!' | '^'));
    let mut members = Members::default();
    let mut before = None;
    let mut is_first = true;
    loop {
        let letter = match letters.next()? {
            ']' if !is_first => break,
            '[' if letters.peek() == Some(&':') => {
                members.text.push_str(named(letters)?);
                (before, is_first) = (None, false);
                continue;
            }
            '-' if before.is_some() && letters.peek().is_some_and(|next| *next != ']') => {
                members.add(before.take()?, one(letters)?);
                continue;
            }
            '\\' => letters.next()?,
            letter => letter,
        };
        if let Some(single) = before.replace(letter) {
            members.add(single, single);
        }
        is_first = false;
    }
    if let Some(single) = before {
        members.add(single, single);
    }
    Some(members.told(negated.is_some()))
}

/// A letter, or what a backslash makes of it.
fn one(letters: &mut Peekable<Chars<'_>>) -> Option<char> {
    match letters.next()? {
        '\\' => letters.next(),
        letter => Some(letter),
    }
}

/// What is in a class, apart from what means something at the one end of it or the other.
#[derive(Debug, Default)]
struct Members {
    text: String,
    bracket: bool,
    dash: bool,
}

impl Members {
    fn add(&mut self, from: char, to: char) {
        self.bracket |= from == ']' || to == ']';
        match (from, to) {
            ('-', '-') => self.dash = true,
            (']' | '/', ']' | '/') if from == to => {}
            // No class has the separator in it, neither by a range.
            (from, to) if from <= '/' && to >= '/' => {
                self.add(from, '.');
                self.add('0', to);
            }
            (']', to) => self.add('^', to),
            (from, ']') => self.add(from, '\\'),
            (from, to) if from == to => self.text.push(from),
            (from, to) if from < to => self.text.extend([from, '-', to]),
            _ => {}
        }
    }

    fn told(&self, negated: bool) -> String {
        // No class has the separator in it, whatever it leaves out either; and no name has a zero,
        // behind which nothing is a mark.
        let (mark, nobody) = if negated { ("!", "/") } else { ("", "\0") };
        let first = if self.bracket { "]" } else { "" };
        let last = if self.dash { "-" } else { "" };
        format!("[{mark}{first}{nobody}{}{last}]", self.text)
    }
}

/// The members of a class by its name, the colon of which comes next.
fn named(letters: &mut Peekable<Chars<'_>>) -> Option<&'static str> {
    let name: String = letters
        .by_ref()
        .take_while(|letter| *letter != ']')
        .collect();
    Some(match name.as_str() {
        ":alnum:" => "a-zA-Z0-9",
        ":alpha:" => "a-zA-Z",
        ":blank:" => " \t",
        ":digit:" => "0-9",
        ":lower:" => "a-z",
        ":punct:" => "!-/:-@[-`{-~",
        ":space:" => " \t\n\r\u{b}\u{c}",
        ":upper:" => "A-Z",
        ":xdigit:" => "0-9a-fA-F",
        // Git takes a pattern with any other for one that matches nothing.
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{told, without_end};

    #[test]
    fn what_the_crate_would_read_in_another_way_is_said_in_its_words() {
        for (line, wanted) in [
            ("*.log", Some("**/*.log")),
            ("!a/*.log/", Some("!a/*.log/")),
            ("{a,b}", Some("**/\\{a,b\\}")),
            ("[{]x", Some("**/[\0{]x")),
            ("[\\]a]x", Some("**/[]\0a]x")),
            ("[^a]", Some("**/[!/a]")),
            ("[[:digit:]_]", Some("**/[\u{0}0-9_]")),
            ("[a/]", Some("/[\u{0}a]")),
            ("[*-5]", Some("**/[\u{0}*-.0-5]")),
            ("[+--]", Some("**/[\0+--]")),
            ("[!a-]", Some("**/[!/a-]")),
            ("***/a", Some("**/a")),
            ("a\t", Some("**/a{\t}")),
            ("\\#x", Some("**/\\#x")),
            ("[a", None),
            ("a\\", None),
            ("[[:digits:]]", None),
            ("# a", None),
            ("!/", None),
            ("**//", None),
            ("", None),
        ] {
            assert_eq!(told(line).as_deref(), wanted, "{line}");
        }
        assert_eq!(without_end("a \\  "), "a \\ ");
    }
}
