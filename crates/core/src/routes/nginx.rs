//! As much of nginx's grammar as it takes to find a directive: words, quotes, comments, blocks.
//! What is wrong in a file is for nginx to say.

/// What replaces itself by the routes.
const MARKER: [&str; 2] = ["include", "devrun-routes"];

/// A directive, simple or with a block.
#[derive(Debug)]
pub(super) struct Directive<'t> {
    /// Its name and its parameters, as written.
    pub(super) words: Vec<&'t str>,
    /// Where it starts in the text.
    pub(super) start: usize,
    /// Just behind its `;` or `{`.
    pub(super) end: usize,
    /// The directive whose block it stands in, by its place in the list.
    pub(super) parent: Option<usize>,
}

impl Directive<'_> {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        self.words.first().copied().unwrap_or_default()
    }

    /// Whether the routes go here.
    pub(super) fn is_marker(&self) -> bool {
        let unquoted = self.words.iter().map(|word| word.trim_matches(['"', '\'']));
        unquoted.eq(MARKER)
    }
}

/// All directives of a file, in order.
pub(super) fn directives(text: &str) -> Vec<Directive<'_>> {
    let bytes = text.as_bytes();
    let mut found: Vec<Directive<'_>> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut words: Vec<(usize, &str)> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'#' => at = end_of_line(bytes, at),
            b';' | b'{' => {
                at += 1;
                let start = words.first().map_or(at - 1, |(start, _)| *start);
                found.push(Directive {
                    words: words.drain(..).map(|(_, word)| word).collect(),
                    start,
                    end: at,
                    parent: open.last().copied(),
                });
                if byte == b'{' {
                    open.push(found.len() - 1);
                }
            }
            b'}' => {
                at += 1;
                open.pop();
                words.clear();
            }
            _ if byte.is_ascii_whitespace() => at += 1,
            _ => {
                let end = end_of_word(bytes, at);
                words.push((at, text.get(at..end).unwrap_or_default()));
                at = end;
            }
        }
    }
    found
}

/// What else stands in the same block: names of directives, and of headers as `header NAME`.
pub(super) fn siblings(all: &[Directive<'_>], of: &Directive<'_>) -> Vec<String> {
    let beside = all.iter().filter(|other| other.parent == of.parent);
    beside
        .map(|other| match other.words.as_slice() {
            ["proxy_set_header", header, ..] => header_key(header.trim_matches(['"', '\''])),
            _ => other.name().to_owned(),
        })
        .collect()
}

/// The headers that the same block passes on: how [`siblings`] names them, and the directive.
pub(super) fn headers(all: &[Directive<'_>], of: &Directive<'_>) -> Vec<(String, String)> {
    let beside = all.iter().filter(|other| other.parent == of.parent);
    let said = beside.filter_map(|other| match other.words.as_slice() {
        ["proxy_set_header", header, ..] => {
            let key = header_key(header.trim_matches(['"', '\'']));
            Some((key, format!("{};", other.words.join(" "))))
        }
        _ => None,
    });
    said.collect()
}

/// Hosts for which the same block is there: whole names, and those with a wildcard at the beginning.
pub(super) fn server_names(all: &[Directive<'_>], of: &Directive<'_>) -> Vec<String> {
    let beside = all.iter().filter(|other| other.parent == of.parent);
    let names = beside.filter(|other| other.name() == "server_name");
    let names = names.flat_map(|names| names.words.iter().skip(1));
    names
        .map(|name| name.trim_matches(['"', '\'']).to_ascii_lowercase())
        .filter(|name| !name.starts_with('~') && !name.contains('$') && !name.ends_with('*'))
        .filter(|name| !name.is_empty())
        .collect()
}

/// The first parameter of each directive of this name in the same block.
pub(super) fn parameters<'t>(
    all: &[Directive<'t>],
    of: &Directive<'_>,
    name: &str,
) -> Vec<&'t str> {
    let beside = all.iter().filter(|other| other.parent == of.parent);
    beside
        .filter(|other| other.name() == name)
        .filter_map(|other| other.words.get(1).copied())
        .collect()
}

/// How [`siblings`] names a header that is passed on.
pub(super) fn header_key(header: &str) -> String {
    format!("header {}", header.to_ascii_lowercase())
}

/// The line, from 1, of a place in the text.
pub(super) fn line_of(text: &str, place: usize) -> usize {
    let before = text.as_bytes().iter().take(place);
    1 + before.filter(|byte| **byte == b'\n').count()
}

fn end_of_line(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.iter().skip(from);
    from + rest.take_while(|byte| **byte != b'\n').count()
}

/// Just behind the word that starts here; `\` takes what follows as it is, `${` opens no block.
fn end_of_word(bytes: &[u8], start: usize) -> usize {
    let quote = bytes.get(start).filter(|byte| matches!(byte, b'"' | b'\''));
    let mut at = start + usize::from(quote.is_some());
    let mut dollar = false;
    while let Some(byte) = bytes.get(at) {
        match (byte, quote) {
            (b'\\', _) => at += 1,
            (byte, Some(quote)) if byte == quote => return at + 1,
            (b';', None) => return at,
            (b'{', None) if !dollar => return at,
            (byte, None) if byte.is_ascii_whitespace() => return at,
            _ => {}
        }
        dollar = *byte == b'$';
        at += 1;
    }
    bytes.len()
}
