//! What is left alone: Git's own files, editors' temporary files, what `.gitignore` and
//! `.dockerignore` say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use devrun_stack::ignore::{DockerIgnore, GitIgnore, Says};

/// Whether no rule ever wants it, whatever it says: what Git keeps, what editors write on the
/// way to a save, and what devrun itself writes on the way to a file.
pub(super) fn is_never_wanted(base: &Path, path: &Path, is_dir: bool) -> bool {
    let rel = path.strip_prefix(base).unwrap_or(path);
    let ours = |name: &str| name == ".git" || name.starts_with(".devrun-");
    rel.iter().filter_map(|name| name.to_str()).any(ours)
        || (!is_dir
            && rel
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(is_editors))
}

fn is_editors(name: &str) -> bool {
    let vim_swap = |name: &str| {
        name.rsplit_once('.').is_some_and(|(stem, end)| {
            matches!(end, "swp" | "swx")
                || (stem.starts_with('.') && end.len() == 3 && end.starts_with("sw"))
        })
    };
    name == "4913"
        || name.ends_with('~')
        || name.starts_with(".#")
        || (name.len() > 1 && name.starts_with('#') && name.ends_with('#'))
        || name.ends_with("___jb_tmp___")
        || name.ends_with("___jb_old___")
        || name.starts_with(".goutputstream-")
        || name.ends_with(".kate-swp")
        || vim_swap(name)
}

/// The first path on the way from `base` (which itself is not asked about) down to `path` for
/// which `is_ignored` says yes, as a number of steps. A folder that is ignored is not entered.
pub(super) fn first_on_the_way(
    base: &Path,
    path: &Path,
    is_dir: bool,
    mut is_ignored: impl FnMut(&Path, bool) -> bool,
) -> Option<usize> {
    let rel = path.strip_prefix(base).ok()?;
    let mut at = base.to_path_buf();
    let mut names = rel.iter().enumerate().peekable();
    while let Some((index, name)) = names.next() {
        at.push(name);
        if is_ignored(&at, names.peek().is_some() || is_dir) {
            return Some(index + 1);
        }
    }
    None
}

/// The path that many steps below `base`, on the way to `path`.
pub(super) fn step(base: &Path, path: &Path, steps: usize) -> PathBuf {
    let rel = path.strip_prefix(base).unwrap_or(Path::new(""));
    base.join(rel.iter().take(steps).collect::<PathBuf>())
}

/// All `.gitignore` files of a checkout, by their folder.
pub(super) type GitIgnores = BTreeMap<PathBuf, GitIgnore>;

/// What Git ignores below a folder.
#[derive(Debug, Clone)]
pub(super) struct GitScope {
    base: PathBuf,
    all: Arc<GitIgnores>,
    outer: bool,
}

impl GitScope {
    /// A rule that names a folder which is itself ignored means it: what ignores the folder says
    /// nothing about its content then.
    pub(super) fn new(base: &Path, all: &Arc<GitIgnores>) -> Self {
        let top = base.ancestors().last().unwrap_or(base);
        let above = Self {
            base: top.to_path_buf(),
            all: Arc::clone(all),
            outer: true,
        };
        Self {
            base: base.to_path_buf(),
            outer: above.depth(base, true).is_none(),
            all: Arc::clone(all),
        }
    }

    /// After how many steps below the base the way down to `path` meets something ignored.
    pub(super) fn depth(&self, path: &Path, is_dir: bool) -> Option<usize> {
        self.decide(path, is_dir, |_, _| {})
    }

    /// The file that ignores something on the way down to `path`, and the line by which.
    pub(super) fn decider(&self, path: &Path, is_dir: bool) -> Option<(PathBuf, usize)> {
        let mut found = None;
        self.decide(path, is_dir, |folder, says| {
            found = Some((folder.join(".gitignore"), says.line));
        });
        found
    }

    fn decide(
        &self,
        path: &Path,
        is_dir: bool,
        mut ignored_by: impl FnMut(&Path, Says<'_>),
    ) -> Option<usize> {
        let mut chain: Vec<(&PathBuf, &GitIgnore)> = Vec::new();
        if self.outer {
            let above = self.base.ancestors().skip(1);
            chain.extend(above.filter_map(|folder| self.all.get_key_value(folder)));
            chain.reverse();
        }
        chain.extend(self.all.get_key_value(&self.base));
        first_on_the_way(&self.base, path, is_dir, |at, is_dir| {
            // The nearest file that says anything decides.
            let mut nearest = chain.iter().rev();
            let verdict =
                nearest.find_map(|(folder, ignores)| Some((folder, ignores.says(at, is_dir)?)));
            if let Some((folder, says)) = verdict.filter(|(_, says)| says.ignored) {
                ignored_by(folder, says);
                return true;
            }
            if is_dir {
                chain.extend(self.all.get_key_value(at));
            }
            false
        })
    }
}

/// What the build context of a service leaves behind.
#[derive(Debug, Clone)]
pub(super) struct DockerScope {
    pub(super) context: PathBuf,
    /// Where its rules are from.
    file: Option<PathBuf>,
    rules: DockerIgnore,
}

impl DockerScope {
    pub(super) fn new(context: &Path, found: Option<(&PathBuf, &String)>) -> Self {
        Self {
            context: context.to_path_buf(),
            file: found.map(|(file, _)| file.clone()),
            rules: DockerIgnore::parse(found.map_or("", |(_, text)| text)),
        }
    }

    /// The file and the line by which a path of the context stays behind.
    pub(super) fn decider(&self, path: &Path) -> Option<(PathBuf, usize)> {
        let line = self.rules.ignored_by(self.inside(path)?)?;
        Some((self.file.clone()?, line))
    }

    /// Whether a path of the context stays behind; the context itself does not.
    pub(super) fn ignores(&self, path: &Path) -> bool {
        self.inside(path).is_some_and(|rel| self.rules.ignores(rel))
    }

    /// Whether nothing below that folder of the context reaches the build.
    pub(super) fn ignores_all_below(&self, folder: &Path) -> bool {
        self.inside(folder)
            .is_some_and(|rel| self.rules.ignores(rel) && !self.rules.may_contain_exceptions(rel))
    }

    /// Like [`GitScope::depth`], for a rule that starts at `base`.
    pub(super) fn depth(&self, base: &Path, path: &Path) -> Option<usize> {
        if self.ignores(base) || !self.ignores(path) {
            return None;
        }
        first_on_the_way(base, path, false, |at, _| self.ignores(at))
    }

    fn inside<'a>(&self, path: &'a Path) -> Option<&'a str> {
        path.strip_prefix(&self.context)
            .ok()
            .and_then(Path::to_str)
            .filter(|rel| !rel.is_empty())
    }
}
