//! What is remembered while reading, to say afterwards where values come from.

use std::collections::BTreeMap;

use kdl::{KdlDocument, KdlNode};
use miette::SourceSpan;

use crate::context::{Context, Text};
use crate::model::{Filled, Origin, Speaker};

/// Notes by their place in the Stackfile's text.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// By the offset of a node's name, and of each of its values.
    fills: BTreeMap<usize, Fill>,
    /// Who speaks in each layer, from 1 on.
    speakers: Vec<Speaker>,
    /// Where nodes end, by the offset of their names.
    ends: BTreeMap<usize, usize>,
}

#[derive(Debug, Default)]
struct Fill {
    node: String,
    filled: Vec<Filled>,
}

/// How much of a node a value stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Its line, or one value on it.
    Line,
    /// Its block too.
    Whole,
}

impl Notes {
    /// A value of this node was filled in.
    pub(crate) fn fill(&mut self, node: &KdlNode, text: &Text) {
        for at in [node.name().span().offset(), text.span.offset()] {
            let fill = self.fills.entry(at).or_default();
            node.name().value().clone_into(&mut fill.node);
            for filled in &text.filled {
                if !fill.filled.contains(filled) {
                    fill.filled.push(filled.clone());
                }
            }
        }
    }

    /// A node was read.
    pub(crate) fn read(&mut self, node: &KdlNode) {
        let span = node.span();
        self.ends
            .insert(node.name().span().offset(), span.offset() + span.len());
    }

    /// The number of a new layer, in which this one speaks.
    pub(crate) fn layer(&mut self, speaker: Speaker) -> usize {
        self.speakers.push(speaker);
        self.speakers.len()
    }

    fn speaker(&self, layer: usize) -> Speaker {
        let said = layer.checked_sub(1).and_then(|at| self.speakers.get(at));
        said.cloned().unwrap_or(Speaker::Itself)
    }

    /// The last byte of the node whose name begins there; that one byte for anything else.
    fn end(&self, start: usize) -> usize {
        let end = self.ends.get(&start).copied().unwrap_or_default();
        end.saturating_sub(1).max(start)
    }

    fn filled(&self, at: SourceSpan, extent: Extent) -> Vec<Filled> {
        let start = at.offset();
        let end = match extent {
            Extent::Line => start,
            Extent::Whole => self.end(start),
        };
        let mut all: Vec<Filled> = Vec::new();
        for filled in self
            .fills
            .range(start..=end)
            .flat_map(|(_, fill)| &fill.filled)
        {
            if !all.contains(filled) {
                all.push(filled.clone());
            }
        }
        all
    }

    /// What was filled in in the child of that name, however deep.
    fn filled_below(&self, at: SourceSpan, name: &str) -> Vec<Filled> {
        let start = at.offset();
        let mut inside = self.fills.range(start..=self.end(start));
        let named = inside.find(|(_, fill)| fill.node == name);
        named.map_or_else(Vec::new, |(_, fill)| fill.filled.clone())
    }
}

impl Context<'_> {
    /// Where what was said there, in that layer, comes from.
    pub(crate) fn origin(&self, at: SourceSpan, layer: usize, extent: Extent) -> Origin {
        Origin {
            from: self.notes.speaker(layer),
            at: self.location(at),
            variables: self.notes.filled(at, extent),
        }
    }

    /// The same for a child in the block of what was said there.
    pub(crate) fn origin_below(&self, at: SourceSpan, layer: usize, child: &str) -> Origin {
        Origin {
            variables: self.notes.filled_below(at, child),
            ..self.origin(at, layer, Extent::Line)
        }
    }

    /// Of what is declared at the top, by its word and name.
    pub(crate) fn declarations(&self, kdl: &KdlDocument) -> Vec<(String, Origin)> {
        let named = |node: &KdlNode| {
            let name = node.get(0).and_then(|value| value.as_string())?;
            let word = node.name().value();
            let extent = match word {
                "service" | "task" | "proxy" => Extent::Line,
                _ => Extent::Whole,
            };
            let mut origin = self.origin(node.name().span(), 0, extent);
            if let Some(from) = self.variables.set_outside(name).filter(|_| word == "var") {
                origin.variables = vec![Filled {
                    name: name.to_owned(),
                    from: Some(from),
                }];
            }
            let word = match word {
                "task" | "proxy" => "service",
                other => other,
            };
            Some((format!("{word} {name}"), origin))
        };
        kdl.nodes().iter().filter_map(named).collect()
    }
}
