//! A pattern of an `on` rule: a glob in which `*` stays within a folder and `**` does not.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

/// A pattern and the folder that it starts from.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    base: PathBuf,
    /// `None` for what is no glob; the Stackfile's own checks refuse it.
    whole: Option<GlobMatcher>,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    /// `**`
    AnyDepth,
    /// Spelled out.
    Literal(String),
    Wild(GlobMatcher),
}

impl Pattern {
    /// Understands a pattern that is relative to `base`; `../` leads out of it, and a slash at
    /// the end means all that lies in that folder.
    pub(super) fn new(base: &Path, text: &str) -> Self {
        let mut base = base.to_path_buf();
        let mut text = text;
        loop {
            if let Some(rest) = text.strip_prefix("../") {
                base.pop();
                text = rest;
            } else if let Some(rest) = text.strip_prefix("./").or_else(|| text.strip_prefix('/')) {
                text = rest;
            } else {
                break;
            }
        }
        let text = match text.strip_suffix('/') {
            Some(folder) => format!("{folder}/**"),
            None => text.to_owned(),
        };
        let parts = text.split('/').map(Part::new).collect();
        Self {
            base,
            whole: glob(&text),
            parts,
        }
    }

    pub(super) fn matches(&self, path: &Path) -> bool {
        path.strip_prefix(&self.base).is_ok_and(|rel| {
            !rel.as_os_str().is_empty()
                && self.whole.as_ref().is_some_and(|glob| glob.is_match(rel))
        })
    }

    /// Whether something below that folder can match.
    pub(super) fn may_match_below(&self, folder: &Path) -> bool {
        let Ok(rel) = folder.strip_prefix(&self.base) else {
            return self.base.starts_with(folder);
        };
        let mut parts = self.parts.iter();
        for name in rel.iter() {
            match parts.next() {
                None => return false,
                Some(Part::AnyDepth) => return true,
                Some(Part::Literal(text)) if name != text.as_str() => return false,
                Some(Part::Wild(glob)) if !glob.is_match(Path::new(name)) => return false,
                Some(_) => {}
            }
        }
        parts.next().is_some()
    }

    /// Whether it spells out, without a wildcard, the way down to that path. Only then does it
    /// name what is ignored there: `**/*.py` does not mean the libraries in `.venv`, but
    /// `dist/app.js` means that file although `dist` is ignored.
    pub(super) fn spells_out(&self, path: &Path) -> bool {
        let Ok(rel) = path.strip_prefix(&self.base) else {
            return false;
        };
        let mut parts = self.parts.iter();
        rel.iter()
            .all(|name| matches!(parts.next(), Some(Part::Literal(text)) if name == text.as_str()))
    }

    /// The deepest folder that holds everything it can match.
    pub(super) fn folder(&self) -> PathBuf {
        let mut folder = self.base.clone();
        for pair in self.parts.windows(2) {
            match pair.first() {
                Some(Part::Literal(name)) => folder.push(name),
                _ => break,
            }
        }
        folder
    }
}

impl Part {
    fn new(text: &str) -> Self {
        if !text.contains(['*', '?', '[', '{', '}', '\\']) {
            return Part::Literal(text.to_owned());
        }
        match glob(text) {
            Some(glob) if text != "**" => Part::Wild(glob),
            // What is no glob by itself is half of a `{…/…}`, which can be of any depth.
            _ => Part::AnyDepth,
        }
    }
}

fn glob(text: &str) -> Option<GlobMatcher> {
    GlobBuilder::new(text)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .ok()
        .map(|glob| glob.compile_matcher())
}
