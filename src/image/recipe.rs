//! What an image is made of, part by part: once it is stale, it can be said which part is another.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// A recipe that takes more room than this is dropped.
const LARGEST: usize = 1 << 20;
/// What a part takes besides its name.
const OVERHEAD: usize = 17;
const DOCKERFILE: &str = "Dockerfile";

/// The parts by their names, each with a hash that stays the same from one version to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recipe {
    parts: BTreeMap<String, u64>,
    room: usize,
}

/// What differs between two recipes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Difference {
    Dockerfile,
    /// In these words.
    Said(String),
    /// A file of a folder that the build reads besides its context, by the name of that folder; of
    /// the context itself where it has none.
    File {
        context: String,
        path: String,
        change: Change,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    Other,
    New,
    Gone,
}

impl Recipe {
    pub(super) fn note_dockerfile(&mut self, text: &[u8]) {
        self.note(DOCKERFILE.to_owned(), short(text));
    }

    /// Something else than a file, as it is called in a sentence.
    pub(crate) fn note_said(&mut self, name: String, content: &[u8]) {
        self.note(name, short(content));
    }

    /// A file whose content has that digest, by its path in that context.
    pub(super) fn note_file(&mut self, context: &str, path: &str, executable: bool, digest: &[u8]) {
        let kind: &[u8] = if executable { b"x" } else { b"-" };
        self.note_path(context, path, &[kind, digest].concat());
    }

    /// A link that points there.
    pub(super) fn note_link(&mut self, context: &str, path: &str, target: &str) {
        self.note_path(context, path, &[&b"l"[..], target.as_bytes()].concat());
    }

    /// No other part has a line break in its name.
    fn note_path(&mut self, context: &str, path: &str, content: &[u8]) {
        self.note(format!("{context}\n{path}"), short(content));
    }

    fn note(&mut self, name: String, content: u64) {
        self.room += name.len() + OVERHEAD;
        if self.room > LARGEST {
            self.parts.clear();
        } else {
            self.parts.insert(name, content);
        }
    }

    /// As it is kept; `None` where there is none, or it is too large.
    pub(crate) fn text(&self) -> Option<Vec<u8>> {
        if self.parts.is_empty() {
            return None;
        }
        let mut text = Vec::with_capacity(self.room);
        for (name, content) in &self.parts {
            text.extend_from_slice(format!("{content:016x}{name}\0").as_bytes());
        }
        Some(text)
    }

    /// `None` where that is none.
    pub(crate) fn read(text: &[u8]) -> Option<Recipe> {
        let mut recipe = Recipe::default();
        for line in std::str::from_utf8(text).ok()?.split_terminator('\0') {
            let (content, name) = line.split_at_checked(16)?;
            let content = u64::from_str_radix(content, 16).ok()?;
            recipe.note(name.to_owned(), content);
        }
        (!recipe.parts.is_empty()).then_some(recipe)
    }

    /// What became another part, came and went since `before`, in order; `None` where one of the
    /// two is not known.
    pub(crate) fn since(&self, before: &Recipe) -> Option<Vec<Difference>> {
        if self.parts.is_empty() || before.parts.is_empty() {
            return None;
        }
        let now = self.parts.iter();
        let changed = now.filter_map(|(name, content)| match before.parts.get(name) {
            None => Some((name, Change::New)),
            Some(other) => (other != content).then_some((name, Change::Other)),
        });
        let gone = before.parts.keys();
        let gone = gone.filter(|name| !self.parts.contains_key(*name));
        let all = changed.chain(gone.map(|name| (name, Change::Gone)));
        let mut all: Vec<Difference> = all.map(|(name, change)| difference(name, change)).collect();
        all.sort_unstable();
        Some(all)
    }
}

fn difference(name: &str, change: Change) -> Difference {
    match name.split_once('\n') {
        Some((context, path)) => Difference::File {
            context: context.to_owned(),
            path: path.to_owned(),
            change,
        },
        None if name == DOCKERFILE => Difference::Dockerfile,
        None => Difference::Said(name.to_owned()),
    }
}

fn short(content: &[u8]) -> u64 {
    let digest = Sha256::digest(content);
    let first = digest.iter().take(8);
    first.fold(0, |all, byte| (all << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::{Change, Difference, LARGEST, Recipe};

    fn file(path: &str, change: Change) -> Difference {
        Difference::File {
            context: String::new(),
            path: path.to_owned(),
            change,
        }
    }

    #[test]
    fn what_differs_is_told_after_a_recipe_was_kept_and_read_again() {
        let mut before = Recipe::default();
        before.note_dockerfile(b"FROM a");
        before.note_said("build argument A".to_owned(), b"1");
        for path in ["gone", "same", "run.sh", "other\nname"] {
            before.note_file("", path, false, b"1");
        }
        let before = Recipe::read(&before.text().unwrap()).unwrap();
        assert_eq!(before.since(&before), Some(Vec::new()));

        let mut now = Recipe::default();
        now.note_dockerfile(b"FROM b");
        now.note_said("build argument A".to_owned(), b"2");
        now.note_file("", "same", false, b"1");
        now.note_file("", "run.sh", true, b"1");
        now.note_link("", "other\nname", "1");
        now.note_file("assets", "new", false, b"1");
        assert_eq!(
            now.since(&before),
            Some(vec![
                Difference::Dockerfile,
                Difference::Said("build argument A".to_owned()),
                file("gone", Change::Gone),
                file("other\nname", Change::Other),
                file("run.sh", Change::Other),
                Difference::File {
                    context: "assets".to_owned(),
                    path: "new".to_owned(),
                    change: Change::New,
                },
            ])
        );
    }

    #[test]
    fn what_is_too_large_or_cut_off_is_not_known() {
        let mut large = Recipe::default();
        for number in 0..LARGEST / 17 {
            large.note_file("", &number.to_string(), false, b"1");
        }
        assert_eq!(large.text(), None);
        let mut small = Recipe::default();
        small.note_dockerfile(b"FROM a");
        assert_eq!(small.since(&large), None);
        assert_eq!(large.since(&small), None);
        assert_eq!(Recipe::read(b""), None);
        assert_eq!(Recipe::read(b"0123"), None);
        assert_eq!(Recipe::read(b"not a number of a part\0"), None);
    }
}
