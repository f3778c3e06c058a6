//! The usual slips of people who come from YAML, from shells, or from KDL 1.
//!
//! Only looked for in a text that KDL refuses. A reader of its own, because the parser's errors
//! about them begin in the wrong place, come in sevens, or do not say what is meant.

use std::ops::Range;

use crate::diagnostic::{Diagnostic, SourceFile};

/// One slip.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slip {
    span: Range<usize>,
    /// What to overwrite so that the text parses, and with which byte.
    mend: (Range<usize>, u8),
    label: &'static str,
    message: String,
    help: String,
}

impl Slip {
    pub(super) fn told(self, file: &SourceFile) -> Diagnostic {
        Diagnostic::new(
            file,
            "kdl::slip",
            self.span.into(),
            self.label,
            self.message,
        )
        .advise(self.help)
    }
}

/// The text with all slips overwritten, of the same length.
pub(super) fn mend(text: &str, slips: &[Slip]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for slip in slips {
        bytes[slip.mend.0.clone()].fill(slip.mend.1);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// All slips, in order.
pub(super) fn find(text: &str) -> Vec<Slip> {
    let mut reader = Reader {
        text,
        at: 0,
        place: Place::Name,
        key: None,
        slips: Vec::new(),
    };
    while reader.at < text.len() {
        reader.step();
    }
    reader.slips
}

/// What comes next on the line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The name of a node.
    Name,
    /// Right after the name.
    AfterName,
    /// Words and properties.
    Rest,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    place: Place,
    /// The property whose value comes next.
    key: Option<&'a str>,
    slips: Vec<Slip>,
}

impl<'a> Reader<'a> {
    fn step(&mut self) {
        let rest = &self.text[self.at..];
        let first = rest.chars().next().unwrap_or(' ');
        match first {
            '\n' | ';' | '{' | '}' => {
                self.at += 1;
                self.place = Place::Name;
                self.key = None;
            }
            '/' if rest.starts_with("//") => self.at += rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") && rest.contains("*/") => self.comment(),
            '/' if rest.starts_with("/-") => self.at += 2,
            '"' => self.string(),
            '#' if rest.trim_start_matches('#').starts_with('"') => self.raw_string(),
            '#' if !is_keyword(rest) => self.hash(),
            ',' => self.comma(),
            '\\' => self.backslash(),
            '=' => self.equals(),
            '(' => self.at += rest.find([')', '\n']).map_or(rest.len(), |end| end + 1),
            '[' | ']' => self.list(),
            c if c.is_whitespace() => self.at += c.len_utf8(),
            _ => self.word(),
        }
    }

    fn comment(&mut self) {
        let mut depth = 0;
        let bytes = self.text.as_bytes();
        while self.at < bytes.len() {
            match &bytes[self.at..] {
                [b'/', b'*', ..] => depth += 1,
                [b'*', b'/', ..] => depth -= 1,
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        let start = self.at;
        let long = self.text[start..].starts_with("\"\"\"");
        let mut at = start + if long { 3 } else { 1 };
        while let Some(c) = self.text.get(at..).and_then(|rest| rest.chars().next()) {
            if c == '\\' {
                let next = self.text[at + 1..].chars().next().unwrap_or(' ');
                if !matches!(next, 'n' | 'r' | 't' | '\\' | '"' | 'b' | 'f' | 's' | 'u')
                    && !next.is_whitespace()
                {
                    self.escape(at, next);
                }
                at += 1 + next.len_utf8();
            } else if long && self.text[at..].starts_with("\"\"\"") {
                at += 3;
                break;
            } else if !long && (c == '"' || c == '\n') {
                at += usize::from(c == '"');
                break;
            } else {
                at += c.len_utf8();
            }
        }
        self.at = at.min(self.text.len());
        self.passed();
    }

    fn escape(&mut self, at: usize, next: char) {
        self.slips.push(Slip {
            span: at..at + 1 + next.len_utf8(),
            mend: (at..at + 1, b'x'),
            label: "not an escape",
            message: format!("`\\{next}` means nothing in a string"),
            help: format!(
                "a backslash itself is written `\\\\{next}`, or the whole in a raw string: #\"…\"#"
            ),
        });
    }

    fn raw_string(&mut self) {
        let rest = &self.text[self.at..];
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        let quotes = if rest[hashes..].starts_with("\"\"\"") {
            3
        } else {
            1
        };
        let end = format!("{}{}", "\"".repeat(quotes), "#".repeat(hashes));
        let body = hashes + quotes;
        self.at += rest[body..]
            .find(&end)
            .map_or(rest.len(), |at| body + at + end.len());
        self.passed();
    }

    fn hash(&mut self) {
        let line = self.text[self.at..].split('\n').next().unwrap_or_default();
        let span = self.at..self.at + line.len();
        self.slips.push(Slip {
            span: span.clone(),
            mend: (span.clone(), b' '),
            label: "a comment?",
            message: "`#` begins no comment".into(),
            help: format!(
                "comments begin with two slashes: // {}",
                line.trim_matches(['#', ' ', '\r'])
            ),
        });
        self.at = span.end;
    }

    fn comma(&mut self) {
        self.slips.push(Slip {
            span: self.at..self.at + 1,
            mend: (self.at..self.at + 1, b' '),
            label: "not needed",
            message: "there are no commas between values".into(),
            help: "values are separated by blanks, properties too".into(),
        });
        self.at += 1;
    }

    /// At the end of a line it goes on with the next; elsewhere it means nothing.
    fn backslash(&mut self) {
        let rest = &self.text[self.at + 1..];
        let line = rest.split('\n').next().unwrap_or_default();
        if line.trim().is_empty() || line.trim_start().starts_with("//") {
            self.at += 1 + line.len() + 1;
            self.at = self.at.min(self.text.len());
            return;
        }
        self.slips.push(Slip {
            span: self.at..self.at + 1,
            mend: (self.at..self.at + 1, b' '),
            label: "outside a string",
            message: "a backslash means nothing here".into(),
            help: "at the end of a line it goes on with the next; in text, the text is quoted"
                .into(),
        });
        self.at += 1;
    }

    fn equals(&mut self) {
        let at = self.at;
        self.at += 1;
        if self.place != Place::AfterName {
            let before = self.text[..at].trim_end();
            let start = super::after_last(before, |c| c.is_whitespace() || c == '{' || c == ';');
            self.key = Some(&before[start..]);
            return;
        }
        let line_start = self.text[..at]
            .rfind(['\n', '{', ';'])
            .map_or(0, |at| at + 1);
        let name = self.text[line_start..at].trim();
        self.slips.push(Slip {
            span: at..at + 1,
            mend: (at..at + 1, b' '),
            label: "not needed",
            message: format!("there is no `=` after `{name}`"),
            help: format!(
                "name and value are separated by a blank: {name} {}",
                self.next_value(self.at)
            ),
        });
        self.place = Place::Rest;
    }

    /// What stands next on the line, quoted.
    fn next_value(&self, from: usize) -> String {
        let line = self.text[from..].split('\n').next().unwrap_or_default();
        let value = line.trim_start();
        let word = value
            .split([' ', ';', '}', '\r'])
            .next()
            .unwrap_or_default();
        match value.strip_prefix('"').map(|rest| rest.split_once('"')) {
            Some(Some((text, _))) => format!("\"{text}\""),
            None if !word.is_empty() => format!("\"{word}\""),
            _ => "\"value\"".to_owned(),
        }
    }

    fn list(&mut self) {
        let line = self.text[self.at..].split('\n').next().unwrap_or_default();
        let end = self.at + line.find(']').map_or(1, |at| at + 1);
        let words = words_of(&self.text[self.at..end]);
        let help = match self.key {
            Some("test") => {
                format!("several strings are a program and its arguments: healthcheck {words}")
            }
            _ => format!("words are separated by blanks: {words}"),
        };
        self.slips.push(Slip {
            span: self.at..end,
            mend: (self.at..end, b'x'),
            label: "a list",
            message: "there are no lists in brackets".into(),
            help,
        });
        self.at = end;
        self.passed();
    }

    fn word(&mut self) {
        let rest = &self.text[self.at..];
        let mut end = rest
            .find(|c: char| c.is_whitespace() || "\"{}();=\\[]".contains(c))
            .unwrap_or(rest.len());
        if let Some(comment) = rest[..end]
            .find("//")
            .filter(|at| *at > 0 && !rest[..*at].ends_with(':'))
        {
            end = comment;
        }
        if end > 1 && rest[..end].ends_with(',') {
            end -= 1;
        }
        let word = &rest[..end];
        if self.place == Place::Name && end > 1 && word.ends_with(':') {
            self.colon(self.at + end - 1, &word[..end - 1]);
        }
        let span = self.at..self.at + end.max(1);
        if word.trim_end_matches('#') == "r" && rest[end..].starts_with('"') {
            self.slips.push(Slip {
                span: span.clone(),
                mend: (self.at..self.at + 1, b' '),
                label: "KDL 1",
                message: "this is a raw string of KDL 1".into(),
                help: "in KDL 2 it is written #\"…\"#".into(),
            });
            self.at += 1;
            return;
        }
        if self.place != Place::Name
            && let Some((label, message, help)) = odd(word, self.key)
        {
            self.slips.push(Slip {
                span: span.clone(),
                mend: (span.clone(), b'x'),
                label,
                message,
                help,
            });
        }
        self.at = span.end;
        self.passed();
    }

    fn colon(&mut self, at: usize, name: &str) {
        self.slips.push(Slip {
            span: at..at + 1,
            mend: (at..at + 1, b' '),
            label: "not needed",
            message: format!("there is no colon after `{name}`"),
            help: format!(
                "name and value are separated by a blank: {name} {}",
                self.next_value(at + 1)
            ),
        });
    }

    fn passed(&mut self) {
        self.key = None;
        self.place = if self.place == Place::Name {
            Place::AfterName
        } else {
            Place::Rest
        };
    }
}

/// Whether it is one of KDL's own words with a `#`.
fn is_keyword(text: &str) -> bool {
    ["#true", "#false", "#null", "#inf", "#-inf", "#nan"]
        .iter()
        .any(|word| text.starts_with(word))
}

/// `["a", 'b']` as words.
fn words_of(list: &str) -> String {
    let items = list.trim_matches(['[', ']']).split(',');
    let words = items.map(|item| item.trim().trim_matches(['"', '\'']));
    let words: Vec<String> = words
        .filter(|word| !matches!(*word, "" | "CMD" | "CMD-SHELL"))
        .map(|word| format!("\"{word}\""))
        .collect();
    if words.is_empty() {
        "\"redis-server\" \"--appendonly\" \"yes\"".to_owned()
    } else {
        words.join(" ")
    }
}

/// What is wrong with a bare word, if anything is.
fn odd(word: &str, key: Option<&str>) -> Option<(&'static str, String, String)> {
    let quoted = key.map_or_else(|| format!("\"{word}\""), |key| format!("{key}=\"{word}\""));
    let told = |label, message: String| Some((label, message, format!("quote it: {quoted}")));
    if matches!(word, "true" | "false" | "null") {
        let hashed = key.map_or_else(|| format!("#{word}"), |key| format!("{key}=#{word}"));
        return match word {
            "null" => told("a bare null", "`null` is not a word".into()),
            _ => Some((
                "KDL 1",
                format!("`{word}` is written #{word}"),
                format!("{hashed}; in an environment, where all is text, \"{word}\""),
            )),
        };
    }
    let unsigned = word.trim_start_matches(['+', '-', '.']);
    if unsigned.starts_with(|c: char| c.is_ascii_digit()) && !is_number(word) {
        return match unit(unsigned) {
            Some("size") => told("a size", format!("the size {word} is not quoted")),
            Some(_) => told("a duration", format!("the duration {word} is not quoted")),
            None if published(word).is_some() => Some((
                "Compose's form",
                format!("{word} is neither a number nor a word"),
                published(word)?,
            )),
            None => told(
                "begins with a digit",
                format!("{word} is neither a number nor a word"),
            ),
        };
    }
    if let Some(ours) = mounted(word) {
        let message = format!("{word} is said in two parts");
        return Some(("Compose's form", message, ours));
    }
    if word.contains('/') {
        return told("has a `/`", format!("the path {word} is not quoted"));
    }
    None
}

/// `8000:80` in the words of this language.
fn published(word: &str) -> Option<String> {
    let (outside, inside) = word.split_once(':')?;
    let both = [outside, inside]
        .iter()
        .all(|number| number.parse::<u16>().is_ok());
    both.then(|| format!("port {outside} to={inside}"))
}

/// `./src:/app:ro` in the words of this language.
fn mounted(word: &str) -> Option<String> {
    let (source, target) = word.split_once(":/")?;
    let (target, sealed) = match target.strip_suffix(":ro") {
        Some(target) => (target, " read-only=#true"),
        None => (target, ""),
    };
    if source.is_empty() || target.contains(':') || target.starts_with('/') {
        return None;
    }
    let what = if source.contains(['/', '.', '~']) {
        format!("bind \"{source}\"")
    } else {
        format!("volume {source}")
    };
    Some(format!("{what} to=\"/{target}\"{sealed}"))
}

fn is_number(word: &str) -> bool {
    let plain = word.trim_start_matches(['+', '-']).replace('_', "");
    let radix = [("0x", 16), ("0o", 8), ("0b", 2)];
    if let Some((prefix, radix)) = radix
        .into_iter()
        .find(|(prefix, _)| plain.starts_with(prefix))
    {
        return i128::from_str_radix(&plain[prefix.len()..], radix).is_ok();
    }
    plain.starts_with(|c: char| c.is_ascii_digit())
        && !plain.ends_with('.')
        && plain.parse::<f64>().is_ok()
}

fn unit(word: &str) -> Option<&'static str> {
    let letters = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    match letters {
        "K" | "M" | "G" | "T" | "k" | "g" | "KB" | "MB" | "GB" | "TB" | "Ki" | "Mi" | "Gi"
        | "Ti" | "KiB" | "MiB" | "GiB" | "TiB" | "kb" | "mb" | "gb" => Some("size"),
        _ if crate::value::duration(word).is_ok() => Some("duration"),
        _ => None,
    }
}
