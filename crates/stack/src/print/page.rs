//! The lines while they are made: what stands on them, how deep, and from where.

use std::path::{Component, Path, PathBuf};

use super::{Held, text};
use crate::model::{Command, Origin, Stack};

/// A line, or a text of several with the node that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// KDL.
    pub text: String,
    /// Where the value comes from, as a comment behind blanks; empty where it is from there.
    pub comment: String,
}

impl std::fmt::Display for Printed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.text, self.comment)
    }
}

/// Comments of one block stand below each other, unless lines are longer than this.
const WIDEST: usize = 64;

/// The blanks before a line.
pub(super) fn indent(depth: usize) -> String {
    "    ".repeat(depth)
}

pub(super) struct Page<'a> {
    pub(super) stack: &'a Stack,
    shown: &'a dyn Fn(&str, Held) -> String,
    /// Whose values are printed, as the origins call it.
    pub(super) owner: String,
    pub(super) depth: usize,
    rows: Vec<Printed>,
    /// Where the rows begin whose comments are not aligned yet.
    begun: usize,
}

impl<'a> Page<'a> {
    pub(super) fn new(stack: &'a Stack, shown: &'a dyn Fn(&str, Held) -> String) -> Self {
        Self {
            stack,
            shown,
            owner: String::new(),
            depth: 0,
            rows: Vec::new(),
            begun: 0,
        }
    }

    pub(super) fn lines(mut self) -> Vec<Printed> {
        self.align();
        self.rows
    }

    /// A blank line between two blocks.
    pub(super) fn gap(&mut self) {
        if !self.rows.is_empty() {
            self.align();
            self.rows.push(Printed {
                text: String::new(),
                comment: String::new(),
            });
            self.begun = self.rows.len();
        }
    }

    fn align(&mut self) {
        let rows = self.rows.get_mut(self.begun..).unwrap_or_default();
        let width = |row: &Printed| row.text.lines().last().unwrap_or_default().chars().count();
        let column = rows
            .iter()
            .filter(|row| !row.comment.is_empty())
            .map(width)
            .filter(|width| *width <= WIDEST)
            .max()
            .unwrap_or_default();
        for row in rows.iter_mut().filter(|row| !row.comment.is_empty()) {
            let blanks = column.saturating_sub(width(row)) + 2;
            row.comment = format!("{}// {}", " ".repeat(blanks), row.comment);
        }
        self.begun = self.rows.len();
    }

    /// Where a value comes from, for its line's end; `default` where nobody said it.
    pub(super) fn whence(&self, value: &str) -> String {
        self.origin(value)
            .map_or_else(|| "default".to_owned(), Origin::to_string)
    }

    pub(super) fn origin(&self, value: &str) -> Option<&'a Origin> {
        self.stack.origins.of(&self.owner, value)
    }

    /// A line with a comment of its own.
    pub(super) fn row(&mut self, text: &str, comment: String) {
        self.rows.push(Printed {
            text: format!("{}{text}", indent(self.depth)),
            // What is in a name must not end the comment.
            comment: comment.replace(
                |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'),
                " ",
            ),
        });
    }

    /// A line that says this value.
    pub(super) fn say(&mut self, value: &str, text: &str) {
        self.row(text, self.whence(value));
    }

    /// `head {`, what is inside, `}`.
    pub(super) fn block(&mut self, head: &str, comment: String, inside: impl FnOnce(&mut Self)) {
        self.row(&format!("{head} {{"), comment);
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        self.row("}", String::new());
    }

    /// A line that says this value, with a block where there is something to put into it.
    pub(super) fn say_block(&mut self, value: &str, head: &str, inside: impl FnOnce(&mut Self)) {
        let comment = self.whence(value);
        let at = self.rows.len();
        self.block(head, comment, inside);
        if self.rows.len() == at + 2 {
            self.rows.pop();
            let row = self.rows.last_mut();
            if let Some(row) = row {
                row.text.truncate(row.text.len() - " {".len());
            }
        }
    }

    /// Items on as few lines as their origins allow, in their order. `line` makes a line of
    /// several; items of one line share `same`.
    pub(super) fn grouped<T, S: PartialEq>(
        &mut self,
        items: &[T],
        key: impl Fn(&T) -> String,
        same: impl Fn(&T) -> S,
        line: impl Fn(&Self, &[T]) -> String,
    ) {
        let mut rest = items;
        while let Some(first) = rest.first() {
            let comment = self.whence(&key(first));
            let fits = |item: &T| same(item) == same(first) && self.whence(&key(item)) == comment;
            let count = rest.iter().take_while(|item| fits(item)).count();
            let (now, later) = rest.split_at(count);
            let text = line(self, now);
            self.row(&text, comment);
            rest = later;
        }
    }

    /// A table of names and values, the values below each other.
    pub(super) fn table<'t>(
        &mut self,
        head: &str,
        pairs: impl Iterator<Item = (&'t String, &'t String)>,
        origin: impl Fn(&str) -> String,
    ) {
        let pairs: Vec<(&String, String, String)> = pairs
            .map(|(key, value)| {
                (
                    key,
                    text::name(key),
                    self.text_or_number(value, self.depth + 1),
                )
            })
            .collect();
        if pairs.is_empty() {
            return;
        }
        let width = pairs.iter().map(|(_, name, _)| name.chars().count()).max();
        let width = width.unwrap_or_default().min(LONGEST_KEY);
        self.block(head, String::new(), |page| {
            for (key, name, value) in pairs {
                let comment = page.whence(&origin(key));
                page.row(&format!("{name:<width$} {value}"), comment);
            }
        });
    }

    /// A person's own text, with what may be seen of it.
    pub(super) fn text(&self, text: &str) -> String {
        text::value(&self.seen(text), self.depth)
    }

    /// The same, and a number as it is written.
    pub(super) fn text_or_number(&self, text: &str, depth: usize) -> String {
        text::number(&self.seen(text), depth)
    }

    fn seen(&self, text: &str) -> String {
        (self.shown)(text, Held::Text)
    }

    /// A secret, with what may be seen of it.
    pub(super) fn secret(&self, text: &str) -> String {
        text::value(&(self.shown)(text, Held::Secret), self.depth)
    }

    /// One string is a line for the shell, several are a program and its arguments.
    pub(super) fn command(&self, command: &Command) -> String {
        match command {
            Command::Shell(line) => self.text(line),
            Command::Argv(words) => {
                let words = words.iter().map(|word| self.text(word));
                words.collect::<Vec<_>>().join(" ")
            }
        }
    }

    /// What is mostly a name, quoted.
    pub(super) fn quoted(&self, text: &str) -> String {
        text::value(&(self.shown)(text, Held::Name), self.depth)
    }

    /// The same, bare where it may stand so.
    pub(super) fn word(&self, text: &str) -> String {
        text::word(&(self.shown)(text, Held::Name))
    }

    /// The same, and a number as it is written.
    pub(super) fn quoted_or_number(&self, text: &str) -> String {
        text::number(&(self.shown)(text, Held::Name), self.depth)
    }

    /// A path of the host, from the Stackfile's folder on.
    /// The name in the Stackfile of a service.
    pub(super) fn declared_as(&self, name: &str) -> String {
        let service = self.stack.service(name);
        service
            .map_or(name, |service| service.declared_as())
            .to_owned()
    }

    pub(super) fn path(&self, path: &Path) -> String {
        self.quoted(&relative(path, &self.stack.root))
    }
}

/// Longer names do not push the others' values away.
const LONGEST_KEY: usize = 32;

/// The way from a folder to a path, both tidy.
pub(super) fn relative(path: &Path, from: &Path) -> String {
    let shared = path
        .components()
        .zip(from.components())
        .take_while(|(one, other)| one == other)
        .count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    let way: PathBuf = up.chain(path.components().skip(shared)).collect();
    if way.as_os_str().is_empty() {
        ".".to_owned()
    } else {
        way.display().to_string()
    }
}
