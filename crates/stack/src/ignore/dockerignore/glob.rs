//! One pattern and what it matches.

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// This character.
    Literal(char),
    /// `?`: one character other than a slash.
    One,
    /// `[a-z]`, `[^a-z]`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// `*`: any characters other than slashes.
    Star,
    /// `**` before more: nothing, or any number of whole folders.
    Folders,
    /// `**` at the end: anything.
    Anything,
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Token::Literal(own) => *own == c,
            Token::One => c != '/',
            Token::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
            Token::Star | Token::Folders | Token::Anything => false,
        }
    }
}

impl Glob {
    /// Compiles a cleaned pattern.
    pub(super) fn parse(pattern: &str) -> Result<Self, &'static str> {
        let mut tokens = Vec::new();
        let mut rest = pattern.chars().peekable();
        while let Some(c) = rest.next() {
            tokens.push(match c {
                '*' if rest.next_if_eq(&'*').is_some() => {
                    rest.next_if_eq(&'/');
                    match rest.peek() {
                        Some(_) => Token::Folders,
                        None => Token::Anything,
                    }
                }
                '*' => Token::Star,
                '?' => Token::One,
                '[' => class(&mut rest)?,
                '\\' => Token::Literal(rest.next().ok_or("a `\\` at its end escapes nothing")?),
                c => Token::Literal(c),
            });
        }
        // Docker compares a plain text after a leading `**` with the end of the path, so that
        // `**foo` also matches `xfoo`.
        let plain = |tokens: &[Token]| tokens.iter().all(|t| matches!(t, Token::Literal(_)));
        if pattern.starts_with("**")
            && !pattern.starts_with("**/")
            && !pattern.contains('\\')
            && plain(&tokens[1..])
        {
            tokens[0] = Token::Anything;
        }
        Ok(Self { tokens })
    }

    /// Whether the whole path matches.
    pub(super) fn matches(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        // reached[i]: the tokens so far can take exactly the first i characters.
        let mut reached = vec![false; path.len() + 1];
        reached[0] = true;
        for token in &self.tokens {
            reached = step(token, &path, &reached);
        }
        reached[path.len()]
    }
}

fn step(token: &Token, path: &[char], reached: &[bool]) -> Vec<bool> {
    let mut next = vec![false; reached.len()];
    match token {
        Token::Literal(_) | Token::One | Token::Class { .. } => {
            for (i, c) in path.iter().enumerate() {
                next[i + 1] = reached[i] && token.takes(*c);
            }
        }
        Token::Star => {
            next[0] = reached[0];
            for (i, c) in path.iter().enumerate() {
                next[i + 1] = reached[i + 1] || (next[i] && *c != '/');
            }
        }
        Token::Folders => {
            let mut started = false;
            for i in 0..next.len() {
                next[i] = reached[i] || (started && path[i - 1] == '/');
                started |= reached[i];
            }
        }
        Token::Anything => {
            let mut started = false;
            for i in 0..next.len() {
                started |= reached[i];
                next[i] = started;
            }
        }
    }
    next
}

fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token, &'static str> {
    const OPEN: &str = "a `[` has no `]`";
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match rest.next().ok_or(OPEN)? {
            ']' if ranges.is_empty() => return Err("`[]` holds no character"),
            ']' => return Ok(Token::Class { negated, ranges }),
            '\\' => rest.next().ok_or(OPEN)?,
            c => c,
        };
        let mut high = low;
        if rest.next_if_eq(&'-').is_some() {
            high = match rest.next().ok_or(OPEN)? {
                ']' => return Err("a range in `[…]` has no end"),
                '\\' => rest.next().ok_or(OPEN)?,
                c => c,
            };
        }
        if low > high {
            return Err("a range in `[…]` runs backwards");
        }
        ranges.push((low, high));
    }
}
