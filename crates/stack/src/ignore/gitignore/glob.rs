//! A pattern with wildcards, of bytes as Git's.

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?`: one byte other than a slash.
    One,
    /// `[a-z]`, never a slash.
    Class(Box<Class>),
    /// `*`: any bytes other than slashes.
    Star,
    /// `**/`: nothing, or any number of whole folders.
    Folders,
    /// `**` where the pattern, or a part of it, ends: anything.
    Anything,
}

impl Token {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Token::Byte(own) => *own == byte,
            Token::One => byte != b'/',
            Token::Class(class) => byte != b'/' && class.has(byte),
            Token::Star | Token::Folders | Token::Anything => false,
        }
    }
}

impl Glob {
    /// One for names; `None` for what Git lets match nothing.
    pub(super) fn of_name(pattern: &[u8]) -> Option<Self> {
        Self::parse(pattern, false)
    }

    /// One for paths, in which two stars cross folders.
    pub(super) fn of_path(pattern: &[u8]) -> Option<Self> {
        Self::parse(pattern, true)
    }

    fn parse(pattern: &[u8], crosses: bool) -> Option<Self> {
        let mut tokens = Vec::new();
        let (mut rest, mut before) = (pattern, b'/');
        while let [first, after @ ..] = rest {
            let whole = rest;
            let (token, next) = match first {
                b'*' => stars(rest, crosses && before == b'/'),
                b'?' => (Token::One, after),
                b'[' => Class::parse(after)?,
                b'\\' => {
                    let (escaped, after) = after.split_first()?;
                    (Token::Byte(*escaped), after)
                }
                byte => (Token::Byte(*byte), after),
            };
            tokens.push(token);
            rest = next;
            let read = whole.len() - rest.len();
            before = *whole.get(read.saturating_sub(1))?;
        }
        Some(Self(tokens))
    }

    /// Whether the whole text matches.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let (mut token, mut at) = (0, 0);
        // The latest of each, the token after it, and how far it reaches so far. What an earlier
        // one could take, the latest can take as well.
        let (mut star, mut deep) = (None, None);
        loop {
            match self.0.get(token) {
                None if at == text.len() => return true,
                Some(Token::Anything) if token + 1 == self.0.len() => return true,
                Some(Token::Star) => {
                    token += 1;
                    star = Some((token, at));
                    continue;
                }
                Some(wide @ (Token::Folders | Token::Anything)) => {
                    token += 1;
                    (star, deep) = (None, Some((wide, token, at)));
                    continue;
                }
                Some(one) if text.get(at).is_some_and(|byte| one.takes(*byte)) => {
                    (token, at) = (token + 1, at + 1);
                    continue;
                }
                _ => {}
            }
            star = star.filter(|(_, reach)| text.get(*reach).is_some_and(|byte| *byte != b'/'));
            if let Some((after, reach)) = &mut star {
                *reach += 1;
                (token, at) = (*after, *reach);
                continue;
            }
            let Some((wide, after, reach)) = deep else {
                return false;
            };
            let left = text.get(reach..).unwrap_or_default();
            let step = match wide {
                Token::Folders => left.iter().position(|byte| *byte == b'/'),
                _ => (!left.is_empty()).then_some(0),
            };
            let Some(step) = step else {
                return false;
            };
            (token, at) = (after, reach + step + 1);
            deep = Some((wide, after, at));
        }
    }
}

/// What some stars mean, and what follows them.
fn stars(pattern: &[u8], begins_part: bool) -> (Token, &[u8]) {
    let count = pattern.iter().take_while(|byte| **byte == b'*').count();
    let rest = pattern.get(count..).unwrap_or_default();
    match rest {
        _ if count < 2 || !begins_part => (Token::Star, rest),
        [] | [b'\\', b'/', ..] => (Token::Anything, rest),
        [b'/', rest @ ..] => (Token::Folders, rest),
        _ => (Token::Star, rest),
    }
}

/// A set of bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Class {
    bits: [u64; 4],
    negated: bool,
}

impl Class {
    fn has(&self, byte: u8) -> bool {
        let bits = self.bits.get(usize::from(byte >> 6));
        bits.is_some_and(|bits| bits >> (byte & 63) & 1 == 1) != self.negated
    }

    fn add(&mut self, byte: u8) {
        if let Some(bits) = self.bits.get_mut(usize::from(byte >> 6)) {
            *bits |= 1 << (byte & 63);
        }
    }

    /// From after the `[` on; what follows the `]`.
    fn parse(pattern: &[u8]) -> Option<(Token, &[u8])> {
        let mut class = Self::default();
        let mut rest = pattern;
        if let [b'!' | b'^', after @ ..] = rest {
            (class.negated, rest) = (true, after);
        }
        // The first is of the class whatever it is, and where a range ended none begins.
        let (mut first, mut low) = (true, None);
        loop {
            let (byte, after) = rest.split_first()?;
            rest = after;
            match (*byte, rest) {
                (b']', rest) if !first => return Some((Token::Class(Box::new(class)), rest)),
                (b'-', [high, after @ ..]) if low.is_some() && *high != b']' => {
                    (rest, first) = (after, false);
                    let mut high = *high;
                    if high == b'\\' {
                        (high, rest) = rest.split_first().map(|(high, rest)| (*high, rest))?;
                    }
                    (low.unwrap_or(high)..=high).for_each(|byte| class.add(byte));
                    low = None;
                    continue;
                }
                (b'[', [b':', after @ ..]) => {
                    let end = after.iter().position(|byte| *byte == b']')?;
                    let (name, past) = after.split_at(end);
                    if let Some(name) = name.strip_suffix(b":") {
                        let is_of = named(name)?;
                        (0..=u8::MAX).filter(is_of).for_each(|byte| class.add(byte));
                        (rest, first, low) = (past.get(1..)?, false, None);
                        continue;
                    }
                    class.add(b'[');
                }
                (b'\\', [escaped, after @ ..]) => {
                    class.add(*escaped);
                    (rest, first, low) = (after, false, Some(*escaped));
                    continue;
                }
                (b'\\', []) => return None,
                (byte, _) => class.add(byte),
            }
            (first, low) = (false, Some(*byte));
        }
    }
}

/// `[:alpha:]` and its like.
fn named(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| matches!(byte, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |byte| matches!(byte, b' ' | b'\t'..=b'\r'),
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}
