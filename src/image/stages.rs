//! Additional contexts as stages.
//!
//! The engine's own build call has no words for named contexts, and engines before 23.0 do not
//! know them at all; a stage of that name in front of all others means the same to every engine.

use std::collections::BTreeMap;

use super::dockerfile::Dockerfile;

#[cfg(test)]
mod tests;

/// A Dockerfile with stages put in front of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Begun {
    /// What is built.
    pub(super) text: String,
    /// The line, from 1 on, that the first of them has.
    at: usize,
    /// How many there are, each on a line.
    count: usize,
}

impl Begun {
    /// Puts `FROM IMAGE AS NAME` before the first stage. A stage of the Dockerfile's own that has
    /// such a name loses it: the context takes its place.
    pub(super) fn with(text: &str, stages: &BTreeMap<String, String>) -> Self {
        let dockerfile = Dockerfile::parse(text);
        let Some(at) = dockerfile.first_stage().filter(|_| !stages.is_empty()) else {
            return Self {
                text: text.to_owned(),
                at: 0,
                count: 0,
            };
        };
        let count = stages.len();
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if number == at {
                let stage = |(name, image): (&String, &String)| format!("FROM {image} AS {name}");
                lines.extend(stages.iter().map(stage));
            }
            lines.push(match dockerfile.keyword_at(number) {
                "FROM" => with_words(&nameless(line, stages), |word| called(word, stages)),
                "COPY" | "ADD" => with_words(line, |word| {
                    let from = word.strip_prefix("--from=")?;
                    let stage = renumbered(from, count).or_else(|| called(from, stages));
                    stage.map(|stage| format!("--from={stage}"))
                }),
                "RUN" => with_words(line, |word| mounted(word, count, stages)),
                _ => line.to_owned(),
            });
        }
        let mut text = lines.join("\n");
        text.push('\n');
        Self { text, at, count }
    }

    /// The line of the Dockerfile as it is written; none of a stage in front.
    pub(super) fn written(&self, line: usize) -> Option<usize> {
        if line < self.at || self.count == 0 {
            Some(line)
        } else if line < self.at + self.count {
            None
        } else {
            Some(line - self.count)
        }
    }

    /// Where to stop: stages that are called by their number have another one now.
    pub(super) fn target(&self, target: &str) -> String {
        renumbered(target, self.count).unwrap_or_else(|| target.to_owned())
    }
}

fn renumbered(stage: &str, count: usize) -> Option<String> {
    let number: usize = stage.parse().ok()?;
    Some((number + count).to_string())
}

/// What a stage is called that an image is named for: the latest one is the one there is.
pub(crate) fn stage_of(image: &str) -> &str {
    image.strip_suffix(":latest").unwrap_or(image)
}

/// The stage that takes the place of `NAME:latest`.
fn called(image: &str, stages: &BTreeMap<String, String>) -> Option<String> {
    let stage = stage_of(image);
    (stage != image && stages.contains_key(stage)).then(|| stage.to_owned())
}

/// `--mount=type=bind,from=0,…` with the number that the stage has now.
fn mounted(word: &str, count: usize, stages: &BTreeMap<String, String>) -> Option<String> {
    let options = word.strip_prefix("--mount=")?;
    let option = |option: &str| {
        let stage = option.strip_prefix("from=");
        let stage =
            stage.and_then(|stage| renumbered(stage, count).or_else(|| called(stage, stages)));
        stage.map_or_else(|| option.to_owned(), |stage| format!("from={stage}"))
    };
    let options: Vec<String> = options.split(',').map(option).collect();
    Some(format!("--mount={}", options.join(",")))
}

/// `FROM x AS name` without the name, where it is that of a context.
fn nameless(line: &str, stages: &BTreeMap<String, String>) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let named = words
        .iter()
        .position(|word| word.eq_ignore_ascii_case("as"));
    let taken = named.filter(|at| {
        let name = words.get(at + 1).map(|name| name.to_lowercase());
        name.is_some_and(|name| stages.contains_key(&name))
    });
    match taken {
        Some(at) => [&words[..at], &words[at + 2..]].concat().join(" "),
        None => line.to_owned(),
    }
}

/// The line with some of its words replaced, its spaces as they are.
fn with_words(line: &str, replaced: impl Fn(&str) -> Option<String>) -> String {
    let mut text = String::new();
    for piece in line.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        match replaced(word) {
            Some(other) => {
                text += &other;
                text += &piece[word.len()..];
            }
            None => text += piece,
        }
    }
    text
}
