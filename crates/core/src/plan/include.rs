//! The `include` of a sync: outside of it nothing takes part.

use std::path::Path;

use devrun_stack::ignore::GitIgnore;

use super::pattern::Pattern;

/// All patterns of one sync; none let everything in.
#[derive(Debug, Clone, Default)]
pub(super) struct Include(Vec<One>);

#[derive(Debug, Clone)]
struct One {
    whole: GitIgnore,
    /// What its last part says of a name alone; `None` where that begins with a wildcard, and so
    /// names nothing.
    last: Option<GitIgnore>,
    /// From the source on; `None` where it holds at any depth.
    anchored: Option<Pattern>,
    /// A name without wildcards that holds at any depth.
    name: Option<String>,
}

impl Include {
    pub(super) fn new(base: &Path, patterns: &[String]) -> Self {
        Self(patterns.iter().map(|text| One::new(base, text)).collect())
    }

    /// Whether that path, or a folder above it, is let in.
    pub(super) fn lets_in(&self, path: &Path, is_dir: bool) -> bool {
        self.0.is_empty() || self.0.iter().any(|one| one.matches(path, is_dir))
    }

    /// Whether something below that folder may be let in.
    pub(super) fn may_let_in_below(&self, folder: &Path) -> bool {
        self.0.is_empty() || self.0.iter().any(|one| one.may_match_below(folder))
    }

    /// Whether one of them spells out `ignored`, which lies on the way to the path, and means the
    /// path too.
    pub(super) fn names(&self, ignored: &Path, path: &Path, is_dir: bool) -> bool {
        self.0.iter().any(|one| {
            one.spells_out(ignored)
                && (one.matches(path, is_dir) || (is_dir && one.may_match_below(path)))
        })
    }

    /// Whether one of them names that file by more than a wildcard.
    pub(super) fn names_file(&self, base: &Path, path: &Path) -> bool {
        let Some(name) = path.file_name() else {
            return false;
        };
        let alone = base.join(name);
        self.0.iter().any(|one| {
            let last = one.last.as_ref();
            let says = last.and_then(|last| last.says(&alone, false));
            says.is_some_and(|says| says.ignored) && one.matches(path, false)
        })
    }
}

impl One {
    fn new(base: &Path, text: &str) -> Self {
        let single = |text: &str| GitIgnore::of_lines(base, std::iter::once(text));
        let bare = text.trim_end_matches('/');
        let anywhere = bare.strip_prefix("**/").unwrap_or(bare);
        let anchored = anywhere.contains('/');
        let last = bare.rsplit('/').next().unwrap_or(bare);
        let literal = !anywhere.contains(['*', '?', '[', '\\']);
        Self {
            whole: single(text),
            last: (!last.starts_with(['*', '?', '['])).then(|| single(last)),
            anchored: anchored.then(|| Pattern::new(base, &roomy(bare))),
            name: (literal && !anchored).then(|| anywhere.to_owned()),
        }
    }

    fn matches(&self, path: &Path, is_dir: bool) -> bool {
        let says = self.whole.says_of_any(path, is_dir);
        says.is_some_and(|says| says.ignored)
    }

    fn may_match_below(&self, folder: &Path) -> bool {
        let anchored = self.anchored.as_ref();
        anchored.is_none_or(|pattern| pattern.may_match_below(folder)) || self.matches(folder, true)
    }

    fn spells_out(&self, path: &Path) -> bool {
        let by_name = self
            .name
            .as_ref()
            .is_some_and(|name| path.file_name().is_some_and(|own| own == name.as_str()));
        by_name
            || self
                .anchored
                .as_ref()
                .is_some_and(|pattern| pattern.spells_out(path))
    }
}

/// A glob that matches no less: where Git reads a part in another way than globs do, any name. A
/// class can have slashes in it, so what begins with one can be of any depth.
fn roomy(pattern: &str) -> String {
    let mut parts = Vec::new();
    for part in pattern.split('/') {
        let only_stars = part.len() > 1 && part.bytes().all(|byte| byte == b'*');
        if only_stars || part.contains('[') {
            parts.push("**");
        } else if part.contains([']', '{', '}', '\\']) {
            parts.push("*");
        } else {
            parts.push(part);
        }
        if part.contains('[') {
            break;
        }
    }
    parts.join("/")
}
