//! `nginx "…"` in a route: lines of a person's own, as far as they must not end or open what is
//! around them. What they mean is for nginx to say.

use crate::context::Context;
use crate::line::{Block, Line, Shape};
use crate::model::NginxLines;
use crate::value::Unfit;
use crate::words::Place;

const NGINX: Shape = Shape {
    words: (1, 1),
    properties: &[],
    block: Block::Never,
    example: "route \"/api/*\" { nginx \"gzip off;\" }",
};

pub(super) fn read(cx: &mut Context<'_>, line: &Line<'_>) -> Vec<NginxLines> {
    let mut all = Vec::new();
    for child in line.children() {
        cx.no_edit(child);
        if child.name().value() != "nginx" {
            cx.unknown_word(child, Place::Route);
            continue;
        }
        let Some(line) = cx.line(child, &NGINX) else {
            continue;
        };
        let said = &line.words[0];
        if let Some(text) = cx.parsed(said, whole) {
            let at = cx.location(said.span);
            all.push(NginxLines { text, at });
        }
    }
    all
}

/// What is still open while a text is read.
#[derive(Default)]
struct Open {
    quote: Option<char>,
    blocks: usize,
    /// Letters since the last `;`, `{` or `}`.
    word: String,
    comment: bool,
}

impl Open {
    fn begins_a_word(&self) -> bool {
        self.word.is_empty() || self.word.ends_with(char::is_whitespace)
    }
}

/// A text of whole directives.
fn whole(text: &str) -> Result<String, Unfit> {
    let unfit = |label: &str, help: &str| {
        Err(Unfit {
            label: label.into(),
            message: "this is no line of an nginx configuration".into(),
            help: help.into(),
        })
    };
    let mut open = Open::default();
    let mut letters = text.chars();
    let mut said = false;
    while let Some(letter) = letters.next() {
        match (letter, open.quote) {
            ('\n', _) if open.comment => open.comment = false,
            _ if open.comment => {}
            ('\\', _) => {
                letters.next();
                open.word.push('\\');
            }
            (letter, Some(quote)) => {
                if letter == quote {
                    open.quote = None;
                }
            }
            ('"' | '\'', None) if open.begins_a_word() => {
                open.quote = Some(letter);
                open.word.push(letter);
            }
            ('#', None) if open.begins_a_word() => open.comment = true,
            ('{', None) if open.word.ends_with('$') => open.word.push('{'),
            ('}', None) if open.word.contains("${") => open.word = open.word.replace("${", "$"),
            (';' | '{' | '}', None) => {
                if open.word.split_whitespace().next() == Some("location") {
                    return unfit(
                        "a location in a location",
                        "a path of its own is a route of its own, or stands in your nginx.conf",
                    );
                }
                match letter {
                    '{' => open.blocks += 1,
                    '}' if open.blocks == 0 => {
                        return unfit("closes what it did not open", "take one `}` away");
                    }
                    '}' => open.blocks -= 1,
                    _ => {}
                }
                open.word.clear();
                said = true;
            }
            (letter, None) => open.word.push(letter),
        }
    }
    if open.quote.is_some() {
        return unfit(
            "a quote stays open",
            "close it; in a raw string, #\"…\"#, quotes stand as they are",
        );
    }
    if open.blocks > 0 {
        return unfit("a block stays open", "close it with `}`");
    }
    if !open.word.trim().is_empty() {
        return unfit(
            "does not end",
            "each directive ends with `;`: nginx \"gzip off;\"",
        );
    }
    if !said {
        return unfit(
            "says nothing",
            "a directive, as in nginx.conf: nginx \"gzip off;\"",
        );
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn only_whole_directives_stand_among_others() {
        for fine in [
            "gzip off;",
            "set $x \"${host};}\"; # why; not {",
            "if ($http_x ~ '}') { return 403; }\nadd_header A \"b # c\";",
            "set $x a${host}b;",
            "# why\nadd_header X a\\;b;",
            "add_header X it's;",
        ] {
            assert_eq!(whole(fine).as_deref(), Ok(fine));
        }
        for (wrong, label) in [
            ("gzip off", "does not end"),
            ("set $x ${host}", "does not end"),
            ("gzip off; }", "closes what it did not open"),
            ("} location / { return 200;", "closes what it did not open"),
            ("if ($x) { return 403;", "a block stays open"),
            ("add_header X \"y;", "a quote stays open"),
            ("location /x { return 204; }", "a location in a location"),
            ("# nothing", "says nothing"),
            (" ", "says nothing"),
            ("gzip off; # ;\nx", "does not end"),
        ] {
            let unfit = whole(wrong).expect_err(wrong);
            assert_eq!(unfit.label, label, "{wrong}");
        }
    }
}
