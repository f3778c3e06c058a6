//! One node, read strictly: what it may carry is said once, what it carries besides is a problem.

use kdl::{KdlEntry, KdlNode};
use miette::SourceSpan;

use crate::context::{Context, Text};
use crate::words;

/// What a node may carry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Fewest and most words after the name.
    pub(crate) words: (usize, usize),
    /// Properties that it knows.
    pub(crate) properties: &'static [&'static str],
    /// Whether it has a block.
    pub(crate) block: Block,
    /// How it is written, for help.
    pub(crate) example: &'static str,
}

/// Whether a node has children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    Never,
    Maybe,
    Always,
}

/// As many as one likes.
pub(crate) const MANY: usize = usize::MAX;

/// What a node carries.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) node: &'a KdlNode,
    pub(crate) words: Vec<Text>,
    pub(crate) properties: Vec<(String, Text)>,
}

impl<'a> Line<'a> {
    pub(crate) fn property(&self, name: &str) -> Option<&Text> {
        self.properties
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, text)| text)
    }

    pub(crate) fn at(&self) -> SourceSpan {
        self.node.name().span()
    }

    pub(crate) fn children(&self) -> &'a [KdlNode] {
        self.node.children().map_or(&[], |block| block.nodes())
    }
}

impl Context<'_> {
    /// Reads a node; `None` where words are missing, so that nothing can be made of it.
    pub(crate) fn line<'a>(&mut self, node: &'a KdlNode, shape: &Shape) -> Option<Line<'a>> {
        let mut line = Line {
            node,
            words: Vec::new(),
            properties: Vec::new(),
        };
        let name = node.name().value();
        self.notes.read(node);
        if self.keys_without_block(node, shape) {
            return None;
        }
        for entry in node.entries() {
            if let Some(kind) = entry.ty() {
                let problem = self
                    .error(
                        "stackfile::type",
                        kind.span(),
                        "not used",
                        "values have no type annotations here",
                    )
                    .advise("take it away: each word knows what it takes");
                self.report(problem);
            }
            let Some(key) = entry.name() else {
                let text = self.noted(node, entry);
                line.words.push(text);
                continue;
            };
            if !shape.properties.contains(&key.value()) && !shape.properties.contains(&"*") {
                self.unknown_property(name, key.value(), key.span(), shape);
                continue;
            }
            if let Some((_, first)) = line
                .properties
                .iter()
                .find(|(known, _)| known == key.value())
            {
                let problem = self
                    .error(
                        "stackfile::twice",
                        entry.span(),
                        "again here",
                        format!("`{}=` is said twice", key.value()),
                    )
                    .also(first.span, "first here");
                self.report(problem);
                continue;
            }
            let text = self.noted(node, entry);
            line.properties.push((key.value().to_owned(), text));
        }
        if self.check_block(node, shape) && line.words.len() < shape.words.0 {
            // What is missing stands in the block that has no place here.
            return None;
        }
        self.check_words(&line, shape).then_some(line)
    }

    /// `environment A="b"`, where the keys are a person's own and stand in a block.
    fn keys_without_block(&mut self, node: &KdlNode, shape: &Shape) -> bool {
        let keys = shape.block == Block::Always && shape.words.1 == 0 && node.children().is_none();
        let Some(first) = node.entries().first().filter(|_| keys) else {
            return false;
        };
        let pairs = node.entries().iter().filter_map(|entry| {
            let key = entry.name()?.value();
            let value = self.source(entry.span());
            let (_, value) = value.split_once('=')?;
            Some(format!("{key} {value}"))
        });
        let pairs: Vec<String> = pairs.collect();
        let name = node.name().value();
        let help = if pairs.is_empty() {
            format!("it is written {}", shape.example)
        } else {
            format!("it is written {name} {{ {} }}", pairs.join("; "))
        };
        let message = format!("what `{name}` says stands in a block");
        let problem = self
            .error(
                "stackfile::missing",
                first.span(),
                "not in a block",
                message,
            )
            .advise(help);
        self.report(problem);
        true
    }

    fn noted(&mut self, node: &KdlNode, entry: &KdlEntry) -> Text {
        let text = self.text(entry);
        if !text.filled.is_empty() {
            self.notes.fill(node, &text);
        }
        text
    }

    fn check_words(&mut self, line: &Line<'_>, shape: &Shape) -> bool {
        let name = line.node.name().value();
        if line.words.len() < shape.words.0 {
            let problem = self
                .error(
                    "stackfile::missing",
                    line.at(),
                    "something is missing after it",
                    format!("`{name}` is not complete"),
                )
                .advise(format!("it is written {}", shape.example));
            self.report(problem);
            return false;
        }
        if let Some(surplus) = line.words.get(shape.words.1) {
            let help = if words::is_word(&surplus.value) {
                format!(
                    "`{}` looks like the next word: begin a new line, or put `;` before it",
                    surplus.value
                )
            } else {
                format!("it is written {}", shape.example)
            };
            let problem = self
                .error(
                    "stackfile::surplus",
                    surplus.span,
                    "one too many",
                    format!("`{name}` does not take this"),
                )
                .advise(help);
            self.report(problem);
        }
        true
    }

    /// Whether there is a block that has no place.
    fn check_block(&mut self, node: &KdlNode, shape: &Shape) -> bool {
        let name = node.name().value();
        let problem = match (node.children(), shape.block) {
            (Some(block), Block::Never) if !block.nodes().is_empty() => {
                let first = block.nodes()[0].name().span();
                self.error(
                    "stackfile::block",
                    first,
                    "not expected",
                    format!("`{name}` has no block"),
                )
                .advise(
                    words::instead_of_block(name)
                        .map_or_else(|| format!("it is written {}", shape.example), str::to_owned),
                )
            }
            (None, Block::Always) => self
                .error(
                    "stackfile::missing",
                    node.name().span(),
                    "no block",
                    format!("`{name}` is not complete"),
                )
                .advise(format!("it is written {}", shape.example)),
            _ => return false,
        };
        self.report(problem);
        shape.block == Block::Never
    }

    fn unknown_property(&mut self, word: &str, key: &str, span: SourceSpan, shape: &Shape) {
        let problem = self.error(
            "stackfile::unknown-property",
            span,
            "not known",
            format!("`{word}` has no property `{key}`"),
        );
        let near = words::nearest(key, shape.properties.iter().copied());
        let help = match near {
            _ if words::property_otherwise(word, key).is_some() => {
                words::property_otherwise(word, key)
                    .unwrap_or_default()
                    .to_owned()
            }
            Some(near) => format!("did you mean `{near}=`?"),
            None if shape.properties.is_empty() => format!("it is written {}", shape.example),
            None => format!(
                "it knows {}",
                shape
                    .properties
                    .iter()
                    .map(|known| format!("`{known}=`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        };
        self.report(problem.advise(help));
    }
}
